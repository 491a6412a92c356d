"""What a file says about a picture, wherever it says it."""

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image

from src.images import exif as exif_
from src.images import iptc
from src.images.raster import SIDEWAYS

EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"  # how such a segment of a JPEG begins
PHOTOSHOP = b"Photoshop 3.0\0"  # likewise
BLOCKS = XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG = 700, 33723, 34377
GDAL_METADATA = 42112
STATISTICS = re.compile(r'<Item[^>]*name="STATISTICS_[^>]*>[^<]*</Item>\s*')
# GeoTIFF's, those of its forerunner and of satellites, and GDAL's value of what is no ground.
GEO_TAGS = (33550, 33920, 33922, 34264, 34735, 34736, 34737, GDAL_METADATA, 42113, 50844)
RAW_PROFILE = "Raw profile type "  # how ImageMagick and others keep in PNG what has no place there
PNG_XMP = "XML:com.adobe.xmp"
# Copies of EXIF, and facts about the file.
TECHNICAL_TEXT = (RAW_PROFILE, PNG_XMP, "Thumb::", "date:", "exif:", "icc:", "png:", "tiff:")


@dataclass(frozen=True)
class Metadata:
    """What a file says about a picture.

    Attributes:
        exif: without orientation, which is applied when pixels are read, and thumbnail.
        xmp: the packet, empty where there is none.
        extended_xmp: RDF that one segment of a JPEG could not hold beside it.
        photoshop: resources by number; IPTC's records are one of them.
        comments: of a JPEG or GIF, in whatever encoding.
        text: of a PNG, by keyword.
        geo: tags that say where on earth each pixel lies.
        dpi: pixels per inch across and down, where it is known.
        turned: whether the pixels do not stand as they lay in the file.
    """

    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes = b""
    extended_xmp: bytes = b""
    photoshop: Mapping[int, bytes] = field(default_factory=dict)
    comments: tuple[bytes, ...] = ()
    text: Mapping[str, str] = field(default_factory=dict)
    geo: Mapping[int, Any] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None
    turned: bool = False

    @property
    def iptc(self) -> bytes:
        return self.photoshop.get(iptc.IPTC, b"")


def of_image(image: Image.Image) -> Metadata:
    """Read what Pillow knows of an open picture whose pixels have been read."""
    exif = image.getexif()
    text = getattr(image, "text", {})
    xmp = image.info.get("xmp") or _raw_profile(text, "xmp")
    segments: list[tuple[str, bytes]] = getattr(image, "applist", [])
    photoshop = b"".join(
        content.removeprefix(PHOTOSHOP) for _, content in segments if content.startswith(PHOTOSHOP)
    )
    photoshop = (
        photoshop
        or image.info.get("iptc")
        or _raw_profile(text, "8bim")
        or _raw_profile(text, "iptc")
    )
    comments = [content for name, content in segments if name == "COM"]
    if not comments and isinstance(told := image.info.get("comment"), bytes | str):
        comments = [told.encode() if isinstance(told, str) else told]
    across, down = image.info.get("dpi", (0, 0))
    return Metadata(
        exif=exif_.kept(exif),
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        extended_xmp=_extended_xmp(content for _, content in segments),
        photoshop=_photoshop(photoshop, b""),
        comments=tuple(comments),
        geo=image.info.get("geo", {}),
        text={key: value for key, value in text.items() if not key.startswith(TECHNICAL_TEXT)},
        dpi=_upright(exif_.known(float(across), float(down)) or exif_.resolution(exif), exif),
        turned=_is_turned(exif),
    )


def of_tiff(exif: Image.Exif, blocks: Mapping[int, bytes]) -> Metadata:
    """Read what a directory of a TIFF says, which holds everything as tags.

    Args: blocks: bytes of those of BLOCKS that it has.
    """
    return Metadata(
        exif=exif_.kept(exif),
        xmp=blocks.get(XMP_TAG, b""),
        photoshop=_photoshop(blocks.get(PHOTOSHOP_TAG, b""), _in_order(blocks.get(IPTC_TAG, b""))),
        geo=geo_of(exif),
        dpi=_upright(exif_.resolution(exif), exif),
        turned=_is_turned(exif),
    )


def geo_of(exif: Image.Exif) -> dict[int, Any]:
    """Return the tags that say where on earth a picture lies; GDAL's without the old statistics."""
    found = {tag: exif[tag] for tag in GEO_TAGS if tag in exif}
    if isinstance(items := found.get(GDAL_METADATA), str):
        found[GDAL_METADATA] = STATISTICS.sub("", items)
    # Their bytes are kept: other tags count them.
    return {tag: exif_.Text(own) if isinstance(own, str) else own for tag, own in found.items()}


def _upright(dpi: tuple[float, float] | None, exif: Image.Exif) -> tuple[float, float] | None:
    return dpi[::-1] if dpi and exif.get(ExifTags.Base.Orientation) in SIDEWAYS else dpi


def _is_turned(exif: Image.Exif) -> bool:
    return exif.get(ExifTags.Base.Orientation, 1) in range(2, 9)


def _photoshop(content: bytes, iim: bytes) -> dict[int, bytes]:
    if content.startswith(b"\x1c"):
        content, iim = b"", content
    found = iptc.resources(content)
    iim = iptc.without_stale(iim or found.pop(iptc.IPTC, b""))
    return {**found, iptc.IPTC: iim} if iim else found


def _in_order(iim: bytes) -> bytes:
    """Mend IPTC's bytes where a program has taken them for words of 32 bits, and turned these."""
    if iim[:1] != b"\x1c" and iim[3:4] == b"\x1c" and len(iim) % 4 == 0:
        return struct.pack(f">{len(iim) // 4}L", *struct.unpack(f"<{len(iim) // 4}L", iim))
    return iim


def _extended_xmp(segments: Iterable[bytes]) -> bytes:
    parts = [part.removeprefix(EXTENDED_XMP) for part in segments if part.startswith(EXTENDED_XMP)]
    # Each begins with a digest of 32 bytes, the whole's length, and where it belongs.
    return b"".join(part[40:] for part in sorted(parts, key=lambda part: part[36:40]))


def _raw_profile(text: Mapping[str, str], name: str) -> bytes:
    """Read what a PNG holds in hexadecimal: a line with its name, one with its length, digits."""
    parts = text.get(RAW_PROFILE + name, "").split()
    try:
        return bytes.fromhex("".join(parts[2:]))
    except ValueError:
        return b""
