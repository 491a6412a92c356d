"""A judge of single pixels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.discriminators.discriminator import Discriminator, Verdict
from src.discriminators.layers import Layers, through


class PixelGAN(Discriminator):
    """Conditional 1x1 PixelGAN: C64-C128, 1x1 kernels (Isola et al. 2017).

    Every logit judges the colour of one pixel given its lightness: nothing of where it stands.

    Args: as for PatchGAN.
    """

    min_size = 1

    def __init__(
        self, base_channels: int = 64, norm: str = "batch", spectral_norm: bool = False
    ) -> None:
        super().__init__()
        c, layer = base_channels, Layers(norm, spectral_norm=spectral_norm)
        self.blocks = nn.ModuleList([layer.plain(3, c, 1, stride=1), layer(c, 2 * c, 1, stride=1)])
        self.head = layer.conv(2 * c, 1, 1, stride=1)

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        features = through(self.blocks, torch.cat([L, ab], dim=1))
        return Verdict([self.head(features[-1])], [features])
