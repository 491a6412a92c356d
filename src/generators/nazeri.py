"""The generator of Nazeri, Ng and Ebrahimi."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import halvings, normal_weights, pad_to_multiple
from src.generators.generator import Generator


class Nazeri(Generator):
    """U-Net of Nazeri, Ng and Ebrahimi 2018, arXiv:1803.05400: strided 4x4 convolutions with batch
    norm, LeakyReLU on the way down, ReLU on the way up, a 1x1 convolution and tanh at the end.

    Dropout in the first three units of the way up, and the widths, are those of the authors' code
    for Places365.

    Args:
        base_channels: width of the first convolution, which keeps the resolution and has no norm;
            64 gives 64-64-128-256-512-512-512-512 and 42.0 M parameters at 256 pixels.
        image_size: side in pixels of the training pictures, at least 32; they are halved until two
            pixels are left, at most seven times. Others are padded to a multiple.
    """

    def __init__(self, base_channels: int, image_size: int) -> None:
        super().__init__()
        depth = halvings(image_size, most=8) - 1
        c = base_channels
        widths = [c, *(min(2**i, 8) * c for i in range(depth))]
        self.stem = nn.Sequential(
            nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(1, c, 4), nn.LeakyReLU(0.2, inplace=True)
        )
        self.downs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(above, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for above, width in pairwise(widths)
        )
        self.ups = nn.ModuleList()
        for i, (below, width) in enumerate(pairwise(reversed(widths))):
            channels = 2 * below if i else below  # with the skip
            self.ups.append(
                nn.Sequential(
                    nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                    nn.Dropout(0.5 if i < 3 else 0.0),
                )
            )
        self.head = nn.Sequential(nn.Conv2d(2 * c, 2, 1), nn.Tanh())
        normal_weights(self)

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        height, width = L.shape[-2:]
        x = self.stem(pad_to_multiple(L, 2 ** len(self.downs)))
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], dim=1)
        return self.head(x)[..., :height, :width]
