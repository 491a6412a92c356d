"""Colours that a place of a picture may have, for a person to choose from."""

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from src import color
from src.colorizers.colorizer import Colorizer
from src.colorizers.proposals import gives_probabilities, with_bins

NEAR = 13.0  # Lab units: colours that count as one, a bin and its neighbours
APART = 12.0  # Lab units between any two colours of a palette
LEAST = 0.01  # probability of a colour that is called likely
MOST = 6  # likely colours
ALIKE = 0.15  # of L in [-1, 1]: spots that may have the same colour
OTHERS = (65, 145, 260, 25, 105, 315)  # hues in degrees: what is left when the likely ones are told
CHROMA = 35.0  # Lab units
SHOWN = (-0.3, 0.6)  # of L in [-1, 1]: darker and brighter swatches look all alike
Shade = tuple[int, int, int]  # 8-bit sRGB


class Palette:
    """What a colouriser thinks likely for each place of a picture.

    Args: L: as it is shown to the colouriser; ab: what came back; both in [-1, 1].
    Attributes:
        knows: whether it gives probabilities; else its other spots tell what is likely.
        size: (height, width) of the picture.
    """

    def __init__(
        self, colorizer: Colorizer, L: Float[Tensor, "1 1 h w"], ab: Float[Tensor, "1 2 h w"]
    ) -> None:
        self.knows = gives_probabilities(colorizer)
        self.size = (L.shape[2], L.shape[3])
        self._colorizer, self._L, self._ab = colorizer, L, ab * color.AB_RANGE

    def at(self, y: int, x: int) -> tuple[list[Shade], list[Shade]]:
        """Return a pixel's likely colours, the likeliest first, and others, as light as it is.

        Of very dark and bright pixels they are shown less so: of hints only ab counts.
        """
        likely = self.likely(y, x)
        angles = torch.tensor(OTHERS).deg2rad()
        hues = CHROMA * torch.stack([angles.cos(), angles.sin()], dim=1)
        others = [one for one in (torch.zeros(2), *hues) if _is_new(one, [*likely])]
        return self._seen(likely, y, x), self._seen(torch.stack(others), y, x)

    def likely(self, y: int, x: int) -> Float[Tensor, "n 2"]:
        """Return a pixel's likely colours in Lab units, the likeliest first."""
        ab, shares = self._of_bins(y, x) if self.knows else self._of_similar(y, x)
        near = torch.cdist(ab, ab) < NEAR
        found = [] if self.knows else [self._ab[0, :, y, x]]
        left = shares.clone()
        while len(found) < MOST:
            mass = near.float() @ left
            best = int(mass.argmax())
            if mass[best] < LEAST:
                break
            weights = near[best] * left
            shade = weights @ ab / weights.sum()
            left[near[best]] = 0
            if _is_new(shade, found):
                found.append(shade)
        return torch.stack(found)

    def _seen(self, ab: Float[Tensor, "n 2"], y: int, x: int) -> list[Shade]:
        L = self._L[:, :, y, x].clamp(*SHOWN).view(1, 1, 1, 1).expand(-1, -1, 1, len(ab))
        rgb, _ = color.L_ab_to_rgb_keeping_L(L, ab.T[None, :, None] / color.AB_RANGE)
        samples = (rgb[0, :, 0].T * 255).round().int().tolist()
        return [(red, green, blue) for red, green, blue in samples]

    @cached_property
    @torch.inference_mode()
    def _logits(self) -> Float[Tensor, "1 q i j"]:
        network, _ = with_bins(self._colorizer)
        return network.logits(self._L.to(next(network.parameters()).device)).cpu()

    def _of_bins(self, y: int, x: int) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        _, bins = with_bins(self._colorizer)
        rows, columns = self._logits.shape[2:]
        height, width = self._L.shape[2:]
        ab, shares = bins.likelihoods(self._logits[0, :, y * rows // height, x * columns // width])
        return ab * color.AB_RANGE, shares

    def _of_similar(self, y: int, x: int) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        L, ab = self._L[0, 0], self._ab[0]
        alike = ab[:, (L - L[y, x]).abs() < ALIKE].T
        cells = (alike / APART).round()
        _, own, counts = torch.unique(cells, dim=0, return_inverse=True, return_counts=True)
        means = torch.zeros(len(counts), 2).index_add_(0, own, alike) / counts[:, None]
        return means, counts / counts.sum()


def _is_new(shade: Float[Tensor, "2"], others: list[Tensor]) -> bool:
    return all(float((shade - one).norm()) > APART for one in others)
