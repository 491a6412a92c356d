"""Predicting the colours of a picture, at the size at which a colouriser sees it."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from src import color
from src.colorizers.colorizer import Colorizer
from src.errors import UserError
from src.inference.lightness import small_lightness

SCALES = (5 / 6, 1, 4 / 3)  # of the size, where there are six views; the last one is the largest


@dataclass(frozen=True)
class Prediction:
    """A small picture's colours, in [-1, 1]. Attributes: L: what was shown; ab: what came back."""

    L: Float[Tensor, "1 1 h w"]
    ab: Float[Tensor, "1 2 h w"]

    @property
    def mean_chroma(self) -> float:
        """Of all pixels, in Lab units; near 0 is grey."""
        return float(self.ab.norm(dim=1).mean()) * color.AB_RANGE

    def saturated(self, factor: float) -> "Prediction":
        """Return the same with another chroma."""
        return Prediction(self.L, self.ab * factor)


@torch.inference_mode()
def predict(
    samples: NDArray[Any],
    colorizer: Colorizer,
    image_size: int | None = None,
    views: int | None = None,
) -> Prediction:
    """Show a picture's lightness to a colouriser, and average what it says of several views.

    Args:
        samples: uint8 or uint16, (h, w) of grey or (h, w, 3) of sRGB, whose own colours are not
            looked at.
        image_size: short side in pixels that the colouriser sees; None is what it wants.
        views: 1 is the picture; 2, and its mirror image; 6, both at three sizes; None is what the
            colouriser wants.
    Raises: UserError: if its colours are not finite. MemoryError: if there is too little.
    """
    size, count = image_size or colorizer.image_size, views or colorizer.views
    sizes = [round(scale * size) for scale in SCALES] if count == 6 else [size]
    shown = [small_lightness(samples, one) for one in sizes]
    L = shown[-1]
    each = [
        _mean_of_mirrored(colorizer, one) if count > 1 else _seen(colorizer, one) for one in shown
    ]
    ab = torch.stack([F.interpolate(one, L.shape[2:], mode="bilinear") for one in each]).mean(dim=0)
    return Prediction(L, ab)


def _mean_of_mirrored(
    colorizer: Colorizer, L: Float[Tensor, "1 1 h w"]
) -> Float[Tensor, "1 2 h w"]:
    own, mirrored = _seen(colorizer, torch.cat([L, L.flip(-1)])).split(1)
    return (own + mirrored.flip(-1)) / 2


def _seen(colorizer: Colorizer, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
    try:
        ab = colorizer(L)
    except RuntimeError as error:  # torch's word for memory that is not there
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise MemoryError(f"too little memory to predict {L.shape[3]}x{L.shape[2]}") from error
    if not ab.isfinite().all():
        raise UserError("the model's colours of it are no numbers: is the model damaged?")
    return ab
