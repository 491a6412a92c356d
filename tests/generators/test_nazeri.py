from typing import ClassVar

import pytest
import torch
from torch import nn

from src.generators.nazeri import Nazeri
from tests.generators.contract import GeneratorContract


class TestNazeri(GeneratorContract):
    config: ClassVar = {
        "_target_": "src.generators.nazeri.Nazeri",
        "base_channels": 4,
        "image_size": 64,
    }


@pytest.mark.parametrize(("image_size", "depth"), [(32, 4), (128, 6), (256, 7), (512, 7)])
def test_pictures_are_halved_to_two_pixels_but_not_without_end(image_size: int, depth: int) -> None:
    assert len(Nazeri(2, image_size).downs) == depth


def test_it_pools_nothing_and_its_first_layer_has_no_norm() -> None:
    with torch.device("meta"):
        network = Nazeri(64, 256)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in network.modules())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.stem)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(42.0, abs=0.05)


def test_a_single_picture_trains() -> None:
    assert Nazeri(2, 32).train()(torch.zeros(1, 1, 32, 32)).isfinite().all()
