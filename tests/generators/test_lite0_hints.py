from typing import Any

import pytest
import torch
from torch import Tensor

from src.generators import lite0_hints
from src.generators.generator import Generator
from src.generators.lite0_bins import Lite0Palette
from src.generators.lite0_hints import Lite0Hints
from tests.generators.contract import GeneratorContract, random_L

SMALL: dict[str, Any] = {"decoder_channels": [8, 8, 8], "frozen_blocks": 3, "temperature": None}


class TestLite0Hints(GeneratorContract):
    config = {"_target_": "src.generators.lite0_hints.Lite0Hints", **SMALL}

    def test_training_reaches_every_parameter_that_learns(self, network: Generator) -> None:
        L, real_ab = random_L(2, 50, 37), torch.rand(2, 2, 50, 37) - 0.5
        network.train()(L, *hints_at(real_ab, (3, 5), (40, 30))).square().mean().backward()
        learning = {name: one for name, one in network.named_parameters() if one.requires_grad}
        assert {name.partition(".")[0] for name in learning} == {"hints"}
        for name, parameter in learning.items():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def hints_at(ab: Tensor, *places: tuple[int, int]) -> tuple[Tensor, Tensor]:
    mask = torch.zeros(len(ab), 1, *ab.shape[2:], dtype=torch.bool)
    for y, x in places:
        mask[:, :, y, x] = True
    return ab, mask


@pytest.fixture(scope="module")
def network() -> Lite0Hints:
    torch.manual_seed(0)
    network = Lite0Hints(**SMALL).eval()
    torch.nn.init.normal_(network.head.weight)
    torch.nn.init.normal_(network.hints.refinement.change.weight, std=0.1)
    return network


def test_without_hints_it_gives_the_automatic_networks_colors_bit_for_bit(
    network: Lite0Hints,
) -> None:
    plain = Lite0Palette(**SMALL).eval()
    own = network.state_dict().items()
    plain.load_state_dict({key: one for key, one in own if not key.startswith("hints.")})
    L = random_L(2, 50, 37)
    expected = plain(L)
    assert torch.equal(network(L), expected)
    ab, mask = hints_at(expected + 0.1, (20, 20))
    mask[1] = False
    hinted = network(L, ab, mask)
    assert torch.equal(hinted[1], expected[1])
    assert not torch.equal(hinted[0], expected[0])
    assert torch.equal(network(L, ab, mask & False), expected)


def test_the_frozen_part_sees_a_picture_once_for_many_hints(network: Lite0Hints) -> None:
    seen = []
    handle = network.encoder.register_forward_hook(lambda *_: seen.append(1))
    L, other = random_L(2, 50, 37).split(1)
    with torch.inference_mode():
        first, again, of_other = (
            network(one, *hints_at(torch.full((1, 2, 50, 37), 0.1), (20, x)))
            for one, x in ((L, 20), (L, 30), (other, 30))
        )
        handle.remove()
        network._latest.clear()
        anew = network(L, *hints_at(torch.full((1, 2, 50, 37), 0.1), (20, 30)))
    assert len(seen) == 2
    assert torch.equal(again, anew)
    assert not torch.equal(first, again)
    assert not torch.equal(of_other, again)


def test_a_bold_hint_says_less_of_what_it_does_not_touch_than_a_mild_one(
    network: Lite0Hints,
) -> None:
    torch.nn.init.zeros_(network.hints.refinement.change.weight)
    L = torch.zeros(1, 1, 64, 64)
    L[..., 32:] = 0.9
    before = network(L)
    direction = torch.tensor([0.6, -0.8])[:, None, None]
    mild, bold, bolder = (
        (network(L, *hints_at(before + step * direction, (30, 10))) - before).abs()
        for step in (0.2, 0.5, 0.9)
    )
    assert bold[..., 40:].mean() < 0.2 * mild[..., 40:].mean()
    assert bold[..., 26:34, 6:14].mean() > mild[..., 26:34, 6:14].mean()
    assert torch.allclose(bold, bolder, atol=1e-5)  # no more than so much is carried


def test_a_hint_moves_its_place_towards_its_color_and_its_neighbourhood_more_than_others(
    network: Lite0Hints,
) -> None:
    torch.nn.init.zeros_(network.hints.refinement.change.weight)
    L = torch.zeros(1, 1, 64, 64)
    L[..., 32:] = 0.8
    before = network(L)
    asked = before + torch.tensor([0.2, -0.2])[:, None, None]
    moved = network(L, *hints_at(asked, (30, 10))) - before
    assert moved[0, 0, 30, 10] > 0.1
    assert moved[0, 1, 30, 10] < -0.1
    near, far = (moved[..., part].abs().mean() for part in (slice(2, 18), slice(46, 62)))
    assert near > far


def test_many_hints_are_taken_together_and_large_pictures_cut(
    network: Lite0Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    L, ab = random_L(1, 64, 96), torch.full((1, 2, 64, 96), 0.3)
    mask = torch.ones(1, 1, 64, 96, dtype=torch.bool)
    whole = network(L, ab, mask)
    monkeypatch.setattr(lite0_hints, "AT_ONCE", 2**12)
    torch.testing.assert_close(network(L, ab, mask), whole, atol=1e-5, rtol=0)
    monkeypatch.setattr(lite0_hints, "MOST_MARKS", 32)
    assert (network(L, ab, mask) - whole).abs().mean() < 0.05


def test_the_branch_fits_into_four_megabytes() -> None:
    with torch.device("meta"):
        network = Lite0Hints(**SMALL | {"decoder_channels": [160, 96, 64]})
    numbers = sum(one.numel() for one in network.hints.state_dict().values())
    assert 2 * numbers < 4e6
