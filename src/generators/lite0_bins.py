"""A slim decoder on EfficientNet-Lite0, which gives histograms of a and of b."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.ab_bins import AxisBins, Bins, JointBins
from src.generators.lite0 import TAPS
from src.generators.lite0_generator import Lite0Generator, enlarged

HISTOGRAMS = AxisBins()
CLASS_CHANNELS = 128


class Lite0Bins(Lite0Generator):
    """Histograms of a and b at a quarter of the size, whose medians are the colours, enlarged.

    What comes from below and the encoder's features are brought to one width and added, so that
    a step takes two thirds of Lite0UNet's time.

    Args:
        decoder_channels: at 1/16, 1/8 and 1/4 of the size.
        frozen_blocks, dropout: as for Lite0Generator.
        histogram_temperature: sharpens the histograms before their medians are taken: under 1, the
            colours are bolder where the likely ones lie on one side.
    """

    bins: Bins = HISTOGRAMS

    def __init__(
        self,
        decoder_channels: Sequence[int],
        frozen_blocks: int,
        dropout: float = 0.0,
        histogram_temperature: float = 1.0,
    ) -> None:
        super().__init__(frozen_blocks, dropout)
        if not 0 < histogram_temperature <= 1:
            raise ValueError(
                f"histogram_temperature is {histogram_temperature}: expected over 0, and at most 1"
            )
        self.histogram_temperature = histogram_temperature
        _, *skips, deepest = TAPS.values()  # at 1/2 of the size they would cost as much as the rest
        if len(decoder_channels) != len(skips):
            raise ValueError(f"expected {len(skips)} decoder_channels, got {len(decoder_channels)}")
        coarse, middle, fine = decoder_channels
        self.merges = nn.ModuleList(
            [
                Merge(deepest, skips[2], coarse, convolutions=2),
                Merge(coarse, skips[1], middle, convolutions=2),
                Merge(middle, skips[0], fine, convolutions=1),
            ]
        )
        self.width = fine
        self.head = nn.Conv2d(fine, HISTOGRAMS.count, 1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)  # every colour is as likely at first

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1]; in training, logits (b, q, h / 4, w / 4)."""
        logits = self.head(self.features(L))
        if self.training:
            return _within(logits, L)
        return enlarged(HISTOGRAMS.ab(logits / self.histogram_temperature), 4, L)

    def logits(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b q i j"]:
        """Return the logits of `bins` for every 4x4 pixels."""
        return _within(self.head(self.features(L)), L)

    def features(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c i j"]:
        """What the head sees, at a quarter of the size of L after padding."""
        *skips, x = self.encoded(L)
        for merge in self.merges:
            x = merge(x, skips.pop())
        return x


class Lite0Palette(Lite0Bins):
    """Lite0Bins with a second head, `classes`, that gives each of 361 colours a probability.

    Only this head learns, on the features of a Lite0Bins that is trained (model.branch=classes).

    Args:
        temperature: of the annealed mean of the classes, which is the prediction then; None: the
            prediction is that of Lite0Bins, and `logits` tells what else is likely.
        others: as for Lite0Bins.
    """

    def __init__(self, *, temperature: float | None, **others: Any) -> None:
        super().__init__(**others)
        self.temperature = temperature
        self.bins = JointBins(1.0 if temperature is None else temperature)
        self.head.requires_grad_(False)
        self.classes = nn.Sequential(
            nn.Conv2d(self.width, CLASS_CHANNELS, 1, bias=False),
            nn.BatchNorm2d(CLASS_CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CLASS_CHANNELS, self.bins.count, 1),
        )

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1]; in training, logits (b, q, h / 4, w / 4)."""
        if self.training:
            return self.logits(L)
        if self.temperature is None:
            return super().forward(L)
        return enlarged(self.bins.ab(self.classes(self.features(L))), 4, L)

    def logits(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b q i j"]:
        """Return the logits of `bins` for every 4x4 pixels."""
        return _within(self.classes(self.features(L)), L)


def _within(
    logits: Float[Tensor, "b q i j"], L: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b q k l"]:
    """Cut off what stands for padding."""
    height, width = L.shape[-2:]
    return logits[..., : -(-height // 4), : -(-width // 4)]


class Merge(nn.Module):
    """A level of the decoder: adds what comes from below to the encoder's features, and convolves.

    Args: below, side: channels of the two; width: of the level; convolutions: 3x3, of the sum.
    """

    def __init__(self, below: int, side: int, width: int, convolutions: int) -> None:
        super().__init__()
        self.below = nn.Conv2d(below, width, 1, bias=False)
        self.side = nn.Conv2d(side, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.convolutions = nn.Sequential()
        for _ in range(convolutions):
            self.convolutions.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
            self.convolutions.append(nn.BatchNorm2d(width))
            self.convolutions.append(nn.ReLU(inplace=True))

    def forward(
        self, x: Float[Tensor, "b c i j"], skip: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b e h w"]:
        x = F.interpolate(self.below(x), skip.shape[-2:], mode="nearest") + self.side(skip)
        return self.convolutions(F.relu(self.norm(x)))
