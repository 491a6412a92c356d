"""Reading pictures as what networks are taught with: upright 8-bit sRGB."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from src.errors import UserError

# Pillow opens more formats than these; some of them start other programs (EPS) or are exotic
# enough to be an attack surface only.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations that exchange the sides
HEIF_BRANDS = {b"heic", b"heif", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"}


class UnreadableImageError(UserError):
    """A file that cannot be read as a picture; the message says why."""


def read_rgb(file: Path | io.BytesIO, short_side: int | None = None) -> Image.Image:
    """Read a picture as upright 8-bit sRGB: the first frame, alpha laid over white.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB, and 16-bit grey is
    scaled to 8 bits.

    Args: short_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long
        as its short side keeps this many pixels; None decodes everything.
    Raises: UnreadableImageError: if the file is missing, broken, too large or no picture.
    """
    return read_rgb_and_size(file, short_side)[0]


def read_rgb_and_size(
    file: Path | io.BytesIO, short_side: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """Read a picture as `read_rgb`, and its width and height in the file, upright."""
    with faults_named(file), open_image(file) as image:
        size = image.size
        if image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS:
            size = size[::-1]
        if short_side is not None:
            image.draft(None, (short_side, short_side))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _to_srgb(image), size


@contextmanager
def faults_named(file: Path | io.BytesIO) -> Iterator[None]:
    """Turn whatever goes wrong while a picture is read into an UnreadableImageError."""
    if isinstance(file, Path):
        require_regular(file)
    try:
        with warnings.catch_warnings():
            # Pillow's notes on odd metadata, and on large pictures: those of twice its limit,
            # 179 megapixels, are refused below.
            warnings.simplefilter("ignore")
            yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        empty = isinstance(file, Path) and file.stat().st_size == 0
        raise UnreadableImageError("the file is empty" if empty else "not a picture") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError("more pixels than is safe to decode") from None
    # Decoders meet hostile bytes with whatever exception comes first.
    except Exception as error:
        told = error.strerror if isinstance(error, OSError) else None
        kind = "" if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
        raise UnreadableImageError(told or f"broken picture: {kind}{error}") from error


def open_image(file: Path | io.BytesIO) -> Image.Image:
    """Read a picture's header with Pillow, HEIC through the package that knows it.

    Raises: UnreadableImageError: if that package is absent; and what Pillow raises.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            head = opened.read(12)
    else:
        head = file.getvalue()[:12]
    if head[4:8] != b"ftyp" or head[8:] not in HEIF_BRANDS:
        image = Image.open(file, formats=FORMATS)
        # Pillow 12.3 maps an uncompressed TIFF that is to be turned with its sides exchanged; it
        # reads one that has no name.
        image.filename = ""
        return image
    try:
        import pillow_heif
    except ImportError:
        raise UnreadableImageError(
            "HEIC needs one more package: pip install 'colorization[heic]' brings it"
        ) from None
    pillow_heif.register_heif_opener()
    return Image.open(file, formats=["HEIF"])


def require_regular(path: Path) -> None:
    """Refuse what is no file, such as a named pipe, which would wait for ever."""
    try:
        if path.is_dir():
            os.scandir(path).close()
        if not path.is_file():
            raise UnreadableImageError("not a regular file" if path.exists() else "no such file")
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.float32)
        image = Image.fromarray((samples / 257 + 0.5).astype(np.uint8))
        profile = None  # a grey profile of 16-bit samples; the samples are taken as gamma-encoded
    elif image.mode in ("I", "F"):
        raise UnreadableImageError(f"samples of unknown range (Pillow mode {image.mode})")
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBa", "RGBA"):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba).convert("RGB")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken or mismatched profile: the samples themselves are still good
    return image if converted is None else converted
