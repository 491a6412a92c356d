from typing import Any

import pytest
import torch

from src.generators import lite0_unet
from src.generators.lite0 import SameConv
from src.generators.lite0_unet import Lite0Classes, Lite0UNet
from tests.generators.contract import GeneratorContract

SMALL = {"decoder_channels": [8, 8, 8, 8], "frozen_blocks": 3, "dropout": 0.1}


class TestLite0UNet(GeneratorContract):
    config = {"_target_": "src.generators.lite0_unet.Lite0UNet", **SMALL}


class TestLite0Classes(GeneratorContract):
    config = {"_target_": "src.generators.lite0_unet.Lite0Classes", "temperature": 0.4, **SMALL}


@pytest.mark.parametrize(("height", "width"), [(64, 32), (50, 37), (3, 1)])
def test_logits_of_bins_are_those_of_the_picture_without_its_padding(
    height: int, width: int
) -> None:
    network = Lite0Classes(decoder_channels=[8, 8, 8, 8], frozen_blocks=3, temperature=0.4)
    logits = network(torch.rand(2, 1, height, width))
    assert logits.shape == (2, network.bins.count, -(-height // 4), -(-width // 4))
    assert network.bins.cross_entropy(logits, torch.zeros(2, 2, height, width)).isfinite()


def test_the_lite0_unet_is_light() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in Lite0UNet([128, 96, 64, 32], 3, 0.0).parameters())
    assert count / 1e6 == pytest.approx(3.97, abs=0.01)


def test_the_lite0_unet_keeps_its_first_blocks_as_imagenet_made_them() -> None:
    network = Lite0UNet([8, 8, 8, 8], 3, 0.1)
    network.load_pretrained()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    network.train()(torch.rand(2, 1, 64, 64)).sum().backward()
    optimizer.step()
    changed = {key for key, value in network.state_dict().items() if not value.equal(before[key])}
    assert "encoder._blocks.3._project_conv.weight" in changed
    assert "encoder._blocks.3._bn2.running_mean" in changed
    frozen = ("encoder._conv_stem", "encoder._bn0", *(f"encoder._blocks.{i}." for i in range(3)))
    assert not any(key.startswith(frozen) for key in changed)


@pytest.mark.parametrize("frozen_blocks", [1, 3, 16])
def test_what_is_frozen_shows_the_others_the_same_without_its_batch_norms(
    frozen_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Lite0UNet([8, 8, 8, 8], frozen_blocks).double()
    L = torch.rand(2, 1, 64, 96, dtype=torch.float64)

    def learned() -> list[torch.Tensor]:
        network.train().zero_grad()
        network(L).square().sum().backward()
        return [p.grad for p in network.parameters() if p.grad is not None]

    for _ in range(2):  # the second time with other weights
        network.load_state_dict(
            {
                key: torch.rand_like(value) / 4 + 0.1 if value.is_floating_point() else value
                for key, value in network.state_dict().items()
            }
        )
        folded = learned()
        with monkeypatch.context() as patch:
            patch.setattr(Lite0UNet, "_first", lambda _: [])
            torch.testing.assert_close(folded, learned())


def test_enlarging_and_convolving_in_one_learns_what_both_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    network = Lite0UNet([8, 8, 8, 8], 3).double().train()
    L = torch.rand(2, 1, 64, 96, dtype=torch.float64)

    def learned() -> tuple[torch.Tensor, list[torch.Tensor]]:
        network.zero_grad()
        ab = network(L)
        ab.square().sum().backward()
        return ab.detach(), [p.grad for p in network.parameters() if p.grad is not None]

    ab, gradients = learned()
    monkeypatch.setattr(lite0_unet, "WIDE", 10_000)
    plain_ab, plain_gradients = learned()
    torch.testing.assert_close(ab, plain_ab)
    torch.testing.assert_close(gradients, plain_gradients)


def test_what_stays_frozen_is_padded_as_what_learns() -> None:
    torch.manual_seed(0)
    conv = SameConv(4, 4, 3, stride=2, groups=4)
    x = torch.rand(2, 4, 8, 6)
    learning = conv(x)
    torch.testing.assert_close(conv.requires_grad_(False)(x), learning.detach())


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"decoder_channels": [8, 8, 8], "frozen_blocks": 3}, "expected 4 decoder_channels, got 3"),
        ({"decoder_channels": [8] * 4, "frozen_blocks": 17}, "0 to 16 frozen blocks, got 17"),
        ({"decoder_channels": [8] * 4, "frozen_blocks": -1}, "0 to 16 frozen blocks, got -1"),
    ],
)
def test_shapes_that_make_no_network_are_refused(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Lite0UNet(**options)
