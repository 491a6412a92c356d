from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from src.generators.cnn import CNN
from src.generators.unet import UNet
from src.training.autoencoders import ConvolutionalAutoencoder, StackedAutoencoders, largest


def stripes() -> list[dict[str, Tensor]]:
    """Pictures of diagonal stripes, as wide as their number."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    return [{"L": ((x + y) / (2 + i)).sin()[None]} for i in range(8)]


def fit(stack: StackedAutoencoders, *callbacks: lightning.Callback) -> StackedAutoencoders:
    trainer = lightning.Trainer(
        max_epochs=stack.epochs * len(stack.stack),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*callbacks],
    )
    pictures: Any = stripes()
    trainer.fit(stack, DataLoader(pictures, batch_size=2), DataLoader(pictures, batch_size=4))
    return stack.eval()


@pytest.mark.parametrize(
    ("network", "layers", "pooled"), [(CNN(4), 3, [0, 1, 2]), (UNet(4), 10, [1, 3, 5, 7])]
)
def test_a_layer_is_one_convolution_and_together_they_are_the_encoder(
    network: CNN | UNet, layers: int, pooled: list[int]
) -> None:
    L = stripes()[0]["L"][None]
    stack = network.eval().encoder_layers()
    assert [isinstance(layer[0], nn.Conv2d) for layer in stack] == [True] * layers
    assert [i for i in range(layers) if isinstance(stack[i][-1], nn.MaxPool2d)] == pooled
    codes = L
    for layer in stack:
        codes = layer(codes)
    if isinstance(network, CNN):
        assert torch.equal(codes, network.encoder(L))
    else:
        assert torch.equal(codes, nn.Sequential(network.stem, *network.downs)(L))


@pytest.mark.parametrize("size", [6, 7])
def test_the_decoder_is_given_one_code_of_four(size: int) -> None:
    codes = torch.rand(2, 3, size, size)
    kept = codes * largest(codes)
    assert torch.equal(*(nn.functional.max_pool2d(c, 2, ceil_mode=True) for c in (kept, codes)))
    assert largest(codes).sum() == 2 * 3 * (-(-size // 2)) ** 2


def test_the_decoder_has_the_encoders_weights() -> None:
    autoencoder = ConvolutionalAutoencoder(CNN(4).encoder_layers()[1])
    assert [name for name, _ in autoencoder.named_parameters()] == [
        "bias",
        "layer.0.weight",
        "layer.0.bias",
    ]


def test_layers_learn_one_after_the_other_and_then_stay() -> None:
    changed: list[list[int]] = []

    class Watch(lightning.Callback):
        def on_train_epoch_start(self, trainer: lightning.Trainer, module: object) -> None:
            self.before = [state(one) for one in stack.stack]

        def on_train_epoch_end(self, trainer: lightning.Trainer, module: object) -> None:
            after = [state(one) for one in stack.stack]
            pairs = zip(self.before, after, strict=True)
            changed.append([i for i, (one, other) in enumerate(pairs) if not one.equal(other)])

    def state(one: nn.Module) -> Tensor:
        return torch.cat([value.flatten().float() for value in one.state_dict().values()])

    torch.manual_seed(0)
    stack = StackedAutoencoders(UNet(4), noise=0.3, lr=1e-3, epochs=2)
    fit(stack, Watch())
    assert changed == [[i // 2] for i in range(20)]
    assert [layer for layer, _, _ in stack.history] == [i // 2 + 1 for i in range(20)]


def test_each_layer_rebuilds_more_and_more_of_what_it_sees() -> None:
    torch.manual_seed(0)
    stack = fit(StackedAutoencoders(CNN(16), noise=0.1, lr=3e-3, epochs=30))
    lost = [held_out for _, _, held_out in stack.history]
    for i in range(3):
        own = lost[30 * i : 30 * (i + 1)]
        assert own[-1] < 0.3
        assert own[-1] < own[0] / 2
    L = default_collate(stripes())["L"]
    errors = [(stack.rebuilt(L, depth) - L).square().mean() / L.var() for depth in (1, 3)]
    assert errors[0] < errors[1] < 1
