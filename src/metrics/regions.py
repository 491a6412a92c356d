"""Where colour fails: errors by hue, lightness and skin-like colours, summed up over pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from src.color import HUES, hue_bins

BINS = (*HUES, "neutral")
LIGHTNESS_STEP = 10.0
LIGHTNESSES = 10
# This project's own box, wide enough for shadows, sunlight and blushing cheeks; wood, sand and
# brick lie in it too. Detectors of skin fit ellipses in its place: Zeng and Luo 2011, J. Imaging
# Sci. Technol. 55(3), 030201.
SKIN_HUES, SKIN_CHROMAS, SKIN_LIGHTNESSES = (25.0, 75.0), (10.0, 45.0), (15.0, 95.0)
SEEN = 0.01  # share of a picture's pixels from which it counts as having a colour
SUMS = 4  # pixels, colour difference, predicted chroma, true chroma


@dataclass(frozen=True)
class Region:
    """Pixels of a kind, of the truth.

    Attributes:
        pixels: their share of all pixels.
        pictures: how many pictures have at least 1 % of them.
        delta_e2000: mean over the pixels; None without any, like the next.
        chroma_ratio: the predicted chroma over the true one, both summed.
    """

    pixels: float
    pictures: int
    delta_e2000: float | None
    chroma_ratio: float | None


class Regions:
    """Sums over pixels by the truth's hue and lightness and whether it could be skin."""

    def __init__(self) -> None:
        self._sums = np.zeros((len(BINS), LIGHTNESSES, 2, SUMS))
        self._confusion = np.zeros((len(BINS), len(BINS)))
        self._pictures = {name: np.zeros(len(sums)) for name, sums in _kinds(self._sums).items()}

    def add(
        self,
        lab: Float[Tensor, "1 3 h w"],
        true_lab: Float[Tensor, "1 3 h w"],
        difference: Float[Tensor, "1 h w"],
    ) -> None:
        """Add one picture. Args: difference: CIEDE2000 of each pixel."""
        chroma, true_chroma = (x[:, 1:].square().sum(dim=1).sqrt() for x in (lab, true_lab))
        hue, true_hue = hue_bins(lab), hue_bins(true_lab)
        L = (true_lab[:, 0] / LIGHTNESS_STEP).long().clamp(0, LIGHTNESSES - 1)
        cell = (true_hue * LIGHTNESSES + L) * 2 + _is_skin(true_lab)
        weights = (None, difference, chroma, true_chroma)
        sums = np.stack([_summed(cell, weight, self._sums[..., 0].size) for weight in weights], 1)
        sums = sums.reshape(self._sums.shape)
        self._sums += sums
        pairs = _summed(true_hue * len(BINS) + hue, None, self._confusion.size)
        self._confusion += pairs.reshape(self._confusion.shape)
        for name, kinds in _kinds(sums).items():
            self._pictures[name] += kinds[:, 0] >= SEEN * cell.numel()

    def join(self, other: "Regions") -> None:
        """Add what another has summed up over other pictures."""
        self._sums += other._sums
        self._confusion += other._confusion
        for name, counts in other._pictures.items():
            self._pictures[name] += counts

    def by_hue(self) -> dict[str, Region]:
        return self._regions("hue", BINS)

    def by_lightness(self) -> dict[str, Region]:
        return self._regions("lightness", _LIGHTNESS_NAMES)

    def skin_by_lightness(self) -> dict[str, Region]:
        return self._regions("skin", _LIGHTNESS_NAMES)

    def confusion(self) -> Float[ndarray, "true predicted"]:
        """Return where the pixels of each true hue went, as shares; rows of absent hues are 0."""
        return self._confusion / self._confusion.sum(axis=1, keepdims=True).clip(min=1)

    def _regions(self, name: str, names: tuple[str, ...]) -> dict[str, Region]:
        total = self._sums[..., 0].sum()
        regions = {}
        rows = zip(names, _kinds(self._sums)[name], self._pictures[name], strict=True)
        for kind, (pixels, difference, chroma, true_chroma), pictures in rows:
            error = difference / pixels if pixels else None
            ratio = chroma / true_chroma if true_chroma else None
            regions[kind] = Region(pixels / total, int(pictures), error, ratio)
        return regions


_LIGHTNESS_NAMES = tuple(
    f"L* {LIGHTNESS_STEP * i:.0f}-{LIGHTNESS_STEP * (i + 1):.0f}" for i in range(LIGHTNESSES)
)


def _kinds(sums: Float[ndarray, "hues lightnesses 2 sums"]) -> dict[str, Float[ndarray, "n sums"]]:
    return {
        "hue": sums.sum(axis=(1, 2)),
        "lightness": sums.sum(axis=(0, 2)),
        "skin": sums[:, :, 1].sum(axis=0),
    }


def _is_skin(lab: Float[Tensor, "1 3 h w"]) -> Int[Tensor, "1 h w"]:
    L, a, b = lab.unbind(dim=1)
    angle, chroma = torch.rad2deg(torch.atan2(b, a)), torch.hypot(a, b)
    box = ((angle, SKIN_HUES), (chroma, SKIN_CHROMAS), (L, SKIN_LIGHTNESSES))
    inside = [(value >= low) & (value <= high) for value, (low, high) in box]
    return (inside[0] & inside[1] & inside[2]).long()


def _summed(
    cell: Int[Tensor, "1 h w"], weight: Tensor | None, cells: int
) -> Float[ndarray, " cells"]:
    flat = None if weight is None else weight.double().flatten()
    return torch.bincount(cell.flatten(), flat, minlength=cells).double().cpu().numpy()
