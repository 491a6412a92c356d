"""Protocols: what becomes of a picture before it is judged. Figures of two never compare."""

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from src.data.crops import resized, square
from src.errors import UserError

SIDE = 256  # pixels of the squares
LEAST = 11  # pixels of a side, which SSIM's window needs
PREDICTED = (
    "The judged pixels are those that src.colorize --format png writes of this picture, in 8 bits"
)
PROTOCOLS = {
    "stretch256": (
        "the whole picture, resized to 256x256 whatever its shape (bicubic, antialiased), as "
        "tables of ImageNet val50k, COCO and ADE20K do"
    ),
    "crop256": (
        "the central square, resized to 256x256 (bicubic, antialiased), as tables of ImageNet "
        "val5k do"
    ),
    "native": "the whole picture at its full size",
}


def cut(image: Image.Image, protocol: str) -> UInt8[Tensor, "3 h w"]:
    """Make the judged picture. Raises: UserError: if it is too small to be judged."""
    if min(image.size) < LEAST:
        raise UserError(f"a side of {min(image.size)} pixels, of which {LEAST} are needed")
    if protocol == "native":
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return resized(image, SIDE, square(image, 1.0, 0.5, 0.5) if protocol == "crop256" else None)


def cut_prediction(
    image: Image.Image, true_size: tuple[int, int], protocol: str
) -> UInt8[Tensor, "3 h w"]:
    """Cut what another program made: of the whole picture, or of the judged square already.

    Raises: UserError: if its size is neither.
    """
    squares = protocol != "native"
    if squares and image.size == (SIDE, SIDE) != true_size:
        return cut(image, "native")
    if image.size != true_size:
        either = f"{true_size[0]}x{true_size[1]}" + (f" or {SIDE}x{SIDE}" if squares else "")
        raise UserError(f"its size differs: expected {either}, got {image.width}x{image.height}")
    return cut(image, protocol)
