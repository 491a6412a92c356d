"""A light U-Net whose encoder knows ImageNet."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.ab_bins import JointBins
from src.generators.blocks import DoubleConv
from src.generators.lite0 import TAPS
from src.generators.lite0_generator import Lite0Generator, enlarged

WIDE = 16  # pixels of a level's side from which enlarging and convolving in one pays on CPUs


class Lite0UNet(Lite0Generator):
    """U-Net on EfficientNet-Lite0 (Tan and Le 2019): ab at half the size, enlarged.

    Args:
        decoder_channels: at 1/16, 1/8, 1/4 and 1/2 of the size.
        frozen_blocks, dropout: as for Lite0Generator.
    """

    def __init__(
        self, decoder_channels: Sequence[int], frozen_blocks: int, dropout: float = 0.0
    ) -> None:
        super().__init__(frozen_blocks, dropout)
        *skips, deepest = TAPS.values()
        if len(decoder_channels) != len(skips):
            raise ValueError(f"expected {len(skips)} decoder_channels, got {len(decoder_channels)}")
        widths = (deepest, *decoder_channels)
        self.merges = nn.ModuleList(
            Merge(below + skip, width)
            for below, skip, width in zip(widths, reversed(skips), decoder_channels, strict=False)
        )
        self.width = widths[-1]
        self.head: nn.Module = nn.Sequential(nn.Conv2d(widths[-1], 2, 1), nn.Tanh())

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        return enlarged(self.head(self.features(L)), 2, L)

    def features(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c i j"]:
        """What the head sees, at half the size of L after padding."""
        return self.decoded(self.encoded(L))

    def decoded(self, encoded: list[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c i j"]:
        *skips, x = encoded
        for merge in self.merges:
            x = merge(x, skips.pop())
        return x


class Merge(DoubleConv):
    """A level of the decoder: what comes from below, twice as large, beside the encoder's."""

    def forward(  # type: ignore[override]  # which takes two
        self, x: Float[Tensor, "b c i j"], skip: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b e h w"]:
        first, *others = self
        if self.training and x.device.type == "cpu" and skip.shape[-1] >= WIDE:
            weight = cast(nn.Conv2d, first).weight
            x = _enlarged_and_convolved(x, weight[:, : x.shape[1]])
            x = x + F.conv2d(skip, weight[:, -skip.shape[1] :], padding=1)
        else:
            x = F.interpolate(x, skip.shape[-2:], mode="nearest")
            x = first(torch.cat([x, skip], dim=1))
        for layer in others:
            x = layer(x)
        return x


def _enlarged_and_convolved(
    x: Float[Tensor, "b c i j"], weight: Float[Tensor, "d c 3 3"]
) -> Float[Tensor, "b d h w"]:
    """Repeat each pixel twice either way and convolve, to rounding, in half of the time.

    Of the nine products of a pixel's channel four are left, since its neighbours are often equal: a
    transposed convolution of stride 2, whose kernel is a square of ones convolved with this one.
    """
    kernel = F.pad(weight.transpose(0, 1).flip(2, 3), (1, 1, 1, 1))
    kernel = kernel[..., :-1, :] + kernel[..., 1:, :]
    kernel = kernel[..., :-1] + kernel[..., 1:]
    return F.conv_transpose2d(x, kernel, stride=2, padding=1)


class Lite0Classes(Lite0UNet):
    """The same with probabilities of the ab plane's bins for ab (Zhang et al. 2016).

    In training it gives logits at a quarter of the size: neighbours are alike, and the bins are a
    quarter of a step's time then.

    Args:
        temperature: of the annealed mean that makes one colour of the probabilities.
        others: as for Lite0UNet.
    """

    bins: JointBins

    def __init__(self, *, temperature: float, **others: Any) -> None:
        super().__init__(**others)
        self.bins = JointBins(temperature)
        self.head = nn.Conv2d(self.width, self.bins.count, 1)

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1]; in training, logits (b, q, h / 4, w / 4)."""
        if self.training:
            return self.logits(L)
        return enlarged(self.bins.ab(self.head(self.features(L))), 2, L)

    def logits(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b q i j"]:
        """Return the logits of `bins` for every 4x4 pixels."""
        height, width = L.shape[-2:]
        own = self.features(L)[..., : (height + 1) // 2, : (width + 1) // 2]
        return self.head(F.avg_pool2d(own, 2, ceil_mode=True))
