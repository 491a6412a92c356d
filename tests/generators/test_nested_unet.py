import pytest
import torch

from src.generators.nested_unet import NestedUNet, Node
from tests.generators.contract import GeneratorContract


class TestNestedUNet(GeneratorContract):
    config = {"_target_": "src.generators.nested_unet.NestedUNet", "base_channels": 2}


def test_each_level_has_as_many_nodes_as_there_are_levels_below_it() -> None:
    with torch.device("meta"):
        network = NestedUNet(64)
    assert sum(isinstance(part, Node) for part in network.modules()) == 4 + 3 + 2 + 1
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(36.2, abs=0.05)
