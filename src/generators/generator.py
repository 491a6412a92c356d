"""What training, inference and export expect of a network that colours."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn


class Generator(nn.Module):
    """Takes L to ab at any size. A network derives from it, and overrides what it does otherwise.

    Attributes:
        predicts_bins: in training the network gives logits of the bins of `ab_bins`, for the loss
            `ab_bins.cross_entropy`; otherwise ab, as in evaluation.
        has_attention: whether `attention` has maps to show.
    """

    predicts_bins: ClassVar[bool] = False
    has_attention: ClassVar[bool] = False

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1] from L in [-1, 1].

        In training, where the class `predicts_bins`: logits (b, BINS, i, j) of every fourth row and
        column, as `ab_bins.cross_entropy` takes them.
        """
        raise NotImplementedError

    def attention(self, L: Float[Tensor, "b 1 h w"]) -> dict[str, Float[Tensor, "b 1 h w"]]:
        """Return by name, in [0, 1], where it looks in L; by default there are no such maps."""
        return {}

    def load_pretrained(self) -> None:
        """Load published weights into the parts that have any; by default there are none.

        Raises: ValueError: if the weights are not installed.
        """

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Return what `load_pretrained` fills, and so should learn more slowly."""
        return []
