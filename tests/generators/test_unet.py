import pytest
import torch

from src.generators.unet import UNet
from tests.generators.contract import GeneratorContract


class TestUNet(GeneratorContract):
    config = {"_target_": "src.generators.unet.UNet", "base_channels": 4}


def test_the_full_unet_has_31_million_parameters() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in UNet(64).parameters())
    assert count / 1e6 == pytest.approx(31.0, abs=0.05)


def test_padding_to_a_multiple_is_all_that_odd_sizes_change() -> None:
    network = UNet(4).eval()
    L = torch.rand(1, 1, 32, 32)
    L[..., 30:] = L[..., 28:30].flip(-1)
    torch.testing.assert_close(network(L)[..., :30], network(L[..., :30]))
