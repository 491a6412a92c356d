"""Colourise one picture at its full size. Needs torch, and no lightning."""

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor, nn

from src import color

# A panorama's long side at the network's scale; beyond it, memory grows for nothing.
MAX_ASPECT = 4


@torch.inference_mode()
def colorize(
    rgb: UInt8[Tensor, "3 h w"], generator: nn.Module, image_size: int
) -> UInt8[Tensor, "3 h w"]:
    """Predict a picture's colours and join them, enlarged, with its own L.

    The network sees the picture with a short side of `image_size`, its shape kept.

    Args:
        rgb: 8-bit sRGB; its own colours, if any, are not looked at.
        generator: L -> ab in eval mode.
        image_size: short side in pixels that the generator was trained on.
    """
    L, _ = color.uint8_to_L_ab(rgb[None])
    height, width = L.shape[-2:]
    scale = image_size / min(height, width)
    limit = MAX_ASPECT * image_size
    small = [max(1, min(limit, round(side * scale))) for side in (height, width)]
    small_L = F.interpolate(L, small, mode="bicubic", antialias=True).clamp(-1, 1)
    ab = generator(small_L).float()
    full_ab = F.interpolate(ab, (height, width), mode="bilinear")
    return color.L_ab_to_uint8(L, full_ab)[0]
