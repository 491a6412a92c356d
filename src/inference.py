"""Colourise one picture at its full size. Needs torch, and no lightning."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from src import color

# A panorama's long side at the network's scale; beyond it, memory grows for nothing.
MAX_ASPECT = 4


def colorize(
    rgb: UInt8[Tensor, "3 h w"], generator: nn.Module, image_size: int
) -> UInt8[Tensor, "3 h w"]:
    """Predict a picture's colours and join them, enlarged, with its own L.

    Args:
        rgb: 8-bit sRGB; its own colours, if any, are not looked at.
        generator: L -> ab in eval mode.
        image_size: short side in pixels that the generator was trained on.
    """
    L, _ = color.uint8_to_L_ab(rgb[None])
    return color.L_ab_to_uint8(L, predict_ab(L, generator, image_size))[0]


@torch.inference_mode()
def predict_ab(
    L: Float[Tensor, "b 1 h w"], generator: nn.Module, image_size: int
) -> Float[Tensor, "b 2 h w"]:
    """Predict ab at the network's size, with a short side of `image_size`, and enlarge it to L's.

    Args: L, generator, image_size: as for colorize, L in [-1, 1].
    """
    height, width = L.shape[-2:]
    scale = image_size / min(height, width)
    limit = MAX_ASPECT * image_size
    small = [max(1, min(limit, round(side * scale))) for side in (height, width)]
    small_L = F.interpolate(L, small, mode="bicubic", antialias=True).clamp(-1, 1)
    return F.interpolate(generator(small_L).float(), (height, width), mode="bilinear")
