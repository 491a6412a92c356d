"""Reading picture files as they really are, and writing them whole or not at all."""

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from src import files

# Pillow opens more formats than these; some of them start other programs (EPS) or are exotic
# enough to be an attack surface only.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pgm", ".png"}
    | {".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)


class UnreadableImageError(ValueError):
    """A file that cannot be read as a picture; the message says why."""


def read_rgb(file: Path | io.BytesIO, short_side: int | None = None) -> Image.Image:
    """Read a picture as upright 8-bit sRGB: the first frame, alpha laid over white.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB, and 16-bit grey is
    scaled to 8 bits.

    Args: short_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long
        as its short side keeps this many pixels; None decodes everything.
    Raises: UnreadableImageError: if the file is missing, broken, too large or no picture.
    """
    if isinstance(file, Path):
        require_regular(file)
    try:
        with warnings.catch_warnings():
            # Pillow's notes on odd metadata, and on large pictures: those of twice its limit,
            # 179 megapixels, are refused below.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                if short_side is not None:
                    image.draft(None, (short_side, short_side))
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                return _to_srgb(image)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        empty = isinstance(file, Path) and file.stat().st_size == 0
        raise UnreadableImageError("the file is empty" if empty else "not a picture") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError("more pixels than is safe to decode") from None
    # Decoders meet hostile bytes with whatever exception comes first.
    except Exception as error:
        raise UnreadableImageError(f"{type(error).__name__}: {error}") from error


def require_regular(path: Path) -> None:
    """Refuse what is no file, such as a named pipe, which would wait for ever."""
    try:
        if path.is_dir():
            os.scandir(path).close()
        if not path.is_file():
            raise UnreadableImageError("not a regular file" if path.exists() else "no such file")
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error


def upright_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture that can be read, as `read_rgb` turns it."""
    with Image.open(path, formats=FORMATS) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        return image.size[::-1] if turned else image.size


def find(root: Path) -> Iterator[str]:
    """Yield the paths below `root` of all files that are named like pictures, but hidden ones.

    Folders that cannot be listed are yielded too, since pictures may be in them: reading one of
    them says why it cannot be read.
    """
    closed: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            # Hidden files are other programs' business, such as macOS's "._photo.jpg".
            if Path(name).suffix.lower() in EXTENSIONS and not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()
    for error in closed:
        yield Path(error.filename).relative_to(root).as_posix()


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


def write_image(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix, JPEG at quality 95 and 4:4:4, whole or not."""
    form = Image.registered_extensions()[path.suffix.lower()]
    # Pillow's own settings would move L by 1 and halve the resolution of ab.
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {}
    with files.whole(path) as partial:
        image.save(partial, format=form, **options)
