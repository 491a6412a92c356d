"""The U-Net, alone or as the generator of the conditional GAN."""

from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import DoubleConv, cut_at_convolutions, pad_to_multiple
from src.generators.generator import Generator


class UNet(Generator):
    """U-Net (Ronneberger et al. 2015): four halvings, four up blocks with skips, tanh.

    Args: base_channels: width of the first block; 64 gives 64-128-256-512-1024, 31.0 M parameters.

    Attributes:
        block: what convolves at each level, made of its channels in and out.
        multiples: width of each level, finest first, in base_channels.
    """

    block: ClassVar[type[nn.Module]] = DoubleConv
    multiples: ClassVar[tuple[int, ...]] = (1, 2, 4, 8, 16)

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        widths = [multiple * base_channels for multiple in self.multiples]
        self.stem = self.block(1, widths[0])
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), self.block(above, width))
            for above, width in pairwise(widths)
        )
        self.ups = nn.ModuleList(
            Up(below, width, self.block) for below, width in pairwise(reversed(widths))
        )
        self.head = nn.Sequential(nn.Conv2d(widths[0], 2, 1), nn.Tanh())

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        height, width = L.shape[-2:]
        *skips, x = self.encode(L)
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)[..., :height, :width]

    def encode(self, L: Float[Tensor, "b 1 h w"]) -> list[Float[Tensor, "b c i j"]]:
        """Return the features of each level of L after padding, finest first."""
        features = [self.stem(pad_to_multiple(L, 2 ** len(self.downs)))]
        for down in self.downs:
            features.append(down(features[-1]))
        return features

    def encoder_layers(self) -> list[nn.Sequential]:
        if self.block is not DoubleConv:  # whose modules need not run one after the other
            return []
        return cut_at_convolutions(self.stem, self.downs)


class Up(nn.Module):
    """Double the resolution, change the channels, and merge the encoder's features of that size."""

    def __init__(
        self, in_channels: int, out_channels: int, block: type[nn.Module] = DoubleConv
    ) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.merge = block(2 * out_channels, out_channels)

    def forward(
        self, x: Float[Tensor, "b c h w"], skip: Float[Tensor, "b d H W"]
    ) -> Float[Tensor, "b d H W"]:
        return self.merge(torch.cat([skip, self.upsample(x)], dim=1))
