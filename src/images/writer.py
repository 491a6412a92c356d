"""Writing pictures with their metadata, always tagged as sRGB."""

import hashlib
import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from src import files
from src.errors import UserError
from src.images.photo import EXTENDED_XMP, IPTC_BLOCK, Metadata, Page
from src.images.profiles import srgb

# Pillow's own settings would move L by 1 and halve the resolution of ab.
JPEG = {"quality": 95, "subsampling": 0}
# On Kodak's pictures 95 moves L by 0.5, 98 by 0.3, and 99 by 0.2, for twice the bytes of 95.
FAITHFUL_JPEG = {"quality": 99, "subsampling": 0}
# Lossy WebP always halves the resolution of ab.
WEBP = {"lossless": True, "method": 0, "quality": 0, "exact": True}
MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
MAX_SEGMENT = 65_502  # bytes of EXIF, XMP or IPTC that a segment of a JPEG can hold
MAX_PART = 65_000  # of extended XMP, which has several
MAX_CLASSIC_TIFF = 4_000_000_000
# What describes a photograph; the rest of a TIFF's first directory describes its samples.
DESCRIPTIVE = {
    ExifTags.Base.DocumentName, ExifTags.Base.ImageDescription, ExifTags.Base.Make,
    ExifTags.Base.Model, ExifTags.Base.PageName, ExifTags.Base.Software, ExifTags.Base.DateTime,
    ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent, ExifTags.Base.Copyright, ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment, ExifTags.Base.XPAuthor, ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject, ExifTags.Base.ProcessingSoftware,
}  # fmt: skip
PNG_HEADER = 33  # bytes of the signature and the first chunk
ROWS_A_STRIP = 64
BYTE, ASCII, SHORT, LONG, LONG8 = 1, 2, 3, 4, 16  # TIFF's types of values
CLASSIC_HEADER = b"II\x2a\0\x08\0\0\0"
BIG_HEADER = b"II\x2b\0\x08\0\0\0" + bytes(8)
DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
XMP_TAG = 700


def write_image(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix, JPEG at quality 95 and 4:4:4, whole or not."""
    form = Image.registered_extensions()[path.suffix.lower()]
    # In memory first: on a full disk Pillow takes a part that was written for everything.
    encoded = io.BytesIO()
    image.save(encoded, form, **(JPEG if form == "JPEG" else {}))
    with files.whole(path) as partial:
        partial.write_bytes(encoded.getbuffer())


def write_pages(pages: Iterable[Page], path: Path, form: str, pixels: int) -> None:
    """Write coloured pages, whole or not at all.

    Args:
        pages: of which a TIFF takes all, any other format one; samples of (h, w, 3).
        form: JPEG (8 bits, alpha laid over white), PNG, TIFF or WEBP (8 bits, lossless).
        pixels: of all pages together.
    Raises: UserError: if the format cannot hold the picture.
    """
    with files.whole(path) as partial:
        if form == "TIFF":
            _write_tiff(pages, partial, big=pixels * 8 > MAX_CLASSIC_TIFF)
            return
        (page,) = pages
        height, width = page.samples.shape[:2]
        if max(height, width) > MAX_SIDE.get(form, height + width):
            raise UserError(
                f"{width}x{height} pixels are more than {form} holds, {MAX_SIDE[form]} a side: "
                "choose --format png or tiff"
            )
        with partial.open("wb") as file:
            if form == "PNG":
                _write_png(page, file)
            else:
                _write_eight_bit(page, file, form)


def _write_eight_bit(page: Page, file: BinaryIO, form: str) -> None:
    samples, alpha = eight_bit(page.samples), page.alpha
    if alpha is not None:
        rgba = Image.fromarray(np.dstack([samples, eight_bit(alpha)]))
        white = Image.new("RGBA", rgba.size, "white")
        image = rgba if form == "WEBP" else Image.alpha_composite(white, rgba).convert("RGB")
    else:
        image = Image.fromarray(samples)
    # In memory first: given a file, Pillow says nothing of why writing to it failed.
    encoded = io.BytesIO()
    options: dict[str, Any] = WEBP
    if form == "JPEG":
        extra = _iptc(page.metadata) + _extended_xmp(page.metadata.extended_xmp)
        options = FAITHFUL_JPEG | {"extra": extra}
    image.save(encoded, form, **options, **_told(page.metadata))
    file.write(encoded.getbuffer())


def _iptc(metadata: Metadata) -> bytes:
    """The segment of a JPEG that holds IPTC's records, in one of Photoshop's resources."""
    records = metadata.iptc
    if not 0 < len(records) < MAX_SEGMENT:
        return b""
    block = struct.pack(">4sHHI", b"8BIM", IPTC_BLOCK, 0, len(records)) + records
    segment = b"Photoshop 3.0\0" + block + bytes(len(records) % 2)
    return b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment


def _extended_xmp(rdf: bytes) -> bytes:
    """The segments of a JPEG that hold what one cannot (XMP specification, part 3, 1.1.3.1)."""
    digest = hashlib.md5(rdf, usedforsecurity=False).hexdigest().upper().encode()
    segments = b""
    for offset in range(0, len(rdf), MAX_PART):
        segment = EXTENDED_XMP + digest + struct.pack(">II", len(rdf), offset)
        segment += rdf[offset : offset + MAX_PART]
        segments += b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    return segments


def _told(metadata: Metadata) -> dict[str, Any]:
    """What Pillow's writers take of the metadata."""
    told: dict[str, Any] = {"icc_profile": srgb(), "exif": _exif(metadata).tobytes()}
    if metadata.xmp:
        told["xmp"] = metadata.xmp
    if metadata.dpi:
        told["dpi"] = metadata.dpi
    return told


def _exif(metadata: Metadata) -> Image.Exif:
    """Keep what is still true of a coloured, upright sRGB picture."""
    exif = Image.Exif()
    exif.update({tag: value for tag, value in metadata.exif.items() if tag in DESCRIPTIVE})
    for directory in DIRECTORIES:
        if content := metadata.exif.get_ifd(directory):
            exif.get_ifd(directory).update(content)
    taken = exif.get_ifd(ExifTags.IFD.Exif)
    for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight, ExifTags.IFD.Interop):
        taken.pop(tag, None)
    if ExifTags.Base.ColorSpace in taken:
        taken[ExifTags.Base.ColorSpace] = 1  # sRGB
    while len(exif.tobytes()) > MAX_SEGMENT:  # without the largest, usually the camera maker's
        where, largest = max(
            ((part, tag) for part in (exif, taken) for tag in part if tag not in DIRECTORIES),
            key=lambda found: len(str(found[0][found[1]])),
        )
        del where[largest]
    return exif


def _write_png(page: Page, file: BinaryIO) -> None:
    import imagecodecs

    samples = page.samples
    if page.alpha is not None:
        samples = np.dstack([samples, page.alpha])
    # Nearly as small as zlib's best, several times as fast.
    encoded = imagecodecs.png_encode(
        np.ascontiguousarray(samples), level=1, strategy=imagecodecs.PNG.STRATEGY.RLE,
        filter=imagecodecs.PNG.FILTER.SUB,
    )  # fmt: skip
    # Pillow knows how metadata are written in PNG, and imagecodecs 16-bit colour: what Pillow
    # puts between the header and the pixels of a picture of one pixel belongs here too.
    told = _told(page.metadata)
    text = PngImagePlugin.PngInfo()
    if xmp := told.pop("xmp", b""):
        text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    shell = io.BytesIO()
    Image.new("RGB", (1, 1)).save(shell, "PNG", pnginfo=text, **told)
    chunks = shell.getvalue()
    file.write(encoded[:PNG_HEADER])
    file.write(chunks[PNG_HEADER : chunks.index(b"IDAT") - 4])
    file.write(memoryview(encoded)[PNG_HEADER:])


def _write_tiff(pages: Iterable[Page], path: Path, *, big: bool) -> None:
    import tifffile

    directories: list[dict[int, dict[int, Any]]] = []
    with tifffile.TiffWriter(path, bigtiff=big, byteorder="<") as file:
        for page in pages:
            exif = _exif(page.metadata)
            tags = [_tag(tag, value) for tag, value in exif.items() if tag not in DIRECTORIES]
            directories.append({tag: exif.get_ifd(tag) for tag in DIRECTORIES if exif.get_ifd(tag)})
            tags += [(tag - 1, LONG8 if big else LONG, 1, 0, True) for tag in directories[-1]]
            if xmp := page.metadata.xmp:
                tags.append((XMP_TAG, BYTE, len(xmp), xmp, True))
            samples = page.samples
            if page.alpha is not None:
                samples = np.dstack([samples, page.alpha])
            file.write(
                samples, photometric="rgb", compression="zlib", predictor=True,
                compressionargs={"level": 1}, rowsperstrip=ROWS_A_STRIP, metadata=None,
                extrasamples=None if page.alpha is None else ["unassalpha"], iccprofile=srgb(),
                resolution=page.metadata.dpi, resolutionunit="INCH", software=False,
                extratags=tags,
            )  # fmt: skip
            del page, samples  # so that no two pages are in memory
    _append_directories(path, directories, big=big)


def _tag(tag: int, value: Any) -> tuple[int, int, int, Any, bool]:
    if isinstance(value, int):
        return tag, SHORT, 1, value, True
    content = value.encode() + b"\0" if isinstance(value, str) else bytes(value)
    return tag, ASCII if isinstance(value, str) else BYTE, len(content), content, True


def _append_directories(path: Path, pages: list[dict[int, dict[int, Any]]], *, big: bool) -> None:
    """Write EXIF and GPS, which are directories of their own, and point each page at them.

    tifffile would follow pointers that lead nowhere yet: in their place each page has a tag of the
    number before, which no one uses.
    """
    import tifffile

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


def eight_bit(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Round 16-bit samples to 8 bits."""
    if samples.dtype == np.uint8:
        return samples
    rounded = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), ROWS_A_STRIP):
        strip = samples[top : top + ROWS_A_STRIP].astype(np.uint32)
        rounded[top : top + ROWS_A_STRIP] = (strip + 257 // 2) // 257
    return rounded
