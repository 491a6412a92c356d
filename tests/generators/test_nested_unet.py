from typing import ClassVar

import pytest
import torch

from src.generators.nested_unet import NestedUNet, Node
from tests.generators.contract import GeneratorContract, random_L


class TestNestedUNet(GeneratorContract):
    config = {"_target_": "src.generators.nested_unet.NestedUNet", "base_channels": 2}


class TestNestedUNetUnderDeepSupervision(GeneratorContract):
    config: ClassVar = {**TestNestedUNet.config, "deep_supervision": True}


def test_under_deep_supervision_the_mean_of_the_four_predictions_counts() -> None:
    network = NestedUNet(2, deep_supervision=True).eval()
    L = random_L(2, 20, 30)
    counted = network(L)
    for part in network.modules():
        part.training = part is network  # batch norm's statistics stay
    each = network(L)
    assert each.shape == (2, 4, 2, 20, 30)
    assert not torch.allclose(each[:, 0], each[:, 3])
    torch.testing.assert_close(each.mean(dim=1), counted)


def test_each_level_has_as_many_nodes_as_there_are_levels_below_it() -> None:
    with torch.device("meta"):
        network = NestedUNet(64)
    assert sum(isinstance(part, Node) for part in network.modules()) == 4 + 3 + 2 + 1
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(36.2, abs=0.05)
