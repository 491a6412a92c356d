"""A photograph's file, read in one way for training and colouring: upright sRGB."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from PIL import Image, UnidentifiedImageError

from src.images import reader
from src.images.faults import UnreadableImageError, faults_named
from src.images.listing import CAMERA_RAW
from src.images.metadata import Metadata
from src.images.raster import SIDEWAYS, Samples

if TYPE_CHECKING:
    from src.images.tiff import TiffFile

ROWS = 64  # that are computed with at once


@dataclass
class Page:
    """One picture of a file, upright.

    Attributes:
        samples: uint8 or uint16, (h, w) of grey or (h, w, 3) of sRGB, both gamma-encoded.
        alpha: (h, w) of the same type, where there is one.
        metadata: of this page.
    """

    samples: Samples
    alpha: Samples | None = None
    metadata: Metadata = field(default_factory=Metadata)


class Photo:
    """A file that was recognised as a picture; its pixels are read when asked for.

    Attributes:
        path: of the file.
        format: in Pillow's words, by content, such as JPEG or TIFF.
        sizes: (width, height) of each page as it lies in the file.
        animated: whether frames follow the one that is read.
    Raises: UnreadableImageError: if it is missing, too large or no picture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with faults_named(path), opened(path) as file:
            self.format, self.animated, self.sizes = file.format, file.animated, file.sizes

    def pages(self) -> Iterator[Page]:
        """Read each page: those of a TIFF, the first frame of anything else.

        Raises: UnreadableImageError: if the file is broken.
        """
        with faults_named(self.path), opened(self.path) as file:
            for number in range(len(file.sizes)):
                pixels = file.raster(number).upright_srgb()
                yield Page(*pixels, file.metadata(number))


def read_rgb(file: Path | io.BytesIO, short_side: int | None = None) -> Image.Image:
    """Read a picture as upright 8-bit sRGB: the first page or frame, alpha laid over white.

    Args: short_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long
        as its short side keeps this many pixels; None decodes everything.
    Raises: UnreadableImageError: if the file is missing, broken, too large or no picture.
    """
    return read_rgb_and_size(file, short_side)[0]


def read_rgb_and_size(
    file: Path | io.BytesIO, short_side: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """Read a picture as `read_rgb`, and its width and height in the file, upright."""
    with faults_named(file), opened(file) as picture:
        width, height = picture.sizes[0]
        image = picture.rgb(short_side)
        if image is None:
            image = over_white(*picture.raster(0, short_side).upright_srgb())
        return image, (height, width) if picture.orientation(0) in SIDEWAYS else (width, height)


@contextmanager
def opened(file: Path | io.BytesIO) -> Iterator[Union[reader.PillowFile, "TiffFile"]]:
    """Open a picture's file, whatever its kind.

    Raises: UnreadableImageError: if it is camera raw; and what Pillow and tifffile raise.
    """
    named_raw = isinstance(file, Path) and file.suffix.lower() in CAMERA_RAW
    with file.open("rb") if isinstance(file, Path) else nullcontext(file) as stream:
        head = stream.read(16)
        stream.seek(0)
        if reader.is_camera_raw(head):
            raise UnreadableImageError(reader.NOT_DEVELOPED)
        if head.startswith(reader.TIFF_HEADS):
            from src.images.tiff import TiffFile

            tiff = TiffFile(stream)
            if tiff.reduced and named_raw:
                raise UnreadableImageError(reader.NOT_DEVELOPED)
            yield tiff
            return
        try:
            picture = reader.PillowFile(stream)
        except UnidentifiedImageError:
            if named_raw:
                raise UnreadableImageError(reader.NOT_DEVELOPED) from None
            raise
        yield picture


def over_white(samples: Samples, alpha: Samples | None) -> Image.Image:
    """Return a picture of 8 bits in RGB, what is transparent over white."""
    image = Image.fromarray(eight_bit(samples)).convert("RGB")
    if alpha is None:
        return image
    white = Image.new("RGB", image.size, "white")
    return Image.composite(image, white, Image.fromarray(eight_bit(alpha)))


def eight_bit(samples: Samples) -> Samples:
    """Round 16-bit samples to 8 bits."""
    if samples.dtype == np.uint8:
        return samples
    rounded = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), ROWS):
        strip = samples[top : top + ROWS].astype(np.uint32)
        rounded[top : top + ROWS] = (strip + 257 // 2) // 257
    return rounded
