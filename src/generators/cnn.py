"""The baseline: a small encoder-decoder without skips."""

from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import cut_at_convolutions, pad_to_multiple
from src.generators.generator import Generator


class CNN(Generator):
    """Encoder 1-64-128-256 (3x3 convolution, ReLU, max-pool), decoder of three transposed
    convolutions 256-128-64-2 with a final tanh.

    Args: base_channels: width of the first convolution; 64 is the source report's network.
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        c = base_channels
        self.encoder = nn.Sequential(*_down(1, c), *_down(c, 2 * c), *_down(2 * c, 4 * c))
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4 * c, 2 * c, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(c, 2, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        height, width = L.shape[-2:]
        return self.decoder(self.encoder(pad_to_multiple(L, 8)))[..., :height, :width]

    def encoder_layers(self) -> list[nn.Sequential]:
        return cut_at_convolutions(self.encoder)


def _down(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    ]
