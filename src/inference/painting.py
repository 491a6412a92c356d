"""Colourise one picture at its full size, strip by strip. Needs torch, and no lightning."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from src import color
from src.errors import UserError
from src.images import eight_bit
from src.inference import upsampling
from src.inference.threads import side_by_side

Generator = Callable[[Tensor], Tensor]
# A panorama's long side at the network's scale; beyond it, memory grows for nothing.
MAX_ASPECT = 4
STRIP = 1 << 16  # pixels that are converted at once: they stay in the processor's cache


@dataclass(frozen=True)
class Colored:
    """A coloured picture.

    Attributes:
        samples: (h, w, 3) of sRGB, uint8 or uint16 as the original's.
        mean_chroma: of the predicted colours, in Lab units; near 0 is grey.
    """

    samples: NDArray[Any]
    mean_chroma: float


@torch.inference_mode()
def colorize(
    samples: NDArray[Any],
    generator: Generator,
    image_size: int,
    *,
    saturation: float = 1.0,
    guided: bool = True,
) -> Colored:
    """Predict a picture's colours and join them, enlarged, with its own L.

    Args:
        samples: uint8 or uint16, (h, w) of grey or (h, w, 3) of sRGB, whose own colours are not
            looked at.
        generator: L -> ab in eval mode.
        image_size: short side in pixels that the generator sees.
        saturation: factor of the predicted chroma.
        guided: enlarge along the edges of L; otherwise bilinearly.
    Raises: UserError: if the generator's colours are not finite.
    """
    height, width = samples.shape[:2]
    shown = small_L(samples, image_size)
    ab = generator(shown).float() * saturation
    if not ab.isfinite().all():
        raise UserError("the model's colours of it are no numbers: is the model damaged?")
    lines = upsampling.guided_lines(shown, ab) if guided else upsampling.level_lines(ab)
    colored = np.empty((height, width, 3), samples.dtype)
    largest = int(np.iinfo(samples.dtype).max)
    rows = max(1, STRIP // width)

    @torch.inference_mode()
    def paint(top: int) -> None:
        L = _lightness(samples[top : top + rows])
        rgb = color.L_ab_to_rgb_keeping_L(L, upsampling.upsampled_rows(lines, L, top, height))
        scaled = rgb[0].permute(1, 2, 0).mul(largest).round()
        colored[top : top + rows] = scaled.numpy()

    for _ in side_by_side(paint, range(0, height, rows)):
        pass
    return Colored(colored, float(ab.norm(dim=1).mean()) * color.AB_RANGE)


def small_L(samples: NDArray[Any], image_size: int) -> Float[Tensor, "1 1 h w"]:
    """Shrink a picture to what a network sees of it.

    Args: samples, image_size: as for colorize.
    """
    size = _network_size(samples.shape[0], samples.shape[1], image_size)
    # As pictures are shrunk for training; two steps, since the first of them is a fast one.
    small = Image.fromarray(eight_bit(samples)).resize(
        size[::-1], Image.Resampling.BICUBIC, reducing_gap=2.0
    )
    return _lightness(np.asarray(small))


def _lightness(samples: NDArray[Any]) -> Float[Tensor, "1 1 h w"]:
    """L of gamma-encoded samples, in a network's scale."""
    largest = int(np.iinfo(samples.dtype).max)
    if samples.ndim == 3 and (samples == samples[..., :1]).all():
        samples = samples[..., 0]  # grey, as most scans that are stored in colour
    if samples.ndim == 2:
        return torch.from_numpy(_lightness_of_greys(largest)[samples])[None, None]
    rgb = torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1)[None] / largest
    return color.rgb_to_L_ab(rgb)[0]


@cache
def _lightness_of_greys(largest: int) -> NDArray[np.float32]:
    """L of each value that a grey sample can have."""
    greys = torch.linspace(0, 1, largest + 1).expand(1, 3, 1, -1)
    return color.rgb_to_L_ab(greys)[0].flatten().numpy()


@torch.inference_mode()
def predict_ab(
    L: Float[Tensor, "b 1 h w"], generator: Generator, image_size: int
) -> Float[Tensor, "b 2 h w"]:
    """Predict ab at the network's size, with a short side of `image_size`, and enlarge it to L's.

    Args: L, generator, image_size: as for colorize, L in [-1, 1].
    """
    height, width = L.shape[-2:]
    size = _network_size(height, width, image_size)
    shown = F.interpolate(L, size, mode="bicubic", antialias=True).clamp(-1, 1)
    lines = upsampling.guided_lines(shown, generator(shown).float())
    return upsampling.upsampled_rows(lines, L, 0, height)


def _network_size(height: int, width: int, image_size: int) -> tuple[int, int]:
    """What a network sees: the picture's own shape, which networks pad, and never squash."""
    scale = min(image_size / min(height, width), MAX_ASPECT * image_size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
