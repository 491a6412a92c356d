"""The error at half of the true colourfulness: it compares colourings that are not equally vivid.

Any colouring moves along a curve of error against colour when its chroma is scaled. Here all of its
pictures are scaled by the one factor that makes their mean colourfulness half of the truths'.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from src import color
from src.metrics.colorfulness import colorfulness
from src.metrics.lab_picture import LabPicture
from src.metrics.pixels import ab_mae

SHARE = 0.5  # of the truths' mean colourfulness
FACTORS = tuple(2 ** (step / 4) for step in range(-12, 9))  # of chroma, from 1/8 to 4
SIDE = 48  # rows and columns that are looked at, spread over a picture


class Curve(NamedTuple):
    """A colouring of each picture with its chroma scaled by each of FACTORS.

    Attributes:
        error, colorfulness: ab-MAE in Lab units, and colourfulness.
        zero_error, true_colorfulness: ab-MAE of ab = 0, and the truth's colourfulness.
    """

    error: Float[Tensor, "b f"]
    colorfulness: Float[Tensor, "b f"]
    zero_error: Float[Tensor, " b"]
    true_colorfulness: Float[Tensor, " b"]


def curve(picture: LabPicture, truth: LabPicture) -> Curve:
    """Measure a colouring along FACTORS; what leaves sRGB is clipped before it is measured."""
    seen, true = _spread(picture), _spread(truth)
    # All factors at once: so few pixels take less time than the calls of that many conversions.
    factors = torch.tensor(FACTORS).to(seen.ab).view(-1, 1, 1, 1, 1)
    ab = seen.ab * factors
    rgb = color.L_ab_to_rgb(seen.L.expand_as(ab[:, :, :1]).flatten(0, 1), ab.flatten(0, 1))
    _, shown = color.rgb_to_L_ab(rgb)
    errors = ab_mae(shown, true.ab.expand_as(ab).flatten(0, 1))
    colors = colorfulness(rgb)
    zero = ab_mae(torch.zeros_like(true.ab), true.ab)
    true_colors = colorfulness(true.rgb)
    each = [figure.view(len(FACTORS), -1).T for figure in (errors, colors)]
    return Curve(each[0], each[1], zero, true_colors)


def _spread(picture: LabPicture) -> LabPicture:
    rows, columns = (max(1, math.ceil(side / SIDE)) for side in picture.L.shape[2:])
    return LabPicture(picture.L[..., ::rows, ::columns], picture.ab[..., ::rows, ::columns])


def error_under_zero(
    error: Float[ndarray, "... f"],
    colorfulness: Float[ndarray, "... f"],
    zero_error: Float[ndarray, "..."],
    true_colorfulness: Float[ndarray, "..."],
) -> Float[ndarray, "..."]:
    """Return by which share of it ab-MAE is under that of ab = 0, at SHARE of the colourfulness.

    Args: means over the pictures of what a `Curve` has.
    Returns: NaN where no factor gives so much colour, as for grey, or so little.
    """
    wanted = SHARE * true_colorfulness[..., None]
    inside = (colorfulness[..., 0] <= wanted[..., 0]) & (wanted[..., 0] <= colorfulness[..., -1])
    # Where the colourfulness, which grows about as the factor does, passes what is wanted.
    below = ((colorfulness < wanted).sum(axis=-1) - 1).clip(0, len(FACTORS) - 2)[..., None]
    logs = np.log(np.maximum(colorfulness, 1e-6))
    low, high = (np.take_along_axis(logs, below + i, axis=-1)[..., 0] for i in (0, 1))
    gap = np.where(high > low, high - low, 1)
    place = below[..., 0] + (np.log(wanted[..., 0]) - low) / gap
    # The parabola through the three nearest factors.
    middle = np.rint(place).clip(1, len(FACTORS) - 2).astype(int)[..., None]
    e = [np.take_along_axis(error, middle + i, axis=-1)[..., 0] for i in (-1, 0, 1)]
    t = place - middle[..., 0]
    own = e[1] + t * (e[2] - e[0]) / 2 + t * t * (e[2] - 2 * e[1] + e[0]) / 2
    return np.where(inside, 1 - own / zero_error, np.nan)
