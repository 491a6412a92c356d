"""ICC profiles made by hand, of every kind that pictures come with."""

from collections.abc import Callable

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]
# Colorants as profiles hold them, adapted to D50.
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PRO_PHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03135, 0.00009, 0.82491))
D50 = (0.96420, 1.0, 0.82491)


def linear(values: np.ndarray) -> np.ndarray:
    return values


def gamma(exponent: float) -> Curve:
    return lambda values: values**exponent


def srgb_curve(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)


def dot_gain(values: np.ndarray) -> np.ndarray:
    """Light reflected where ink spreads by a fifth in the middle tones."""
    ink = 1 - values
    return 1 - np.minimum(1, ink + 0.2 * 4 * ink * (1 - ink))


def grey(curve: Curve, name: str = "grey", version: int = 2) -> bytes:
    return _profile(b"GRAY", name, version, {b"kTRC": _sampled(curve)})


def rgb(
    colorants: tuple[tuple[float, ...], ...],
    curve: Curve | bytes,
    name: str = "rgb",
    version: int = 2,
) -> bytes:
    tags = {
        f"{channel}XYZ".encode(): _xyz(xyz) for channel, xyz in zip("rgb", colorants, strict=True)
    }
    tags |= {
        f"{channel}TRC".encode(): curve if isinstance(curve, bytes) else _sampled(curve)
        for channel in "rgb"
    }
    return _profile(b"RGB ", name, version, tags)


def opponent(rgb: np.ndarray, strength: float) -> np.ndarray:
    """Lab of some device: colours that no formula of the program's own makes."""
    a, b = rgb[:, 0] - rgb[:, 1], rgb[:, 1] - rgb[:, 2]
    return np.stack([100 * rgb.mean(axis=1), strength * a, strength * b], axis=1)


def parametric(*parameters: float) -> bytes:
    """A curve of version 4, such as sRGB's with five parameters."""
    kind = {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(parameters)]
    return b"para" + bytes(4) + kind.to_bytes(2, "big") + bytes(2) + _fixed(parameters)


def table(space: bytes, to_lab: Callable[[np.ndarray], np.ndarray], channels: int) -> bytes:
    """A profile of a table, as printers and scanners have them: `mft2`, of 5 steps a channel."""
    steps = 5
    axes = np.meshgrid(*[np.linspace(0, 1, steps)] * channels, indexing="ij")
    lab = to_lab(np.stack(axes, axis=-1).reshape(-1, channels))
    encoded = np.stack(
        [lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], axis=-1
    )
    lines = np.array([0, 65535], ">u2").tobytes()
    body = b"mft2" + bytes(4) + bytes([channels, 3, steps, 0])
    body += _fixed((1, 0, 0, 0, 1, 0, 0, 0, 1)) + np.array([2, 2], ">u2").tobytes()
    body += lines * channels + encoded.round().clip(0, 65535).astype(">u2").tobytes() + lines * 3
    return _profile(space, "table", 2, {b"A2B0": body}, kind=b"prtr", connection=b"Lab ")


def _sampled(curve: Curve) -> bytes:
    values = (curve(np.linspace(0, 1, 1024)) * 65535).round().astype(">u2")
    return b"curv" + bytes(4) + len(values).to_bytes(4, "big") + values.tobytes()


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: tuple[float, ...]) -> bytes:
    return (np.array(values) * 65536).round().astype(">i4").tobytes()


def _profile(
    space: bytes,
    name: str,
    version: int,
    tags: dict[bytes, bytes],
    kind: bytes = b"mntr",
    connection: bytes = b"XYZ ",
) -> bytes:
    if version == 2:
        ascii_name = name.encode() + b"\0"
        told = b"desc" + bytes(4) + len(ascii_name).to_bytes(4, "big") + ascii_name + bytes(78)
    else:
        wide = name.encode("utf-16-be")
        told = b"mluc" + bytes(4) + (1).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"enUS"
        told += len(wide).to_bytes(4, "big") + (28).to_bytes(4, "big") + wide
    tags = {b"desc": told, b"wtpt": _xyz(D50)} | tags
    start = 128 + 4 + 12 * len(tags)
    entries, body = len(tags).to_bytes(4, "big"), b""
    for tag, content in tags.items():
        entries += tag + (start + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content + bytes(-len(content) % 4)
    header = bytearray(128)
    header[0:4] = (start + len(body)).to_bytes(4, "big")
    header[8:12] = bytes([version, 0x10 if version == 2 else 0x30, 0, 0])
    header[12:24], header[36:40] = kind + space + connection, b"acsp"
    header[68:80] = _fixed(D50)
    return bytes(header) + entries + body
