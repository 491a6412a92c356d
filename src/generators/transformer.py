"""Transformer blocks on the cells of feature maps, which know where these lie at any size."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

HEAD_CHANNELS = 32
LONGEST = 100.0  # cells: about the distance over which the slowest rotation turns by one radian


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017), of 32 channels a head.

    Args: channels: a multiple of 32. Raises: ValueError: if it is none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < HEAD_CHANNELS or channels % HEAD_CHANNELS:
            raise ValueError(f"attention of {channels} channels: expected a multiple of 32")
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        memory: Float[Tensor, "b m c"],
        positions: Float[Tensor, "n 16"] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Let each of x look at all of memory.

        Args: positions: of x and memory, which are then the same cells, as `rotations` gives them.
        """
        query, key = self._heads(self.query(x)), self._heads(self.key(memory))
        if positions is not None:
            query, key = _rotated(query, positions), _rotated(key, positions)
        seen = F.scaled_dot_product_attention(query, key, self._heads(self.value(memory)))
        return self.out(seen.transpose(1, 2).flatten(2))

    def _heads(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b heads n 32"]:
        return x.unflatten(2, (-1, HEAD_CHANNELS)).transpose(1, 2)


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them, four times as wide there."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )


class TransformerBlock(nn.Module):
    """Self-attention between the cells of a feature map, and a layer for each; norms come first.

    Positions turn queries and keys (RoFormer, Su et al. 2021; by row and by column, Heo et al.
    2024): what a cell makes of another depends on how far that is, and in which direction, so that
    any size will do.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels)
        self.forward_norm = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels)

    def forward(
        self, x: Float[Tensor, "b n c"], positions: Float[Tensor, "n 16"]
    ) -> Float[Tensor, "b n c"]:
        y = self.attention_norm(x)
        x = x + self.attention(y, y, positions)
        return x + self.feed_forward(self.forward_norm(x))


def rotations(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "n 16"]:
    """Return the angles in radians by which each cell's 16 pairs of channels are turned.

    Half of them grow with the row and half with the column, at rates from 1 to about 1 / LONGEST.
    """
    rates = LONGEST ** -(torch.arange(8, device=x.device) / 8)
    rows, columns = (torch.arange(size, device=x.device)[:, None] * rates for size in x.shape[-2:])
    return torch.cat(torch.broadcast_tensors(rows[:, None], columns), dim=2).flatten(0, 1)


def sinusoids(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "n c"]:
    """Return what tells each cell's place as a share of the picture, whatever its size.

    Sines and cosines of half a turn to eight turns down the picture, and across it (as in DETR,
    Carion et al. 2020). Raises: ValueError: if c does not divide by 4.
    """
    if x.shape[1] % 4:
        raise ValueError(f"{x.shape[1]} channels: expected a multiple of 4")
    turns = 2 ** torch.linspace(-1, 3, x.shape[1] // 4, device=x.device)
    down, across = (
        (torch.arange(size, device=x.device)[:, None] + 0.5) / size * turns * 2 * torch.pi
        for size in x.shape[-2:]
    )
    angles = torch.cat(torch.broadcast_tensors(down[:, None], across), dim=2).flatten(0, 1)
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(x.dtype)


def _rotated(
    x: Float[Tensor, "b heads n 32"], angles: Float[Tensor, "n 16"]
) -> Float[Tensor, "b heads n 32"]:
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=3)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=3)
