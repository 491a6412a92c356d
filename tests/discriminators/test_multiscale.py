import pytest
import torch

from src.discriminators.multiscale import MultiScale
from tests.discriminators.contract import DiscriminatorContract, pairs

TARGET = "src.discriminators.multiscale.MultiScale"


class TestThreeScales(DiscriminatorContract):
    config = {"_target_": TARGET, "scales": 3, "base_channels": 4}


class TestTwoScales(DiscriminatorContract):
    config = {"_target_": TARGET, "scales": 2, "base_channels": 4}


def test_each_judge_sees_the_picture_at_half_the_size() -> None:
    network = MultiScale(3, 4).eval()
    L, ab = (torch.full((1, c, 128, 128), 0.3) for c in (1, 2))
    verdict = network(L, ab)
    assert [features[0].shape[-1] for features in verdict.features] == [64, 32, 16]
    for i, judge in enumerate(network.judges):
        # What has one colour keeps it when it is halved.
        [alone] = judge(*(x[..., : 128 // 2**i, : 128 // 2**i] for x in (L, ab))).logits
        torch.testing.assert_close(verdict.logits[i], alone)


def test_detail_that_halving_loses_is_seen_by_the_finest_judge_only() -> None:
    torch.manual_seed(0)
    network, (L, ab) = MultiScale(2, 4).eval(), pairs(96)
    board = torch.ones(96, 96)
    board[::2, ::2] = board[1::2, 1::2] = -1
    ab[..., 2:-2, 2:-2] = 0
    finer = ab.clone()
    finer[..., 4:-4, 4:-4] += 0.5 * board[4:-4, 4:-4]
    fine, coarse = (
        (a - b).abs().max()
        for a, b in zip(network(L, ab).logits, network(L, finer).logits, strict=True)
    )
    assert fine > 3 * coarse


@pytest.mark.parametrize("scales", [1, 4])
def test_other_numbers_of_scales_are_refused(scales: int) -> None:
    with pytest.raises(ValueError, match=f"scales is {scales}: expected 2 or 3"):
        MultiScale(scales)
