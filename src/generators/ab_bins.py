"""The ab plane cut into bins: colours as classes, and a colour made of classes' probabilities."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class Bins(ABC):
    """What a network's logits stand for: the loss that takes them, and the colours they make.

    Attributes: count: logits of each place.
    """

    count: int

    @abstractmethod
    def cross_entropy(
        self, logits: Float[Tensor, "b q i j"], real_ab: Float[Tensor, "b 2 h w"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy against the bins around each true colour, weighed as it is near them.

        Colours that are equally likely stay several, where a mean or median is brown.

        Args:
            logits: of `count` bins; each stands for the pixels that it covers, by their mean.
            real_ab: in [-1, 1].
        """

    @abstractmethod
    def ab(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b 2 i j"]:
        """Return a colour in [-1, 1] for the logits of each place."""

    @abstractmethod
    def likelihoods(
        self, logits: Float[Tensor, "q ..."]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n ..."]]:
        """Return colours in [-1, 1], and how probable each of them is at each place."""

    @abstractmethod
    def spread(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b 1 i j"]:
        """Return the standard deviation of colour at each place, in units of [-1, 1]."""


class JointBins(Bins):
    """A grid over the ab plane, 12 Lab units apart; what lies outside sRGB is never met.

    Its colour is the mean of bins after their probabilities were sharpened.

    Args: temperature: 1 is the mean, which is pale; near 0 it is the likeliest bin.
    Raises: ValueError: if the temperature is not over 0, and at most 1.
    Source: Zhang, Isola and Efros 2016, Colorful Image Colorization, equations 2 to 5.
    """

    STEPS = 19  # of each axis
    SMOOTHING = 5 / 110  # standard deviation of the Gaussian that smooths the bins' shares
    count = STEPS**2

    def __init__(self, temperature: float) -> None:
        if not 0 < temperature <= 1:
            raise ValueError(f"temperature is {temperature}: expected over 0, and at most 1")
        self.temperature = temperature

    def cross_entropy(
        self,
        logits: Float[Tensor, "b q i j"],
        real_ab: Float[Tensor, "b 2 h w"],
        weights: Float[Tensor, " q"] | None = None,
    ) -> Float[Tensor, ""]:
        """As for all bins. Args: weights: of the bin nearest to each true colour; None: all 1."""
        ab = _covered(real_ab, logits)
        low, beyond = _between((ab + 1) / 2, self.STEPS)
        a, b = torch.stack([low, low + 1], dim=1).unbind(dim=2)
        share_a, share_b = torch.stack([1 - beyond, beyond], dim=1).unbind(dim=2)
        bins = (a[:, :, None] * self.STEPS + b[:, None]).flatten(1, 2)
        shares = (share_a[:, :, None] * share_b[:, None]).flatten(1, 2)
        likelihoods = logits.float().log_softmax(dim=1).gather(1, bins)
        entropies = -(shares * likelihoods).sum(dim=1)
        return (entropies if weights is None else weights[self._nearest(ab)] * entropies).mean()

    def ab(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b 2 i j"]:
        shares = (logits.float() / self.temperature).softmax(dim=1)
        of_axes = shares.unflatten(1, (self.STEPS, self.STEPS))
        steps = torch.linspace(-1, 1, self.STEPS, device=logits.device)[None, :, None, None]
        # No product of matrices, which autocast would take in bfloat16.
        return torch.stack([(of_axes.sum(dim=axis) * steps).sum(dim=1) for axis in (2, 1)], dim=1)

    def shares(self, ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b q"]:
        """Return of each picture the share of its pixels that are nearest to each bin."""
        nearest = self._nearest(ab).flatten(1)
        counts = torch.zeros(len(ab), self.count, device=ab.device)
        return (
            counts.scatter_add_(1, nearest, torch.ones_like(nearest, dtype=counts.dtype))
            / (nearest.shape[1])
        )

    def rarity(self, shares: Float[Tensor, " q"], rebalance: float) -> Float[Tensor, " q"]:
        """Return weights by which rare colours count more, of mean 1 over the colours' shares.

        Args:
            shares: of the bins, in what is trained on.
            rebalance: 0 weighs all alike, 0.5 as the paper, 1 by the inverse of the smoothed share.
        Source: as above, equation 4; of 1 - rebalance for its lambda, uniform over all bins.
        """
        centers = self._centers(shares)
        near = torch.exp(-((torch.cdist(centers, centers) / self.SMOOTHING) ** 2) / 2)
        smooth = (near / near.sum(dim=0) @ shares).clamp(min=1e-9)  # of bins that are never met
        weights = 1 / (rebalance * smooth + (1 - rebalance) / self.count)
        return weights / (smooth * weights).sum()

    def _nearest(self, ab: Float[Tensor, "b 2 h w"]) -> Int[Tensor, "b h w"]:
        a, b = ((ab + 1) / 2 * (self.STEPS - 1)).round().long().clamp(0, self.STEPS - 1).unbind(1)
        return a * self.STEPS + b

    def _centers(self, like: Tensor) -> Float[Tensor, "q 2"]:
        steps = torch.linspace(-1, 1, self.STEPS, device=like.device, dtype=like.dtype)
        return torch.stack([steps.repeat_interleave(self.STEPS), steps.repeat(self.STEPS)], dim=1)

    def likelihoods(
        self, logits: Float[Tensor, "q ..."]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n ..."]]:
        return self._centers(logits), logits.float().softmax(dim=0)

    def spread(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b 1 i j"]:
        shares = self._shares(logits)
        steps = torch.linspace(-1, 1, self.STEPS, device=logits.device)
        variance = _variance(shares.sum(dim=2), steps) + _variance(shares.sum(dim=1), steps)
        return variance.sqrt()

    def _shares(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b s s i j"]:
        return logits.float().softmax(dim=1).unflatten(1, (self.STEPS, self.STEPS))


class AxisBins(Bins):
    """A histogram of a, and one of b, each for itself; their bins are finest near grey.

    Its colour is the histograms' medians, which err least; their means are paler, and err more.
    """

    STEPS = 33  # of each axis
    FINE = 8 / 110  # of [-1, 1]: within it bins are about evenly spaced, and beyond by ratio
    SPAN = math.asinh(1 / FINE)
    count = 2 * STEPS

    def cross_entropy(
        self, logits: Float[Tensor, "b q i j"], real_ab: Float[Tensor, "b 2 h w"]
    ) -> Float[Tensor, ""]:
        place = torch.asinh(_covered(real_ab, logits) / self.FINE) / self.SPAN
        low, beyond = _between((place + 1) / 2, self.STEPS)
        own = logits.float().unflatten(1, (2, self.STEPS))
        near = own.gather(2, torch.stack([low, low + 1], dim=2))
        return (own.logsumexp(dim=2) - torch.lerp(near[:, :, 0], near[:, :, 1], beyond)).mean()

    def ab(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b 2 i j"]:
        shares = logits.float().unflatten(1, (2, self.STEPS)).softmax(dim=2)
        sums = shares.cumsum(dim=2)
        # The bin in which the sum passes 1/2, and where in it: a share is spread over its bin.
        middle = (sums < 0.5).sum(dim=2, keepdim=True).clamp(max=self.STEPS - 1)
        share = shares.gather(2, middle)
        below = sums.gather(2, middle) - share
        within = ((0.5 - below) / share.clamp(min=1e-6)).clamp(0, 1)
        place = (middle + within - 0.5)[:, :, 0] * 2 / (self.STEPS - 1) - 1
        return torch.sinh(place.clamp(-1, 1) * self.SPAN) * self.FINE

    def likelihoods(
        self, logits: Float[Tensor, "q ..."]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n ..."]]:
        a, b = logits.float().unflatten(0, (2, self.STEPS)).softmax(dim=1)
        steps = self._color(torch.arange(self.STEPS, device=logits.device))
        return torch.cartesian_prod(steps, steps), (a[:, None] * b).flatten(0, 1)

    def spread(self, logits: Float[Tensor, "b q i j"]) -> Float[Tensor, "b 1 i j"]:
        steps = self._color(torch.arange(self.STEPS, device=logits.device))
        a, b = (_variance(own, steps) for own in self._shares(logits))
        return (a + b).sqrt()

    def _shares(self, logits: Float[Tensor, "b q i j"]) -> tuple[Float[Tensor, "b s i j"], ...]:
        return logits.float().unflatten(1, (2, self.STEPS)).softmax(dim=2).unbind(dim=1)

    def _color(self, place: Tensor) -> Tensor:
        """Return a or b in [-1, 1]. Args: place: in bins."""
        return torch.sinh((place * (2 / (self.STEPS - 1)) - 1) * self.SPAN) * self.FINE


def _variance(
    shares: Float[Tensor, "b s i j"], steps: Float[Tensor, " s"]
) -> Float[Tensor, "b 1 i j"]:
    steps = steps.view(1, -1, 1, 1)
    mean = (shares * steps).sum(dim=1, keepdim=True)
    return (shares * (steps - mean).square()).sum(dim=1, keepdim=True)


def _covered(
    real_ab: Float[Tensor, "b 2 h w"], logits: Float[Tensor, "b q i j"]
) -> Float[Tensor, "b 2 i j"]:
    return F.adaptive_avg_pool2d(real_ab, (logits.shape[-2], logits.shape[-1]))


def _between(place: Float[Tensor, "*n"], steps: int) -> tuple[Tensor, Float[Tensor, "*n"]]:
    """Return the bin below each place in [0, 1], and how far beyond it towards the next one."""
    place = place * (steps - 1)
    low = place.floor().clamp(0, steps - 2)
    return low.long(), place - low
