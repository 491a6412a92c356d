"""Judges of (L, ab) pairs."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Verdict(NamedTuple):
    """What a discriminator makes of a batch.

    Attributes:
        logits: a map (b, 1, i, j) for each scale, without sigmoid: high where the pair looks real.
        features: for each of these maps, what the layers before it gave, in their order.
    """

    logits: list[Tensor]
    features: list[list[Tensor]]


class Discriminator(nn.Module):
    """Tells real ab from a generator's, given L. A network derives from it.

    Attributes: min_size: the smallest side in pixels of pictures that it can judge.
    """

    min_size: int

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        """Judge pairs of L and ab, both in [-1, 1]."""
        raise NotImplementedError


class PatchGAN(Discriminator):
    """Conditional 70x70 PatchGAN: C64-C128-C256-C512, 4x4 kernels (Isola et al. 2017).

    Every logit judges one 70x70 patch; an input of 256x256 gives 30x30 of them.

    Args: base_channels: width of the first convolution; 64 gives 2.77 M parameters.
    """

    min_size = 24  # below it the last convolution has nothing left to look at

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        c = base_channels
        first = nn.Conv2d(3, c, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True)),
                _block(c, 2 * c, stride=2),
                _block(2 * c, 4 * c, stride=2),
                _block(4 * c, 8 * c, stride=1),
            ]
        )
        self.head = nn.Conv2d(8 * c, 1, 4, padding=1)

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        x = torch.cat([L, ab], dim=1)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return Verdict([self.head(x)], [features])


def _block(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 4, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )
