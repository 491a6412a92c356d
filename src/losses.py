"""Losses: pure functions on ab, and adversarial losses, which have two sides."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Logits = Sequence[Float[Tensor, "b 1 _ _"]]  # a map for each scale that a discriminator judges


def l1(fake_ab: Float[Tensor, "b 2 h w"], real_ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, ""]:
    """Mean absolute error of ab, both in [-1, 1]."""
    return (fake_ab - real_ab).abs().mean()


class AdversarialLoss:
    """What a discriminator and a generator descend against each other.

    Both sides take maps of logits (high where the discriminator takes a picture for real), and
    average over each map, then over the maps. A loss object holds only its constants.
    """

    def discriminator(
        self, real_logits: Logits, fake_logits: Logits
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the discriminator's terms of real and of generated pictures."""
        raise NotImplementedError

    def generator(self, fake_logits: Logits) -> Float[Tensor, ""]:
        """Return what the generator descends, given the logits of its pictures."""
        raise NotImplementedError


class Vanilla(AdversarialLoss):
    """Binary cross-entropy on logits, non-saturating for the generator (Goodfellow et al. 2014)."""

    def discriminator(
        self, real_logits: Logits, fake_logits: Logits
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        real = _mean(F.softplus(-logits) for logits in real_logits)
        return real, _mean(F.softplus(logits) for logits in fake_logits)

    def generator(self, fake_logits: Logits) -> Float[Tensor, ""]:
        return _mean(F.softplus(-logits) for logits in fake_logits)


class LeastSquares(AdversarialLoss):
    """Squared distance of the logits to 1 (real) or 0 (fake) (Mao et al. 2017)."""

    def discriminator(
        self, real_logits: Logits, fake_logits: Logits
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        real = _mean((logits - 1).square() for logits in real_logits)
        return real, _mean(logits.square() for logits in fake_logits)

    def generator(self, fake_logits: Logits) -> Float[Tensor, ""]:
        return _mean((logits - 1).square() for logits in fake_logits)


def _mean(maps: Iterable[Tensor]) -> Float[Tensor, ""]:
    return torch.stack([values.mean() for values in maps]).mean()
