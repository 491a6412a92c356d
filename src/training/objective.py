"""What the networks descend: the terms that model.loss weighs, checked against each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from src import losses
from src.colorizers import checkpoint
from src.errors import UserError, require_number
from src.generators.ab_bins import Bins
from src.generators.generator import Generator

WEIGHTS = ("adversarial_weight", "l1", "cross_entropy")


@dataclass(frozen=True)
class Objective:
    """What a generator descends.

    Attributes:
        adversarial: None without a discriminator.
        bins: what the generator's logits stand for; None where it gives ab.
    """

    adversarial: losses.AdversarialLoss | None
    adversarial_weight: float
    l1: float
    cross_entropy: float
    bins: Bins | None

    def of_prediction(
        self, prediction: Tensor, real_ab: Float[Tensor, "b 2 h w"]
    ) -> tuple[dict[str, Tensor], Float[Tensor, ""]]:
        """Return the terms that need no discriminator, as they are logged, and their weighted sum.

        Args:
            prediction: ab (b, 2, h, w) in [-1, 1], or logits of the bins.
            real_ab: in [-1, 1].
        """
        if self.bins is not None:
            term = self.bins.cross_entropy(prediction, real_ab)
            return {"train/g_loss_cross_entropy": term}, self.cross_entropy * term
        term = losses.l1(prediction, real_ab)
        return {"train/g_loss_l1": term}, self.l1 * term


def build(loss: Mapping[str, Any], generator: Generator, *, has_discriminator: bool) -> Objective:
    """Make an objective of the configuration's model.loss.

    Raises: UserError: if a weight is missing or out of range, or the parts do not fit together.
    """
    for name in sorted({"adversarial", *WEIGHTS} ^ loss.keys()):
        fault = "unknown" if name in loss else "missing"
        raise UserError(f"model.loss.{name} is {fault}: expected adversarial, {', '.join(WEIGHTS)}")
    for name in WEIGHTS:
        require_number(f"model.loss.{name}", loss[name], 0)
    adversarial = _adversarial(loss["adversarial"]) if has_discriminator else None
    weights = {name: loss[name] for name in WEIGHTS}
    objective = Objective(adversarial=adversarial, bins=generator.bins, **weights)
    _require_fitting(objective, has_discriminator)
    return objective


def _adversarial(config: object) -> losses.AdversarialLoss | None:
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise UserError(
            f"model.loss.adversarial={config}: expected null or a _target_ in {checkpoint.LOSSES}, "
            "as model/loss=vanilla or model/loss=lsgan give it"
        )
    return checkpoint.build_a(losses.AdversarialLoss, checkpoint.LOSSES, config)


def _require_fitting(objective: Objective, has_discriminator: bool) -> None:
    if objective.bins is not None:
        if has_discriminator or objective.l1 or not objective.cross_entropy:
            raise UserError(
                "the generator predicts bins of ab: expected only model/loss=cross_entropy, and "
                "model/discriminator=none"
            )
    elif objective.cross_entropy:
        raise UserError(
            f"model.loss.cross_entropy is {objective.cross_entropy:g} for a generator that "
            "predicts ab: expected 0"
        )
    if has_discriminator and objective.adversarial is None:
        raise UserError(
            "model.discriminator is set but model.loss.adversarial is null: expected a loss for "
            "it, model/loss=lsgan or model/loss=vanilla, or model/discriminator=none"
        )
