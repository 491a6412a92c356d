"""The U-Net, alone or as the generator of the conditional GAN."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import DoubleConv, pad_to_multiple
from src.generators.generator import Generator


class UNet(Generator):
    """U-Net (Ronneberger et al. 2015): four halvings, four up blocks with skips, tanh.

    Args: base_channels: width of the first block; 64 gives 64-128-256-512-1024, 31.0 M parameters.
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        c = base_channels
        self.stem = DoubleConv(1, c)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), DoubleConv(width, 2 * width))
            for width in (c, 2 * c, 4 * c, 8 * c)
        )
        self.ups = nn.ModuleList(Up(width) for width in (16 * c, 8 * c, 4 * c, 2 * c))
        self.head = nn.Sequential(nn.Conv2d(c, 2, 1), nn.Tanh())

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        height, width = L.shape[-2:]
        features = [self.stem(pad_to_multiple(L, 16))]
        for down in self.downs:
            features.append(down(features[-1]))
        x = features.pop()
        for up in self.ups:
            x = up(x, features.pop())
        return self.head(x)[..., :height, :width]


class Up(nn.Module):
    """Double the resolution, halve the channels, and merge the encoder's features of that size."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
        self.merge = DoubleConv(in_channels, in_channels // 2)

    def forward(
        self, x: Float[Tensor, "b c h w"], skip: Float[Tensor, "b d H W"]
    ) -> Float[Tensor, "b d H W"]:
        return self.merge(torch.cat([skip, self.upsample(x)], dim=1))
