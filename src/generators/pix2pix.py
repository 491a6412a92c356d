"""The generator of pix2pix."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import halvings, normal_weights, pad_to_multiple
from src.generators.generator import Generator

LARGE_PRIME = 2**31 - 1


class Pix2Pix(Generator):
    """U-Net of pix2pix (Isola et al. 2017): 4x4 convolutions that halve the picture to one pixel,
    LeakyReLU on the way down, ReLU on the way up, where half of the first three maps drop out.

    Args:
        base_channels: width of the first convolution; 64 gives 64-128-256-512-512-512-512-512 and
            54.4 M parameters at 256 pixels.
        image_size: side in pixels of the training pictures, at least 32; they are halved while
            that leaves a pixel, at most eight times. Others are padded to a multiple.
        dropout_at_inference: drops values out in evaluation too, which the paper calls its noise.
        dropout_seed: of that noise, which is the same each time and in every picture.

    Raises: ValueError: if the pictures are too small, or the seed is negative.
    """

    def __init__(
        self,
        base_channels: int,
        image_size: int,
        dropout_at_inference: bool = False,
        dropout_seed: int = 0,
    ) -> None:
        super().__init__()
        if dropout_seed < 0:
            raise ValueError(f"dropout_seed is {dropout_seed}: expected at least 0")
        depth = halvings(image_size, most=8)
        widths = [min(2**i, 8) * base_channels for i in range(depth)]
        # Skips leave before the activation, as in the authors' code.
        self.downs = nn.ModuleList([nn.Conv2d(1, widths[0], 4, stride=2, padding=1)])
        for above, width in pairwise(widths[:-1]):
            convolution = nn.Conv2d(above, width, 4, stride=2, padding=1, bias=False)
            self.downs.append(nn.Sequential(nn.LeakyReLU(0.2), convolution, nn.BatchNorm2d(width)))
        # A single pixel has no deviation that a norm could divide by.
        deepest = nn.Conv2d(widths[-2], widths[-1], 4, stride=2, padding=1)
        self.downs.append(nn.Sequential(nn.LeakyReLU(0.2), deepest))
        self.ups = nn.ModuleList()
        for i, (below, width) in enumerate(pairwise(reversed(widths))):
            channels = 2 * below if i else below  # with the skip
            up = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False)
            layers: list[nn.Module] = [nn.ReLU(), up, nn.BatchNorm2d(width)]
            if i < 3:
                layers.append(Dropout(3 * dropout_seed + i if dropout_at_inference else None))
            self.ups.append(nn.Sequential(*layers))
        last = nn.ConvTranspose2d(2 * widths[0], 2, 4, stride=2, padding=1)
        self.head = nn.Sequential(nn.ReLU(), last, nn.Tanh())
        normal_weights(self)

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        height, width = L.shape[-2:]
        x = pad_to_multiple(L, 2 ** len(self.downs))
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], dim=1)
        return self.head(x)[..., :height, :width]


class Dropout(nn.Module):
    """Drops half of the values out in training, and with a seed in evaluation, too.

    There they are found by arithmetic with their places: a random generator's state would go into
    no ONNX file, and differ between devices.
    """

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.training:
            return nn.functional.dropout(x)
        if self.seed is None:
            return x
        _, channels, height, width = x.shape
        place = torch.arange(channels * height * width, device=x.device)
        mixed = (place + 1_000_003 * self.seed) % LARGE_PRIME
        for _ in range(3):
            mixed = (mixed * mixed + 12_345 * mixed + 6_789) % LARGE_PRIME
        return x * (mixed % 2 * 2).view(channels, height, width).to(x.dtype)
