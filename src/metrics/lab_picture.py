"""Pictures in every form that metrics take."""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from src import color


@dataclass(frozen=True)
class LabPicture:
    """Pictures as L and ab in [-1, 1], and as the colours that sRGB can show of them.

    Attributes: L: (b, 1, h, w); ab: (b, 2, h, w).
    """

    L: Float[Tensor, "b 1 h w"]
    ab: Float[Tensor, "b 2 h w"]

    @classmethod
    def of_rgb(cls, rgb: Float[Tensor, "b 3 h w"]) -> "LabPicture":
        """Take pictures as they are. Args: rgb: sRGB in [0, 1]."""
        lab = color.rgb_to_lab(rgb)
        picture = cls(*color.lab_to_L_ab(lab))
        vars(picture).update(rgb=rgb, lab=lab)  # so that neither is computed from the other again
        return picture

    @cached_property
    def rgb(self) -> Float[Tensor, "b 3 h w"]:
        """sRGB in [0, 1]."""
        return color.L_ab_to_rgb(self.L, self.ab)

    @cached_property
    def lab(self) -> Float[Tensor, "b 3 h w"]:
        """CIELAB in CIE units, of the colours that sRGB can show."""
        return color.rgb_to_lab(self.rgb)
