"""Pictures that come to the page: how large they may be, some to try, and what is old."""

import time
from pathlib import Path

import skimage

from src.images import Photo, UnreadableImageError, read_rgb
from src.web.events import KEPT

MAX_PIXELS = 50_000_000
# Of the photographs that come with scikit-image.
EXAMPLES = {"photographer": "camera", "cat": "chelsea", "cup": "coffee", "rocket": "rocket"}
TOO_LARGE = f"at most {MAX_PIXELS // 10**6} megapixels fit here: python -m src.colorize takes more"


def require_small(path: Path) -> None:
    """Refuse a picture that is too large. Raises: UnreadableImageError: also if it is none."""
    pixels = sum(width * height for width, height in Photo(path).sizes)
    if pixels > MAX_PIXELS:
        raise UnreadableImageError(f"{pixels / 1e6:.0f} megapixels are too many; {TOO_LARGE}")


def examples(folder: Path) -> list[Path]:
    """Make grey photos of those that come with scikit-image."""
    place = folder / "examples"
    place.mkdir(exist_ok=True)
    made = []
    for name, own in EXAMPLES.items():
        (source,) = (Path(skimage.__file__).parent / "data").glob(f"{own}.*")
        made.append(place / f"{name}.jpg")
        read_rgb(source).convert("L").save(made[-1], quality=95)
    return made


def sweep(folder: Path) -> None:
    """Delete what has lain here for longer than KEPT, but the examples."""
    oldest = time.time() - KEPT
    for path in folder.rglob("*"):
        old = path.is_file() and path.stat().st_mtime < oldest
        if old and path.parent.name != "examples":
            path.unlink(missing_ok=True)
