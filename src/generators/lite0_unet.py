"""A light U-Net whose encoder knows ImageNet."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import DoubleConv, pad_to_multiple
from src.lite0 import STRIDE, TAPS, Lite0, load_imagenet_weights


class Lite0UNet(nn.Module):
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
        self.dropout = nn.Dropout2d(dropout)
        self.encoder = Lite0()
        self._frozen = [*self.encoder.first_layers(frozen_blocks)]
        for layer in self._frozen:
            layer.requires_grad_(False)
        *skips, deepest = TAPS.values()
        widths = (deepest, *decoder_channels)
        self.merges = nn.ModuleList(
            DoubleConv(below + skip, width)
            for below, skip, width in zip(widths, reversed(skips), widths[1:], strict=False)
        )
        self.head = nn.Sequential(nn.Conv2d(widths[-1], 2, 1), nn.Tanh())

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
        height, width = L.shape[-2:]
        # L* and a grey's sRGB value differ by less than 0.04: the encoder may see it as grey.
        *skips, x = self.encoder(pad_to_multiple(L, STRIDE).expand(-1, 3, -1, -1))
        x = self.dropout(x)
        for merge in self.merges:
            skip = skips.pop()
            x = F.interpolate(x, skip.shape[-2:], mode="nearest")
            x = merge(torch.cat([x, skip], dim=1))
        return F.interpolate(self.head(x), scale_factor=2, mode="bilinear")[..., :height, :width]
