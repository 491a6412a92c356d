"""TIFF files, and DNG, which are such: their pictures, each at its own depth."""

import logging
from io import BufferedReader, BytesIO

import numpy as np
import tifffile
from PIL import ExifTags, Image

from src.images import metadata, profiles
from src.images.faults import UnreadableImageError, require_safe
from src.images.metadata import Metadata
from src.images.raster import UPRIGHT, Raster, Samples, scaled
from src.images.reader import NOT_DEVELOPED

REDUCED_OR_MASK = 0b101  # of tag 254
OLD_REDUCED = 2  # of tag 255, which came before
WHITE_IS_ZERO, PALETTE, YCBCR, CIE_LAB, ICC_LAB = 0, 3, 6, 8, 9
SPACES = {
    WHITE_IS_ZERO: (profiles.GREY, 1),
    1: (profiles.GREY, 1),
    2: (profiles.RGB, 3),
    PALETTE: (profiles.GREY, 1),
    5: (profiles.CMYK, 4),
    YCBCR: (profiles.RGB, 3),
    CIE_LAB: (profiles.LAB, 3),
    ICC_LAB: (profiles.LAB, 3),
}
CAMERA_RAW = (32803, 34892)  # a sensor's own samples, mosaicked or linear
JPEG = (6, 7)
MAX_SAMPLES = 16
UNSPECIFIED, ASSOCIATED_ALPHA = 0, 1  # the latter: colours are stored multiplied by it
PHOTOSHOP = 34377  # its resources; what it keeps in unspecified samples are selections


class TiffFile:
    """A TIFF that is open.

    Attributes:
        format, animated: as of other files.
        sizes: (width, height) of each picture as it lies in the file.
        reduced: whether there are only thumbnails.
    Raises: UnreadableImageError: if it holds the raw samples of a camera.
    """

    format = "TIFF"
    animated = False

    def __init__(self, file: BufferedReader | BytesIO) -> None:
        # What matters is raised as well.
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)
        self._file = file
        self._tiff = tifffile.TiffFile(file)
        pages = _main(self._tiff)
        families = [[page, *_below(page)] for page in pages]
        whole = [[page for page in family if not _is_reduced(page)] for family in families]
        # A page that is a thumbnail stands for the picture in a directory below it, and says what
        # it is.
        chosen = [
            (page, max(family, key=_area))
            for page, family in zip(pages, whole, strict=True)
            if family
        ]
        self.reduced = not chosen
        largest = max(pages, key=_area)
        chosen = chosen or [(largest, largest)]
        self._heads, self._pictures = ([*each] for each in zip(*chosen, strict=True))
        self.sizes = [(page.imagewidth, page.imagelength) for page in self._pictures]
        if any(page.photometric in CAMERA_RAW for page in self._pictures):
            raise UnreadableImageError(NOT_DEVELOPED)

    def rgb(self, _: int | None) -> None:
        """Say that samples are to be read as a raster."""

    def raster(self, number: int, _: int | None = None) -> Raster:
        """Read a picture. Raises: UnreadableImageError, and what tifffile raises."""
        page = self._pictures[number]
        require_safe(page.imagewidth * page.imagedepth, page.imagelength)
        require_safe(page.tilewidth, page.tilelength)
        if page.samplesperpixel > MAX_SAMPLES:
            raise UnreadableImageError(f"{page.samplesperpixel} samples a pixel: expected a photo")
        if page.photometric == YCBCR and page.compression not in JPEG:
            return Raster(self._by_pillow(page))
        if page.photometric not in SPACES:
            raise UnreadableImageError(f"colours of a kind that is not read ({page.photometric})")
        space, channels = SPACES[page.photometric]
        samples = _samples(page)
        if samples.shape[2] < channels:
            raise UnreadableImageError(f"{samples.shape[2]} inks: expected CMYK")
        alpha = None
        if page.photometric == PALETTE:
            samples, space = _palette(page)[samples[..., 0]], profiles.RGB
        elif page.photometric in (CIE_LAB, ICC_LAB):
            samples = _lab(samples[..., :3], page.photometric)
        else:
            if _has_alpha(page) and samples.shape[2] > channels:
                alpha = samples[..., channels]
            samples = scaled(samples, page.bitspersample)
            alpha = None if alpha is None else scaled(alpha, page.bitspersample)
            samples = samples[..., 0] if channels == 1 else samples[..., :channels]
            if page.photometric == WHITE_IS_ZERO:
                samples = np.iinfo(samples.dtype).max - samples
            if alpha is not None and page.extrasamples[:1] == (ASSOCIATED_ALPHA,):
                _divide(samples, alpha)
        return Raster(samples, space, alpha, page.iccprofile, self.orientation(number))

    def orientation(self, number: int) -> int:
        places = self._pictures[number], self._heads[number]
        told = [place.tags.valueof(ExifTags.Base.Orientation) for place in places]
        return next((one for one in told if one in UPRIGHT), 1)

    def metadata(self, number: int) -> Metadata:
        page = self._heads[number]
        exif = Image.Exif()
        exif.endian, exif.bigtiff = self._tiff.byteorder, self._tiff.is_bigtiff
        exif.load_from_fp(self._file, page.offset)
        # Pillow would make numbers of some, and of these only the first.
        blocks = {tag: self._block(page, tag) for tag in metadata.BLOCKS if tag in page.tags}
        return metadata.of_tiff(exif, blocks)

    def _block(self, page: tifffile.TiffPage, number: int) -> bytes:
        tag = page.tags[number]
        self._file.seek(tag.valueoffset)
        return self._file.read(tag.valuebytecount)

    def _by_pillow(self, page: tifffile.TiffPage) -> Samples:
        if page.is_subifd:
            raise UnreadableImageError("YCbCr below a thumbnail is not read")
        self._file.seek(0)
        with Image.open(self._file, formats=["TIFF"]) as image:
            image.seek(page.index)
            return np.asarray(image.convert("RGB"))


def _main(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    pages: dict[int, tifffile.TiffPage] = {}
    for page in file.pages:
        if page.offset in pages:  # a broken file, whose pages follow each other in a circle
            break
        pages[page.offset] = page.aspage()
    return list(pages.values())


def _below(page: tifffile.TiffPage) -> list[tifffile.TiffPage]:
    if not page.subifds:
        return []
    try:
        assert page.pages is not None
        return [below.aspage() for below in page.pages]
    except (tifffile.TiffFileError, ValueError, IndexError):  # a pointer to nothing
        return []


def _is_reduced(page: tifffile.TiffPage) -> bool:
    old = page.tags.valueof(255, 0)
    return bool(page.subfiletype & REDUCED_OR_MASK) or old == OLD_REDUCED


def _area(page: tifffile.TiffPage) -> int:
    return page.imagewidth * page.imagelength


def _has_alpha(page: tifffile.TiffPage) -> bool:
    selections = len(page.extrasamples) > 1 or PHOTOSHOP in page.tags
    return page.extrasamples[:1] != (UNSPECIFIED,) or not selections


def _samples(page: tifffile.TiffPage) -> Samples:
    """Read samples of (h, w, channels), at most 16 bits each."""
    read = page.asarray(squeeze=False)  # planes, depth, height, width, channels
    samples: Samples = read[:, 0, :, :, 0].transpose(1, 2, 0) if len(read) > 1 else read[0, 0]
    if samples.dtype == np.bool_:
        samples = samples.view(np.uint8)
    signed = "i" if page.photometric in (CIE_LAB, ICC_LAB) else ""
    if samples.dtype.kind not in "u" + signed or samples.dtype.itemsize > 2:
        raise UnreadableImageError(f"samples of unknown range ({samples.dtype})")
    return samples


def _palette(page: tifffile.TiffPage) -> Samples:
    assert page.colormap is not None
    return (page.colormap.T >> 8).astype(np.uint8)


def _lab(samples: Samples, photometric: int) -> Samples:
    """Return Lab as lcms has it: L* of 0..100 and a* + 128 of 0..255, each over the full range."""
    deep = samples.dtype.itemsize == 2
    samples = samples.view(np.uint16 if deep else np.uint8)
    if photometric == CIE_LAB:  # a* and b* are signed
        samples = samples ^ np.array([0, 1, 1], samples.dtype) * (1 << (15 if deep else 7))
    if deep:  # 256 steps to each of a*
        scale = np.array([1 if photometric == CIE_LAB else 257 / 256, 257 / 256, 257 / 256])
        for row in samples:
            row[:] = (row * scale).round().clip(0, 65535)
    return samples


def _divide(samples: Samples, alpha: Samples) -> None:
    most = np.iinfo(samples.dtype).max
    for row, veil in zip(samples, alpha, strict=True):  # all of a scan as floats would fill memory
        share = np.maximum(veil, 1) / most
        row[:] = (row / (share if row.ndim == 1 else share[:, None])).round().clip(0, most)
