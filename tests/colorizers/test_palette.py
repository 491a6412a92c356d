from itertools import product

import torch
from torch import Tensor

from src.colorizers.constants import Constant
from src.colorizers.palette import Palette
from src.colorizers.trained import Trained
from src.generators.ab_bins import Bins, JointBins
from src.generators.generator import Generator


class Sure(Generator):
    """Holds red and blue for likely, red more so, and below the middle yellow only."""

    RED, BLUE, YELLOW = ((9 + a) * 19 + 9 + b for a, b in ((4, 2), (1, -4), (0, 5)))
    bins: Bins = JointBins(temperature=1)

    def __init__(self) -> None:
        super().__init__()
        self.none = torch.nn.Parameter(torch.zeros(1))

    def forward(self, L: Tensor) -> Tensor:
        return L.new_zeros(len(L), 2, *L.shape[2:])

    def logits(self, L: Tensor) -> Tensor:
        shares = torch.full((len(L), self.bins.count, L.shape[2] // 4, L.shape[3] // 4), 1e-6)
        rows = shares.shape[2] // 2
        shares[:, self.RED, :rows], shares[:, self.BLUE, :rows] = 0.6, 0.4
        shares[:, self.YELLOW, rows:] = 1
        return shares.log()


def test_a_network_that_gives_probabilities_tells_what_is_likely_first() -> None:
    network = Trained(network=Sure(), image_size=64, mean_ab=torch.zeros(2), sha256="", name="")
    L = torch.zeros(1, 1, 64, 96)
    palette = Palette(network, L, network(L))
    assert palette.knows
    red, blue = palette.likely(10, 50)
    assert (red > 20).all()
    assert blue[1] < -40
    assert len(palette.likely(50, 50)) == 1
    likely, others = palette.at(10, 50)
    assert likely[0][0] > likely[0][2] + 50
    assert len(others) > 4
    apart = torch.tensor([*product(likely, others)]).diff(dim=1).abs().sum(dim=2)
    assert apart.min() > 20


def test_other_networks_take_what_spots_of_the_same_lightness_have() -> None:
    L = torch.zeros(1, 1, 64, 96)
    L[..., 48:] = 0.8
    ab = torch.zeros(1, 2, 64, 96)
    ab[:, 0, :, :24], ab[:, 1, :, 24:48], ab[:, 1, :, 48:] = 0.4, 0.4, -0.5
    palette = Palette(Constant("grey", torch.zeros(2)), L, ab)
    assert not palette.knows
    torch.testing.assert_close(palette.likely(5, 30), torch.tensor([[0.0, 44], [44, 0]]))
    torch.testing.assert_close(palette.likely(5, 60), torch.tensor([[0.0, -55]]))
