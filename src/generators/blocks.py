"""Parts that generators share."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Twice: 3x3 convolution, batch norm, ReLU (Ronneberger et al. 2015, with batch norm added)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            # Batch norm subtracts the mean, and a bias with it.
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def pad_to_multiple(L: Float[Tensor, "b c h w"], multiple: int) -> Float[Tensor, "b c H W"]:
    """Mirror the last rows and columns until both sides divide by `multiple`; crop with `[:h, :w]`.

    This lets a network that halves its input several times take pictures of any size. Repeating the
    last row and column instead draws streaks, which spoil what it sees of all the picture.
    """
    for axis in (-2, -1):
        size = L.shape[axis]
        i = torch.arange(size + -size % multiple, device=L.device)
        period = torch.full_like(i, 2 * size)  # a tensor, since ONNX's remainder takes no free size
        i = i % period
        L = L.index_select(axis, torch.minimum(i, period - 1 - i))
    return L


def cut_at_convolutions(*parts: nn.Module) -> list[nn.Sequential]:
    """Cut parts whose modules run in turn into layers, each of which begins with a convolution."""
    chain = [module for part in parts for module in part.modules() if not [*module.children()]]
    starts = [i for i, module in enumerate(chain) if isinstance(module, nn.Conv2d)]
    return [nn.Sequential(*chain[i:j]) for i, j in pairwise([*starts, None])]


def halvings(image_size: int, most: int) -> int:
    """Return how often pictures can be halved until a pixel is left, and at most how often.

    Raises: ValueError: if they are smaller than 32 pixels, too small for such networks.
    """
    if image_size < 32:
        raise ValueError(f"data.image_size is {image_size}: expected at least 32")
    return min(most, image_size.bit_length() - 1)


def draw_normal(weight: Tensor, deviation: float, mean: float = 0.0) -> None:
    """Draw a weight anew, unless it is on the meta device, where weights have no values.

    There PyTorch would import its compiler for it, which takes as long as to colour a photo.
    """
    if not weight.is_meta:
        nn.init.normal_(weight, mean, deviation)


def normal_weights(network: nn.Module) -> None:
    """Draw weights with a deviation of 0.02 around 0, or 1 in norms (Radford et al. 2016)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            is_norm = isinstance(layer, nn.BatchNorm2d)
            draw_normal(layer.weight, 0.02, mean=float(is_norm))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
