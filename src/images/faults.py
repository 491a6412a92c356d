"""What can be wrong with a picture's file, and how it is said."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from src.errors import UserError


class UnreadableImageError(UserError):
    """A file that cannot be read as a picture; the message says why."""


@contextmanager
def faults_named(file: Path | io.BytesIO) -> Iterator[None]:
    """Turn whatever goes wrong while a picture is read into an UnreadableImageError."""
    if isinstance(file, Path):
        require_regular(file)
    try:
        with warnings.catch_warnings():
            # Pillow's notes on odd metadata, and on pictures of half the size that is refused.
            warnings.simplefilter("ignore")
            yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        empty = isinstance(file, Path) and file.stat().st_size == 0
        raise UnreadableImageError("the file is empty" if empty else "not a picture") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(
            f"more pixels than is safe to decode ({_most_pixels() / 1e6:.0f} million): "
            "for files that you trust, colorize takes --max-megapixels"
        ) from None
    # Decoders meet hostile bytes with whatever exception comes first.
    except Exception as error:
        told = error.strerror if isinstance(error, OSError) else None
        kind = "" if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
        raise UnreadableImageError(told or f"broken picture: {kind}{error}") from error


def require_regular(path: Path) -> None:
    """Refuse what is no file, such as a named pipe, which would wait for ever."""
    try:
        if path.is_dir():
            os.scandir(path).close()
        if not path.is_file():
            raise UnreadableImageError("not a regular file" if path.exists() else "no such file")
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error


def allow_megapixels(most: float) -> None:
    """Let pictures of up to `most` million pixels be read, from now on in this process."""
    Image.MAX_IMAGE_PIXELS = round(most * 1e6 / 2)


def _most_pixels() -> float:
    # Pillow warns of its limit, and refuses twice as many.
    return 2 * (Image.MAX_IMAGE_PIXELS or float("inf"))


def require_safe(width: int, height: int) -> None:
    """Refuse a picture that may be a decompression bomb. Raises: DecompressionBombError."""
    if width * height > _most_pixels():
        raise Image.DecompressionBombError(f"{width}x{height} pixels")
