"""The U-Net with more skips."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import DoubleConv, pad_to_multiple
from src.generators.generator import Generator

MULTIPLES = (1, 2, 4, 8, 16)


class NestedUNet(Generator):
    """U-Net++ (Zhou et al. 2018, arXiv:1807.10165): on the way from each level of the encoder to
    the decoder stand nodes, which see all those before them and the level below.

    Node j of level i is X[i, j] = H([X[i, 0], ..., X[i, j - 1], U(X[i + 1, j - 1])]), H being a
    double convolution and U a transposed one; X[i, 0] is the encoder's.

    Args:
        base_channels: width of the finest level, 32 in the paper; 64 gives 64-128-256-512-1024 and
            36.2 M parameters.
        deep_supervision: all four nodes of the finest level predict ab, each of which is to be
            right in training; their mean is the prediction. Otherwise only the last one does.
    """

    def __init__(self, base_channels: int = 64, deep_supervision: bool = False) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        widths = [multiple * base_channels for multiple in MULTIPLES]
        self.encoder = nn.ModuleList(
            DoubleConv(above, width) for above, width in pairwise([1, *widths])
        )
        self.pool = nn.MaxPool2d(2)
        self.nodes = nn.ModuleList(
            Node(widths[i], widths[i + 1], seen=j)
            for j in range(1, len(widths))
            for i in range(len(widths) - j)
        )
        heads = len(MULTIPLES) - 1 if deep_supervision else 1
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(widths[0], 2, 1), nn.Tanh()) for _ in range(heads)
        )

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1] from L in [-1, 1], at any size.

        In training with deep supervision: that of each node, (b, 4, 2, h, w).
        """
        height, width = L.shape[-2:]
        x = pad_to_multiple(L, 2 ** (len(self.encoder) - 1))
        levels = []
        for i, block in enumerate(self.encoder):
            x = block(self.pool(x) if i else x)
            levels.append([x])
        nodes = iter(self.nodes)
        for count in range(len(levels) - 1, 0, -1):
            for above, below in pairwise(levels[: count + 1]):
                above.append(next(nodes)(above, below[-1]))
        finest = levels[0][-len(self.heads) :]
        predicted = [head(x) for head, x in zip(self.heads, finest, strict=True)]
        each = torch.stack(predicted, dim=1)[..., :height, :width]
        return each if self.training and self.deep_supervision else each.mean(dim=1)


class Node(nn.Module):
    """Merges the nodes before it on its level with the one below, enlarged."""

    def __init__(self, channels: int, channels_below: int, seen: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels_below, channels, 2, stride=2)
        self.merge = DoubleConv((seen + 1) * channels, channels)

    def forward(
        self, before: list[Float[Tensor, "b c H W"]], below: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b c H W"]:
        return self.merge(torch.cat([*before, self.upsample(below)], dim=1))
