"""Lightness changed as old photographs show it: soft, faded, uneven, grainy."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

# Of each change: how often it is made, and how far it may go, in shares of white.
BLUR, TONE, FADING, UNEVEN, GRAIN = 0.2, 0.5, 0.5, 0.3, 0.4
MOST_TONE = 1.5  # power of mid-tones, or 1 / it
LEAST_FADING, MOST_FADING = -0.08, 0.2  # by which black and white move inwards
MOST_UNEVEN, MOST_GRAIN = 0.08, 0.06  # standard deviations
DRAWS = 11


def aged(L: Float[Tensor, "b 1 h w"], seeds: Int64[Tensor, " b"]) -> Float[Tensor, "b 1 h w"]:
    """Change L in [-1, 1] at random, each picture by what its own seed gives.

    Half of the details blur, mid-tones brighten or darken, black and white fade, light is uneven,
    and grain is added: each of them in a share of the pictures.

    Source: after the unstructured degradations of Wan et al. 2020, Bringing Old Photos Back to
        Life, arXiv:2004.09484.
    """
    height, width = L.shape[2:]
    drawn = [_drawn(seed, height, width) for seed in seeds.tolist()]
    u, light, grain = (torch.stack(one).to(L) for one in zip(*drawn, strict=True))

    def amount(chance: int, own: int, often: float, least: float, most: float) -> Tensor:
        """Between least and most where the change is made, and 0 elsewhere; (b, 1, 1, 1)."""
        return ((u[:, chance] < often) * (least + (most - least) * u[:, own])).view(-1, 1, 1, 1)

    white = (L + 1) / 2
    soft = F.interpolate(F.avg_pool2d(white, 2, ceil_mode=True), (height, width), mode="bilinear")
    white = torch.lerp(white, soft, amount(0, 1, BLUR, 0.3, 1))
    power = amount(2, 3, TONE, -math.log(MOST_TONE), math.log(MOST_TONE)).exp()
    white = white.clamp(min=0) ** power
    black, glare = (amount(4, i, FADING, LEAST_FADING, MOST_FADING) for i in (5, 6))
    white = black + white * (1 - glare - black)
    lit = F.interpolate(light, (height, width), mode="bicubic", align_corners=True)
    white = white + amount(7, 8, UNEVEN, 0, MOST_UNEVEN) * lit
    white = white + amount(9, 10, GRAIN, 0, MOST_GRAIN) * grain
    return white.clamp(0, 1) * 2 - 1


def _drawn(seed: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return (
        torch.rand(DRAWS, generator=source),
        torch.randn(1, 3, 3, generator=source),
        torch.randn(1, height, width, generator=source),
    )
