"""Every figure that evaluation reports of a colouring, for each picture of a batch."""

from jaxtyping import Float
from torch import Tensor

from src import color
from src.metrics.color_difference import delta_e76, delta_e2000
from src.metrics.colorfulness import absolute_colorfulness, colorfulness
from src.metrics.lab_picture import LabPicture
from src.metrics.pixels import ab_mae, accuracy, psnr, ssim

# Barely noticeable, and twice what people no longer take for the same colour.
THRESHOLDS = {"2_3": 2.3, "5": 5.0, "10": 10.0}


def figures(
    picture: LabPicture, truth: LabPicture, difference: Float[Tensor, "b h w"]
) -> dict[str, Float[Tensor, " b"]]:
    """Judge a colouring of each picture by every figure.

    Args: difference: CIEDE2000 of each pixel, from `color_difference`.
    Returns: errors of ab in Lab units and on the source report's ab/128 scale; means over pixels of
        colour differences; shares in [0, 1].
    """
    error = ab_mae(picture.ab, truth.ab)
    shares = {
        f"delta_e2000_under_{name}": (difference < limit).float().mean(dim=(1, 2))
        for name, limit in THRESHOLDS.items()
    }
    return {
        "ab_mae": error,
        "ab_mae_128": error / color.REPORT_AB_RANGE,
        "delta_e76": delta_e76(picture.lab, truth.lab).mean(dim=(1, 2)),
        "delta_e2000": difference.mean(dim=(1, 2)),
        **shares,
        "psnr": psnr(picture.rgb, truth.rgb),
        "ssim": ssim(picture.rgb, truth.rgb),
        "accuracy_2": accuracy(picture.rgb, truth.rgb, 0.02),
        "accuracy_5": accuracy(picture.rgb, truth.rgb, 0.05),
        "colorfulness": colorfulness(picture.rgb),
        "absolute_colorfulness": absolute_colorfulness(picture.rgb),
    }


def color_difference(picture: LabPicture, truth: LabPicture) -> Float[Tensor, "b h w"]:
    """CIEDE2000 of each pixel, of the colours that sRGB can show."""
    return delta_e2000(picture.lab, truth.lab)
