from typing import Any

import pytest
import torch

from src.generators.lite0_bins import Lite0Bins, Lite0Palette
from tests.generators.contract import GeneratorContract

SMALL = {"decoder_channels": [8, 8, 8], "frozen_blocks": 3, "dropout": 0.1}


class TestLite0Bins(GeneratorContract):
    config = {"_target_": "src.generators.lite0_bins.Lite0Bins", **SMALL}


class TestLite0Palette(GeneratorContract):
    config = {"_target_": "src.generators.lite0_bins.Lite0Palette", "temperature": 0.4, **SMALL}


def test_without_a_temperature_a_palette_leaves_colors_as_they_are() -> None:
    palette = Lite0Palette(temperature=None, decoder_channels=[8, 8, 8], frozen_blocks=3).eval()
    plain = Lite0Bins([8, 8, 8], 3).eval()
    torch.nn.init.normal_(palette.head.weight)
    own = palette.state_dict().items()
    plain.load_state_dict({key: one for key, one in own if not key.startswith("classes.")})
    L = torch.rand(1, 1, 50, 37)
    assert torch.equal(palette(L), plain(L))
    assert palette.logits(L).shape == (1, 361, 13, 10)


def test_the_slim_network_is_lighter_than_the_unet() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in Lite0Bins([160, 96, 64], 3).parameters())
    assert count / 1e6 == pytest.approx(3.72, abs=0.01)


@pytest.mark.parametrize(("height", "width"), [(64, 32), (50, 37), (3, 1)])
def test_logits_are_those_of_the_picture_without_its_padding(height: int, width: int) -> None:
    network = Lite0Bins([8, 8, 8], 3)
    logits = network(torch.rand(2, 1, height, width))
    assert logits.shape == (2, network.bins.count, -(-height // 4), -(-width // 4))


def test_it_starts_without_a_favourite_color() -> None:
    network = Lite0Bins([8, 8, 8], 3).eval()
    assert network(torch.rand(1, 1, 64, 64)).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"decoder_channels": [8] * 4, "frozen_blocks": 3}, "expected 3 decoder_channels, got 4"),
        ({"decoder_channels": [8] * 3, "frozen_blocks": 17}, "0 to 16 frozen blocks, got 17"),
    ],
)
def test_shapes_that_make_no_network_are_refused(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Lite0Bins(**options)
