"""A judge of patches."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.discriminators.discriminator import Discriminator, Verdict
from src.discriminators.layers import Layers, through


class PatchGAN(Discriminator):
    """Conditional 70x70 PatchGAN: C64-C128-C256-C512, 4x4 kernels (Isola et al. 2017).

    Every logit judges one 70x70 patch; an input of 256x256 gives 30x30 of them.

    Args:
        base_channels: width of the first convolution; 64 gives 2.77 M parameters.
        norm, spectral_norm: as for Layers.
    """

    min_size = 24  # below it the last convolution has nothing left to look at

    def __init__(
        self, base_channels: int = 64, norm: str = "batch", spectral_norm: bool = False
    ) -> None:
        super().__init__()
        c, layer = base_channels, Layers(norm, spectral_norm=spectral_norm)
        self.blocks = nn.ModuleList(
            [
                layer.plain(3, c, 4, stride=2),
                layer(c, 2 * c, 4, stride=2),
                layer(2 * c, 4 * c, 4, stride=2),
                layer(4 * c, 8 * c, 4, stride=1),
            ]
        )
        self.head = layer.conv(8 * c, 1, 4, stride=1)

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        features = through(self.blocks, torch.cat([L, ab], dim=1))
        return Verdict([self.head(features[-1])], [features])
