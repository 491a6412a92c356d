"""A photograph's file, page by page: its samples at their own depth, alpha and metadata."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin

from src.images.profiles import to_srgb
from src.images.reader import UnreadableImageError, _to_srgb, faults_named, open_image

Samples = NDArray[Any]
ORIENTATION = ExifTags.Base.Orientation
# From an array that lies in a file as EXIF's orientation says to the upright one, without a copy.
UPRIGHT: dict[int, Callable[[Samples], Samples]] = {
    2: np.fliplr,
    3: lambda samples: np.rot90(samples, 2),
    4: np.flipud,
    5: lambda samples: samples.swapaxes(0, 1),
    6: lambda samples: np.rot90(samples, 3),
    7: lambda samples: np.rot90(samples.swapaxes(0, 1), 2),
    8: np.rot90,
}
# Of a TIFF's page.
KIND, BITS_PER_SAMPLE, PHOTOMETRIC = 254, 258, 262
REDUCED_OR_MASK = 0b101
ASSOCIATED_ALPHA = 1  # colours are stored multiplied by it
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"  # how such a segment of a JPEG begins
IPTC_BLOCK = 0x0404  # of Photoshop's resources in a JPEG


@dataclass(frozen=True)
class Metadata:
    """What a file says about a picture.

    Attributes:
        exif: without the orientation, which is applied when pixels are read.
        xmp: the packet, empty where there is none.
        extended_xmp: RDF that one segment of a JPEG could not hold beside it.
        iptc: IPTC-IIM records of a JPEG, as archives write them.
        dpi: pixels per inch across and down, where it is known.
    """

    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes = b""
    extended_xmp: bytes = b""
    iptc: bytes = b""
    dpi: tuple[float, float] | None = None


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
        with faults_named(path), open_image(path) as image:
            self.format = "JPEG" if image.format == "MPO" else str(image.format)
            self.animated = self.format not in ("JPEG", "TIFF") and bool(
                getattr(image, "is_animated", False)
            )
            self._frames = _frames(image)
            self.sizes = []
            for frame in self._frames:
                image.seek(frame)
                self.sizes.append(image.size)

    def pages(self) -> Iterator[Page]:
        """Read each page: those of a TIFF, the first frame of anything else.

        Raises: UnreadableImageError: if the file is broken.
        """
        with faults_named(self.path), open_image(self.path) as image:
            for frame in self._frames:
                image.seek(frame)
                pixels = _deep if _is_deep(image) else _eight_bit
                # Metadata last: Pillow marks the orientation as applied where it has done so.
                yield Page(*pixels(image, self.path, frame), _metadata(image))


def _frames(image: Image.Image) -> list[int]:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return [0]
    frames = []
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        # Thumbnails and masks that some programs keep beside the picture.
        if frame == 0 or not image.tag_v2.get(KIND, 0) & REDUCED_OR_MASK:
            frames.append(frame)
    return frames


def _metadata(image: Image.Image) -> Metadata:
    exif = Image.Exif()
    exif.update(image.getexif())
    exif.pop(ORIENTATION, None)
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        exif.pop(directory, None)
        if content := image.getexif().get_ifd(directory):
            exif.get_ifd(directory).update(content)
    xmp = image.info.get("xmp", b"")
    blocks = image.info.get("photoshop")
    iptc = blocks.get(IPTC_BLOCK) if isinstance(blocks, dict) else None
    dpi = image.info.get("dpi", (0, 0))
    known = all(0 < float(value) < 1e6 for value in dpi)
    return Metadata(
        exif,
        xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        _extended_xmp(image),
        iptc if isinstance(iptc, bytes) else b"",
        (float(dpi[0]), float(dpi[1])) if known else None,
    )


def _extended_xmp(image: Image.Image) -> bytes:
    segments = (content for _, content in getattr(image, "applist", ()))
    parts = [part.removeprefix(EXTENDED_XMP) for part in segments if part.startswith(EXTENDED_XMP)]
    # Each begins with a digest of 32 bytes, the whole's length, and where it belongs.
    return b"".join(part[40:] for part in sorted(parts, key=lambda part: part[36:40]))


def _eight_bit(image: Image.Image, _: Path, __: int) -> tuple[Samples, Samples | None]:
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile")
    alpha = None
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        grey = image.mode in ("L", "LA", "La")
        image = image.convert("LA" if grey else "RGBA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.convert("L" if grey else "RGB")
    if image.mode == "P":
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "RGB"):
        return np.asarray(_to_srgb(image)), alpha
    return to_srgb(np.asarray(image), profile), alpha


def _is_deep(image: Image.Image) -> bool:
    """Whether samples have more than 8 bits, which Pillow holds for grey alone."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits, photometric = image.tag_v2.get(BITS_PER_SAMPLE, (1,)), image.tag_v2.get(PHOTOMETRIC)
        return max(bits) > 8 and photometric in (0, 1, 2)
    assert isinstance(image, ImageFile.ImageFile)
    raw = str(image.tile[0].args) if image.tile else ""
    return image.mode.startswith("I;16") or (image.format == "PNG" and ";16" in raw)


def _deep(image: Image.Image, path: Path, frame: int) -> tuple[Samples, Samples | None]:
    profile = image.info.get("icc_profile")
    orientation = image.getexif().get(ORIENTATION, 1)
    if image.format == "PNG":
        samples = _read_png(path)
    elif image.format == "TIFF":
        samples = _read_tiff(path, frame)
    else:
        samples = np.asarray(image).astype(np.uint16)
    samples = UPRIGHT.get(orientation, np.asarray)(samples)
    alpha = None
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        samples, alpha = samples[..., :-1], samples[..., -1]
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[..., 0]
    return to_srgb(samples, profile), alpha


def _read_png(path: Path) -> Samples:
    import imagecodecs

    return imagecodecs.png_decode(path.read_bytes())


def _read_tiff(path: Path, frame: int) -> Samples:
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters is raised as well
    with tifffile.TiffFile(path) as file:
        page = file.pages[frame]
        assert isinstance(page, tifffile.TiffPage)
        samples = page.asarray()
        bits, white_is_zero = page.bitspersample, page.photometric == 0
        if page.samplesperpixel > 1 and page.planarconfig == 2:
            samples = np.moveaxis(samples, 0, -1)
        premultiplied = page.extrasamples[:1] == (ASSOCIATED_ALPHA,)
    if samples.dtype != np.uint16 or samples.ndim not in (2, 3):
        raise UnreadableImageError(f"samples of {samples.dtype}: expected 8 or 16 bits")
    if premultiplied:
        for row in samples:  # one by one: all of a large scan's as floats would fill the memory
            share = np.maximum(row[:, -1:], 1) / (2**bits - 1)
            row[:, :-1] = (row[:, :-1] / share).round().clip(0, 2**bits - 1)
    if bits < 16:
        samples = (samples * (65535 / (2**bits - 1))).astype(np.uint16)
    return 65535 - samples if white_is_zero else samples
