"""References read from files: pictures whose colours are an example."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from src import color, files, images
from src.colorizers.colorizer import REFERENCE_SIZE, Reference
from src.errors import UserError
from src.inference.lightness import shrunk

LEAST_CHROMA = 1.0  # mean over a picture, in Lab units, under which it has no colours to give


@dataclass(frozen=True)
class References:
    """What was read.

    Attributes:
        reference: as colourisers take it.
        said: each file's name and hash, for provenance.
        notes: what a person should know about them.
    """

    reference: Reference
    said: str
    notes: Sequence[str] = ()


def read(paths: Sequence[Path]) -> References:
    """Read pictures to take colours from. Raises: UserError: naming the one that has none."""
    pictures, said, notes = [], [], []
    for path in paths:
        try:
            image, is_toned = _read(path)
            said.append(f"{path.name} sha256:{files.sha256(path)}")
        except UserError as error:
            raise UserError(f"reference {path}: {error}") from None
        if is_toned:
            notes.append(
                f"reference {path.name} looks like a toned black-and-white photo: expected one in "
                "colour; what follows it takes its tint"
            )
        small = torch.from_numpy(np.array(shrunk(image, REFERENCE_SIZE)))
        pictures.append(color.uint8_to_L_ab(small.permute(2, 0, 1)[None]))
    return References(Reference(pictures), ", ".join(said), notes)


def _read(path: Path) -> tuple[Image.Image, bool]:
    """Return a picture, and whether its colours are only a tint."""
    from src.images import grey  # brings SciPy

    if path.is_dir():
        raise UserError("is a folder: name the pictures in it that are to be followed")
    photo = images.Photo(path)
    if len(photo.sizes) > 1 or photo.animated:
        many = f"{len(photo.sizes)} pages" if len(photo.sizes) > 1 else "an animation"
        raise UserError(f"expected one picture, got {many}: save the one that is to be followed")
    image = images.read_rgb(path, REFERENCE_SIZE)
    colors = grey.measure(image)
    if colors.mean_chroma < LEAST_CHROMA:
        raise UserError("it is grey: expected a picture in colour, to take its colours")
    return image, bool(grey.Rules(min_size=1).fault(*image.size, colors))
