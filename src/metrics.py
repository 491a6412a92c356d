"""How far a colouring is from the truth, per picture: pure functions on tensors.

Errors are in Lab units. `of_colorings` judges any number of colourings of the same pictures.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from src import color

# What every colouring is judged by.
COLORING = ("ab_mae", "psnr", "ssim", "delta_e2000", "colorfulness")


def ab_mae(ab: Float[Tensor, "b 2 h w"], true_ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, " b"]:
    """Mean absolute error of a* and b* in Lab units, from ab in a network's scale [-1, 1]."""
    return (ab.float() - true_ab.float()).abs().mean(dim=(1, 2, 3)) * color.AB_RANGE


def psnr(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio in dB of each picture, sRGB in [0, 1]."""
    return peak_signal_noise_ratio(
        rgb, true_rgb, data_range=1.0, reduction="none", dim=(1, 2, 3)
    ).clamp(max=100)  # a perfect picture has no noise; infinity would swallow a mean


def ssim(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Structural similarity of each picture, sRGB in [0, 1] (Wang et al. 2004; 11x11 Gaussian)."""
    value = structural_similarity_index_measure(rgb, true_rgb, data_range=1.0, reduction="none")
    assert isinstance(value, Tensor)
    return value


def colorfulness(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Colourfulness of each picture, sRGB in [0, 1], on the usual scale of 8-bit values.

    Source: Hasler and Suesstrunk 2003, with the signed opponent axes rg and yb.
    """
    red, green, blue = (rgb.float() * 255).unbind(dim=1)
    rg, yb = red - green, (red + green) / 2 - blue
    spread = torch.sqrt(rg.var(dim=(1, 2), correction=0) + yb.var(dim=(1, 2), correction=0))
    offset = torch.sqrt(rg.mean(dim=(1, 2)) ** 2 + yb.mean(dim=(1, 2)) ** 2)
    return spread + 0.3 * offset


def delta_e2000(
    lab: Float[Tensor, "b 3 h w"], true_lab: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b h w"]:
    """CIEDE2000 colour difference of each pixel, from CIELAB in CIE units.

    Source: Sharma, Wu and Dalal 2005, whose equation numbers stand beside the code.
    """
    L1, a1, b1 = lab.unbind(dim=1)
    L2, a2, b2 = true_lab.unbind(dim=1)

    mean_C = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2  # (2), (3)
    G = 0.5 * (1 - torch.sqrt(mean_C**7 / (mean_C**7 + 25**7)))  # (4)
    a1, a2 = (1 + G) * a1, (1 + G) * a2  # (5)
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)  # (6)
    h1, h2 = torch.atan2(b1, a1) % (2 * math.pi), torch.atan2(b2, a2) % (2 * math.pi)  # (7)

    grey = C1 * C2 == 0
    turn = (h2 - h1 + math.pi) % (2 * math.pi) - math.pi  # (10): the shorter way round
    turn = torch.where(grey, torch.zeros_like(turn), turn)
    dL, dC, dH = L2 - L1, C2 - C1, 2 * torch.sqrt(C1 * C2) * torch.sin(turn / 2)  # (8), (9), (11)

    mean_L, mean_C = (L1 + L2) / 2, (C1 + C2) / 2  # (12), (13)
    mean_h = torch.where(grey, h1 + h2, (h1 + h2) / 2)  # (14)
    # Opposite hues are halfway round up to rounding, and must not fall on either side by it.
    far = ~grey & ((h1 - h2).abs() > math.pi + 1e-6)
    mean_h = torch.where(far, (mean_h + math.pi) % (2 * math.pi), mean_h)

    T = (  # (15)
        1
        - 0.17 * torch.cos(mean_h - math.radians(30))
        + 0.24 * torch.cos(2 * mean_h)
        + 0.32 * torch.cos(3 * mean_h + math.radians(6))
        - 0.20 * torch.cos(4 * mean_h - math.radians(63))
    )
    theta = math.radians(30) * torch.exp(-(((torch.rad2deg(mean_h) - 275) / 25) ** 2))  # (16)
    R_C = 2 * torch.sqrt(mean_C**7 / (mean_C**7 + 25**7))  # (17)
    S_L = 1 + 0.015 * (mean_L - 50) ** 2 / torch.sqrt(20 + (mean_L - 50) ** 2)  # (18)
    S_C, S_H = 1 + 0.045 * mean_C, 1 + 0.015 * mean_C * T  # (19), (20)
    R_T = -torch.sin(2 * theta) * R_C  # (21)
    squared = (dL / S_L) ** 2 + (dC / S_C) ** 2 + (dH / S_H) ** 2  # (22)
    return torch.sqrt((squared + R_T * (dC / S_C) * (dH / S_H)).clamp(min=0))


def of_colorings(
    L: Float[Tensor, "b 1 h w"],
    colorings: Mapping[str, Float[Tensor, "b 2 h w"]],
    true_ab: Float[Tensor, "b 2 h w"],
) -> dict[str, Float[Tensor, " b"]]:
    """Judge colourings of one batch, everything in a network's scale.

    Args: colorings: the ab of each, by the suffix that its figures get.
    Returns: for each colouring the figures of COLORING (delta_e2000 is the mean over pixels, of
        the colours that sRGB can show), and colorfulness_true.
    """
    true_rgb = color.L_ab_to_rgb(L, true_ab)
    true_lab = color.rgb_to_lab(true_rgb)
    figures = {"colorfulness_true": colorfulness(true_rgb)}
    for suffix, ab in colorings.items():
        rgb = color.L_ab_to_rgb(L, ab)
        difference = delta_e2000(color.rgb_to_lab(rgb), true_lab)
        figures |= {
            f"ab_mae{suffix}": ab_mae(ab, true_ab),
            f"psnr{suffix}": psnr(rgb, true_rgb),
            f"ssim{suffix}": ssim(rgb, true_rgb),
            f"delta_e2000{suffix}": difference.mean(dim=(1, 2)),
            f"colorfulness{suffix}": colorfulness(rgb),
        }
    return figures
