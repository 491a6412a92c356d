"""Painting a picture at its full size in the colours that were predicted, strip by strip."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from src import color
from src.inference import upsampling
from src.inference.lightness import lightness
from src.inference.prediction import Prediction
from src.threads import side_by_side

STRIP = 1 << 16  # pixels that are converted at once: they stay in the processor's cache


@dataclass(frozen=True)
class Painted:
    """A picture in its new colours.

    Attributes:
        samples: (h, w, 3) of sRGB, uint8 or uint16 as the original's.
        clipped: share of the pixels that were predicted outside sRGB, and lost chroma.
    """

    samples: NDArray[Any]
    clipped: float


@torch.inference_mode()
def paint(samples: NDArray[Any], prediction: Prediction, *, guided: bool = True) -> Painted:
    """Join a picture's own L with the predicted colours, enlarged.

    Args:
        samples: as for `predict`.
        guided: enlarge along the edges of L; otherwise bilinearly.
    """
    height, width = samples.shape[:2]
    if guided:
        lines = upsampling.guided_lines(prediction.L, prediction.ab)
    else:
        lines = upsampling.level_lines(prediction.ab)
    if prediction.places is not None:
        yx, ab = prediction.places.yx, prediction.places.ab
        there = lightness(samples[*yx.T.numpy()][None])[0, 0, 0]
        lines = upsampling.meeting(lines, there, ab, yx, (height, width))
    painted = np.empty((height, width, 3), samples.dtype)
    largest = int(np.iinfo(samples.dtype).max)
    of_rounded = torch.uint8 if samples.dtype == np.uint8 else torch.int32
    rows = max(1, STRIP // width)

    @torch.inference_mode()
    def paint_strip(top: int) -> int:
        L = lightness(samples[top : top + rows])
        ab = upsampling.upsampled_rows(lines, L, top, height)
        rgb, outside = color.L_ab_to_rgb_keeping_L(L, ab)
        rounded = rgb[0].mul_(largest).round_().to(of_rounded).numpy()
        for channel, plane in enumerate(rounded):  # faster than all three in one go
            painted[top : top + rows, :, channel] = plane
        return int(outside.sum())

    outside = sum(side_by_side(paint_strip, range(0, height, rows)))
    return Painted(painted, outside / (height * width))
