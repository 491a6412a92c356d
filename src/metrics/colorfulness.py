"""Colourfulness of pictures by the two formulas in use, which must not be mixed."""

import torch
from jaxtyping import Float
from torch import Tensor


def colorfulness(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Colourfulness of each picture, sRGB in [0, 1], on the usual scale of 8-bit values.

    Source: Hasler and Suesstrunk 2003, with the signed opponent axes rg and yb.
    """
    return _spread_and_offset(*_opponents(rgb))


def absolute_colorfulness(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """The same of |rg| and |yb|, as the code of DDColor, CT2 and UniColor has it."""
    rg, yb = _opponents(rgb)
    return _spread_and_offset(rg.abs(), yb.abs())


def _opponents(
    rgb: Float[Tensor, "b 3 h w"],
) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w"]]:
    red, green, blue = (rgb.float() * 255).unbind(dim=1)
    return red - green, (red + green) / 2 - blue


def _spread_and_offset(
    rg: Float[Tensor, "b h w"], yb: Float[Tensor, "b h w"]
) -> Float[Tensor, " b"]:
    spread = torch.sqrt(rg.var(dim=(1, 2), correction=0) + yb.var(dim=(1, 2), correction=0))
    offset = torch.sqrt(rg.mean(dim=(1, 2)) ** 2 + yb.mean(dim=(1, 2)) ** 2)
    return spread + 0.3 * offset
