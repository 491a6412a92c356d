"""Colours that a person gives at a few places, spread to where lightness is alike.

Source: Levin, Lischinski and Weiss 2004, Colorization using Optimization, ACM TOG 23(3).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from src.colorizers.colorizer import Colorizer, Hints, Reference
from src.colorizers.dissection import NEIGHBORS, Dissection

LEAST_WEIGHT = 0.01  # of a pixel's most alike neighbour: no pixel is cut off, as in Levin's code
NARROWING = 0.6  # of a window's variance, as in Levin's code
NOISE = 1e-5  # variance of L in [-1, 1] that a window has at least: 8 bits step by 0.008
LARGEST_SIDE = 512  # short side in pixels at which it is solved, and enlarged from there
Affinity = Callable[[Float[ndarray, "h w"]], Float[ndarray, "8 h w"]]


class Scribbles(Colorizer):
    """The hints' colours spread by lightness only, without a network; grey without hints."""

    name = "scribbles"
    image_size = 256  # a network's: more costs time and gains little
    takes_hints = True

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        if hints is None:
            return torch.zeros_like(L).expand(-1, 2, -1, -1)
        return spread(L, hints)


def shrunk(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c i j"]:
    """Shrink to LARGEST_SIDE what is larger."""
    scale = LARGEST_SIDE / min(maps.shape[2:])
    if scale >= 1:
        return maps
    height, width = (round(side * scale) for side in maps.shape[2:])
    return F.interpolate(maps, (height, width), mode="area")


def gaussian(L: Float[ndarray, "h w"]) -> Float[ndarray, "8 h w"]:
    """Weigh NEIGHBORS by exp(-(L_r - L_s)^2 / 2 sigma_r^2), sigma_r^2 from the window's variance.

    That is the paper's equation 2, with the limits of its authors' code. Outside the picture: 0.
    """
    around = _around(L)
    apart = (around - L) ** 2
    variance = NARROWING * np.nanvar(np.concatenate([around, L[None]]), axis=0)
    nearest = np.nanmin(apart, axis=0) / -np.log(LEAST_WEIGHT)
    return np.nan_to_num(np.exp(-apart / np.maximum(np.maximum(variance, nearest), NOISE)))


def correlation(L: Float[ndarray, "h w"]) -> Float[ndarray, "8 h w"]:
    """Weigh NEIGHBORS by 1 + (L_r - mean_r) (L_s - mean_r) / variance_r: ab is linear in L.

    That is the paper's equation 3. What is negative in it counts as LEAST_WEIGHT, so that no colour
    leaves the range of the hints'. Outside the picture: 0.
    """
    around = _around(L)
    window = np.concatenate([around, L[None]])
    mean, variance = np.nanmean(window, axis=0), np.nanvar(window, axis=0)
    weights = 1 + (L - mean) * (around - mean) / (variance + NOISE)
    return np.nan_to_num(np.maximum(weights, LEAST_WEIGHT))


def spread(
    L: Float[Tensor, "b 1 h w"],
    hints: Hints,
    affinity: Affinity = gaussian,
    pull: float = 0.0,
    firmness: Float[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, "b 2 h w"]:
    """Return the ab that hints give: exact to 0.01 Lab units, up to LARGEST_SIDE.

    Args: as for `interpolated`.
    """
    share = shrunk(hints.mask.to(hints.ab))
    ab = shrunk(hints.ab * hints.mask) / share.clamp(min=torch.finfo(share.dtype).tiny)
    firmness = None if firmness is None else shrunk(firmness)
    found = interpolated(shrunk(L), ab, share > 0, affinity, pull, firmness)
    return F.interpolate(found, L.shape[2:], mode="bilinear")


def interpolated(
    L: Float[Tensor, "b 1 h w"],
    values: Float[Tensor, "b c h w"],
    mask: Bool[Tensor, "b 1 h w"],
    affinity: Affinity = gaussian,
    pull: float | Float[Tensor, "b 1 h w"] = 0.0,
    firmness: Float[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, "b c h w"]:
    """Give each pixel the mean of its neighbours' values, weighted by affinity.

    Args:
        L: in [-1, 1].
        values: that are known within mask, where they stay as they are.
        pull: weight of 0 beside all neighbours together: how soon values fade away from the known.
        firmness: weight of a known value beside all its neighbours together, where known ones may
            give way to each other; without it they hold.
    Returns: 0 for a picture of which nothing is known.
    """
    found = [
        _interpolated(each[0], value, known[0], affinity, *others)
        for each, value, known, *others in zip(
            *(one.cpu().numpy() for one in (L, values, mask)),
            *(_each(one, len(L)) for one in (pull, firmness)),
            strict=True,
        )
    ]
    return torch.from_numpy(np.stack(found)).to(L)


def _interpolated(
    L: Float[ndarray, "h w"],
    values: Float[ndarray, "c h w"],
    mask: ndarray,
    affinity: Affinity,
    pull: float | Float[ndarray, "h w"],
    firmness: Float[ndarray, "h w"] | None,
) -> Float[ndarray, "c h w"]:
    if not mask.any():
        return np.zeros(values.shape, np.float32)
    weights = affinity(L.astype(np.float64))
    weights /= np.maximum(weights.sum(axis=0), np.finfo(weights.dtype).tiny)  # 0 of a lone pixel
    if firmness is None:
        weights, excess, known = weights * ~mask, np.where(mask, 1, pull), values
    else:
        held = np.where(mask, firmness, 0)
        excess, known = pull + held, values * held
    return Dissection(weights, excess).solve(np.where(mask, known, 0))


def _each(given: float | Float[Tensor, "b 1 h w"] | None, count: int) -> list[Any]:
    """Return each picture's own of a map, or what is the same for all."""
    return [*given[:, 0].cpu().numpy()] if isinstance(given, Tensor) else [given] * count


def _around(L: Float[ndarray, "h w"]) -> Float[ndarray, "8 h w"]:
    """Return each pixel's NEIGHBORS, not a number where there is none."""
    height, width = L.shape
    padded = np.pad(L, 1, constant_values=np.nan)
    return np.stack([padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in NEIGHBORS])
