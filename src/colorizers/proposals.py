"""Several plausible colourings of one picture, drawn from what a network thinks likely."""

import hashlib
import threading
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from src import color
from src.colorizers.colorizer import Colorizer, Hints, Reference
from src.colorizers.likeness import ByEncoder, Features, compared, cosines
from src.colorizers.superpixels import Superpixels
from src.colorizers.trained import Trained
from src.errors import UserError
from src.generators.ab_bins import Bins
from src.generators.generator import Generator

DRAWN = 3  # for each proposal so many are drawn, and those are kept that differ most
# Of what is likely at a place, so much of the probability gives its colour: that which lies
# farthest in a direction. So no colour is drawn that the network thinks less likely than that.
SHARE = 0.25
STEP = 5 / color.AB_RANGE  # of [-1, 1]: softens that border, or bins would show as patches
HALVINGS = 12  # to find it
TEMPERATURE = 0.8  # sharpens probabilities, whose tails are of all colours
CHROMA = 15.0  # Lab units of a colour that counts twice as much as grey, the safest guess
# Directions are alike where the photo looks alike and the same colours are likely.
ALIKE = 0.5  # how soon they differ between superpixels that look different
COMMON = 0.3  # of their variance, which is one for the whole picture
PATTERNS = 4  # that they are made of: with more of them, one thing has several colours
FULL = 0.7  # length from which a direction is followed to the end


class Proposal(Colorizer):
    """One of several colourings: the first is the network's own, the others are drawn.

    A picture's content, the network and the count decide all of them: the k-th is always the same.

    Args: network: that gives probabilities; number: from 1; drawings: of that network.
    """

    def __init__(self, network: Colorizer, number: int, drawings: "Drawings") -> None:
        self._network, self._drawings, self.number = network, drawings, number
        self.name, self.sha256 = network.name, network.sha256
        self.image_size, self.mean_ab = network.image_size, network.mean_ab
        # A mirrored picture is drawn otherwise, and what is drawn is not told hints.
        self.views = network.views if number == 1 else 1
        self.takes_hints = number == 1 and network.takes_hints

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        if self.number == 1:
            return self._network(L, hints)
        found = [self._drawings.of(one)[self.number - 2] for one in L.split(1)]
        return F.interpolate(torch.cat(found), L.shape[2:], mode="bilinear").to(L)


class Drawings:
    """Colourings drawn for pictures, of which those of the latest are kept.

    Args: network: that gives probabilities; count: of colourings, with the network's own.
    Raises: UserError: if it gives none.
    """

    def __init__(self, network: Colorizer, count: int) -> None:
        self._network, self._bins = with_bins(network)
        self._name, self._count = network.sha256, count
        self._likeness = ByEncoder()
        self._latest = threading.local()  # photos that are coloured side by side have their own

    def of(self, L: Float[Tensor, "1 1 h w"]) -> Sequence[Float[Tensor, "1 2 i j"]]:
        """Return ab of all but the network's own, at the size of its logits."""
        content = (L.cpu().numpy().tobytes(), self._name.encode(), str(self._count).encode())
        seed = int.from_bytes(hashlib.sha256(b"\0".join(content)).digest()[:7])
        if getattr(self._latest, "seed", None) != seed:
            self._latest.drawn, self._latest.seed = self._drawn(L, seed), seed
        found: Sequence[Float[Tensor, "1 2 i j"]] = self._latest.drawn
        return found

    def _drawn(self, L: Float[Tensor, "1 1 h w"], seed: int) -> Sequence[Float[Tensor, "1 2 i j"]]:
        both = torch.cat([L, L.flip(-1)]).to(next(self._network.parameters()).device)
        logits, mirrored = self._network.logits(both).cpu()
        size = logits.shape[1:]
        colors, shares = self._bins.likelihoods(torch.cat([logits, mirrored.flip(-1)], dim=-1))
        shares = sum(shares.split(size[-1], dim=-1), torch.zeros(())) / 2
        small = compared(L.cpu())
        cut = Superpixels.of(small)
        *_, middle, coarse = self._likeness.features(small, cut)  # the finer ones see texture
        directions = drawn_directions(
            [middle, coarse], cut.sampled(shares[None]), DRAWN * (self._count - 1), seed
        )
        shares = _bolder(colors, shares.flatten(1))
        there = cut.enlarged(*size).labels.flatten()
        found = [towards(colors, shares, one[there].T).view(1, 2, *size) for one in directions]
        own = (colors.T @ shares).view(1, 2, *size)
        return [found[i - 1] for i in _apart([own, *found], self._count)[1:]]


def proposals(network: Colorizer, count: int) -> list[Proposal]:
    """Return several colourisers that differ. Raises: UserError: as Drawings."""
    drawings = Drawings(network, count)
    return [Proposal(network, number, drawings) for number in range(1, count + 1)]


def spread(colorizer: Colorizer, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"] | None:
    """Return the standard deviation of likely colours, in units of [-1, 1]; None if unknown."""
    if not gives_probabilities(colorizer):
        return None
    network, bins = with_bins(colorizer)
    found = bins.spread(network.logits(L.to(next(network.parameters()).device)))
    return F.interpolate(found, L.shape[2:], mode="bilinear").to(L)


def gives_probabilities(colorizer: Colorizer) -> bool:
    """Tell whether a colouriser knows what else is likely."""
    network = colorizer.network if isinstance(colorizer, Trained) else None
    return isinstance(network, Generator) and network.bins is not None


def drawn_directions(
    features: Features, shares: Float[Tensor, "n q"], count: int, seed: int
) -> Sequence[Float[Tensor, "n 2"]]:
    """Draw directions of (a, b), of length 1 at most, for superpixels: alike for alike ones.

    Args: features: of superpixels; shares: how probable each colour is there.
    """
    # Each of the kernels is one, so that their product is; sums of roots are Bhattacharyya's.
    same = shares.sqrt() @ shares.sqrt().T
    alike = torch.exp(ALIKE * (cosines(features) - 1) + same - 1)
    root = _root((COMMON + (1 - COMMON) * alike).double().numpy())
    own = torch.Generator().manual_seed(seed)
    noise = torch.randn(root.shape[1], 2 * count, generator=own, dtype=torch.float64)
    drawn = (root @ noise).float().unflatten(1, (count, 2)) / FULL
    return [*(drawn / drawn.norm(dim=2, keepdim=True).clamp(min=1)).unbind(dim=1)]


def _root(covariance: Float[ndarray, "n n"]) -> Float[Tensor, "n p"]:
    """Return the PATTERNS strongest patterns of a covariance, as strong as they are in it."""
    from scipy.sparse.linalg import eigsh

    count = len(covariance)
    if count <= PATTERNS:
        strength, patterns = np.linalg.eigh(covariance)
    else:  # all of them would take ten times as long; the same start gives the same ones
        start = np.random.default_rng(0).standard_normal(count)
        strength, patterns = eigsh(covariance, PATTERNS, v0=start)
    return torch.from_numpy(patterns * np.sqrt(np.maximum(strength, 0)))


def towards(
    colors: Float[Tensor, "q 2"], shares: Float[Tensor, "q n"], direction: Float[Tensor, "2 n"]
) -> Float[Tensor, "2 n"]:
    """Move the mean colour to that of the SHARE of the probability that lies farthest.

    Args: direction: its length, of 0 to 1, tells how much of the way.
    """
    length = direction.norm(dim=0)
    beyond = colors @ (direction / length.clamp(min=1e-6))
    low, high = beyond.amin(dim=0) - 4 * STEP, beyond.amax(dim=0) + 4 * STEP
    for _ in range(HALVINGS):
        border = (low + high) / 2
        enough = (shares * torch.sigmoid((beyond - border) / STEP)).sum(dim=0) > SHARE
        low, high = torch.where(enough, border, low), torch.where(enough, high, border)
    weights = shares * torch.sigmoid((beyond - (low + high) / 2) / STEP)
    farthest = colors.T @ (weights / weights.sum(dim=0))
    return torch.lerp(colors.T @ shares, farthest, length)


def _bolder(colors: Float[Tensor, "q 2"], shares: Float[Tensor, "q n"]) -> Float[Tensor, "q n"]:
    chroma = colors.norm(dim=1, keepdim=True) * color.AB_RANGE
    bolder = shares ** (1 / TEMPERATURE) * (1 + chroma / CHROMA)
    return bolder / bolder.sum(dim=0)


def _apart(found: Sequence[Float[Tensor, "1 2 i j"]], count: int) -> list[int]:
    """Choose the first, and then always what is farthest from all chosen ones."""
    flat = torch.stack(list(found)).flatten(1)
    apart = torch.cdist(flat, flat, p=1)
    chosen = [0]
    while len(chosen) < count:
        chosen.append(int(apart[chosen].amin(dim=0).argmax()))
    return chosen


def with_bins(colorizer: Colorizer) -> tuple[Generator, Bins]:
    """Return a network that gives probabilities, and of what. Raises: UserError: if it does not."""
    network = colorizer.network if isinstance(colorizer, Trained) else None
    if not isinstance(network, Generator) or network.bins is None:
        raise UserError(
            f"{colorizer.name} knows one colour a place and nothing of others: expected a network "
            "that gives probabilities, such as model=lite0_bins trains"
        )
    return network, network.bins
