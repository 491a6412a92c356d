"""All figures of a colouring, for each picture of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from src import color
from src.metrics.color_difference import delta_e76, delta_e2000
from src.metrics.colorfulness import absolute_colorfulness, colorfulness
from src.metrics.pixels import ab_mae, clipped, psnr, ssim

# What training judges every colouring by.
COLORING = ("ab_mae", "psnr", "ssim", "delta_e2000", "colorfulness")
# Barely noticeable, and twice what people no longer take for the same colour.
THRESHOLDS = {"2_3": 2.3, "5": 5.0, "10": 10.0}


@dataclass(frozen=True)
class Coloring:
    """Pictures as L and ab in a network's scale, and as the colours that sRGB can show of them.

    Attributes: L: (b, 1, h, w); ab: (b, 2, h, w).
    """

    L: Float[Tensor, "b 1 h w"]
    ab: Float[Tensor, "b 2 h w"]

    @cached_property
    def unclipped(self) -> Tensor:
        """sRGB (b, 3, h, w), outside [0, 1] where there is no such colour."""
        return color.L_ab_to_rgb(self.L, self.ab, clip=False)

    @cached_property
    def rgb(self) -> Tensor:
        return self.unclipped.clamp(0, 1)

    @cached_property
    def lab(self) -> Tensor:
        return color.rgb_to_lab(self.rgb)


def figures(
    coloring: Coloring, truth: Coloring, difference: Float[Tensor, "b h w"]
) -> dict[str, Float[Tensor, " b"]]:
    """Judge a colouring of each picture by every figure.

    Args: difference: CIEDE2000 of each pixel, from `color_difference`.
    Returns: errors of ab in Lab units and on the source report's ab/128 scale, which alone see
        colours that sRGB cannot show; means over pixels of colour differences; shares in [0, 1].
    """
    error = ab_mae(coloring.ab, truth.ab)
    shares = {
        f"delta_e2000_under_{name}": (difference < limit).float().mean(dim=(1, 2))
        for name, limit in THRESHOLDS.items()
    }
    return {
        "ab_mae": error,
        "ab_mae_128": error / color.REPORT_AB_RANGE,
        "delta_e76": delta_e76(coloring.lab, truth.lab).mean(dim=(1, 2)),
        "delta_e2000": difference.mean(dim=(1, 2)),
        **shares,
        "psnr": psnr(coloring.rgb, truth.rgb),
        "ssim": ssim(coloring.rgb, truth.rgb),
        "colorfulness": colorfulness(coloring.rgb),
        "absolute_colorfulness": absolute_colorfulness(coloring.rgb),
        "clipped": clipped(coloring.unclipped),
    }


def color_difference(coloring: Coloring, truth: Coloring) -> Float[Tensor, "b h w"]:
    """CIEDE2000 of each pixel, of the colours that sRGB can show."""
    return delta_e2000(coloring.lab, truth.lab)


def of_colorings(
    L: Float[Tensor, "b 1 h w"],
    colorings: Mapping[str, Float[Tensor, "b 2 h w"]],
    true_ab: Float[Tensor, "b 2 h w"],
) -> dict[str, Float[Tensor, " b"]]:
    """Judge colourings of one batch, everything in a network's scale.

    Args: colorings: the ab of each, by the suffix that its figures get.
    Returns: for each colouring the figures of COLORING, and colorfulness_true.
    """
    truth = Coloring(L, true_ab)
    found = {"colorfulness_true": colorfulness(truth.rgb)}
    for suffix, ab in colorings.items():
        coloring = Coloring(L, ab)
        own = figures(coloring, truth, color_difference(coloring, truth))
        found |= {f"{name}{suffix}": own[name] for name in COLORING}
    return found
