"""A U-Net whose deepest level is a transformer: there every part of a picture sees all others."""

from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import DoubleConv, pad_to_multiple
from src.generators.generator import Generator
from src.generators.transformer import HEAD_CHANNELS, TransformerBlock, rotations
from src.generators.unet import Up


class TransformerUNet(Generator):
    """Convolutions down to 1/8 of the size, transformer blocks at 1/16, convolutions up with skips.

    The generator of the GAN with transformers that the source report cites (Liu, Taluja and Huang
    2022), laid out as TransUNet (Chen et al. 2021) is.

    Args:
        base_channels: width of the first block; the transformer has eight times as many.
        blocks: of the transformer.
    Raises: ValueError: if these make no network.
    """

    def __init__(self, base_channels: int = 64, blocks: int = 4) -> None:
        super().__init__()
        c = base_channels
        if c < 1 or 8 * c % HEAD_CHANNELS:
            raise ValueError(f"expected base_channels that divide by 4, got {c}")
        if blocks < 1:
            raise ValueError(f"expected at least 1 of blocks, got {blocks}")
        self.stem = DoubleConv(1, c)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), DoubleConv(width, 2 * width))
            for width in (c, 2 * c, 4 * c)
        )
        self.embed = nn.Conv2d(8 * c, 8 * c, 2, stride=2)
        self.blocks = nn.ModuleList(TransformerBlock(8 * c) for _ in range(blocks))
        self.norm = nn.LayerNorm(8 * c)
        self.widen = nn.Conv2d(8 * c, 16 * c, 1)
        self.ups = nn.ModuleList(Up(width, width // 2) for width in (16 * c, 8 * c, 4 * c, 2 * c))
        self.head = nn.Sequential(nn.Conv2d(c, 2, 1), nn.Tanh())

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        height, width = L.shape[-2:]
        skips = [self.stem(pad_to_multiple(L, 16))]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = self.widen(self._transformed(self.embed(skips[-1])))
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)[..., :height, :width]

    def _transformed(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        positions = rotations(x)
        cells = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            cells = block(cells, positions)
        return self.norm(cells).transpose(1, 2).unflatten(2, x.shape[-2:])
