"""Means of figures over pictures, as torchmetrics: right over ranks and batches of any sizes.

They go into any LightningModule:

    self.colorfulness = Colorfulness()                  # in __init__
    self.colorfulness.update(rgb)                       # in validation_step
    self.log("val/colorfulness", self.colorfulness)     # there too, or when the epoch ends
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from src.metrics.color_difference import delta_e2000
from src.metrics.colorfulness import colorfulness
from src.metrics.pixels import ab_mae, accuracy, psnr, ssim


class MeanOverPictures(Metric):
    """Sums up a figure of each picture, and counts the pictures."""

    full_state_update = False
    total: Tensor
    pictures: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("pictures", torch.tensor(0), dist_reduce_fx="sum")

    def compute(self) -> Float[Tensor, ""]:
        return self.total / self.pictures

    def _add(self, values: Float[Tensor, " b"]) -> None:
        self.total += values.float().sum()
        self.pictures += len(values)


class AbMAE(MeanOverPictures):
    """Mean absolute error of a* and b* in Lab units, from ab in [-1, 1], as networks predict it."""

    higher_is_better = False

    def update(self, ab: Float[Tensor, "b 2 h w"], true_ab: Float[Tensor, "b 2 h w"]) -> None:
        self._add(ab_mae(ab, true_ab))


class PSNR(MeanOverPictures):
    """Peak signal-to-noise ratio in dB, from sRGB in [0, 1]; at most 100 for each picture."""

    higher_is_better = True

    def update(self, rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> None:
        self._add(psnr(rgb, true_rgb))


class Accuracy(MeanOverPictures):
    """Share of pixels whose R, G and B are all about right, from sRGB in [0, 1].

    Args: tolerance: of each of them.
    """

    higher_is_better = True

    def __init__(self, tolerance: float, **options: Any) -> None:
        super().__init__(**options)
        self.tolerance = tolerance

    def update(self, rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> None:
        self._add(accuracy(rgb, true_rgb, self.tolerance))


class SSIM(MeanOverPictures):
    """Structural similarity (Wang et al. 2004), from sRGB in [0, 1], at least 11 pixels a side."""

    higher_is_better = True

    def update(self, rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> None:
        self._add(ssim(rgb, true_rgb))


class DeltaE2000(MeanOverPictures):
    """CIEDE2000 averaged over each picture's pixels, from CIELAB in CIE units (L* 0 to 100)."""

    higher_is_better = False

    def update(self, lab: Float[Tensor, "b 3 h w"], true_lab: Float[Tensor, "b 3 h w"]) -> None:
        self._add(delta_e2000(lab, true_lab).mean(dim=(1, 2)))


class Colorfulness(MeanOverPictures):
    """Colourfulness (Hasler and Suesstrunk 2003, signed axes), from sRGB in [0, 1]."""

    def update(self, rgb: Float[Tensor, "b 3 h w"]) -> None:
        self._add(colorfulness(rgb))
