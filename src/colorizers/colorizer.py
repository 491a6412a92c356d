"""What every colouriser is: one callable that takes L to ab."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 16, 8192  # of the short side that a colouriser is shown
# A panorama's long side over its short one as a network sees it; beyond it, memory grows for
# nothing.
MAX_ASPECT = 4
REFERENCE_SIZE = 192  # of the short side at which a photo and its reference are compared
VIEWS = (1, 2, 6)  # as it is; and mirrored; both at three sizes


class Hints(NamedTuple):
    """Colours that are known at some pixels: ab in [-1, 1], and where."""

    ab: Float[Tensor, "b 2 h w"]
    mask: Bool[Tensor, "b 1 h w"]


class Reference(NamedTuple):
    """Other pictures, of any sizes, whose colours are an example: L and ab of each in [-1, 1]."""

    pictures: Sequence[tuple[Float[Tensor, "1 1 i j"], Float[Tensor, "1 2 i j"]]]


class Colorizer(ABC):
    """Takes L, and perhaps hints or a reference, to ab: trained, exported or classical.

    Attributes:
        name: what it is called.
        image_size: short side in pixels at which it wants to see pictures.
        views: of how many views of a picture its predictions are best averaged; one of VIEWS.
        sha256: of the file that it was loaded from; empty where there is none.
        mean_ab: (2,) of the pictures that it was trained on, in [-1, 1]; None where it was not.
        takes_hints, takes_reference: whether it looks at them.
    """

    name: str
    image_size: int
    views: int = 1
    sha256: str = ""
    mean_ab: Float[Tensor, "2"] | None = None
    takes_hints: bool = False
    takes_reference: bool = False

    @abstractmethod
    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        """Return ab in [-1, 1] of L in [-1, 1], on L's device. Raises: UserError: if it cannot."""

    @property
    def predictor(self) -> "Colorizer":
        """What predicts, where a reference corrects it afterwards by `followed`; or itself."""
        return self

    def followed(
        self, L: Float[Tensor, "1 1 h w"], ab: Float[Tensor, "1 2 h w"], reference: Reference
    ) -> Float[Tensor, "1 2 h w"]:
        """Return a prediction of `predictor`, perhaps of several views, as a reference has it."""
        return ab

    def to(self, device: torch.device) -> "Colorizer":
        """Compute on this device from now on, where that makes a difference."""
        return self
