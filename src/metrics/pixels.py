"""Errors of pixels, and the likeness of pictures, for each picture."""

import torch
from jaxtyping import Float
from torch import Tensor

from src import color


def ab_mae(ab: Float[Tensor, "b 2 h w"], true_ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, " b"]:
    """Mean absolute error of a* and b* in Lab units, from ab in a network's scale [-1, 1]."""
    return (ab.float() - true_ab.float()).abs().mean(dim=(1, 2, 3)) * color.AB_RANGE


def psnr(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio in dB of each picture, sRGB in [0, 1]."""
    noise = (rgb - true_rgb).square().mean(dim=(1, 2, 3))
    # A perfect picture has no noise; infinity would swallow a mean.
    return (-10 * torch.log10(noise)).clamp(max=100)


def accuracy(
    rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"], tolerance: float
) -> Float[Tensor, " b"]:
    """Share of each picture's pixels whose R, G and B in [0, 1] are all off by at most `tolerance`.

    Source: Nazeri, Ng and Ebrahimi 2018, which reports it for 0.02 and 0.05.
    """
    return ((rgb - true_rgb).abs() <= tolerance).all(dim=1).float().mean(dim=(1, 2))


def ssim(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Structural similarity of each picture, sRGB in [0, 1], at least 11 pixels on each side.

    Source: Wang et al. 2004; an 11x11 Gaussian of sigma 1.5 where it fits into the picture, as in
        scikit-image. torchmetrics blurs over reflected borders too, and takes four times as long.
    """
    x, y = rgb.float(), true_rgb.float()
    stacked = torch.stack([x, y, x**2 + y**2, x * y])
    mean, true_mean, squares, product = _blurred(_blurred(stacked).mT).mT
    both = mean**2 + true_mean**2
    variances, covariance = squares - both, product - mean * true_mean
    likeness = (2 * mean * true_mean + 0.01**2) * (2 * covariance + 0.03**2)
    likeness /= (both + 0.01**2) * (variances + 0.03**2)
    return likeness.mean(dim=(1, 2, 3))


def _blurred(x: Float[Tensor, "... h w"]) -> Float[Tensor, "... i w"]:
    """Blur each column. Sums of shifted pictures are faster than a convolution of one channel."""
    weights = torch.exp(-(torch.arange(-5.0, 6) ** 2) / (2 * 1.5**2))
    rows = x.shape[-2] - 10
    blurred = torch.zeros_like(x[..., :rows, :])
    for i, weight in enumerate((weights / weights.sum()).tolist()):
        blurred.add_(x[..., i : i + rows, :], alpha=weight)
    return blurred
