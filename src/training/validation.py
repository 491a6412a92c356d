"""What is measured of a subset's pictures: the network's colours beside trivial ones."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import Metric

from src.metrics import (
    PSNR,
    SSIM,
    AbMAE,
    Accuracy,
    Colorfulness,
    DeltaE2000,
    LabPicture,
)

FIGURES = (
    "ab_mae",
    "psnr",
    "ssim",
    "delta_e2000",
    "accuracy_2",
    "accuracy_5",
    "colorfulness",
)
# Whether less of a figure is better, or more; colourfulness may be chosen either way.
BETTER = {
    "ab_mae": ["min"],
    "delta_e2000": ["min"],
    "psnr": ["max"],
    "ssim": ["max"],
    "accuracy_2": ["max"],
    "accuracy_5": ["max"],
}
# What stands behind a figure's name: nothing for the network; `own_mean` sees the truth.
COLORINGS = ("", "_zero", "_constant", "_own_mean")


class SubsetMetrics(nn.Module):
    """Metrics by the names that they are logged under, such as psnr_zero.

    Every colouring of COLORINGS has an ab_mae; besides, there is colorfulness_true, of the truth.

    Args: in_full: the colourings of which all FIGURES are measured.
    """

    def __init__(self, in_full: Sequence[str]) -> None:
        super().__init__()
        self.in_full = in_full
        self.by_name: dict[str, Metric] = {"colorfulness_true": Colorfulness()}
        for suffix in COLORINGS:
            self.by_name[f"ab_mae{suffix}"] = AbMAE()
        for suffix in in_full:
            self.by_name[f"psnr{suffix}"] = PSNR()
            self.by_name[f"ssim{suffix}"] = SSIM()
            self.by_name[f"delta_e2000{suffix}"] = DeltaE2000()
            self.by_name[f"accuracy_2{suffix}"] = Accuracy(0.02)
            self.by_name[f"accuracy_5{suffix}"] = Accuracy(0.05)
            self.by_name[f"colorfulness{suffix}"] = Colorfulness()
        self.modules_by_name = nn.ModuleDict(self.by_name)  # takes them to the network's device

    def update(
        self,
        L: Float[Tensor, "b 1 h w"],
        true_ab: Float[Tensor, "b 2 h w"],
        colorings: Mapping[str, Float[Tensor, "b 2 h w"]],
    ) -> None:
        """Count a batch in; all tensors are in [-1, 1]. Args: colorings: the ab of each."""
        truth = LabPicture(L, true_ab)
        self.by_name["colorfulness_true"].update(truth.rgb)
        for suffix, ab in colorings.items():
            self.by_name[f"ab_mae{suffix}"].update(ab, true_ab)
            if suffix in self.in_full:
                picture = LabPicture(L, ab)
                self.by_name[f"psnr{suffix}"].update(picture.rgb, truth.rgb)
                self.by_name[f"ssim{suffix}"].update(picture.rgb, truth.rgb)
                self.by_name[f"delta_e2000{suffix}"].update(picture.lab, truth.lab)
                self.by_name[f"accuracy_2{suffix}"].update(picture.rgb, truth.rgb)
                self.by_name[f"accuracy_5{suffix}"].update(picture.rgb, truth.rgb)
                self.by_name[f"colorfulness{suffix}"].update(picture.rgb)
