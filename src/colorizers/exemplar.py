"""Colours of other pictures, taken from where they show alike things.

Source: Gupta, Chia, Rajan, Ng and Huang 2012, Image Colorization Using Similar Images, ACM
Multimedia: superpixels, matched features, votes of neighbours, and a scribble for each superpixel.
"""

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from src.colorizers import shipped
from src.colorizers.colorizer import REFERENCE_SIZE, Colorizer, Hints, Reference
from src.colorizers.likeness import ByEncoder, ByHand, Features, Likeness, compared, cosines
from src.colorizers.scribbles import spread
from src.colorizers.superpixels import Superpixels

VOTES = 7.0  # how much more a neighbour's vote counts that looks alike
# Chosen for pictures that training did not see, with 30 other views of the same scene, 30 made by
# cropping and dimming, 60 alike scenes and 100 others, so that what is trusted makes the colours of
# the network that ships better.
REACH = 0.4  # of the picture's sides, over which likeness is averaged
EVEN, STEEP = 0.5, 30.0  # likeness that is trusted as much as the network, and how fast that turns


@dataclass(frozen=True)
class Borrowed:
    """Colours for a picture's superpixels.

    Attributes:
        cut: the superpixels.
        ab: of each, in [-1, 1].
        confidence: that it is better than a network's, in [0, 1].
    """

    cut: Superpixels
    ab: Float[Tensor, "n 2"]
    confidence: Float[Tensor, " n"]


class Exemplar(Colorizer):
    """Paints in the colours of a reference; grey without one.

    Args: name: of the method; likeness: how superpixels are matched.
    """

    image_size = REFERENCE_SIZE
    takes_reference = True

    def __init__(self, name: str, likeness: Likeness) -> None:
        self.name = name
        self._likeness = likeness
        # Of the latest picture and reference: a person gives hint after hint.
        self._found: tuple[Float[Tensor, "1 1 h w"], Reference, Borrowed] | None = None
        self._examples: tuple[Reference, Features, Float[Tensor, "m 2"]] | None = None

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        if reference is None:
            return torch.zeros_like(L).expand(-1, 2, -1, -1)
        painted = []
        for one in L.cpu().split(1):
            found = self.borrowed(one, reference)
            scribbles = Hints(found.cut.painted(found.ab), found.cut.middles())
            painted.append(spread(one, scribbles))
        return torch.cat(painted).to(L)

    def borrowed(self, L: Float[Tensor, "1 1 h w"], reference: Reference) -> Borrowed:
        """Find colours for a picture. Args: L, reference: in [-1, 1], of any size."""
        L, latest = L.cpu(), self._found  # threads may replace it meanwhile
        if latest is None or latest[1] is not reference or not torch.equal(latest[0], L):
            latest = self._found = (L, reference, self._borrowed(L, reference))
        return latest[2]

    def _borrowed(self, L: Float[Tensor, "1 1 h w"], reference: Reference) -> Borrowed:
        small = compared(L)
        cut = Superpixels.of(small)
        own = self._likeness.features(small, cut)
        others, ab = self._described(reference)
        found = self._likeness.matches(own, others)
        matched = (ab[found.chosen] * found.weights[..., None]).sum(dim=1)
        return Borrowed(
            cut.enlarged(*L.shape[2:]), voted(matched, own, cut), confidence(found.likeness, cut)
        )

    def _described(self, reference: Reference) -> tuple[Features, Float[Tensor, "m 2"]]:
        """Describe all superpixels of a reference's pictures; of the latest one this is known."""
        latest = self._examples  # threads may replace it meanwhile
        if latest is None or latest[0] is not reference:
            each = []
            for L, ab in reference.pictures:
                small, small_ab = compared(L.cpu()), compared(ab.cpu())
                cut = Superpixels.of(small)
                each.append((*self._likeness.features(small, cut), cut.means(small_ab)))
            *features, colors = (torch.cat(kind) for kind in zip(*each, strict=True))
            latest = self._examples = (reference, features, colors)
        return latest[1:]


@cache
def load() -> Exemplar:
    """Match by the features of the network that ships, or by hand-made ones where it is absent."""
    return Exemplar("exemplar", ByEncoder()) if shipped.PATH.is_file() else by_hand("exemplar")


def by_hand(name: str = "gupta") -> Exemplar:
    """Match by hand-made features, as in 2012."""
    return Exemplar(name, ByHand())


def voted(ab: Float[Tensor, "n 2"], features: Features, cut: Superpixels) -> Float[Tensor, "n 2"]:
    """Let superpixels that touch and look alike agree on their colours (image space voting)."""
    votes = torch.exp(VOTES * (cosines(features) - 1)) * cut.touching
    return votes @ ab / votes.sum(dim=1, keepdim=True)


def confidence(likeness: Float[Tensor, " n"], cut: Superpixels) -> Float[Tensor, " n"]:
    """Tell how far to trust matches: by their likeness, averaged over a good part of the picture.

    A single superpixel finds something like itself in any picture; a whole region does not.
    """
    apart = torch.cdist(cut.places, cut.places)
    weights = torch.exp(-apart.square() / (2 * REACH**2)) * cut.sizes
    mean = weights @ likeness / weights.sum(dim=1)
    return torch.sigmoid(STEEP * (mean - EVEN))
