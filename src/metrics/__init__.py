"""How far a colouring is from the truth: pure functions on tensors, errors in Lab units."""

from src.metrics.color_difference import delta_e76, delta_e2000
from src.metrics.colorfulness import absolute_colorfulness, colorfulness
from src.metrics.figures import COLORING, Coloring, color_difference, figures, of_colorings
from src.metrics.pixels import ab_mae, clipped, psnr, ssim

__all__ = [
    "COLORING",
    "Coloring",
    "ab_mae",
    "absolute_colorfulness",
    "clipped",
    "color_difference",
    "colorfulness",
    "delta_e76",
    "delta_e2000",
    "figures",
    "of_colorings",
    "psnr",
    "ssim",
]
