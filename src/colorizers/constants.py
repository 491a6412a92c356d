"""One colour for everything: what a trained colouriser has to beat."""

from jaxtyping import Float
from torch import Tensor

from src.colorizers.colorizer import Colorizer, Hints, Reference


class Constant(Colorizer):
    """The same ab at every pixel. Args: ab: in [-1, 1]; 0 is grey."""

    image_size = 32  # any would do

    def __init__(self, name: str, ab: Float[Tensor, "2"]) -> None:
        self.name = name
        self.ab = ab

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        return self.ab.to(L).view(1, 2, 1, 1).expand(len(L), -1, *L.shape[2:])
