"""What networks see of a picture, whatever colours are predicted for it."""

from functools import cache, cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from src.colorizers import shipped
from src.colorizers.scribbles import shrunk
from src.errors import UserError
from src.generators.blocks import pad_to_multiple
from src.generators.lite0 import STRIDE, Lite0, load_imagenet_weights
from src.generators.lite0_hints import Lite0Hints

# Of the encoder's maps, at 1/16 and 1/32 of the size: the squared distance of two places' features
# over which what is likely at them stops being alike. How they were fitted: see correction.py.
FEATURES = {3: 28_000.0, 4: 9_100.0}


class Scene:
    """A picture's lightness, and what is looked up of it when it is first asked for.

    Attributes: L: (1, 1, h, w) in [-1, 1]; size: its (height, width).
    """

    def __init__(self, L: Float[Tensor, "1 1 h w"]) -> None:
        """Look at a picture. Args: L: in [-1, 1]; of more than LARGEST_SIDE pixels it is shrunk."""
        self.L = shrunk(L)
        self.size = (self.L.shape[2], self.L.shape[3])

    @cached_property
    def cells(self) -> Float[Tensor, "1 c i j"] | None:
        """What the network that ships sees in cells of 4x4 pixels, if it is there."""
        network = _network()
        return None if network is None else network.features(self.L)

    @cached_property
    def maps(self) -> list[Float[Tensor, "1 _ _ _"]]:
        """What the encoder as ImageNet made it sees, so that squared distances are exponents.

        Raises: UserError: if its weights are not installed.
        """
        maps = _encoder()(pad_to_multiple(self.L, STRIDE).expand(-1, 3, -1, -1))
        return [maps[number] / distance**0.5 for number, distance in FEATURES.items()]

    @cached_property
    def norms(self) -> Float[Tensor, "1 h w"]:
        """Squared lengths of the maps' features at each pixel."""
        norms = torch.zeros(1, *self.size)
        for one in self.maps:
            for channels in one.split(32, dim=1):
                norms += self.enlarged(channels).square().sum(dim=1)
        return norms

    def enlarged(self, one: Float[Tensor, "1 c i j"]) -> Float[Tensor, "1 c h w"]:
        """Enlarge a map, of the padded picture, to the picture's size."""
        height, width = self.size
        return F.interpolate(one, self._padded, mode="bilinear")[..., :height, :width]

    def sampled(
        self, one: Float[Tensor, "1 c i j"], places: Float[Tensor, "n 2"]
    ) -> Float[Tensor, "n c"]:
        """Return a map as it is enlarged, at (y, x)."""
        grid = ((places + 0.5) / torch.tensor(self._padded) * 2 - 1).flip(1)
        found = F.grid_sample(one, grid[None, None], padding_mode="border", align_corners=False)
        return found[0, :, 0].T

    @property
    def _padded(self) -> list[int]:
        return [side + -side % STRIDE for side in self.size]


def _network() -> Lite0Hints | None:
    if not shipped.PATH.is_file():
        return None
    network = shipped.shared().network
    assert isinstance(network, Lite0Hints)
    return network


@cache
def _encoder() -> Lite0:
    encoder = Lite0()
    try:
        load_imagenet_weights(encoder)
    except ValueError as error:
        raise UserError(str(error)) from error
    return encoder.eval()
