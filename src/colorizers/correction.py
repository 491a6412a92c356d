"""Hints that correct a prediction: where the picture is like at them, and exactly at them."""

from functools import cache, cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from torch import Tensor

from src.colorizers.colorizer import Hints
from src.colorizers.scribbles import spread
from src.errors import UserError
from src.generators.blocks import pad_to_multiple
from src.generators.lite0 import STRIDE, Lite0, load_imagenet_weights

# The truth's difference from a prediction is taken for a Gaussian process (kriging). How soon two
# pixels' differences stop being alike was fitted on 72 photographs of twelve collections and the
# network of version 0.1, with 1 to 50 hints, by the logarithm of the squared error, and tried on 72
# others. Each number is the squared distance that divides the covariance by e.
POSITION = 24.0  # in short sides
LIGHTNESS = 3.1  # of L in [-1, 1]
MEAN_LIGHTNESS = 1.6  # the same, of the mean over WINDOW
COLOR = 0.049  # of predicted ab in [-1, 1]
FEATURES = {3: 28_000.0, 4: 9_100.0}  # of the encoder's: at 1/16 and 1/32 of the size
NOISE = 0.03  # variance of a hint beside the process's own
WINDOW = 1 / 32  # of the short side
# What then is missing at hints is spread by lightness, and fades slowly.
PULL = 0.0001
LARGEST_SIDE = 512  # short side in pixels at which all this is computed; it is enlarged from there
MARKS = 256  # to which hints are summed up, if they are not as many places
BLOCKS = 24  # of the short side, by which strokes are summed up
AT_ONCE = 16  # marks
MET = 1e-3  # of ab in [-1, 1]: a colouriser that took the hints needs no correction


class Correction:
    """A prediction that hints can correct, again and again: what they need of it is kept.

    Attributes: size: (height, width) at which it takes hints.
    """

    def __init__(
        self, L: Float[Tensor, "1 1 h w"], ab: Float[Tensor, "1 2 h w"], *, told: bool = False
    ) -> None:
        """Look at a prediction.

        Args: L, ab: in [-1, 1]; told: whether it knew the hints, so that only their neighbourhood
            needs a correction.
        """
        self._predicted, self._told = ab, told
        if min(L.shape[2:]) > LARGEST_SIDE:
            scale = LARGEST_SIDE / min(L.shape[2:])
            height, width = (round(side * scale) for side in L.shape[2:])
            L, ab = (F.interpolate(one, (height, width), mode="area") for one in (L, ab))
        self.size = (L.shape[2], L.shape[3])
        self._L, self._ab = L, ab

    @torch.inference_mode()
    def __call__(self, hints: Hints) -> Float[Tensor, "1 2 h w"]:
        """Return the corrected ab. Args: hints: of this `size`.

        Raises: UserError: if the encoder's weights are not installed.
        """
        if ((hints.ab - self._ab).abs() * hints.mask).max() < MET:
            return self._predicted
        difference = hints.ab - self._ab
        likely = (
            torch.zeros_like(difference)
            if self._told
            else self._likely(hints.mask[0, 0], difference)
        )
        difference = likely + spread(self._L, Hints(difference - likely, hints.mask), pull=PULL)
        size = self._predicted.shape[2:]
        return self._predicted + F.interpolate(difference, size, mode="bilinear")

    def _likely(
        self, mask: Bool[Tensor, "h w"], difference: Float[Tensor, "1 2 h w"]
    ) -> Float[Tensor, "1 2 h w"]:
        """Return the process's mean, given its values where mask is."""
        groups = torch.from_numpy(_grouped(mask.numpy()))
        own = torch.cat([difference, self._features, self._norms[:, None]], dim=1)[0][:, mask]
        marks = _means(own.T, groups)
        values, features = marks[:, :2], marks[:, 2:-1]
        places = _means(mask.nonzero().float(), groups)
        deep = [self._sampled(one, places) for one in self._maps]
        norms = sum((one.square().sum(dim=1) for one in (features, *deep)), torch.zeros(1))
        dots = sum((one @ one.T for one in (features, *deep)), torch.zeros(1))
        covariance = _covariance(norms[:, None] + norms - 2 * dots)
        weights = torch.linalg.solve(covariance + NOISE * torch.eye(len(norms)), values)
        found = torch.zeros_like(difference)
        for start in range(0, len(norms), AT_ONCE):
            few = slice(start, start + AT_ONCE)
            alike = torch.einsum("nc,chw->nhw", features[few], self._features[0])
            for vectors, one in zip(deep, self._maps, strict=True):
                alike += self._enlarged(torch.einsum("nc,bchw->bnhw", vectors[few], one))[0]
            distance = self._norms + norms[few, None, None] - 2 * alike
            found += torch.einsum("nhw,nc->chw", _covariance(distance), weights[few])
        return found

    @cached_property
    def _features(self) -> Float[Tensor, "1 6 h w"]:
        return _features(self._L, self._ab)

    @cached_property
    def _maps(self) -> list[Float[Tensor, "1 _ _ _"]]:
        return _encoded(self._L)

    @cached_property
    def _norms(self) -> Float[Tensor, "1 h w"]:
        """Squared lengths of everything that a pixel is described by."""
        norms = self._features.square().sum(dim=1)
        for one in self._maps:
            for channels in one.split(32, dim=1):
                norms += self._enlarged(channels).square().sum(dim=1)
        return norms

    def _enlarged(self, one: Float[Tensor, "1 c i j"]) -> Float[Tensor, "1 c h w"]:
        height, width = self.size
        padded = [side + -side % STRIDE for side in self.size]
        return F.interpolate(one, padded, mode="bilinear")[..., :height, :width]

    def _sampled(
        self, one: Float[Tensor, "1 c i j"], places: Float[Tensor, "n 2"]
    ) -> Float[Tensor, "n c"]:
        """Return a map of the encoder's as it is enlarged, at (y, x)."""
        padded = torch.tensor([side + -side % STRIDE for side in self.size])
        grid = ((places + 0.5) / padded * 2 - 1).flip(1)
        found = F.grid_sample(one, grid[None, None], padding_mode="border", align_corners=False)
        return found[0, :, 0].T


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


def _encoded(L: Float[Tensor, "1 1 h w"]) -> list[Float[Tensor, "1 _ _ _"]]:
    maps = _encoder()(pad_to_multiple(L, STRIDE).expand(-1, 3, -1, -1))
    return [maps[number] / distance**0.5 for number, distance in FEATURES.items()]


@cache
def _encoder() -> Lite0:
    encoder = Lite0()
    try:
        load_imagenet_weights(encoder)
    except ValueError as error:
        raise UserError(str(error)) from error
    return encoder.eval()


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
