"""The U-Net with attention gates on its skips."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.unet import UNet


class AttentionUNet(UNet):
    """Attention U-Net (Oktay et al. 2018, arXiv:1804.03999): the U-Net, whose coarser level tells
    where a skip's features matter. As there, the finest skip has no gate.

    Args: base_channels: as for UNet; 64 gives 33.4 M parameters.
    """

    has_attention = True

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__(base_channels)
        coarsest_first = [multiple * base_channels for multiple in self.multiples[-2:0:-1]]
        self.gates = nn.ModuleList(AttentionGate(width, 2 * width) for width in coarsest_first)

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1] from L in [-1, 1], at any size."""
        return self._colored(L)[0]

    def attention(self, L: Float[Tensor, "b 1 h w"]) -> dict[str, Float[Tensor, "b 1 h w"]]:
        """Return the gates' maps in [0, 1], finest first, by their size as a share of L's."""
        height, width = L.shape[-2:]
        maps = {}
        for i, gate in enumerate(reversed(self._colored(L)[1]), start=1):
            enlarged = F.interpolate(gate, scale_factor=float(2**i), mode="bilinear")
            maps[f"gate 1/{2**i}"] = enlarged[..., :height, :width]
        return maps

    def _colored(
        self, L: Float[Tensor, "b 1 h w"]
    ) -> tuple[Float[Tensor, "b 2 h w"], list[Float[Tensor, "b 1 _ _"]]]:
        height, width = L.shape[-2:]
        *skips, x = self.encode(L)
        maps = []
        for up, gate in zip(self.ups, [*self.gates, None], strict=True):
            skip = skips.pop()
            if gate is not None:
                skip, seen = gate(skip, x)
                maps.append(seen)
            x = up(x, skip)
        return self.head(x)[..., :height, :width], maps


class AttentionGate(nn.Module):
    """Additive attention on the coarser grid: sigmoid(psi(relu(theta(skip) + phi(coarser))))."""

    def __init__(self, channels: int, coarser_channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, channels, 2, stride=2, bias=False)
        self.phi = nn.Conv2d(coarser_channels, channels, 1)
        self.psi = nn.Conv2d(channels, 1, 1)
        # Batch norm subtracts the mean, and a bias with it.
        self.out = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(
        self, skip: Float[Tensor, "b c H W"], coarser: Float[Tensor, "b d h w"]
    ) -> tuple[Float[Tensor, "b c H W"], Float[Tensor, "b 1 H W"]]:
        """Return what goes on of the skip, and the map that it was multiplied with."""
        weights = self.psi(F.relu(self.theta(skip) + self.phi(coarser))).sigmoid()
        weights = F.interpolate(weights, scale_factor=2.0, mode="bilinear")
        return self.out(skip * weights), weights
