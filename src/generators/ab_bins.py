"""The ab plane cut into bins: colours as classes, and a colour made of classes' probabilities."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

# Of each axis of [-1, 1], 12 Lab units apart; those outside sRGB are never met, and cost little.
STEPS = 19
BINS = STEPS**2


def cross_entropy(
    logits: Float[Tensor, "b q i j"], real_ab: Float[Tensor, "b 2 h w"]
) -> Float[Tensor, ""]:
    """Cross-entropy against the four bins around each true colour, weighed as it is near them.

    Several colours that are equally likely stay several, where a mean or median is brown.

    Args:
        logits: of BINS bins, for every second row and column of ab at half its size.
        real_ab: in [-1, 1].
    Source: Zhang, Isola and Efros 2016, Colorful Image Colorization, equation 2, without their
        rebalancing by the rarity of bins.
    """
    ab = F.avg_pool2d(real_ab, 2, ceil_mode=True)[..., ::2, ::2]
    bins, shares = _corners(ab)
    return -(shares * logits.log_softmax(dim=1).gather(1, bins)).sum(dim=1).mean()


def _corners(
    ab: Float[Tensor, "b 2 h w"],
) -> tuple[Int[Tensor, "b 4 h w"], Float[Tensor, "b 4 h w"]]:
    """The bins around each colour, and the share of each by bilinear interpolation."""
    place = (ab + 1) / 2 * (STEPS - 1)
    low = place.floor().clamp(0, STEPS - 2)
    beyond = place - low
    a, b = torch.stack([low, low + 1], dim=1).long().unbind(dim=2)
    share_a, share_b = torch.stack([1 - beyond, beyond], dim=1).unbind(dim=2)
    bins = a[:, :, None] * STEPS + b[:, None]
    return bins.flatten(1, 2), (share_a[:, :, None] * share_b[:, None]).flatten(1, 2)


def annealed_mean(logits: Float[Tensor, "b q h w"], temperature: float) -> Float[Tensor, "b 2 h w"]:
    """Return the mean colour after probabilities were sharpened: at 1 pale, near 0 the likeliest.

    Source: Zhang, Isola and Efros 2016, equation 5.
    """
    steps = torch.linspace(-1, 1, STEPS, device=logits.device, dtype=logits.dtype)
    centers = torch.stack([steps.repeat_interleave(STEPS), steps.repeat(STEPS)])
    return F.conv2d((logits / temperature).softmax(dim=1), centers[..., None, None])
