"""A judge of whole pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.discriminators.discriminator import Discriminator, Verdict
from src.discriminators.layers import Layers, through


class ImageGAN(Discriminator):
    """Conditional ImageGAN: C64-C128-C256-C512-C512-C512, 4x4 kernels (Isola et al. 2017).

    Their map of logits of 286x286 pixels is one logit here, of the mean of the last features, which
    see 190x190 pixels each. The last layer has no norm, since a small picture is one pixel there.

    Args: as for PatchGAN.
    """

    min_size = 64

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
                layer(4 * c, 8 * c, 4, stride=2),
                layer(8 * c, 8 * c, 4, stride=2),
                layer.plain(8 * c, 8 * c, 4, stride=2),
            ]
        )
        self.head = layer.conv(8 * c, 1, 1, stride=1)

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        features = through(self.blocks, torch.cat([L, ab], dim=1))
        return Verdict([self.head(features[-1].mean(dim=(2, 3), keepdim=True))], [features])
