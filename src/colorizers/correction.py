"""Hints that correct a prediction: where the picture is like at them, and exactly at them."""

from functools import cache, cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from torch import Tensor

from src.colorizers import shipped
from src.colorizers.colorizer import Hints
from src.colorizers.scribbles import interpolated
from src.errors import UserError
from src.generators.blocks import pad_to_multiple
from src.generators.lite0 import STRIDE, Lite0, load_imagenet_weights
from src.generators.lite0_hints import Lite0Hints, carried
from src.generators.marks import CELL, Marks, as_light, boldness, cosines, length, reached

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
# What then is missing at hints is spread by lightness. It fades soon, as a power of the likeness,
# where the picture does not look like the places of hints, and slowly where it does.
PULL_ALIKE, PULL_UNLIKE = 1e-6, 1e-1
PULL = 1e-4  # everywhere, where the network that ships is not there to tell what is alike
# A large difference fills what it reaches well, and ends where it hardly does; a small one fades.
FILLS = 0.1  # of ab in [-1, 1], from which on a difference is large
HARDLY, WELL = 0.05, 0.2
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
        if self._cells is None or not bold.any():
            return everything
        L = F.avg_pool2d(pad_to_multiple(self._L, STRIDE), CELL)
        share = reached(self._cells, L, Marks.of(difference, self._L, bold > 0))
        return torch.lerp(mild, everything, self._enlarged(share))

    def _filled(
        self, difference: Float[Tensor, "1 2 h w"], mask: Bool[Tensor, "1 1 h w"]
    ) -> Float[Tensor, "1 2 h w"]:
        """Spread differences that are known within mask over what looks like these places."""
        known = torch.cat([difference, length(difference), torch.ones_like(self._L)], dim=1) * mask
        spread = interpolated(self._L, known, mask, pull=self._pull(mask))
        difference, largest, reach = spread.split([2, 1, 1], dim=1)
        reach = reach.clamp(min=1e-6)
        within = ((reach - HARDLY) / (WELL - HARDLY)).clamp(0, 1)
        filling = 1 - FILLS / (largest / reach).clamp(min=FILLS)
        return difference * torch.lerp(torch.ones_like(reach), within / reach, filling)

    def _pull(self, mask: Bool[Tensor, "1 1 h w"]) -> float | Float[Tensor, "1 1 h w"]:
        features = self._cells
        if features is None:
            return PULL
        marks = Marks.of(torch.zeros_like(self._ab), self._L, mask)
        each, at = cosines(features[0], marks.share[0])
        own = marks.L[0, 0, *at.T]
        alike = torch.zeros_like(self._L)
        for few, some in zip(each.split(AT_ONCE), own.split(AT_ONCE), strict=True):
            shown = self._enlarged(few[None]) * as_light(self._L[0], some)
            alike = torch.maximum(alike, shown.amax(dim=1, keepdim=True))
        return PULL_UNLIKE ** (1 - alike) * PULL_ALIKE**alike

    @cached_property
    def _cells(self) -> Float[Tensor, "1 c i j"] | None:
        """What the network that ships sees in cells of the picture, if it is there."""
        network = _network()
        return None if network is None else network.features(self._L)

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
def _network() -> Lite0Hints | None:
    if not shipped.PATH.is_file():
        return None
    network = shipped.load().network
    assert isinstance(network, Lite0Hints)
    return network


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
