"""Layers that discriminators are made of."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),  # of each picture for itself
}
NONE = "none"


class Layers:
    """Makes convolutions, each with its norm and LeakyReLU 0.2.

    Args:
        norm: batch; layer (Ba et al. 2016), which leaves pictures apart; or none.
        spectral_norm: whether each convolution's largest singular value is held at 1
            (Miyato et al. 2018).
    """

    def __init__(self, norm: str, *, spectral_norm: bool) -> None:
        if norm not in (*NORMS, NONE):
            raise ValueError(f"norm is {norm}: expected {', '.join(NORMS)} or {NONE}")
        self.norm = norm
        self.spectral_norm = spectral_norm

    def plain(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> nn.Sequential:
        """A layer without norm, as the first one of a network is."""
        return nn.Sequential(
            self.conv(in_channels, out_channels, kernel, stride), nn.LeakyReLU(0.2, inplace=True)
        )

    def __call__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int
    ) -> nn.Sequential:
        if self.norm == NONE:
            return self.plain(in_channels, out_channels, kernel, stride)
        # Batch norm subtracts the mean, and a bias with it.
        bias = self.norm != "batch"
        return nn.Sequential(
            self.conv(in_channels, out_channels, kernel, stride, bias=bias),
            NORMS[self.norm](out_channels),
            nn.LeakyReLU(0.2, inplace=True),
        )

    def conv(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, *, bias: bool = True
    ) -> nn.Module:
        """A convolution by itself; one of 4x4 halves sides, or takes a pixel off, with stride 1."""
        padding = 1 if kernel > 1 else 0
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=bias)
        return with_spectral_norm(conv) if self.spectral_norm else conv


def through(
    layers: Sequence[nn.Module] | nn.ModuleList, x: Float[Tensor, "b c h w"]
) -> list[Float[Tensor, "b _ _ _"]]:
    """Return what each layer gives, one after the other."""
    features = []
    for layer in layers:
        x = layer(x)
        features.append(x)
    return features
