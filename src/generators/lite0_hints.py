"""A trained network that looks at hints: what they say of it is carried on by learned likeness."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor, nn

from src.generators.blocks import draw_normal, pad_to_multiple
from src.generators.lite0 import STRIDE, TAPS
from src.generators.lite0_bins import HISTOGRAMS, Lite0Palette
from src.generators.lite0_generator import enlarged
from src.generators.marks import CELL, Marks, boldness, length, reached

KERNELS, KERNEL_CHANNELS = 4, 16
WIDTHS = (48, 64, 96)  # of the refinement, at 1/4, 1/8 and 1/16 of the size
MOST_MARKS = 512  # beyond which neighbouring cells with hints are taken together
AT_ONCE = 2**24  # covariances
REMEMBERED, MOST_REMEMBERED = 3, 2**19  # the views of a picture; of so many pixels each at most
CARRIED = 0.3  # of a difference of ab in [-1, 1], at most, to the rest of the picture
SCALE = 10.0  # by which ab are multiplied where a convolution sees them


class Lite0Hints(Lite0Palette):
    """Lite0Palette with a branch, `hints`, that corrects its colours by known ones.

    Only this branch learns, on the features of a Lite0Palette that is trained (model.branch=hints).
    Without hints the colours are those of Lite0Palette, bit for bit.

    Args: as for Lite0Palette.
    """

    takes_hints: ClassVar[bool] = True

    def __init__(self, **others: Any) -> None:
        super().__init__(**others)
        self.requires_grad_(False)
        deepest = [*TAPS.values()][-1]
        self.hints = HintBranch([deepest, *others["decoder_channels"]])
        self._latest: list[tuple[Tensor, tuple[list[Tensor], Tensor]]] = []

    def train(self, mode: bool = True) -> "Lite0Hints":
        super().train(mode)
        for name, part in self.named_children():
            if name != "hints":
                part.eval()
        return self

    def forward(
        self,
        L: Float[Tensor, "b 1 h w"],
        hint_ab: Float[Tensor, "b 2 h w"] | None = None,
        hint_mask: Bool[Tensor, "b 1 h w"] | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        """Predict ab in [-1, 1], in training, too.

        Args: hint_ab: of which counts what lies within hint_mask.
        """
        if hint_ab is None or hint_mask is None or not hint_mask.any():
            return enlarged(self._automatic(L)[1], CELL, L)
        levels, ab = self._automatic(L) if self.training else self._automatic_once(L)
        predicted = enlarged(ab, CELL, L)
        padded = pad_to_multiple(L, STRIDE)
        asked = hint_ab - predicted
        if self.training:
            difference = self.hints(padded, levels, ab, Marks.of(asked, L, hint_mask))
        else:
            difference = self._careful(padded, levels, ab, asked, hint_mask)
        height, width = L.shape[-2:]
        return (predicted + difference[..., :height, :width]).clamp(-1, 1)

    def _automatic(
        self, L: Float[Tensor, "b 1 h w"]
    ) -> tuple[list[Float[Tensor, "b _ _ _"]], Float[Tensor, "b 2 i j"]]:
        """Return the features, coarsest first, and the ab that the automatic network predicts."""
        *skips, x = self.encoded(L)
        levels = [x]
        for merge in self.merges:
            levels.append(merge(levels[-1], skips.pop()))
        if self.temperature is None:
            return levels, HISTOGRAMS.ab(self.head(levels[-1]) / self.histogram_temperature)
        return levels, self.bins.ab(self.classes(levels[-1]))

    def _automatic_once(
        self, L: Float[Tensor, "b 1 h w"]
    ) -> tuple[list[Float[Tensor, "b _ _ _"]], Float[Tensor, "b 2 i j"]]:
        """Return the same, remembered of the latest pictures: a person gives hint after hint."""
        for seen, found in self._latest:
            if seen.device == L.device and torch.equal(seen, L):
                return found
        found = self._automatic(L)
        if L.numel() <= MOST_REMEMBERED:
            self._latest = [*self._latest, (L, found)][-REMEMBERED:]
        return found

    def _careful(
        self,
        L: Float[Tensor, "b 1 k l"],
        levels: Sequence[Float[Tensor, "b _ _ _"]],
        ab: Float[Tensor, "b 2 i j"],
        asked: Float[Tensor, "b 2 h w"],
        mask: Bool[Tensor, "b 1 h w"],
    ) -> Float[Tensor, "b 2 k l"]:
        """Let bold hints tell nothing of what is not like the places that they touch."""
        height, width = mask.shape[2:]
        shown = L[..., :height, :width]
        bold = boldness(asked) * mask
        told = carried(asked)
        everything = self.hints(L, levels, ab, Marks.of(told, shown, mask))
        if not bold.any():
            return everything
        difference = self.hints(L, levels, ab, Marks.of(told * (1 - bold), shown, mask))
        touched = Marks.of(asked, shown, bold > 0)
        share = reached(levels[-1], F.avg_pool2d(L, CELL), touched)
        share = F.interpolate(share, scale_factor=CELL, mode="bilinear")
        return torch.lerp(difference, everything, share)


def carried(difference: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b 2 h w"]:
    """Return what hints that differ so from a prediction tell of the rest of the picture."""
    return difference * (CARRIED / length(difference).clamp(min=CARRIED))


class HintBranch(nn.Module):
    """Spreads errors that are known at some places to where they are likely the same.

    The error is taken for a Gaussian process whose covariance is learned: a mean of `KERNELS`
    Gaussians of the distance between projections of a frozen network's features, place, lightness
    and colour, with a deviation for each place. Its mean, given the hints, is what kriging finds
    (deep kernels: Wilson et al. 2016, arXiv:1511.02222). Convolutions that see it, the features and
    the hints refine it, and enlarge it by weights of the nine cells around each pixel (Teed and
    Deng 2020, arXiv:2003.12039, section 3.3).

    Args: channels: of the features at 1/32, 1/16, 1/8 and 1/4 of the size.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        described = KERNELS * KERNEL_CHANNELS
        self.norms = nn.ModuleList(nn.BatchNorm2d(count, affine=False) for count in channels)
        self.projections = nn.ModuleList(
            _drawn(nn.Conv2d(count, described + 2, 1), 0.15 / count**0.5) for count in channels
        )
        self.own_projection = _drawn(nn.Conv2d(5, described, 1, bias=False), 0.06)
        self.kernel_weights = nn.Parameter(torch.zeros(KERNELS))
        self.noise = nn.Parameter(torch.tensor(-3.0))  # logarithm, of the share of the variance
        self.refinement = Refinement(channels)

    def forward(
        self,
        L: Float[Tensor, "b 1 h w"],
        levels: Sequence[Float[Tensor, "b _ _ _"]],
        ab: Float[Tensor, "b 2 i j"],
        marks: Marks,
    ) -> Float[Tensor, "b 2 h w"]:
        """Return what is to be added to ab, at the size of L.

        Args: L: padded; levels: the features, coarsest first; ab: the prediction.
        """
        levels = [norm(level) for norm, level in zip(self.norms, levels, strict=True)]
        with torch.autocast(ab.device.type, enabled=False):
            kriged = self._kriged(F.avg_pool2d(L, CELL), levels, ab.float(), marks)
        of_hints = [SCALE * marks.difference, marks.share]
        seen = torch.cat([kriged, SCALE * ab, *of_hints, F.pixel_unshuffle(L, CELL)], dim=1)
        change, weights = self.refinement(levels, seen)
        difference = kriged[:, :2] / SCALE + change.float()
        has_hints = marks.share.amax(dim=(1, 2, 3), keepdim=True) > 0
        return _enlarged(difference, weights.float()) * has_hints

    def _kriged(
        self,
        L: Float[Tensor, "b 1 i j"],
        levels: Sequence[Float[Tensor, "b _ _ _"]],
        ab: Float[Tensor, "b 2 i j"],
        marks: Marks,
    ) -> Float[Tensor, "b 4 i j"]:
        """Return the mean of SCALE times the error, how much of a place is known, its deviation."""
        size = ab.shape[-2:]
        described = self.own_projection(torch.cat([_places(ab), L, SCALE * ab], dim=1))
        spread = torch.zeros_like(described[:, :2])
        for projection, level in zip(self.projections, levels, strict=True):
            own = F.interpolate(projection(level.float()), size, mode="bilinear")
            described, spread = described + own[:, :-2], spread + own[:, -2:]
        deviation, noise = spread.clamp(-4, 4).exp().split(1, dim=1)
        values = torch.cat([SCALE * marks.difference, deviation], dim=1)
        maps, share = torch.cat([described, deviation, noise, values], dim=1), marks.share
        while (most := int((share > 0).flatten(1).sum(dim=1).max())) > MOST_MARKS:
            sums, share = _halved(maps * share), _halved(share)
            maps = sums / share.clamp(min=1e-6)
        share, at = share.flatten(1).topk(most)
        known = (share > 0).float()
        own = maps.flatten(2).gather(2, at[:, None].expand(-1, maps.shape[1], -1))
        features, (own_deviation, own_noise) = own[:, :-5], own[:, -5:-3].unbind(dim=1)
        own_deviation = own_deviation * known
        covariance = _summed(self._covariances(features, features))
        covariance = covariance * own_deviation[:, None] * own_deviation[:, :, None]
        noise = own_deviation.square() * (self.noise.exp() * own_noise + 1e-3) + 1 - known
        factor = torch.linalg.cholesky(covariance + torch.diag_embed(noise))
        values = (own[:, -3:] * known[:, None]).transpose(1, 2)
        weights = torch.cholesky_solve(values, factor) * own_deviation[:, :, None]
        weights = weights.repeat_interleave(KERNELS, dim=0)
        step = max(1, AT_ONCE // (KERNELS * len(ab) * most))
        found = torch.cat(
            [
                _summed(self._covariances(some, features) @ weights)
                for some in described.flatten(2).split(step, dim=2)
            ],
            dim=1,
        )
        found = found.transpose(1, 2).unflatten(2, size)
        return torch.cat([found[:, :2] * deviation, found[:, 2:], deviation], dim=1)

    def _covariances(
        self, some: Float[Tensor, "b c n"], others: Float[Tensor, "b c m"]
    ) -> Float[Tensor, "_ n m"]:
        """Return each kernel's share of the covariance; b times KERNELS of them."""
        some, others = (
            one.unflatten(1, (KERNELS, -1)).transpose(2, 3).flatten(0, 1) for one in (some, others)
        )
        shares = self.kernel_weights.log_softmax(dim=0).repeat(len(some) // KERNELS)
        of_others = shares[:, None, None] - others.square().sum(dim=2, keepdim=True)
        of_some = -some.square().sum(dim=2, keepdim=True)
        # One product gives the exponents: -(p - q)^2 = 2 p q - p^2 - q^2.
        left = torch.cat([2 * some, of_some, torch.ones_like(of_some)], dim=2)
        right = torch.cat([others, torch.ones_like(of_others), of_others], dim=2)
        return (left @ right.transpose(1, 2)).exp()


class Conv(nn.Sequential):
    """3x3 convolution, ReLU.

    Batch norm's statistics would depend on how many hints there are.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        super().__init__(_drawn(convolution, (2 / (9 * in_channels)) ** 0.5), nn.ReLU(inplace=True))


class Refinement(nn.Module):
    """A small U-Net on a frozen network's features and what hints say beside them.

    Args: channels: of the features at 1/32, 1/16, 1/8 and 1/4 of the size.
    """

    SEEN = 9 + CELL**2  # channels beside the features

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        *_, of_coarse, of_middle, of_fine = channels
        self.fine = Conv(of_fine + self.SEEN, fine)
        self.middle = Conv(fine + of_middle, middle)
        self.coarse = nn.Sequential(Conv(middle + of_coarse, coarse), Conv(coarse, coarse))
        self.to_middle = Conv(coarse + middle, middle)
        self.to_fine = Conv(middle + fine, fine)
        self.change = _drawn(nn.Conv2d(fine, 2, 3, padding=1), 0)
        self.weights = _drawn(nn.Conv2d(fine, 9 * CELL**2, 1), 0)
        self.weights.bias = nn.Parameter(torch.tensor(np.log(_bilinear_weights()).ravel()).float())

    def forward(
        self, levels: Sequence[Float[Tensor, "b _ _ _"]], seen: Float[Tensor, "b s i j"]
    ) -> tuple[Float[Tensor, "b 2 i j"], Float[Tensor, "b q i j"]]:
        """Return what is added to the difference, and logits of the weights that enlarge it."""
        *_, of_coarse, of_middle, of_fine = levels
        fine = self.fine(torch.cat([of_fine, seen], dim=1))
        middle = self.middle(torch.cat([F.avg_pool2d(fine, 2), of_middle], dim=1))
        coarse = self.coarse(torch.cat([F.avg_pool2d(middle, 2), of_coarse], dim=1))
        middle = self.to_middle(torch.cat([_doubled(coarse), middle], dim=1))
        fine = self.to_fine(torch.cat([_doubled(middle), fine], dim=1))
        return self.change(fine), self.weights(fine)


def _drawn(convolution: nn.Conv2d, deviation: float) -> nn.Conv2d:
    """Draw its weights with this standard deviation, and let its biases begin at 0."""
    draw_normal(convolution.weight, deviation)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _places(like: Float[Tensor, "b c i j"]) -> Float[Tensor, "b 2 i j"]:
    """Return y and x, in short sides."""
    height, width = like.shape[-2:]
    y, x = (torch.arange(side, device=like.device) / min(height, width) for side in (height, width))
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij"))
    return grid.expand(len(like), -1, -1, -1)


def _summed(of_kernels: Float[Tensor, "_ n m"]) -> Float[Tensor, "b n m"]:
    return of_kernels.unflatten(0, (-1, KERNELS)).sum(dim=1)


def _halved(maps: Float[Tensor, "b c i j"]) -> Float[Tensor, "b c k l"]:
    return F.avg_pool2d(maps, 2, ceil_mode=True)


def _doubled(maps: Float[Tensor, "b c i j"]) -> Float[Tensor, "b c k l"]:
    return F.interpolate(maps, scale_factor=2, mode="nearest")


def _enlarged(
    values: Float[Tensor, "b 2 i j"], logits: Float[Tensor, "b q i j"]
) -> Float[Tensor, "b 2 h w"]:
    """Give each pixel of a cell its own mean of the nine cells around."""
    weights = logits.unflatten(1, (9, CELL**2)).softmax(dim=1)
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    height, width = values.shape[-2:]
    found = sum(
        padded[:, :, None, n // 3 : n // 3 + height, n % 3 : n % 3 + width] * weights[:, n, None]
        for n in range(9)
    )
    return F.pixel_shuffle(found.flatten(1, 2), CELL)


def _bilinear_weights() -> Float[ndarray, "9 q"]:
    """Return of each of a cell's pixels what bilinear enlargement weighs the nine cells by."""
    at = (np.arange(CELL) + 0.5) / CELL - 0.5
    axis = np.stack([(-at).clip(min=0), 1 - abs(at), at.clip(min=0)]) + 1e-3
    return np.einsum("iy,jx->ijyx", axis, axis).reshape(9, -1)
