"""Losses: pure functions on ab, and adversarial losses, which have two sides."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from src.discriminators.discriminator import Discriminator, Verdict

LEAST_MSE = 1e-4
Terms = dict[str, Float[Tensor, ""]]  # by their names in the log


def l1(fake_ab: Float[Tensor, "b 2 h w"], real_ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, ""]:
    """Mean absolute error of ab, both in [-1, 1]."""
    return (fake_ab - real_ab).abs().mean()


def log_mse(
    fake_ab: Float[Tensor, "b 2 h w"], real_ab: Float[Tensor, "b 2 h w"]
) -> Float[Tensor, ""]:
    """Mean over pictures of the logarithm of their mean squared error of ab, both in [-1, 1].

    Pale pictures count as much as colourful ones, as in a mean of PSNR. Errors of a Lab unit, of
    which nobody sees more, bound it below.
    """
    errors = (fake_ab - real_ab).square().mean(dim=(1, 2, 3))
    return (errors + LEAST_MSE).log().mean()


class Verdicts:
    """What a discriminator makes of true and of generated colours, each judged when first asked.

    Args: L: (b, 1, h, w); real_ab, fake_ab: (b, 2, h, w); all in [-1, 1].
    """

    def __init__(
        self,
        discriminator: Discriminator,
        L: Float[Tensor, "b 1 h w"],
        real_ab: Float[Tensor, "b 2 h w"],
        fake_ab: Float[Tensor, "b 2 h w"],
    ) -> None:
        self.discriminator = discriminator
        self.L, self.real_ab, self.fake_ab = L, real_ab, fake_ab

    @cached_property
    def real(self) -> Verdict:
        return self.discriminator(self.L, self.real_ab)

    @cached_property
    def fake(self) -> Verdict:
        return self.discriminator(self.L, self.fake_ab)

    def slopes(self) -> Float[Tensor, " b"]:
        """Norm of the gradient of each picture's mean logit at a mixture of its two colourings.

        It can be differentiated itself, and is float32 under autocast, too.
        """
        with torch.autocast(self.L.device.type, enabled=False):
            share = torch.rand(len(self.L), 1, 1, 1, device=self.L.device)
            mixed = share * self.real_ab.float() + (1 - share) * self.fake_ab.detach().float()
            mixed.requires_grad_()
            # Not the network itself, which may be compiled: compiled code has no second derivative.
            logits = self.discriminator.forward(self.L.float(), mixed).logits
            means = torch.stack([one.flatten(1).mean(dim=1) for one in logits]).mean(dim=0)
            (gradient,) = torch.autograd.grad(means.sum(), mixed, create_graph=True)
        return gradient.flatten(1).norm(dim=1)


def feature_matching(verdicts: Verdicts) -> Float[Tensor, ""]:
    """L1 between a discriminator's features of generated and of true colours.

    Averaged over each layer's features, then over all layers of all maps.
    Source: Wang et al. 2018, pix2pixHD, equation 4.
    """
    pairs = [
        (fake, real)
        for maps in zip(verdicts.fake.features, verdicts.real.features, strict=True)
        for fake, real in zip(*maps, strict=True)
    ]
    return torch.stack([(fake - real.detach()).abs().mean() for fake, real in pairs]).mean()


class AdversarialLoss:
    """What a discriminator and a generator descend against each other.

    Both sides take verdicts, whose logits are high where colours look true, and average over each
    map of logits, then over the maps. A loss object holds only its constants.

    Attributes:
        critic_steps: batches that the discriminator learns from for each of the generator's.
        needs_single_verdicts: the verdict on a picture may not depend on the others of its batch.
    """

    critic_steps: int = 1
    needs_single_verdicts: ClassVar[bool] = False

    def discriminator(self, verdicts: Verdicts) -> Terms:
        """Return the discriminator's terms: of `real` and of `fake` colours, and others."""
        raise NotImplementedError

    def generator(self, verdicts: Verdicts) -> Float[Tensor, ""]:
        """Return what the generator descends."""
        raise NotImplementedError


class Vanilla(AdversarialLoss):
    """Binary cross-entropy on logits, non-saturating for the generator (Goodfellow et al. 2014).

    Args: real_label: the probability of being true that the discriminator should give true colours;
        under 1 is one-sided label smoothing (Salimans et al. 2016).
    """

    def __init__(self, real_label: float = 1.0) -> None:
        self.real_label = _checked(real_label)

    def discriminator(self, verdicts: Verdicts) -> Terms:
        p = self.real_label
        real = _mean(p * F.softplus(-x) + (1 - p) * F.softplus(x) for x in verdicts.real.logits)
        return {"real": real, "fake": _mean(F.softplus(x) for x in verdicts.fake.logits)}

    def generator(self, verdicts: Verdicts) -> Float[Tensor, ""]:
        return _mean(F.softplus(-x) for x in verdicts.fake.logits)


class LeastSquares(AdversarialLoss):
    """Squared distance of the logits to 1 (true) or 0 (generated) (Mao et al. 2017).

    Args: real_label: takes the place of 1 for the discriminator, as for Vanilla.
    """

    def __init__(self, real_label: float = 1.0) -> None:
        self.real_label = _checked(real_label)

    def discriminator(self, verdicts: Verdicts) -> Terms:
        real = _mean((x - self.real_label).square() for x in verdicts.real.logits)
        return {"real": real, "fake": _mean(x.square() for x in verdicts.fake.logits)}

    def generator(self, verdicts: Verdicts) -> Float[Tensor, ""]:
        return _mean((x - 1).square() for x in verdicts.fake.logits)


class Hinge(AdversarialLoss):
    """Margins of 1: nothing more is learned from what is well on its side (Lim and Ye 2017)."""

    def discriminator(self, verdicts: Verdicts) -> Terms:
        return {
            "real": _mean(F.relu(1 - x) for x in verdicts.real.logits),
            "fake": _mean(F.relu(1 + x) for x in verdicts.fake.logits),
        }

    def generator(self, verdicts: Verdicts) -> Float[Tensor, ""]:
        return -_mean(verdicts.fake.logits)


class Relativistic(AdversarialLoss):
    """Vanilla of how much truer colours look than the mean of the others, for both sides.

    The mean is over the batch and its patches. The generator's side is halved, so that its weight
    counts as much as vanilla's.
    Source: Jolicoeur-Martineau 2018, the relativistic average GAN.
    """

    def discriminator(self, verdicts: Verdicts) -> Terms:
        real, fake = verdicts.real.logits, verdicts.fake.logits
        return {
            "real": _mean(F.softplus(-x) for x in _beyond(real, fake)),
            "fake": _mean(F.softplus(x) for x in _beyond(fake, real)),
        }

    def generator(self, verdicts: Verdicts) -> Float[Tensor, ""]:
        real, fake = verdicts.real.logits, verdicts.fake.logits
        towards_fake = _mean(F.softplus(x) for x in _beyond(real, fake))
        return (towards_fake + _mean(F.softplus(-x) for x in _beyond(fake, real))) / 2


class WassersteinGP(AdversarialLoss):
    """The distance of the mean logits, from a critic whose slope is held near 1.

    Args: penalty: weight of the squared difference of the slope from 1; critic_steps: as above.
    Source: Gulrajani et al. 2017. A picture's verdict is the mean of its patches' here, and the
        mixtures that are judged share the true L.
    """

    needs_single_verdicts = True

    def __init__(self, penalty: float = 10.0, critic_steps: int = 5) -> None:
        if penalty < 0:
            raise ValueError(f"penalty is {penalty}: expected at least 0")
        if critic_steps < 1 or critic_steps != int(critic_steps):
            raise ValueError(f"critic_steps is {critic_steps}: expected a whole number, 1 or more")
        self.penalty = penalty
        self.critic_steps = critic_steps

    def discriminator(self, verdicts: Verdicts) -> Terms:
        return {
            "real": -_mean(verdicts.real.logits),
            "fake": _mean(verdicts.fake.logits),
            "penalty": self.penalty * (verdicts.slopes() - 1).square().mean(),
        }

    def generator(self, verdicts: Verdicts) -> Float[Tensor, ""]:
        return -_mean(verdicts.fake.logits)


def _checked(real_label: float) -> float:
    if not 0.5 < real_label <= 1:
        raise ValueError(f"real_label is {real_label}: expected over 0.5, and at most 1")
    return real_label


def _beyond(logits: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
    return [one - other.mean() for one, other in zip(logits, others, strict=True)]


def _mean(maps: Iterable[Tensor]) -> Float[Tensor, ""]:
    return torch.stack([values.mean() for values in maps]).mean()
