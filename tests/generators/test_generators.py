import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from src.generators.ab_bins import BINS, cross_entropy
from src.generators.cnn import CNN
from src.generators.lite0_unet import Lite0Classes, Lite0UNet
from src.generators.unet import UNet


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_full_unet_has_31_million_parameters() -> None:
    with torch.device("meta"):
        assert parameters(UNet(64)) / 1e6 == pytest.approx(31.0, abs=0.05)


def test_the_cnn_has_the_reports_layers() -> None:
    network = CNN()
    shapes = [tuple(m.weight.shape[:2]) for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [(64, 1), (128, 64), (256, 128)]
    up = [tuple(m.weight.shape[:2]) for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert up == [(256, 128), (128, 64), (64, 2)]


@given(height=st.integers(1, 70), width=st.integers(1, 70))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize(
    "network",
    [
        CNN(4).eval(),
        UNet(4).eval(),
        Lite0UNet([8, 8, 8, 8], 3, 0.1).eval(),
        Lite0Classes(decoder_channels=[8, 8, 8, 8], frozen_blocks=3, temperature=0.4).eval(),
    ],
    ids=["cnn", "unet", "lite0_unet", "lite0_classes"],
)
def test_any_size_comes_back_as_ab_of_that_size(
    network: nn.Module, height: int, width: int
) -> None:
    ab = network(torch.rand(2, 1, height, width) * 2 - 1)
    assert ab.shape == (2, 2, height, width)
    assert ab.abs().max() <= 1


@pytest.mark.parametrize(("height", "width"), [(64, 32), (50, 37), (3, 1)])
def test_logits_of_bins_are_those_of_the_picture_without_its_padding(
    height: int, width: int
) -> None:
    network = Lite0Classes(decoder_channels=[8, 8, 8, 8], frozen_blocks=3, temperature=0.4)
    logits = network(torch.rand(2, 1, height, width))
    assert logits.shape == (2, BINS, -(-height // 4), -(-width // 4))
    assert cross_entropy(logits, torch.zeros(2, 2, height, width)).isfinite()


@pytest.mark.parametrize("network", [CNN(4).eval(), UNet(4).eval()], ids=["cnn", "unet"])
def test_padding_to_a_multiple_is_all_that_odd_sizes_change(network: nn.Module) -> None:
    L = torch.rand(1, 1, 32, 32)
    L[..., 30:] = L[..., 28:30].flip(-1)
    torch.testing.assert_close(network(L)[..., :30], network(L[..., :30]))


def test_the_lite0_unet_is_light() -> None:
    with torch.device("meta"):
        assert parameters(Lite0UNet([128, 96, 64, 32], 3, 0.0)) / 1e6 == pytest.approx(
            3.97, abs=0.01
        )


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
