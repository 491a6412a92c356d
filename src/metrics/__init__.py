"""How far a colouring is from the truth: pure functions on tensors, and means over pictures.

The functions give a figure of each picture or pixel; `AbMAE` and the other classes are
torchmetrics, for training loops.
"""

import importlib
from typing import TYPE_CHECKING, Any

from src.metrics.color_difference import delta_e76, delta_e2000
from src.metrics.colorfulness import absolute_colorfulness, colorfulness
from src.metrics.figures import color_difference, figures
from src.metrics.lab_picture import LabPicture
from src.metrics.pixels import ab_mae, accuracy, psnr, ssim

if TYPE_CHECKING:
    from src.metrics.means import PSNR, SSIM, AbMAE, Accuracy, Colorfulness, DeltaE2000

__all__ = [
    "PSNR",
    "SSIM",
    "AbMAE",
    "Accuracy",
    "Colorfulness",
    "DeltaE2000",
    "LabPicture",
    "ab_mae",
    "absolute_colorfulness",
    "accuracy",
    "color_difference",
    "colorfulness",
    "delta_e76",
    "delta_e2000",
    "figures",
    "psnr",
    "ssim",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # torchmetrics takes seconds to import, which only training needs.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("src.metrics.means"), name)
