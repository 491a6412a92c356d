from typing import Any, ClassVar

import pytest
import torch

from src.colorizers.checkpoint import build_generator
from src.generators.pix2pix import Dropout, Pix2Pix
from tests.generators.contract import GeneratorContract, random_L

SMALL = {"_target_": "src.generators.pix2pix.Pix2Pix", "base_channels": 4, "image_size": 64}


class TestPix2Pix(GeneratorContract):
    config: ClassVar = SMALL


class TestPix2PixWithNoise(GeneratorContract):
    config: ClassVar = {**SMALL, "dropout_at_inference": True, "dropout_seed": 1}


@pytest.mark.parametrize(
    ("image_size", "depth"), [(32, 5), (63, 5), (64, 6), (128, 7), (256, 8), (1024, 8)]
)
def test_pictures_are_halved_as_often_as_those_of_the_training_allow(
    image_size: int, depth: int
) -> None:
    assert len(Pix2Pix(2, image_size).downs) == depth


def test_pictures_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.image_size is 31: expected at least 32"):
        Pix2Pix(2, 31)


def test_the_full_network_has_the_papers_size() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in Pix2Pix(64, 256).parameters())
    assert count / 1e6 == pytest.approx(54.4, abs=0.05)


@pytest.mark.parametrize(
    ("options", "other", "alike"),
    [
        ({}, {"dropout_seed": 1}, True),
        ({}, {"dropout_at_inference": True}, False),
        ({"dropout_at_inference": True}, {"dropout_at_inference": True, "dropout_seed": 1}, False),
    ],
)
def test_noise_is_off_unless_asked_for_and_differs_by_its_seed(
    options: dict[str, Any], other: dict[str, Any], alike: bool
) -> None:
    L, colored = random_L(1, 64, 64), []
    for given in (options, other):
        torch.manual_seed(0)
        colored.append(build_generator({**SMALL, **given}).eval()(L))
    assert torch.equal(*colored) is alike


def test_noise_keeps_half_of_the_values_and_doubles_them() -> None:
    ones = torch.ones(2, 16, 32, 32)
    noisy = Dropout(seed=3).eval()(ones)
    assert set(noisy.unique().tolist()) == {0, 2}
    assert noisy.mean() == pytest.approx(1, abs=0.03)
    other = Dropout(seed=4).eval()(ones)
    assert (noisy == other).float().mean() == pytest.approx(0.5, abs=0.03)
