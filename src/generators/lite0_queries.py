"""Colour queries: what the last layer makes of the features depends on the whole picture."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import draw_normal
from src.generators.lite0 import TAPS
from src.generators.lite0_generator import enlarged
from src.generators.lite0_unet import Lite0UNet
from src.generators.transformer import Attention, FeedForward, sinusoids

SCALES = 3  # of the encoder that queries look at: 1/32, 1/16 and 1/8


class Lite0Queries(Lite0UNet):
    """The light U-Net with colour queries, in the manner of DDColor (Kang et al. 2023,
    arXiv:2212.11613).

    Learned queries look at three scales of the encoder, coarsest first, and at each other. Each is
    then multiplied with the features of the U-Net, which gives a map of where it applies; a 1x1
    convolution makes ab of the maps. DDColor's queries look at its pixel decoder instead, and it
    takes 100 of 256 channels, three rounds, and a much larger encoder.

    Args:
        queries: how many there are.
        query_channels: of each, a multiple of 32.
        rounds: how often each scale is looked at.
        others: as for Lite0UNet.
    Raises: ValueError: if these make no network.
    """

    def __init__(self, *, queries: int, query_channels: int, rounds: int, **others: Any) -> None:
        super().__init__(**others)
        for name, value in (("queries", queries), ("rounds", rounds)):
            if value < 1:
                raise ValueError(f"{name} is {value}: expected at least 1")
        self.queries = nn.Parameter(torch.empty(queries, query_channels))
        draw_normal(self.queries, 1.0)
        self.memories = nn.ModuleList(
            nn.Conv2d(channels, query_channels, 1)
            for channels in [*TAPS.values()][: -SCALES - 1 : -1]
        )
        self.blocks = nn.ModuleList(QueryBlock(query_channels) for _ in range(SCALES * rounds))
        self.out = nn.Sequential(
            nn.LayerNorm(query_channels), nn.Linear(query_channels, self.width)
        )
        self.head = nn.Sequential(nn.Conv2d(queries, 2, 1), nn.Tanh())

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        encoded = self.encoded(L)
        colors, features = self._looked(encoded), self.decoded(encoded)
        maps = torch.einsum("bqc,bcij->bqij", colors, features) / self.width**0.5
        return enlarged(self.head(maps), 2, L)

    def _looked(self, encoded: list[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b q c"]:
        """Return what the queries have become of a picture."""
        memories = []
        for convolve, features in zip(self.memories, reversed(encoded), strict=False):
            memory = convolve(features)
            memories.append(memory.flatten(2).transpose(1, 2) + sinusoids(memory))
        queries = self.queries.expand(len(encoded[0]), -1, -1)
        for i, block in enumerate(self.blocks):
            queries = block(queries, memories[i % SCALES])
        return self.out(queries)


class QueryBlock(nn.Module):
    """Attention to a scale of the picture, then to the other queries, then a layer for each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.memory_norm = nn.LayerNorm(channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.to_memory = Attention(channels)
        self.to_queries = Attention(channels)
        self.feed_forward = FeedForward(channels)

    def forward(
        self, queries: Float[Tensor, "b q c"], memory: Float[Tensor, "b n c"]
    ) -> Float[Tensor, "b q c"]:
        first, second, third = self.norms
        queries = queries + self.to_memory(first(queries), self.memory_norm(memory))
        own = second(queries)
        queries = queries + self.to_queries(own, own)
        return queries + self.feed_forward(third(queries))
