"""Errors of pixels, and the likeness of pictures, for each picture."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from src import color

LEVEL = 1 / 255


def ab_mae(ab: Float[Tensor, "b 2 h w"], true_ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, " b"]:
    """Mean absolute error of a* and b* in Lab units, from ab in a network's scale [-1, 1]."""
    return (ab.float() - true_ab.float()).abs().mean(dim=(1, 2, 3)) * color.AB_RANGE


def psnr(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio in dB of each picture, sRGB in [0, 1]."""
    noise = (rgb - true_rgb).square().mean(dim=(1, 2, 3))
    # A perfect picture has no noise; infinity would swallow a mean.
    return (-10 * torch.log10(noise)).clamp(max=100)


def ssim(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Structural similarity of each picture, sRGB in [0, 1], at least 11 pixels on each side.

    Source: Wang et al. 2004; an 11x11 Gaussian of sigma 1.5 where it fits into the picture, as in
        scikit-image. torchmetrics blurs over reflected borders too, and takes four times as long.
    """
    one, other = (x.float().flatten(0, 1)[:, None] for x in (rgb, true_rgb))
    stacked = torch.cat([one, other, one**2, other**2, one * other])
    mean, true_mean, square, true_square, product = _blurred(stacked).chunk(5)
    variance, true_variance = square - mean**2, true_square - true_mean**2
    covariance = product - mean * true_mean
    likeness = (2 * mean * true_mean + 0.01**2) * (2 * covariance + 0.03**2)
    likeness /= (mean**2 + true_mean**2 + 0.01**2) * (variance + true_variance + 0.03**2)
    return likeness.mean(dim=(1, 2, 3)).unflatten(0, (-1, 3)).mean(dim=1)


def _blurred(x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 i j"]:
    window = torch.exp(-(torch.arange(-5.0, 6, device=x.device) ** 2) / (2 * 1.5**2))
    window = (window / window.sum()).view(1, 1, 11, 1)
    return F.conv2d(F.conv2d(x, window), window.mT)


def clipped(unclipped: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Share of pixels that lie outside sRGB, by more than half a level of 8 bits in a channel."""
    outside = (unclipped < -LEVEL / 2) | (unclipped > 1 + LEVEL / 2)
    return outside.any(dim=1).float().mean(dim=(1, 2))
