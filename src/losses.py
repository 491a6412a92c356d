"""Losses: pure functions on ab, and on patch logits."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from src.errors import UserError, require_number, require_one_of
from src.generators import ab_bins
from src.generators.generator import Generator

TERMS = ("l1", "cross_entropy")
# (patch logits, is_real) -> how far the logits are from that verdict; never negative.
AdversarialLoss = Callable[[Tensor, bool], Tensor]


def l1(fake_ab: Float[Tensor, "b 2 h w"], real_ab: Float[Tensor, "b 2 h w"]) -> Float[Tensor, ""]:
    """Mean absolute error of ab, both in [-1, 1]."""
    return (fake_ab - real_ab).abs().mean()


def of_prediction(
    fake_ab: Tensor, real_ab: Float[Tensor, "b 2 h w"], weights: Mapping[str, Any]
) -> tuple[dict[str, Tensor], Float[Tensor, ""]]:
    """Return the terms that need no discriminator, as they are logged, and their weighted sum.

    Args: fake_ab: (b, 2, h, w), or logits of bins, for which `cross_entropy` alone counts.
    """
    if weights["cross_entropy"]:
        term = ab_bins.cross_entropy(fake_ab, real_ab)
        return {"train/g_loss_cross_entropy": term}, weights["cross_entropy"] * term
    term = l1(fake_ab, real_ab)
    return {"train/g_loss_l1": term}, weights["l1"] * term


def vanilla(logits: Float[Tensor, "b 1 i j"], is_real: bool) -> Float[Tensor, ""]:
    """Binary cross-entropy on logits, non-saturating for the generator (Goodfellow et al. 2014)."""
    return F.softplus(-logits if is_real else logits).mean()


def lsgan(logits: Float[Tensor, "b 1 i j"], is_real: bool) -> Float[Tensor, ""]:
    """Squared distance of the logits to 1 (real) or 0 (fake) (Mao et al. 2017)."""
    return F.mse_loss(logits, torch.full_like(logits, float(is_real)))


ADVERSARIAL: dict[str, AdversarialLoss] = {"vanilla": vanilla, "lsgan": lsgan}


def adversarial(name: str | None, has_discriminator: bool) -> AdversarialLoss | None:
    """Return the loss of that name, or None where no discriminator needs one.

    Raises: UserError: if there is no such loss, or a discriminator without one.
    """
    if name is not None:
        require_one_of("model.loss.adversarial", name, sorted(ADVERSARIAL))
    if not has_discriminator:
        return None
    if name is None:
        choices = " or ".join(f"model/loss={known}" for known in sorted(ADVERSARIAL))
        raise UserError(
            "model.discriminator is set but model.loss.adversarial is null: expected a loss for "
            f"it, {choices}, or model/discriminator=none"
        )
    return ADVERSARIAL[name]


def require_fitting(
    generator: Generator, weights: Mapping[str, Any], has_discriminator: bool
) -> None:
    """Check the weights of losses, and that a generator predicts what they judge.

    Raises: UserError: if a weight is absent or out of range, or judges what is not predicted.
    """
    for term in TERMS:
        if term not in weights:
            raise UserError(f"model.loss.{term} is missing: expected a number, 0 for none of it")
        require_number(f"model.loss.{term}", weights[term], 0)
    judges_ab = has_discriminator or weights["l1"]
    if generator.predicts_bins and (judges_ab or not weights["cross_entropy"]):
        raise UserError(
            "the generator predicts bins of ab: expected model/loss=cross_entropy alone, and "
            "model/discriminator=none"
        )
    if weights["cross_entropy"] and not generator.predicts_bins:
        raise UserError(
            f"model.loss.cross_entropy is {weights['cross_entropy']:g} for a generator that "
            "predicts ab: expected 0"
        )
