from torch import nn

from src.generators.cnn import CNN
from tests.generators.contract import GeneratorContract


class TestCNN(GeneratorContract):
    config = {"_target_": "src.generators.cnn.CNN", "base_channels": 4}


def test_the_cnn_has_the_reports_layers() -> None:
    network = CNN()
    shapes = [tuple(m.weight.shape[:2]) for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [(64, 1), (128, 64), (256, 128)]
    up = [tuple(m.weight.shape[:2]) for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert up == [(256, 128), (128, 64), (64, 2)]
