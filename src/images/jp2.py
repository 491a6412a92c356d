"""What JPEG 2000's boxes say beside the pixels, which Pillow does not read."""

from collections.abc import Iterator
from io import BufferedReader, BytesIO
from typing import Any

from PIL import Image

from src.images.faults import UnreadableImageError, require_safe
from src.images.metadata import geo_of

XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
EXIF = b"JpgTiffExif->JP2"
GEO = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")  # a GeoTIFF of one pixel
NAMES = {XMP: "xmp", IPTC: "iptc", EXIF: "exif", GEO: "geo"}
CODESTREAM = b"\xff\x4f\xff\x51"
EMBEDDED_PROFILE = 2
MAX_BOX = 1 << 26  # bytes


def info(file: BufferedReader | BytesIO) -> dict[str, Any]:
    """Read what Pillow's `info` lacks.

    Returns: icc_profile, xmp, exif, iptc and geo (tags) where they are there; where the codestream
        begins, and the bits of its samples.
    """
    found: dict[str, Any] = {}
    file.seek(0)
    if file.read(4) == CODESTREAM:
        return {"codestream": 0, "bits": _bits(file, 0)}
    for kind, start, length in _boxes(file, 0):
        if kind == b"uuid" and 16 < length < MAX_BOX:
            name = NAMES.get(file.read(16))
            if name:
                found[name] = file.read(length - 16)
        elif kind == b"jp2h":
            for inner, _, size in _boxes(file, start, start + length):
                if inner == b"colr" and file.read(3)[:1] == bytes([EMBEDDED_PROFILE]):
                    found["icc_profile"] = file.read(min(size - 3, MAX_BOX))
        elif kind == b"jp2c":
            found |= {"codestream": start, "bits": _bits(file, start)}
    if "geo" in found:
        tags = Image.Exif()
        tags.load(found["geo"])
        found["geo"] = geo_of(tags)
    return found


def _boxes(
    file: BufferedReader | BytesIO, at: int, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield each box's kind, where its content starts, and its length; the file stands there."""
    end = file.seek(0, 2) if end is None else end
    while at + 8 <= end:
        file.seek(at)
        head = file.read(8)
        length, start = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:
            length, start = int.from_bytes(file.read(8), "big"), at + 16
        after = at + length if length else end
        if not start <= after <= end:
            return
        yield head[4:], start, after - start
        at = after


def _bits(file: BufferedReader | BytesIO, start: int) -> int:
    """Read them from the first segment. Raises: as `require_safe`: its size is what is decoded."""
    file.seek(start + 8)
    size = file.read(35)
    width, height, left, top = (int.from_bytes(size[at : at + 4], "big") for at in (0, 4, 8, 12))
    require_safe(width - left, height - top)
    bits = (int.from_bytes(size[34:], "big") & 0x7F) + 1
    if bits > 16:
        raise UnreadableImageError(f"samples of {bits} bits: expected at most 16")
    return bits
