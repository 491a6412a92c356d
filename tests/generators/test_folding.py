import pytest
import torch
from torch import nn

from src.generators.folding import fold
from src.generators.lite0_bins import Lite0Bins
from src.generators.lite0_unet import Lite0UNet
from src.generators.unet import UNet


@pytest.mark.parametrize(
    "network",
    [Lite0UNet([16] * 4, frozen_blocks=0), Lite0Bins([16, 8, 8], frozen_blocks=0), UNet(4)],
    ids=lambda network: type(network).__name__,
)
def test_a_folded_network_predicts_the_same(network: nn.Module) -> None:
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.normal_(norm.get_buffer("running_mean"), std=0.1)
        nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 2)
    L = torch.rand(1, 1, 50, 70) * 2 - 1
    with torch.inference_mode():
        before = network(L)
    fold(network)
    with torch.inference_mode():
        torch.testing.assert_close(network(L), before, atol=1e-4, rtol=0)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert left < 0.1 * len(norms)
