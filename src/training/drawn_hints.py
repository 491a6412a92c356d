"""Hints for training: colours of the truth at random places."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

MOST = 100  # hints of a picture
NONE = 1 / 16  # of the pictures have none
REACH = 2  # pixels to each side that a hint covers at most


def drawn(
    real_ab: Float[Tensor, "b 2 h w"], generator: torch.Generator
) -> tuple[Float[Tensor, "b 2 h w"], Bool[Tensor, "b 1 h w"]]:
    """Draw hints from the truth: ab, and where they mean something.

    A picture has none, or as many as the others of its batch: 1 to MOST, few as often as many (the
    logarithm is uniform). Each is a square of 1, 3 or 5 pixels of a side around a random pixel, in
    the mean ab of that square; where several overlap, one of them counts.

    Args: generator: on the CPU, so that every device draws alike.
    """
    b, _, height, width = real_ab.shape
    device = real_ab.device

    def lots(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    most = int((MOST + 1) ** lots(1))
    y, x = ((lots(b, most) * side).long() for side in (height, width))
    reach = (lots(b, most) * (REACH + 1)).long()
    steps = torch.arange(-REACH, REACH + 1, device=device)
    down, right = (one.flatten() for one in torch.meshgrid(steps, steps, indexing="ij"))
    rows, columns = y[..., None] + down, x[..., None] + right
    covers = torch.maximum(down.abs(), right.abs()) <= reach[..., None]
    covers &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    covers &= (lots(b) >= NONE)[:, None, None]
    numbers = torch.arange(1, most + 1, device=device)[:, None] * covers
    places = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).flatten(1)
    hint = torch.zeros(b, height * width, dtype=torch.long, device=device)
    hint.scatter_reduce_(1, places, numbers.flatten(1), "amax")
    mask = hint > 0
    number = (hint - 1).clamp(min=0)
    covered, own_reach = (y * width + x).gather(1, number), reach.gather(1, number)
    means = torch.stack([_means(real_ab, radius) for radius in range(REACH + 1)], dim=1)
    at = (own_reach * height * width + covered)[:, None].expand(-1, 2, -1)
    ab = means.transpose(1, 2).flatten(2).gather(2, at) * mask[:, None]
    return ab.unflatten(2, (height, width)), mask.view(b, 1, height, width)


def _means(ab: Float[Tensor, "b 2 h w"], radius: int) -> Float[Tensor, "b 2 h w"]:
    side = 2 * radius + 1
    return F.avg_pool2d(ab, side, stride=1, padding=radius, count_include_pad=False)
