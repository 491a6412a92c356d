"""A judge of patches of several sizes."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.discriminators.discriminator import Discriminator, Verdict
from src.discriminators.patchgan import PatchGAN


class MultiScale(Discriminator):
    """PatchGANs, of which each judges the picture at half the size of the one before.

    Their patches of 70x70 pixels thus are of 140x140 and 280x280 pixels of the picture.

    Args: scales: how many, 2 or 3; others: as for PatchGAN.
    Source: Wang et al. 2018, High-Resolution Image Synthesis (pix2pixHD).
    """

    def __init__(
        self,
        scales: int = 3,
        base_channels: int = 64,
        norm: str = "batch",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if scales not in (2, 3):
            raise ValueError(f"scales is {scales}: expected 2 or 3")
        self.judges = nn.ModuleList(
            PatchGAN(base_channels, norm, spectral_norm) for _ in range(scales)
        )
        self.min_size = (PatchGAN.min_size - 1) * 2 ** (scales - 1) + 1

    def forward(self, L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]) -> Verdict:
        verdict = Verdict([], [])
        for i, judge in enumerate(self.judges):
            if i:
                L, ab = _halved(L), _halved(ab)
            own = judge(L, ab)
            verdict.logits.extend(own.logits)
            verdict.features.extend(own.features)
        return verdict


def _halved(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c i j"]:
    # As pix2pixHD does it: the border's means are of what lies inside.
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
