"""A deeper U-Net of residual blocks."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.unet import UNet


class ResidualDoubleConv(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a 1x1 one of the same (He et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return F.relu(self.convolutions(x) + self.shortcut(x))


class DeepUNet(UNet):
    """The U-Net with five halvings and residual double convolutions, in the manner of the deep
    residual U-Net (Zhang et al. 2018, arXiv:1711.10684).

    Args: base_channels: as for UNet; 64 gives 64-128-256-512-1024-1024, 87.0 M parameters.
    """

    block = ResidualDoubleConv
    multiples = (1, 2, 4, 8, 16, 16)
