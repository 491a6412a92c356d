import torch

from src.generators.deep_unet import DeepUNet, ResidualDoubleConv
from tests.generators.contract import GeneratorContract, random_L


class TestDeepUNet(GeneratorContract):
    config = {"_target_": "src.generators.deep_unet.DeepUNet", "base_channels": 2}


def test_it_halves_five_times() -> None:
    features = DeepUNet(2).eval().encode(random_L(1, 64, 96))
    assert [tuple(level.shape[1:]) for level in features] == [
        (2 * multiple, 64 // 2**i, 96 // 2**i) for i, multiple in enumerate((1, 2, 4, 8, 16, 16))
    ]


def test_a_block_adds_its_input() -> None:
    block = ResidualDoubleConv(1, 2).eval()
    for parameter in block.convolutions[-1].parameters():  # of batch norm
        torch.nn.init.zeros_(parameter)
    x = random_L(1, 8, 8)
    assert torch.equal(block(x), block.shortcut(x).relu())
