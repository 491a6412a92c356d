from typing import Any

import pytest
import torch

from src.generators.lite0_queries import Lite0Queries
from src.generators.transformer import sinusoids
from tests.generators.contract import GeneratorContract

SMALL: dict[str, Any] = {"decoder_channels": [8, 8, 8, 8], "frozen_blocks": 3, "dropout": 0.1}
QUERIES = {"queries": 5, "query_channels": 32, "rounds": 1}


class TestLite0Queries(GeneratorContract):
    config = {"_target_": "src.generators.lite0_queries.Lite0Queries", **SMALL, **QUERIES}


def test_the_network_is_small_enough_to_train_on_a_processor() -> None:
    sizes: dict[str, Any] = {"queries": 64, "query_channels": 128, "rounds": 2}
    with torch.device("meta"):
        network = Lite0Queries(decoder_channels=[128, 96, 64, 32], frozen_blocks=3, **sizes)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(5.63, abs=0.01)


@pytest.mark.parametrize("size", [64, 160, 224])
def test_a_change_in_one_corner_is_seen_in_the_other_at_any_size(size: int) -> None:
    torch.manual_seed(0)
    network = Lite0Queries(**SMALL, **QUERIES)
    network.load_pretrained()  # an untrained encoder makes next to nothing of one corner
    network.double().eval()
    L = torch.zeros(1, 1, size, size, dtype=torch.float64)
    changed = L.clone()
    changed[..., :8, :8] = 1
    assert (network(changed) - network(L))[..., -4:, -4:].abs().max() > 0


def test_places_are_told_apart_and_are_alike_at_every_size() -> None:
    small, large = (sinusoids(torch.empty(1, 32, size, size)) for size in (4, 12))
    middles = large.view(12, 12, 32)[1::3, 1::3].flatten(0, 1)
    torch.testing.assert_close(middles, small, atol=1e-5, rtol=0)
    assert torch.cdist(small, small).add(torch.eye(16) * 9).min() > 0.5


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"queries": 0}, "queries is 0: expected at least 1"),
        ({"rounds": 0}, "rounds is 0: expected at least 1"),
        ({"query_channels": 40}, "attention of 40 channels: expected a multiple of 32"),
    ],
)
def test_numbers_that_make_no_network_are_refused(options: dict[str, int], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Lite0Queries(**SMALL, **QUERIES | options)
