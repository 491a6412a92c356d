"""Parts that generators share."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Twice: 3x3 convolution, batch norm, ReLU (Ronneberger et al. 2015, with batch norm added)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            # Batch norm subtracts the mean, and a bias with it.
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def pad_to_multiple(L: Float[Tensor, "b c h w"], multiple: int) -> Float[Tensor, "b c H W"]:
    """Repeat the last row and column until both sides divide by `multiple`; crop with `[:h, :w]`.

    This lets a network that halves its input several times take pictures of any size.
    """
    height, width = L.shape[-2:]
    return F.pad(L, (0, -width % multiple, 0, -height % multiple), mode="replicate")
