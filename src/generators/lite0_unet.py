"""A light U-Net whose encoder knows ImageNet."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators import ab_bins
from src.generators.blocks import DoubleConv, pad_to_multiple
from src.generators.generator import Generator
from src.generators.lite0 import STRIDE, TAPS, Lite0, load_imagenet_weights


class Lite0UNet(Generator):
    """U-Net on EfficientNet-Lite0 (Tan and Le 2019): ab at half the size, enlarged.

    Args:
        decoder_channels: at 1/16, 1/8, 1/4 and 1/2 of the size.
        frozen_blocks: of the encoder's 16 blocks, so many at the beginning stay as ImageNet made
            them, with the stem: they see edges and textures, and are half of a step's time.
        dropout: share of the deepest feature maps that a training step does without.
    """

    def __init__(
        self, decoder_channels: Sequence[int], frozen_blocks: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        *skips, deepest = TAPS.values()
        if len(decoder_channels) != len(skips):
            raise ValueError(f"expected {len(skips)} decoder_channels, got {len(decoder_channels)}")
        self.dropout = nn.Dropout2d(dropout)
        self.encoder = Lite0()
        self._frozen = [*self.encoder.first_layers(frozen_blocks)]
        for layer in self._frozen:
            layer.requires_grad_(False)
        widths = (deepest, *decoder_channels)
        self.merges = nn.ModuleList(
            DoubleConv(below + skip, width)
            for below, skip, width in zip(widths, reversed(skips), decoder_channels, strict=False)
        )
        self.width = widths[-1]
        self.head: nn.Module = nn.Sequential(nn.Conv2d(widths[-1], 2, 1), nn.Tanh())

    def load_pretrained(self) -> None:
        """Start the encoder from ImageNet. Raises: ValueError: if the weights are not installed."""
        load_imagenet_weights(self.encoder)

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Return what starts from ImageNet, and so should change more slowly."""
        return [*self.encoder.parameters()]

    def train(self, mode: bool = True) -> "Lite0UNet":
        super().train(mode)
        for layer in self._frozen:
            layer.eval()  # batch norm's statistics are frozen too
        return self

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        return _enlarged(self.head(self.features(L)), L)

    def features(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c i j"]:
        """What the head sees, at half the size of L after padding."""
        # L* and a grey's sRGB value differ by less than 0.04: the encoder may see it as grey.
        *skips, x = self.encoder(pad_to_multiple(L, STRIDE).expand(-1, 3, -1, -1))
        x = self.dropout(x)
        for merge in self.merges:
            skip = skips.pop()
            x = F.interpolate(x, skip.shape[-2:], mode="nearest")
            x = merge(torch.cat([x, skip], dim=1))
        return x


class Lite0Classes(Lite0UNet):
    """The same with probabilities of the ab plane's bins for ab (Zhang et al. 2016).

    In training it gives logits, of every second row and column of the half size: neighbours are
    alike, and the bins are a quarter of a step's time then.

    Args:
        temperature: of the annealed mean that makes one colour of the probabilities.
        others: as for Lite0UNet.
    """

    predicts_bins = True

    def __init__(self, *, temperature: float, **others: Any) -> None:
        super().__init__(**others)
        if not 0 < temperature <= 1:
            raise ValueError(f"temperature is {temperature}: expected over 0, and at most 1")
        self.temperature = temperature
        self.head = nn.Conv2d(self.width, ab_bins.BINS, 1)

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1]; in training, logits (b, BINS, h / 4, w / 4)."""
        features = self.features(L)
        if self.training:
            height, width = L.shape[-2:]
            return self.head(features[..., : (height + 1) // 2 : 2, : (width + 1) // 2 : 2])
        return _enlarged(ab_bins.annealed_mean(self.head(features), self.temperature), L)


def _enlarged(
    half: Float[Tensor, "b 2 i j"], L: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 2 h w"]:
    height, width = L.shape[-2:]
    return F.interpolate(half, scale_factor=2, mode="bilinear")[..., :height, :width]
