"""What generators on EfficientNet-Lite0 share."""

import copy

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.blocks import pad_to_multiple
from src.generators.folding import fold
from src.generators.generator import Generator
from src.generators.lite0 import STRIDE, Lite0, load_imagenet_weights


class Lite0Generator(Generator):
    """A network whose encoder starts from ImageNet; those that derive from it have the decoder.

    Args:
        frozen_blocks: of the encoder's 16 blocks, so many at the beginning stay as ImageNet made
            them, with the stem: they see edges and textures, and are half of a step's time.
        dropout: share of the deepest feature maps that a training step does without.
    Raises: ValueError: if there are no so many blocks.
    """

    def __init__(self, frozen_blocks: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.encoder = Lite0()
        self._frozen = [*self.encoder.first_layers(frozen_blocks)]
        for layer in self._frozen:
            layer.requires_grad_(False)
        self._folded: list[nn.Module] = []  # `_frozen`, as it was at the state that follows
        self._folded_of: list[tuple[int, int]] = []

    def load_pretrained(self) -> None:
        """Start the encoder from ImageNet. Raises: ValueError: if the weights are not installed."""
        load_imagenet_weights(self.encoder)

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Return what starts from ImageNet, and so should change more slowly."""
        return [*self.encoder.parameters()]

    def train(self, mode: bool = True) -> "Lite0Generator":
        super().train(mode)
        for layer in self._frozen:
            layer.eval()  # batch norm's statistics are frozen too
        return self

    def encoded(self, L: Float[Tensor, "b 1 h w"]) -> list[Float[Tensor, "b c i j"]]:
        """Return the encoder's features of L, padded to whole strides; finest first."""
        # L* and a grey's sRGB value differ by less than 0.04: the encoder may see it as grey.
        grey = pad_to_multiple(L, STRIDE).expand(-1, 3, -1, -1)
        *skips, deepest = self.encoder(grey, self._first() if self.training else ())
        return [*skips, self.dropout(deepest)]

    def _first(self) -> list[nn.Module]:
        """Return the frozen layers without their batch norms, which cost a tenth of a step."""
        if torch.compiler.is_compiling():
            return []
        layers = nn.Sequential(*self._frozen)
        tensors = [*layers.parameters(), *layers.buffers()]
        state = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if state != self._folded_of:  # other weights were loaded, or taken to a device
            folded = copy.deepcopy(layers)
            fold(folded)
            self._folded, self._folded_of = [*folded], state
        return self._folded


def enlarged(
    ab: Float[Tensor, "b 2 i j"], factor: int, L: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 2 h w"]:
    """Enlarge the ab of L after padding, and cut the padding off."""
    height, width = L.shape[-2:]
    return F.interpolate(ab, scale_factor=factor, mode="bilinear")[..., :height, :width]
