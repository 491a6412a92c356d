"""What training, inference and export expect of a network that colours."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from src.generators.ab_bins import Bins


class Generator(nn.Module):
    """Takes L to ab at any size. A network derives from it, and overrides what it does otherwise.

    Attributes:
        bins: what the network's logits stand for, which it gives in training instead of ab, for
            the loss `bins.cross_entropy`; None where it gives ab then, too.
        deep_supervision: in training the network gives n predictions of ab, (b, n, 2, h, w), each
            of which is to be right.
        takes_hints: it also takes known colours, (L, hint_ab, hint_mask), and then gives ab in
            training, too, whatever its `bins` are.
        has_attention: whether `attention` has maps to show.
    """

    bins: Bins | None = None
    deep_supervision: bool = False
    takes_hints: ClassVar[bool] = False
    has_attention: ClassVar[bool] = False

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Tensor:
        """Predict ab (b, 2, h, w) in [-1, 1] from L in [-1, 1].

        In training with deep supervision: each of its predictions, (b, n, 2, h, w).

        In training, where there are `bins`: their logits (b, bins.count, i, j), of as many rows
        and columns as the network likes.
        """
        raise NotImplementedError

    def logits(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b q i j"]:
        """Return the logits of a network's `bins`, in evaluation, too, for all of L."""
        raise NotImplementedError

    def attention(self, L: Float[Tensor, "b 1 h w"]) -> dict[str, Float[Tensor, "b 1 h w"]]:
        """Return by name, in [0, 1], where it looks in L; by default there are no such maps."""
        return {}

    def encoder_layers(self) -> list[nn.Sequential]:
        """Return the layers that `src.pretrain` trains, first to last; by default there are none.

        Each is a convolution that keeps the size, and what follows it, max-pooling last.
        """
        return []

    def load_pretrained(self) -> None:
        """Load published weights into the parts that have any; by default there are none.

        Raises: ValueError: if the weights are not installed.
        """

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Return what `load_pretrained` fills, and so should learn more slowly."""
        return []
