"""What hints say of cells of 4x4 pixels, and what looks like the cells that they touch."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from src.generators.lite0 import STRIDE

CELL = 4  # pixels of a side
MOST_COMPARED = 128  # cells, taken evenly of more
# A cell counts that is touched at least so much as the most touched one around it: the edges of
# strokes lie on other things.
TOUCHED = 0.75
LIGHTNESS = 0.3  # of L in [-1, 1]: the deviation over which things stop being alike
NEAR = 0.35  # short sides: the same, of places
UNLIKE, LIKE = 0.3, 0.7  # likeness, from nothing to all
# Lengths of differences of ab in [-1, 1]. A person who asks for a colour far from the predicted one
# means the thing that they touched; one near it tells more of the whole picture. On hints that are
# drawn from the truth, and do tell of all of it, this costs up to 0.3 dB; without it, one red dot
# turned a grey photo red.
MILD, BOLD = 0.25, 0.45


class Marks(NamedTuple):
    """What hints say of each cell.

    Attributes:
        difference: mean of the prediction's error where it is known.
        L: mean of the picture's there.
        share: of the cell's pixels, in [0, 1].
    """

    difference: Float[Tensor, "b 2 i j"]
    L: Float[Tensor, "b 1 i j"]
    share: Float[Tensor, "b 1 i j"]

    @classmethod
    def of(
        cls,
        difference: Float[Tensor, "b 2 h w"],
        L: Float[Tensor, "b 1 h w"],
        mask: Bool[Tensor, "b 1 h w"],
    ) -> "Marks":
        """Gather what is known of pixels, padded as the encoder's features are."""
        height, width = mask.shape[-2:]
        around = (0, -width % STRIDE, 0, -height % STRIDE)
        known = F.pad(mask.float(), around)
        share = F.avg_pool2d(known, CELL)
        values = F.pad(torch.cat([difference, L], dim=1).float(), around)
        means = F.avg_pool2d(values * known, CELL) / share.clamp(min=1e-6)
        return cls(means[:, :2], means[:, 2:], share)


def cosines(
    features: Float[Tensor, "c i j"], share: Float[Tensor, "1 i j"]
) -> tuple[Float[Tensor, "n i j"], Int64[Tensor, "n 2"]]:
    """Compare the cells that hints touch, evenly chosen of many, with all cells of a picture.

    Returns: cosines of their features, 0 if negative; and the cells that were chosen, as (y, x).
    """
    most = F.max_pool2d(share, 5, stride=1, padding=2)
    at = ((share > 0) & (share >= TOUCHED * most))[0].nonzero()
    at = at[:: -(-len(at) // MOST_COMPARED) or 1]
    y, x = at.T
    apart = features - features.mean(dim=(1, 2), keepdim=True)
    unit = F.normalize(apart / (features.std(dim=(1, 2), keepdim=True) + 1e-4), dim=0)
    return torch.einsum("cn,cij->nij", unit[:, y, x], unit).clamp(min=0), at


def as_light(L: Float[Tensor, "1 h w"], own: Float[Tensor, " n"]) -> Float[Tensor, "n h w"]:
    """Tell how like a picture's lightness is to those of marks, in [0, 1]."""
    return torch.exp(-(L - own[:, None, None]).square() / (2 * LIGHTNESS**2))


def boldness(difference: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Return how much hints that differ so from a prediction mean the thing that they touch."""
    return ((length(difference) - MILD) / (BOLD - MILD)).clamp(0, 1)


def length(difference: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Return the norm of two channels, in a tenth of the time of torch.norm."""
    return torch.hypot(*difference.split(1, dim=1))


def reached(
    features: Float[Tensor, "b c i j"], L: Float[Tensor, "b 1 i j"], marks: Marks
) -> Float[Tensor, "b 1 i j"]:
    """Tell where pictures are like the marks and near, in [0, 1]. Args: marks: of bold hints."""
    each = zip(features, L, map(Marks._make, zip(*marks, strict=True)), strict=True)
    return torch.stack([_reached(*one) for one in each])


def _reached(
    features: Float[Tensor, "c i j"], L: Float[Tensor, "1 i j"], marks: Marks
) -> Float[Tensor, "1 i j"]:
    alike, at = cosines(features, marks.share)
    if not len(at):
        return torch.zeros_like(L)
    height, width = L.shape[1:]
    rows, columns = (torch.arange(side, device=L.device) for side in (height, width))
    y, x = at.T
    squared = (rows - y[:, None]).square()[:, :, None] + (columns - x[:, None]).square()[:, None]
    near = torch.exp(-squared / (2 * (NEAR * min(height, width)) ** 2))
    best = (alike * as_light(L, marks.L[0, y, x]) * near).amax(dim=0, keepdim=True)
    return ((best - UNLIKE) / (LIKE - UNLIKE)).clamp(0, 1)
