"""ICC profiles: from what a file's samples mean to sRGB."""

import struct
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import ImageCms

STRIP = 256  # rows; a whole scan at once would be in memory twice
# Of 255. Makers of sRGB profiles round its curve in their own ways: such a difference is none.
SAME = 0.75
GREY, RGB, CMYK, LAB = b"GRAY", b"RGB ", b"CMYK", b"Lab "  # in the words of a profile's header
NAMES = {GREY: "gray", RGB: "rgb", CMYK: "cmyk", LAB: "lab"}  # in those of imagecodecs
DATE = slice(24, 36)  # of a header: year, month, day, hour, minute and second, of 16 bits each
DATED = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


@cache
def srgb() -> bytes:
    """The profile that every written file carries: the same bytes whenever it is made."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[DATE] = DATED  # LittleCMS puts the present second there
    return bytes(made)


@cache
def lab() -> bytes:
    """The profile of CIE Lab as files hold it (D50)."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@lru_cache(maxsize=16)
def of_numbers(gamma: float | None, primaries: tuple[float, ...] = SRGB_PRIMARIES) -> bytes:
    """Make a profile that a file describes in numbers.

    Args:
        gamma: of its curve; None is sRGB's own.
        primaries: x and y of white, red, green and blue.
    Raises: RuntimeError, ValueError: if there is no such profile.
    """
    import imagecodecs

    values = np.linspace(0, 1, 4096)
    if gamma is None:
        light = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    else:
        light = values**gamma
    return imagecodecs.cms_profile(
        "rgb",
        whitepoint=(*primaries[:2], 1.0),
        primaries=[*primaries[2:4], 1.0, *primaries[4:6], 1.0, *primaries[6:8], 1.0],
        transferfunction=(light * 65535).round().astype(np.uint16),
    )


def to_srgb(samples: NDArray[Any], space: bytes, profile: bytes | None) -> NDArray[Any]:
    """Convert samples to gamma-encoded sRGB.

    A profile that is broken, or of another space, is passed over. That of RGB holds for grey too:
    value v means (v, v, v).

    Args:
        samples: uint8 or uint16; may be changed in place.
        space: GREY for (h, w), RGB or LAB for (h, w, 3), CMYK for (h, w, 4) of ink.
        profile: as it lies in the file.
    Returns: (h, w) of grey, or (h, w, 3).
    """
    if space == GREY:
        table = _greys(profile, samples.dtype)
        return samples if table is None else table[samples]
    if space == LAB:
        profile = lab()
    if profile and _converts(profile, space):
        return _in_strips(samples, lambda strip: _transformed(strip, space, profile))
    return samples if space == RGB else _in_strips(samples, _without_profile)


def is_srgb(space: bytes, profile: bytes | None) -> bool:
    """Tell whether samples of 8 bits, of GREY or RGB, mean sRGB as they are."""
    if space == GREY:
        return _greys(profile, np.uint8) is None
    return not profile or not _converts(profile, space)


@lru_cache(maxsize=16)
def _greys(profile: bytes | None, kind: DTypeLike) -> NDArray[Any] | None:
    """What each value of grey becomes; None where it stays."""
    values: NDArray[Any] = np.arange(np.iinfo(kind).max + 1, dtype=kind)[None]
    if not profile:
        return None
    if _converts(profile, GREY):
        converted = _transformed(values, GREY, profile)
    elif _converts(profile, RGB):
        converted = _transformed(np.dstack([values] * 3), RGB, profile)
    else:
        return None
    return np.ascontiguousarray(converted[0, :, 1])


@lru_cache(maxsize=16)
def _converts(profile: bytes, space: bytes) -> bool:
    """Whether a profile is one of this space, and moves any of its values."""
    if profile[16:20] != space:
        return False
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    values = ramp[None]
    if space != GREY:
        steps = ramp[::51]
        channels = 4 if space == CMYK else 3
        grid = np.stack(np.meshgrid(*[steps] * channels), axis=-1).reshape(1, -1, channels)
        values = np.hstack([grid, np.dstack([ramp[None]] * channels)])
    try:
        converted = _transformed(values, space, profile).astype(float)
    except (RuntimeError, ValueError):  # of imagecodecs: the profile is broken
        return False
    if space in (CMYK, LAB):
        return True
    values = values if values.ndim == 3 else values[..., None]
    return bool(np.abs(converted - values).max() > SAME * 257)


def _transformed(samples: NDArray[Any], space: bytes, profile: bytes) -> NDArray[Any]:
    import imagecodecs

    return imagecodecs.cms_transform(
        samples,
        profile,
        srgb(),
        colorspace=NAMES[space],
        outcolorspace="rgb",
        outdtype=samples.dtype,
    )


def _in_strips(samples: NDArray[Any], convert: Any) -> NDArray[Any]:
    if samples.shape[2] == 3:
        converted = np.require(samples, requirements=["C", "W"])
    else:
        converted = np.empty((*samples.shape[:2], 3), samples.dtype)
    for top in range(0, len(samples), STRIP):
        strip = np.ascontiguousarray(samples[top : top + STRIP])
        converted[top : top + STRIP] = convert(strip)
    return converted


def _without_profile(cmyk: NDArray[Any]) -> NDArray[Any]:
    most = np.iinfo(cmyk.dtype).max
    light = 1 - cmyk.astype(np.float32) / most
    return (light[..., :3] * light[..., 3:] * most).round().astype(cmyk.dtype)
