"""Stacked convolutional auto-encoders: an encoder that learns layer by layer, without colours."""

from typing import Any, cast

import lightning
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from src.errors import UserError, require_number
from src.generators.generator import Generator


class ConvolutionalAutoencoder(nn.Module):
    """Rebuilds what a convolution sees from the largest codes only.

    The decoder is the convolution transposed, with a bias of its own. Max-pooling is what makes the
    codes few: of each channel's 2x2 codes the decoder is given the largest. Its sums are scaled by
    how many codes are left for a value, or a first layer would begin by far overshooting.

    Args: layer: a convolution and what follows it, perhaps max-pooling last.
    Source: Masci, Meier, Ciresan and Schmidhuber 2011, Stacked Convolutional Auto-Encoders for
        Hierarchical Feature Extraction.
    """

    def __init__(self, layer: nn.Sequential) -> None:
        super().__init__()
        self.layer = layer
        self.convolution = cast(nn.Conv2d, layer[0])
        self.pools = isinstance(layer[-1], nn.MaxPool2d)
        self.bias = nn.Parameter(torch.zeros(self.convolution.in_channels))
        self.scale = 4 * self.convolution.in_channels / self.convolution.out_channels

    def codes(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Return what the layer makes of x before its pooling, if it has one."""
        return (self.layer[:-1] if self.pools else self.layer)(x)

    def decoded(self, codes: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        convolution = self.convolution
        padding = convolution.kernel_size[0] // 2
        return F.conv_transpose2d(
            self.scale * codes, convolution.weight, self.bias, padding=padding
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        codes = self.codes(x)
        return self.decoded(codes * largest(codes))


def largest(codes: Float[Tensor, "b d h w"]) -> Bool[Tensor, "b d h w"]:
    """Tell which codes max-pooling would keep of each 2x2."""
    height, width = codes.shape[-2:]
    pooled = F.max_pool2d(codes, 2, ceil_mode=True)
    return codes == F.interpolate(pooled, scale_factor=2)[..., :height, :width]


class StackedAutoencoders(lightning.LightningModule):
    """Trains one layer of an encoder after the other, each on the codes of the trained ones below.

    Args:
        generator: whose encoder it is.
        noise: share of what a layer sees that is set to 0 in training; the rest is scaled up.
        lr: learning rate of Adam.
        epochs: of each layer.

    Attributes: history: of each epoch its layer, from 1, and the share of what the layer sees that
        it does not rebuild, in training and held out: squared error over variance, 1 for the mean.

    Raises: UserError: if a setting is out of range, or the generator has no such encoder.
    """

    def __init__(self, generator: Generator, *, noise: float, lr: float, epochs: int) -> None:
        super().__init__()
        require_number("noise", noise, 0, 0.9)
        require_number("lr", lr, 0, open_ends=True)
        layers = generator.encoder_layers()
        if not layers:
            raise UserError(
                f"{type(generator).__name__} has no encoder of convolutions and max-pooling: "
                "expected model/generator=cnn or model/generator=unet"
            )
        self.stack = [ConvolutionalAutoencoder(layer) for layer in layers]
        self.modules_of_stack = nn.ModuleList(self.stack)  # takes them to the device
        self.noise = noise
        self.lr = lr
        self.epochs = epochs
        self.history: list[tuple[int, float, float]] = []
        self._in_training: list[Tensor] = []
        self._held_out: list[Tensor] = []

    @property
    def number(self) -> int:
        """Which layer is trained now, from 0."""
        return self.current_epoch // self.epochs

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)

    def on_train_epoch_start(self) -> None:
        self.eval()  # what is trained already keeps the statistics of its batch norm
        self.stack[self.number].train()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        x = self._below(batch["L"])
        lost = self._lost(x, F.dropout(x, self.noise))
        self._in_training.append(lost.detach())
        return lost

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx == 0:  # the other one holds training pictures
            x = self._below(batch["L"])
            self._held_out.append(self._lost(x, x))

    def on_validation_epoch_end(self) -> None:
        if self.trainer.sanity_checking:
            self._held_out = []
            return
        in_training, held_out = (
            torch.stack(lost).mean().item() for lost in (self._in_training, self._held_out)
        )
        self._in_training, self._held_out = [], []
        self.history.append((self.number + 1, in_training, held_out))
        epoch = self.current_epoch % self.epochs + 1
        print(
            f"layer {self.number + 1}/{len(self.stack)}, epoch {epoch}/{self.epochs}"
            f" | not rebuilt: held out {held_out:.1%}, training (with noise) {in_training:.1%}",
            flush=True,
        )

    @torch.no_grad()
    def _below(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c i j"]:
        x = L
        for autoencoder in self.stack[: self.number]:
            x = autoencoder.layer(x)
        return x

    def _lost(
        self, x: Float[Tensor, "b c i j"], seen: Float[Tensor, "b c i j"]
    ) -> Float[Tensor, ""]:
        error = (self.stack[self.number](seen) - x).square().mean()
        lost = error / (x - x.mean(dim=(0, 2, 3), keepdim=True)).square().mean().clamp(min=1e-6)
        if not lost.isfinite():
            raise UserError(f"layer {self.number + 1} has no finite error: lower lr={self.lr:g}")
        return lost

    @torch.no_grad()
    def rebuilt(self, L: Float[Tensor, "b 1 h w"], depth: int) -> Float[Tensor, "b 1 h w"]:
        """Rebuild L from the codes of layer `depth`, counted from 1, through all layers below.

        What was pooled returns to where it came from, as each decoder knows it from its training.
        """
        x, kept = L, []
        for autoencoder in self.stack[:depth]:
            kept.append(largest(autoencoder.codes(x)))
            x = autoencoder.layer(x)
        for autoencoder, mask in zip(reversed(self.stack[:depth]), reversed(kept), strict=True):
            x = autoencoder.decoded(F.interpolate(x, mask.shape[-2:]) * mask)
        return x
