"""Writing TIFF files: pages of full depth with all that a photo says about itself."""

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from src.images import iptc
from src.images.exif import DIRECTORIES
from src.images.metadata import IPTC_TAG, PHOTOSHOP_TAG, XMP_TAG
from src.images.photo import Page
from src.images.profiles import srgb

MAX_CLASSIC = 4_000_000_000  # bytes
ROWS_A_STRIP = 64
# Types of values.
ASCII, SHORT, LONG, UNDEFINED, DOUBLE, LONG8 = 2, 3, 4, 7, 12, 16
CLASSIC_HEADER = b"II\x2a\0\x08\0\0\0"
BIG_HEADER = b"II\x2b\0\x08\0\0\0" + bytes(8)

Tag = tuple[int, int, int, Any, bool]


def write(pages: Iterable[Page], path: Path, pixels: int) -> None:
    """Write pages one after the other. Args: pixels: of all together, which may need BigTIFF."""
    big = pixels * 8 > MAX_CLASSIC
    directories: list[dict[int, dict[int, Any]]] = []
    with tifffile.TiffWriter(path, bigtiff=big, byteorder="<") as file:
        for page in pages:
            exif = page.metadata.exif
            directories.append({tag: exif.get_ifd(tag) for tag in DIRECTORIES if exif.get_ifd(tag)})
            pointers = [(tag - 1, LONG8 if big else LONG, 1, 0, True) for tag in directories[-1]]
            samples = page.samples
            if page.alpha is not None:
                samples = np.dstack([samples, page.alpha])
            file.write(
                samples,
                photometric="rgb",
                compression="zlib",
                predictor=True,
                compressionargs={"level": 1},
                rowsperstrip=ROWS_A_STRIP,
                metadata=None,
                extrasamples=None if page.alpha is None else ["unassalpha"],
                iccprofile=srgb(),
                resolution=page.metadata.dpi,
                resolutionunit="INCH" if page.metadata.dpi else "NONE",
                software=False,
                extratags=[*_tags(page), *pointers],
            )
            del page, samples  # so that no two pages are in memory
    _append_directories(path, directories, big=big)


def _tags(page: Page) -> list[Tag]:
    told = page.metadata
    tags = {tag: value for tag, value in told.exif.items() if tag not in DIRECTORIES}
    others = {number: said for number, said in told.photoshop.items() if number != iptc.IPTC}
    tags |= {XMP_TAG: told.xmp, IPTC_TAG: told.iptc, PHOTOSHOP_TAG: iptc.joined(others)}
    return [_tag(tag, value) for tag, value in (tags | dict(told.geo)).items() if value != b""]


def _tag(tag: int, value: Any) -> Tag:
    if isinstance(value, str):
        content = value.encode() + b"\0"
        return tag, ASCII, len(content), content, True
    if isinstance(value, bytes):
        return tag, UNDEFINED, len(value), value, True
    values = value if isinstance(value, tuple) else (value,)
    if all(isinstance(value, int) and 0 <= value < 1 << 32 for value in values):
        return tag, SHORT if max(values) < 1 << 16 else LONG, len(values), values, True
    return tag, DOUBLE, len(values), tuple(map(float, values)), True


def _append_directories(path: Path, pages: list[dict[int, dict[int, Any]]], *, big: bool) -> None:
    """Write EXIF and GPS, which are directories of their own, and point each page at them.

    tifffile would follow pointers that lead nowhere yet: in their place each page has a tag of the
    number before, which no one uses.
    """
    with tifffile.TiffFile(path, mode="r+") as file:
        for page, directories in zip(file.pages, pages, strict=True):
            assert isinstance(page, tifffile.TiffPage | tifffile.TiffFrame)
            for tag, content in directories.items():
                directory = TiffImagePlugin.ImageFileDirectory_v2(
                    BIG_HEADER if big else CLASSIC_HEADER, group=tag
                )
                directory.update(content)
                pointer = page.aspage().tags[tag - 1]
                handle = file.filehandle
                offset = handle.seek(0, io.SEEK_END)
                offset += offset % 2  # directories begin at even places
                handle.seek(offset)
                handle.write(directory.tobytes(offset))
                handle.seek(pointer.offset)
                handle.write(struct.pack("<H", tag))
                handle.seek(pointer.valueoffset)
                handle.write(struct.pack("<Q" if big else "<L", offset))
