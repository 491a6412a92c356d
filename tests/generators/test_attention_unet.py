import torch

from src.generators.attention_unet import AttentionGate, AttentionUNet
from tests.generators.contract import GeneratorContract, random_L


class TestAttentionUNet(GeneratorContract):
    config = {"_target_": "src.generators.attention_unet.AttentionUNet", "base_channels": 4}


def test_every_skip_but_the_finest_has_a_map_of_the_pictures_size() -> None:
    maps = AttentionUNet(4).eval().attention(random_L(2, 37, 50))
    assert list(maps) == ["gate 1/2", "gate 1/4", "gate 1/8"]
    for weights in maps.values():
        assert weights.shape == (2, 1, 37, 50)
        assert 0 <= weights.min() < weights.max() <= 1


def test_a_closed_gate_lets_nothing_of_its_skip_through() -> None:
    gate = AttentionGate(8, 16).eval()
    skip, coarser = torch.rand(1, 8, 8, 8), torch.rand(1, 16, 4, 4)
    assert not torch.equal(gate(skip, coarser)[0], gate(2 * skip, coarser)[0])
    for parameter, value in zip(gate.psi.parameters(), (0.0, -1e4), strict=True):
        torch.nn.init.constant_(parameter, value)
    assert torch.equal(gate(skip, coarser)[0], gate(2 * skip, coarser)[0])
