from pathlib import Path

import pytest
import torch
from torch import Tensor

from src.colorizers import checkpoint, registry
from src.colorizers.colorizer import Colorizer
from src.colorizers.proposals import Proposal, drawn_directions, proposals, spread, towards
from src.errors import UserError


def save_unsure(path: Path) -> Path:
    """Write a network that holds every colour for possible, and those near grey for likely."""
    config = {
        "_target_": "src.generators.lite0_bins.Lite0Bins",
        "decoder_channels": [8, 8, 8],
        "frozen_blocks": 0,
    }
    torch.manual_seed(0)
    network = checkpoint.build_generator(config)
    state = {f"generator.{key}": value for key, value in network.state_dict().items()}
    state["generator.head.bias"] = -0.1 * (torch.arange(66) % 33 - 16).abs().float()
    content = {
        "hyper_parameters": {"generator": config, "image_size": 64},
        "state_dict": state | {"mean_ab": torch.zeros(2)},
    }
    torch.save(content, path)
    return path


@pytest.fixture
def unsure(tmp_path: Path) -> Colorizer:
    return registry.from_file(save_unsure(tmp_path / "unsure.ckpt"))


def halves() -> Tensor:
    """Dark stripes at the left, a bright plain at the right."""
    L = torch.full((1, 1, 64, 96), 0.7)
    L[..., :48] = -0.6
    L[..., :48:6] = -0.1
    return L


@torch.inference_mode()
def painted(each: list[Proposal], L: Tensor) -> list[Tensor]:
    return [proposal(L) for proposal in each]


def test_proposals_differ_and_the_first_is_the_networks_own(unsure: Colorizer) -> None:
    L = halves()
    found = painted(proposals(unsure, 3), L)
    with torch.inference_mode():
        assert torch.equal(found[0], unsure(L))
    for i in range(3):
        for j in range(i):
            assert (found[i] - found[j]).norm(dim=1).mean() > 0.05


def test_the_same_photo_network_and_count_give_the_same(unsure: Colorizer) -> None:
    L = halves()
    assert torch.equal(painted(proposals(unsure, 3), L)[2], painted(proposals(unsure, 3), L)[2])
    assert not torch.equal(painted(proposals(unsure, 3), L)[2], painted(proposals(unsure, 4), L)[2])


def test_directions_agree_where_superpixels_look_alike_and_the_same_is_likely() -> None:
    kind = torch.tensor([1.0, 1, 1, -1, -1, -1])[:, None]
    shares = torch.eye(2)[[0, 0, 1, 1, 1, 1]]
    drawn = torch.stack([*drawn_directions([kind * torch.ones(1, 3)], shares, 400, seed=0)])
    assert drawn.norm(dim=2).max() < 1.001
    alike = torch.corrcoef(drawn[..., 0].T)
    assert alike[0, 1] > 0.99
    assert alike[3, 4] > 0.99
    assert alike[1, 3] < alike[2, 3] < 0.8


def test_a_color_goes_no_farther_than_a_quarter_of_what_is_likely_lies() -> None:
    colors = torch.tensor([[0.0, 0], [1, 0], [0, 1]])
    shares = torch.tensor([[0.8, 0.4], [0.15, 0.6], [0.05, 0]])
    red, none = torch.tensor([1.0, 0]), torch.zeros(2)
    for direction, expected in (
        (red, torch.tensor([[0.6, 1.0], [0, 0]])),
        (none, torch.tensor([[0.15, 0.6], [0.05, 0]])),
    ):
        found = towards(colors, shares, direction[:, None].expand(2, 2))
        torch.testing.assert_close(found, expected, atol=0.03, rtol=0)


def test_the_spread_is_that_of_what_is_likely(unsure: Colorizer) -> None:
    with torch.inference_mode():
        wide = spread(unsure, halves())
        unsure.network.head.bias *= 20  # type: ignore[attr-defined]
        narrow = spread(unsure, halves())
    assert wide is not None
    assert narrow is not None
    assert wide.shape == (1, 1, 64, 96)
    assert wide.min() > 3 * narrow.max()


def test_a_network_that_knows_one_colour_a_place_has_no_proposals() -> None:
    zero = registry.load("zero", None)
    assert spread(zero, halves()) is None
    with pytest.raises(UserError, match="zero knows one colour a place"):
        proposals(zero, 4)
