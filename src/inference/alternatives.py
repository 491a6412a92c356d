"""What stands beside a result: a sheet of proposals, and a map of where colours are a guess."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from src import color
from src.colorizers.colorizer import Colorizer
from src.colorizers.proposals import spread
from src.errors import UserError
from src.images import eight_bit, write_image
from src.inference.lightness import small_lightness
from src.inference.painting import paint
from src.inference.prediction import SCALES, Prediction

SIDE = 640  # pixels of a proposal's long side
MARGIN = 8
WHITE_AT = 30.0  # Lab units of spread that a map shows in white


def sheet(samples: NDArray[Any], each: Sequence[Prediction]) -> Image.Image:
    """Paint a picture in several ways, side by side with numbers.

    Args: samples: of grey or sRGB, at full size; each: what was predicted of them.
    """
    shown = Image.fromarray(eight_bit(samples))
    shown.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    small = np.asarray(shown)
    columns = int(np.ceil(np.sqrt(len(each))))
    rows = -(-len(each) // columns)
    width, height = shown.width + MARGIN, shown.height + MARGIN
    page = Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN), "white")
    for i, prediction in enumerate(each):
        painted = paint(small, replace(prediction, places=None))  # which are of the full size
        tile = Image.fromarray(painted.samples)
        _number(tile, i + 1)
        place = MARGIN + i % columns * width, MARGIN + i // columns * height
        page.paste(tile, place)
    return page


def _number(tile: Image.Image, number: int) -> None:
    size = max(14, min(tile.size) // 12)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(tile)
    box = draw.textbbox((size // 2, size // 3), str(number), font)
    around = box[0] - size // 3, box[1] - size // 4, box[2] + size // 3, box[3] + size // 4
    draw.rectangle(around, fill="black")
    draw.text((size // 2, size // 3), str(number), "white", font)


def require_guesses(colorizer: Colorizer) -> None:
    """Refuse what no network predicts. Raises: UserError."""
    if not colorizer.sha256:
        raise UserError(
            f"{colorizer.name} tells nothing of where its colours are a guess: a network does"
        )


@torch.inference_mode()
def uncertainty(
    samples: NDArray[Any], colorizer: Colorizer, size: int | None = None
) -> Float[Tensor, "h w"]:
    """Tell how far the true colours may lie from the predicted ones, in Lab units.

    That is the spread of the colours that a network thinks likely; of one that knows no
    probabilities, how far it disagrees with itself about the mirrored picture and other sizes.
    """
    size = size or colorizer.image_size
    L = small_lightness(samples, size)
    found = spread(colorizer, L)
    if found is None:
        each = []
        for scale in SCALES:
            shown = small_lightness(samples, round(scale * size))
            own, mirrored = colorizer(torch.cat([shown, shown.flip(-1)])).split(1)
            each += [
                F.interpolate(one, L.shape[2:], mode="bilinear") for one in (own, mirrored.flip(-1))
            ]
        found = torch.cat(each).var(dim=0, keepdim=True).sum(dim=1, keepdim=True).sqrt()
    return found[0, 0] * color.AB_RANGE


def write_map(path: Path, spread_of: Float[Tensor, "h w"], size: tuple[int, int]) -> None:
    """Write a map in grey, of a photo's size, in which white is WHITE_AT Lab units and more."""
    levels = (spread_of / WHITE_AT * 255).round().clamp(0, 255).to(torch.uint8)
    image = Image.fromarray(levels.numpy()).resize(size, Image.Resampling.BILINEAR)
    write_image(image, path)
