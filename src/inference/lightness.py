"""The lightness of a picture's samples, which is all that a colouriser is shown of it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from src import color
from src.colorizers.colorizer import MAX_ASPECT
from src.images import eight_bit


def lightness(samples: NDArray[Any]) -> Float[Tensor, "1 1 h w"]:
    """Return L in [-1, 1]. Args: samples: uint8 or uint16, (h, w) of grey or (h, w, 3) of sRGB."""
    if samples.ndim == 3 and _is_grey(samples):
        samples = samples[..., 0]  # as most scans that are stored in colour
    if samples.ndim == 2:
        return torch.from_numpy(_of_greys(samples.dtype)[samples])[None, None]
    return _of_colors(samples)


def small_lightness(samples: NDArray[Any], image_size: int) -> Float[Tensor, "1 1 h w"]:
    """Return L of a picture shrunk to what a network sees of it: its own shape, never squashed.

    Args: samples: as for `lightness`; image_size: short side in pixels.
    """
    return small_lightnesses(samples, [image_size])[0]


def small_lightnesses(
    samples: NDArray[Any], image_sizes: Sequence[int]
) -> list[Float[Tensor, "1 1 h w"]]:
    """Return L as `small_lightness` at several sizes."""
    image = Image.fromarray(eight_bit(samples))
    return [lightness(np.asarray(shrunk(image, image_size))) for image_size in image_sizes]


def shrunk(image: Image.Image, image_size: int) -> Image.Image:
    """Shrink a picture to what a network sees of it. Args: as for `small_lightness`."""
    scale = min(image_size / min(image.size), MAX_ASPECT * image_size / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    # As pictures are shrunk for training; two steps, since the first of them is a fast one.
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _is_grey(samples: NDArray[Any]) -> bool:
    red, green, blue = samples[..., 0], samples[..., 1], samples[..., 2]
    return bool((red == green).all() and (red == blue).all())


def _of_colors(samples: NDArray[Any]) -> Float[Tensor, "1 1 h w"]:
    if samples.dtype == np.uint8:
        return color.uint8_to_L_ab(torch.from_numpy(samples.transpose(2, 0, 1).copy())[None])[0]
    largest = int(np.iinfo(samples.dtype).max)
    rgb = torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1)[None] / largest
    return color.rgb_to_L_ab(rgb)[0]


@cache
def _of_greys(kind: np.dtype[Any]) -> NDArray[np.float32]:
    """Return L of each value that a grey sample can have."""
    greys = np.arange(np.iinfo(kind).max + 1, dtype=kind)
    return _of_colors(np.stack([greys] * 3, axis=-1)[None]).flatten().numpy()
