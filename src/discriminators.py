"""Judges of (L, ab) pairs."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PatchGAN(nn.Module):
    """Conditional 70x70 PatchGAN: C64-C128-C256-C512, 4x4 kernels (Isola et al. 2017).

    Every logit judges one 70x70 patch; an input of 256x256 gives 30x30 of them.

    Args: base_channels: width of the first convolution; 64 gives 2.77 M parameters.
    """

    MIN_SIZE = 24  # below it the last convolution has nothing left to look at

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            nn.Conv2d(3, c, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *_block(c, 2 * c, stride=2),
            *_block(2 * c, 4 * c, stride=2),
            *_block(4 * c, 8 * c, stride=1),
            nn.Conv2d(8 * c, 1, 4, padding=1),
        )

    def forward(
        self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]
    ) -> Float[Tensor, "b 1 i j"]:
        """Return patch logits, without sigmoid: high where the pair looks real.

        Raises: ValueError: if a side is under 24 pixels.
        """
        if min(L.shape[-2:]) < self.MIN_SIZE:
            raise ValueError(
                f"PatchGAN judges pictures of at least {self.MIN_SIZE}x{self.MIN_SIZE} pixels, "
                f"got {L.shape[-1]}x{L.shape[-2]}: use larger ones or model/discriminator=none"
            )
        return self.layers(torch.cat([L, ab], dim=1))


def _block(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 4, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    ]
