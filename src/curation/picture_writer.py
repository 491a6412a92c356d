"""The pictures of a prepared data set: where they lie, and how they are shrunk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from src import images
from src.curation.recipe import SUFFIXES, Settings

FOLDER = "pictures"
MAX_PIXELS = 100_000_000  # of a written picture


def file_of(sha256: str, settings: Settings) -> str:
    """Return the path of a picture below its data set."""
    # By content, so that names may hold anything and the pictures of parts never collide.
    return f"{FOLDER}/{sha256[:2]}/{sha256[:32]}{SUFFIXES[settings.format]}"


@dataclass(frozen=True)
class Writer:
    """Writes the pictures that are kept, below `target`, as the settings say."""

    target: Path
    settings: Settings

    def shrink(self, image: Image.Image) -> Image.Image:
        """Resample a picture to the data set's size.

        Raises: UnreadableImageError: if it is so long that it would have too many pixels.
        """
        size, short = self.settings.image_size, min(image.size)
        if self.settings.fit == "crop":
            left, top = (image.width - short) // 2, (image.height - short) // 2
            image = image.crop((left, top, left + short, top + short))
        shape = (size, size)
        if self.settings.fit == "short":
            shape = (round(image.height * size / short), round(image.width * size / short))
        if shape[0] * shape[1] > MAX_PIXELS:
            raise images.UnreadableImageError(
                f"{image.width}x{image.height} is too long for a short side of {size} pixels"
            )
        # Pillow's bicubic resampling to within 1 of 255, in two thirds of its time.
        samples = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        small = F.interpolate(samples, shape, mode="bicubic", antialias=True)[0].numpy()
        return Image.merge("RGB", [Image.fromarray(band) for band in small])

    def write(self, shrunk: Image.Image, sha256: str) -> None:
        """Write a shrunk picture, unless it is there."""
        path = self.target / file_of(sha256, self.settings)
        if not path.exists():
            images.write_image(shrunk, path)
