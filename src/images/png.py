"""What the chunks of a PNG say of its colours, beside an ICC profile."""

from collections.abc import Mapping
from io import BufferedReader, BytesIO
from typing import Any

from src.images import profiles

SIGNATURE = 8  # bytes
GAMMA_OF_SRGB = (1 / 2.4, 1 / 2.1)  # writers mean sRGB by 1 / 2.2, and round it
# ITU-T H.273: what cICP names by numbers. White, red, green, blue.
PRIMARIES = {
    1: profiles.SRGB_PRIMARIES,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
GAMMAS = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}


def profile(file: BufferedReader | BytesIO, info: Mapping[Any, Any]) -> bytes | None:
    """Return the ICC profile of what chunks say in numbers, None where they say nothing more.

    cICP goes before iCCP, that before sRGB, and that before gAMA and cHRM (PNG 3, 4.3).

    Args: info: what Pillow read.
    """
    if (named := _coding(file)) is not None:
        primaries, curve = named
        return _made(GAMMAS.get(curve), PRIMARIES.get(primaries, profiles.SRGB_PRIMARIES))
    if "icc_profile" in info or "srgb" in info or not info.get("gamma"):
        return None
    gamma = float(info["gamma"])
    primaries = info.get("chromaticity", profiles.SRGB_PRIMARIES)
    low, high = GAMMA_OF_SRGB
    return _made(None if low < gamma < high else 1 / gamma, tuple(primaries))


def _made(gamma: float | None, primaries: tuple[float, ...]) -> bytes | None:
    try:
        return profiles.of_numbers(gamma, primaries)
    except (RuntimeError, ValueError, ZeroDivisionError):  # primaries that cannot be
        return None


def _coding(file: BufferedReader | BytesIO) -> tuple[int, int] | None:
    """Read cICP's primaries and curve; it stands before the pixels."""
    file.seek(SIGNATURE)
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"cICP" and length == 4:
            primaries, curve, _, _ = file.read(4)
            return primaries, curve
        file.seek(length + 4, 1)
    return None
