"""Which superpixels of other pictures show the same as those of this one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from src.colorizers import shipped
from src.colorizers.colorizer import MAX_ASPECT, REFERENCE_SIZE
from src.colorizers.superpixels import Superpixels
from src.generators.blocks import pad_to_multiple
from src.generators.lite0 import STRIDE, Lite0

Features = Sequence[Float[Tensor, "_ _"]]  # a tensor a kind: a row for each superpixel
# Of the hand-made features. Gabor's filters have their frequencies in cycles a pixel.
FREQUENCIES = (0.25, 0.177, 0.125, 0.088, 0.0625)
ORIENTATIONS = 8
BANDWIDTH = 0.4  # of a filter's frequency
DAISY_RADIUS, DAISY_STEP = 15, 4  # pixels
KEPT = 4  # each step of the cascade keeps the best of so many
# Of the encoder's.
CHOSEN = 5  # whose colours are averaged
SHARPNESS = 20.0  # of the softmax over their likeness


@dataclass(frozen=True)
class Matches:
    """Those of m superpixels that are most like each of n, and how much.

    Attributes:
        chosen: their numbers.
        weights: of their colours; the sum is 1.
        likeness: of the best one, at most 1.
    """

    chosen: Int64[Tensor, "n k"]
    weights: Float[Tensor, "n k"]
    likeness: Float[Tensor, " n"]


class Likeness(ABC):
    """Describes superpixels, and matches descriptions."""

    @abstractmethod
    def features(self, L: Float[Tensor, "1 1 h w"], cut: Superpixels) -> Features:
        """Describe each superpixel of a picture, by several kinds of features."""

    @abstractmethod
    def matches(self, own: Features, others: Features) -> Matches:
        """Find for each of `own` those of `others` that are most like it."""


class ByEncoder(Likeness):
    """By what the encoder of the network that ships sees at 1/4, 1/8, 1/16 and 1/32 of the size.

    Raises: UserError: if that network's file is damaged.
    """

    def __init__(self) -> None:
        network = shipped.shared().network
        self._encoder = next(one for one in network.modules() if isinstance(one, Lite0))

    @torch.inference_mode()
    def features(self, L: Float[Tensor, "1 1 h w"], cut: Superpixels) -> Features:
        height, width = L.shape[2:]
        padded = pad_to_multiple(L, STRIDE)
        _, *maps = self._encoder(padded.expand(-1, 3, -1, -1))  # 1/2 only sees edges
        size = padded.shape[2:]
        return [
            cut.means(F.interpolate(one, size, mode="bilinear")[..., :height, :width])
            for one in maps
        ]

    def matches(self, own: Features, others: Features) -> Matches:
        """Take the mean over the scales of the features' correlations."""
        each = (_correlations(*both) for both in zip(own, others, strict=True))
        alike = sum(each, torch.zeros(())) / len(own)
        best, chosen = alike.topk(min(CHOSEN, alike.shape[1]))
        return Matches(chosen, torch.softmax(best * SHARPNESS, dim=1), best[:, 0])


def compared(maps: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c i j"]:
    """Take a picture to the size at which pictures are compared; panoramas to no more of it."""
    height, width = maps.shape[2:]
    scale = REFERENCE_SIZE / max(min(height, width), max(height, width) / MAX_ASPECT)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.interpolate(maps, size, mode="bilinear", antialias=True)


def cosines(features: Features) -> Float[Tensor, "n n"]:
    """Compare one picture's superpixels with each other: 1 is alike; the mean over the kinds."""
    each = (_standardized(one) for one in features)
    return sum((one @ one.T for one in each), torch.zeros(())) / len(features)


def _standardized(features: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    apart = features - features.mean(dim=0)
    return F.normalize(apart / (features.std(dim=0, correction=0) + 1e-4), dim=1)


def _correlations(own: Float[Tensor, "n c"], others: Float[Tensor, "m c"]) -> Float[Tensor, "n m"]:
    """Return the cosines of features that are standardised over both pictures alike."""
    mean = (own.mean(dim=0) + others.mean(dim=0)) / 2
    apart = [one - mean for one in (own, others)]
    spread = ((apart[0].square().mean(dim=0) + apart[1].square().mean(dim=0)) / 2).sqrt()
    a, b = (F.normalize(one / (spread + 1e-4), dim=1) for one in apart)
    return a @ b.T


class ByHand(Likeness):
    """By the features of 2012: Gabor filters, DAISY in SURF's place, and lightness.

    Source: Gupta et al. 2012, section 3; DAISY, Tola et al. 2010, is as dense as superpixels need.
    """

    def features(self, L: Float[Tensor, "1 1 h w"], cut: Superpixels) -> Features:
        share = (L + 1) / 2
        mean = cut.means(share)
        spread = (cut.means(share.square()) - mean.square()).clamp(min=0).sqrt()
        return [
            cut.means(_gabor(share)),
            cut.means(_daisy(share)),
            torch.cat([spread, _around(spread, cut)], dim=1),
            torch.cat([mean, _around(mean, cut)], dim=1),
        ]

    def matches(self, own: Features, others: Features) -> Matches:
        """Narrow the choice down by one kind of features after the other."""
        kept = torch.arange(len(others[0])).expand(len(own[0]), -1)
        for one, other in zip(own, others, strict=True):
            apart = torch.cdist(one, other).gather(1, kept)
            count = 1 if one is own[-1] else max(1, -(-kept.shape[1] // KEPT))
            kept = kept.gather(1, apart.topk(count, largest=False).indices)
        ones = torch.ones(kept.shape)
        return Matches(kept, ones, ones[:, 0])


def _around(values: Float[Tensor, "n 1"], cut: Superpixels) -> Float[Tensor, "n 1"]:
    """Mean over the superpixels that touch each one."""
    touching = cut.touching.float()
    return touching @ values / touching.sum(dim=1, keepdim=True)


def _gabor(share: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 c h w"]:
    """Strength of lines and edges at five scales in eight directions."""
    height, width = share.shape[2:]
    pad = [min(16, side - 1) for side in (width, width, height, height)]
    padded = F.pad(share, pad, mode="reflect")
    spectrum = torch.fft.fft2(padded[0, 0])
    v = torch.fft.fftfreq(padded.shape[2])[:, None]
    u = torch.fft.fftfreq(padded.shape[3])[None]
    found = []
    for frequency in FREQUENCIES:
        for angle in torch.arange(ORIENTATIONS) * (torch.pi / ORIENTATIONS):
            away = (u - frequency * angle.cos()).square() + (v - frequency * angle.sin()).square()
            passed = torch.exp(-away / (2 * (BANDWIDTH * frequency) ** 2))
            answer = torch.fft.ifft2(spectrum * passed).abs()
            found.append(answer[pad[2] : pad[2] + height, pad[0] : pad[0] + width])
    return torch.stack(found)[None]


def _daisy(share: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 c h w"]:
    """Directions of edges around each pixel."""
    from skimage.feature import daisy

    height, width = share.shape[2:]
    padded = F.pad(share, [DAISY_RADIUS + 1] * 4, mode="replicate")[0, 0].double().numpy()
    found = daisy(padded, DAISY_STEP, DAISY_RADIUS, rings=2, histograms=6, orientations=8)
    maps = torch.from_numpy(found).float().movedim(-1, 0)[None]
    return F.interpolate(maps, (height, width), mode="bilinear")
