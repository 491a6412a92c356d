"""Writing pictures with their metadata, always tagged as sRGB."""

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from src import files
from src.errors import UserError
from src.images import iptc
from src.images.metadata import EXTENDED_XMP, PHOTOSHOP, PNG_XMP, RAW_PROFILE, Metadata
from src.images.photo import Page, eight_bit, over_white
from src.images.profiles import srgb

# Pillow's own settings would move L by 1 and halve the resolution of ab.
JPEG = {"quality": 95, "subsampling": 0}
# On Kodak's pictures 95 moves L by 0.5, 98 by 0.3, and 99 by 0.2, for twice the bytes of 95.
FAITHFUL_JPEG: dict[str, Any] = {"quality": 99, "subsampling": 0}
# Lossy WebP always halves the resolution of ab.
WEBP: dict[str, Any] = {"lossless": True, "method": 0, "quality": 0, "exact": True}
LOSSY_WEBP: dict[str, Any] = {"exact": True}
MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
MAX_PART = 65_000  # bytes of a JPEG's segment, beside what says what it is
APP1, APP13, COMMENT = b"\xff\xe1", b"\xff\xed", b"\xff\xfe"
PNG_HEADER = 33  # bytes of the signature and the first chunk


def write_image(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix, JPEG at quality 95 and 4:4:4, whole or not."""
    form = Image.registered_extensions()[path.suffix.lower()]
    # In memory first: on a full disk Pillow takes a part that was written for everything.
    encoded = io.BytesIO()
    image.save(encoded, form, **(JPEG if form == "JPEG" else {}))
    with files.whole(path) as partial:
        partial.write_bytes(encoded.getbuffer())


def write_pages(
    pages: Iterable[Page], path: Path, form: str, pixels: int, quality: int | None = None
) -> None:
    """Write coloured pages, whole or not at all.

    Args:
        pages: of which a TIFF takes all, any other format one; samples of (h, w, 3).
        form: JPEG (8 bits, alpha laid over white), PNG, TIFF or WEBP (8 bits, lossless).
        pixels: of all pages together.
        quality: of JPEG, and of WebP, which is lossy with it; None is nearly all, and all there is.
    Raises: UserError: if the format cannot hold the picture.
    """
    with files.whole(path) as partial:
        if form == "TIFF":
            from src.images import tiff_writer

            tiff_writer.write(pages, partial, pixels)
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
                _write_eight_bit(page, file, form, quality)


def _write_eight_bit(page: Page, file: BinaryIO, form: str, quality: int | None) -> None:
    if form == "WEBP" and page.alpha is not None:
        image = Image.fromarray(np.dstack([eight_bit(page.samples), eight_bit(page.alpha)]))
    else:
        image = over_white(page.samples, page.alpha)
    # In memory first: given a file, Pillow says nothing of why writing to it failed.
    encoded = io.BytesIO()
    if form == "JPEG":
        options = FAITHFUL_JPEG | {"extra": _segments(page.metadata)}
    else:
        options = WEBP if quality is None else LOSSY_WEBP
    if quality is not None:
        options = options | {"quality": quality}
    image.save(encoded, form, **options, **_told(page.metadata))
    file.write(encoded.getbuffer())


def _segments(metadata: Metadata) -> bytes:
    """What Pillow does not write of a JPEG's metadata."""
    rdf = metadata.extended_xmp
    digest = hashlib.md5(rdf, usedforsecurity=False).hexdigest().upper().encode()
    extended = [
        EXTENDED_XMP + digest + struct.pack(">LL", len(rdf), offset) + part
        for offset, part in _parts(rdf)
    ]
    resources = [PHOTOSHOP + part for _, part in _parts(iptc.joined(metadata.photoshop))]
    comments = [part for comment in metadata.comments for _, part in _parts(comment)]
    return b"".join(
        marker + struct.pack(">H", len(segment) + 2) + segment
        for marker, segments in ((APP1, extended), (APP13, resources), (COMMENT, comments))
        for segment in segments
    )


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    for offset in range(0, len(content), MAX_PART):
        yield offset, content[offset : offset + MAX_PART]


def _told(metadata: Metadata) -> dict[str, Any]:
    """What Pillow's writers take of the metadata."""
    told: dict[str, Any] = {"icc_profile": srgb(), "exif": metadata.exif.tobytes()}
    if metadata.xmp:
        told["xmp"] = metadata.xmp
    if metadata.dpi:
        told["dpi"] = metadata.dpi
    return told


def _write_png(page: Page, file: BinaryIO) -> None:
    import imagecodecs

    samples = page.samples
    if page.alpha is not None:
        samples = np.dstack([samples, page.alpha])
    # Nearly as small as zlib's best, several times as fast.
    encoded = imagecodecs.png_encode(
        np.ascontiguousarray(samples),
        level=1,
        strategy=imagecodecs.PNG.STRATEGY.RLE,
        filter=imagecodecs.PNG.FILTER.SUB,
    )
    # Pillow knows how metadata are written in PNG, and imagecodecs 16-bit colour: what Pillow
    # puts between the header and the pixels of a picture of one pixel belongs here too.
    told = _told(page.metadata)
    text = PngImagePlugin.PngInfo()
    if xmp := told.pop("xmp", b""):
        text.add_itxt(PNG_XMP, xmp.decode("utf-8", "replace"))
    for keyword, said in page.metadata.text.items():
        text.add_text(keyword, said)
    if iim := page.metadata.iptc:  # as ImageMagick keeps it, and others read it
        text.add_text(f"{RAW_PROFILE}iptc", f"\niptc\n{len(iim):8}\n{iim.hex()}\n", zip=True)
    shell = io.BytesIO()
    Image.new("RGB", (1, 1)).save(shell, "PNG", pnginfo=text, **told)
    chunks = shell.getvalue()
    file.write(encoded[:PNG_HEADER])
    # The last one: a caption before it may hold the letters, as "candidate" does in capitals.
    file.write(chunks[PNG_HEADER : chunks.rindex(b"IDAT") - 4])
    file.write(memoryview(encoded)[PNG_HEADER:])
