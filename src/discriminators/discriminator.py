"""What training expects of a judge of (L, ab) pairs."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class Verdict(NamedTuple):
    """What a discriminator makes of a batch.

    Attributes:
        logits: a map (b, 1, i, j) for each scale, without sigmoid: high where the pair looks real.
        features: for each of these maps, what the layers before it gave, in their order.
    """

    logits: list[Tensor]
    features: list[list[Tensor]]


class Discriminator(nn.Module):
    """Tells real ab from a generator's, given L. A network derives from it.

    Attributes: min_size: the smallest side in pixels of pictures that it can judge.
    """

    min_size: int

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        """Judge pairs of L and ab, both in [-1, 1]."""
        raise NotImplementedError
