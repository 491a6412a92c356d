"""Hints that correct a prediction: where the picture is like at them, and exactly at them."""

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from torch import Tensor

from src.colorizers.colorizer import Hints
from src.colorizers.scene import Scene
from src.colorizers.scribbles import interpolated, shrunk
from src.generators.blocks import pad_to_multiple
from src.generators.lite0 import STRIDE
from src.generators.lite0_hints import carried
from src.generators.marks import CELL, Marks, as_light, boldness, cosines, length, reached

# The truth's difference from a prediction is taken for a Gaussian process (kriging). How soon two
# pixels' differences stop being alike was fitted on 72 photographs of twelve collections and the
# network of version 0.1, with 1 to 50 hints, by the logarithm of the squared error, and tried on 72
# others. Each number is the squared distance that divides the covariance by e; scene.FEATURES has
# those of the encoder's maps.
POSITION = 24.0  # in short sides
LIGHTNESS = 3.1  # of L in [-1, 1]
MEAN_LIGHTNESS = 1.6  # the same, of the mean over WINDOW
COLOR = 0.049  # of predicted ab in [-1, 1]
NOISE = 0.03  # variance of a hint beside the process's own
WINDOW = 1 / 32  # of the short side
# What then is missing at hints is spread by lightness. It fades soon, as a power of the likeness,
# where the picture does not look like the places of hints, and slowly where it does.
PULL_ALIKE, PULL_UNLIKE = 1e-6, 1e-1
PULL = 1e-4  # everywhere, where the network that ships is not there to tell what is alike
# A large difference fills what it reaches well, and ends where it hardly does; a small one fades.
FILLS = 0.1  # of ab in [-1, 1], from which on a difference is large
HARDLY, WELL = 0.05, 0.2
MARKS = 256  # to which hints are summed up, if they are not as many places
BLOCKS = 24  # of the short side, by which strokes are summed up
AT_ONCE = 16  # marks
MET = 1e-3  # of ab in [-1, 1]: a colouriser that took the hints needs no correction


class Correction:
    """A prediction that hints can correct, again and again: what they need of it is kept.

    Args:
        scene: the picture, whose `size` hints have.
        ab: in [-1, 1].
        told: whether the prediction knew the hints, so that only their neighbourhood needs a
            correction.
    """

    def __init__(self, scene: Scene, ab: Float[Tensor, "1 2 h w"], *, told: bool = False) -> None:
        self.scene = scene
        self._predicted, self._told = ab, told
        self._ab = shrunk(ab)

    @torch.inference_mode()
    def __call__(self, hints: Hints) -> Float[Tensor, "1 2 h w"]:
        """Return the corrected ab. Args: hints: of the scene's size.

        Raises: UserError: if the encoder's weights are not installed.
        """
        if ((hints.ab - self._ab).abs() * hints.mask).max() < MET:
            return self._predicted
        difference = hints.ab - self._ab
        likely = (
            torch.zeros_like(difference) if self._told else self._carried(difference, hints.mask)
        )
        difference = likely + self._filled(difference - likely, hints.mask)
        size = self._predicted.shape[2:]
        return self._predicted + F.interpolate(difference, size, mode="bilinear")

    def _carried(
        self, difference: Float[Tensor, "1 2 h w"], mask: Bool[Tensor, "1 1 h w"]
    ) -> Float[Tensor, "1 2 h w"]:
        """Return what is likely everywhere; what bold hints say, only where it is like them."""
        bold, told = boldness(difference) * mask, carried(difference)
        found = self._likely(mask[0, 0], torch.cat([told, told * (1 - bold)], dim=1))
        everything, mild = found.split(2, dim=1)
        scene = self.scene
        if scene.cells is None or not bold.any():
            return everything
        L = F.avg_pool2d(pad_to_multiple(scene.L, STRIDE), CELL)
        share = reached(scene.cells, L, Marks.of(difference, scene.L, bold > 0))
        return torch.lerp(mild, everything, scene.enlarged(share))

    def _filled(
        self, difference: Float[Tensor, "1 2 h w"], mask: Bool[Tensor, "1 1 h w"]
    ) -> Float[Tensor, "1 2 h w"]:
        """Spread differences that are known within mask over what looks like these places."""
        known = torch.cat([difference, length(difference), torch.ones_like(mask)], dim=1) * mask
        spread = interpolated(self.scene.L, known, mask, pull=self._pull(mask))
        difference, largest, reach = spread.split([2, 1, 1], dim=1)
        reach = reach.clamp(min=1e-6)
        within = ((reach - HARDLY) / (WELL - HARDLY)).clamp(0, 1)
        filling = 1 - FILLS / (largest / reach).clamp(min=FILLS)
        return difference * torch.lerp(torch.ones_like(reach), within / reach, filling)

    def _pull(self, mask: Bool[Tensor, "1 1 h w"]) -> float | Float[Tensor, "1 1 h w"]:
        scene = self.scene
        if scene.cells is None:
            return PULL
        marks = Marks.of(torch.zeros_like(self._ab), scene.L, mask)
        each, at = cosines(scene.cells[0], marks.share[0])
        own = marks.L[0, 0, *at.T]
        alike = torch.zeros_like(scene.L)
        for few, some in zip(each.split(AT_ONCE), own.split(AT_ONCE), strict=True):
            shown = scene.enlarged(few[None]) * as_light(scene.L[0], some)
            alike = torch.maximum(alike, shown.amax(dim=1, keepdim=True))
        return PULL_UNLIKE ** (1 - alike) * PULL_ALIKE**alike

    def _likely(
        self, mask: Bool[Tensor, "h w"], difference: Float[Tensor, "1 c h w"]
    ) -> Float[Tensor, "1 c h w"]:
        """Return the process's mean, given its values where mask is."""
        groups = torch.from_numpy(_grouped(mask.numpy()))
        own = torch.cat([difference, self._features, self._norms[:, None]], dim=1)[0][:, mask]
        marks = _means(own.T, groups)
        count = difference.shape[1]
        values, features = marks[:, :count], marks[:, count:-1]
        places = _means(mask.nonzero().float(), groups)
        deep = [self.scene.sampled(one, places) for one in self.scene.maps]
        norms = sum((one.square().sum(dim=1) for one in (features, *deep)), torch.zeros(1))
        dots = sum((one @ one.T for one in (features, *deep)), torch.zeros(1))
        covariance = _covariance(norms[:, None] + norms - 2 * dots)
        weights = torch.linalg.solve(covariance + NOISE * torch.eye(len(norms)), values)
        found = torch.zeros_like(difference)
        for start in range(0, len(norms), AT_ONCE):
            few = slice(start, start + AT_ONCE)
            alike = torch.einsum("nc,chw->nhw", features[few], self._features[0])
            for vectors, one in zip(deep, self.scene.maps, strict=True):
                alike += self.scene.enlarged(torch.einsum("nc,bchw->bnhw", vectors[few], one))[0]
            distance = self._norms + norms[few, None, None] - 2 * alike
            found += torch.einsum("nhw,nc->chw", _covariance(distance), weights[few])
        return found

    @cached_property
    def _features(self) -> Float[Tensor, "1 6 h w"]:
        return _features(self.scene.L, self._ab)

    @cached_property
    def _norms(self) -> Float[Tensor, "1 h w"]:
        """Squared lengths of everything that a pixel is described by."""
        return self._features.square().sum(dim=1) + self.scene.norms


def _covariance(squared_distance: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    return torch.exp(-squared_distance.clamp(min=0))


def _features(
    L: Float[Tensor, "1 1 h w"], ab: Float[Tensor, "1 2 h w"]
) -> Float[Tensor, "1 6 h w"]:
    """Describe each pixel so that squared distances are exponents of the covariance."""
    height, width = L.shape[2:]
    short = min(height, width)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([y, x])[None] / (short * POSITION**0.5)
    radius = max(1, round(WINDOW * short / 2))
    around = F.avg_pool2d(L, 2 * radius + 1, 1, radius, count_include_pad=False)
    return torch.cat(
        [place, L / LIGHTNESS**0.5, around / MEAN_LIGHTNESS**0.5, ab / COLOR**0.5], dim=1
    )


def _grouped(mask: Bool[np.ndarray, "h w"]) -> Int64[np.ndarray, " n"]:
    """Number the mark that each hint belongs to: strokes are cut into blocks."""
    strokes, _ = ndimage.label(mask, np.ones((3, 3)))
    y, x = mask.nonzero()
    stroke = strokes[y, x] - 1
    begin = np.array([[part.start for part in place] for place in ndimage.find_objects(strokes)])
    block = max(1, min(mask.shape) // BLOCKS)
    cut = (np.stack([y, x], axis=1) - begin[stroke]) // block
    keys = np.column_stack([stroke, cut])
    groups = np.unique(keys, axis=0, return_inverse=True)[1]
    if groups.max() < MARKS:
        return groups.ravel()
    cut = np.stack([y, x], axis=1) // (int((mask.size / MARKS) ** 0.5) + 1)
    return np.unique(cut, axis=0, return_inverse=True)[1].ravel()


def _means(values: Float[Tensor, "n c"], groups: Int64[Tensor, " n"]) -> Float[Tensor, "k c"]:
    count = torch.bincount(groups)
    sums = torch.zeros(len(count), values.shape[1]).index_add_(0, groups, values)
    return sums / count[:, None]
