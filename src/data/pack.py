"""Training pictures as plain pixels in one file that is mapped to memory: none is decoded again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import filelock
import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from src import files, pace
from src.data.crops import Picture, readable

SUFFIX = ".pack"
FORMAT = "1"  # pixels of each picture, (h, w, 3); then (h, w) of each, 64 bits
SHAPE = np.dtype((np.dtype("<i8"), 2))


@dataclass(frozen=True, kw_only=True)
class PackedPicture(Picture):
    """A picture in a pack. Attributes: start: of its first pixel there; shape: (h, w)."""

    pack: Path
    start: int
    shape: tuple[int, int]

    def read(self, short_side: int | None = None) -> Image.Image:
        height, width = self.shape
        pixels = _mapped(self.pack)[self.start : self.start + 3 * height * width]
        return Image.fromarray(pixels.reshape(height, width, 3))


@lru_cache(maxsize=4)
def _mapped(path: Path) -> UInt8[ndarray, " n"]:
    return np.memmap(path, np.uint8, "r")


def packed(
    pictures: Sequence[Picture],
    hashes: Sequence[str],
    folder: Path,
    short_side: int,
    num_workers: int,
) -> list[Picture]:
    """Return the same pictures as they lie in a pack in `folder`, which is made if there is none.

    A pack is known by what it holds, so that one of other pictures is never taken for it; it
    replaces those of the same size. Several processes that want one wait for the first.

    Args:
        hashes: sha256 of each picture.
        short_side: pixels to which larger pictures are shrunk.
    """
    held = "\n".join([FORMAT, str(short_side), *hashes])
    name = f"{short_side}-{hashlib.sha256(held.encode()).hexdigest()[:16]}{SUFFIX}"
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        if not path.exists():
            files.remove_partials(folder)
            _write(path, pictures, short_side, num_workers)
            for other in folder.glob(f"{short_side}-*{SUFFIX}"):
                if other != path:
                    other.unlink()
    shapes = _mapped(path)[-len(pictures) * SHAPE.itemsize :].view(SHAPE.base).reshape(-1, 2)
    starts = np.cumsum([0, *(3 * shapes.prod(axis=1))]).tolist()
    return [
        PackedPicture(
            picture.path,
            picture.name,
            folder=picture.folder,
            pack=path,
            start=start,
            shape=(height, width),
        )
        for picture, start, (height, width) in zip(pictures, starts, shapes.tolist(), strict=False)
    ]


def _write(path: Path, pictures: Sequence[Picture], short_side: int, num_workers: int) -> None:
    loader = DataLoader(
        _Decoder(pictures, short_side),
        batch_size=None,
        num_workers=min(num_workers, len(pictures)),
    )
    shapes = []
    with files.whole(path) as partial, partial.open("wb") as file:
        for pixels in pace.each(loader, "packing", len(pictures), "pictures"):
            file.write(pixels.numpy().tobytes())
            shapes.append(pixels.shape[:2])
        file.write(np.array(shapes, SHAPE.base).tobytes())


class _Decoder(Dataset[UInt8[Tensor, "h w 3"]]):
    def __init__(self, pictures: Sequence[Picture], short_side: int) -> None:
        self.pictures = pictures
        self.short_side = short_side

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> UInt8[Tensor, "h w 3"]:
        image, _ = readable(self.pictures, index, self.short_side)
        shrunk = self.short_side / min(image.size)
        if shrunk < 1:
            size = (round(image.width * shrunk), round(image.height * shrunk))
            image = image.resize(size, Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(image))
