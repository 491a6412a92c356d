"""What the networks descend: the terms that model.loss weighs, checked against each other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src import losses
from src.colorizers import checkpoint
from src.discriminators.discriminator import Discriminator
from src.errors import UserError, require_number
from src.generators.ab_bins import Bins, JointBins
from src.generators.generator import Generator

WEIGHTS = ("adversarial_weight", "feature_matching", "l1", "log_mse", "cross_entropy", "rebalance")


@dataclass(frozen=True)
class Objective:
    """What the networks descend.

    Attributes:
        adversarial: None without a discriminator.
        bins: what the generator's logits stand for; None where it gives ab.
        rebalance: how much the rarity of a true colour weighs its cross-entropy, in [0, 1].
        others: the weights of the terms.
    """

    adversarial: losses.AdversarialLoss | None
    adversarial_weight: float
    feature_matching: float
    l1: float
    log_mse: float
    cross_entropy: float
    rebalance: float
    bins: Bins | None

    @property
    def critic_steps(self) -> int:
        """Batches that the discriminator learns from for each of the generator's."""
        return 1 if self.adversarial is None else self.adversarial.critic_steps

    @property
    def plane(self) -> JointBins:
        """The bins whose rarity counts."""
        assert isinstance(self.bins, JointBins)
        return self.bins

    def of_discriminator(
        self, verdicts: losses.Verdicts
    ) -> tuple[dict[str, Tensor], Float[Tensor, ""]]:
        """Return what the discriminator's terms are, as they are logged, and what it descends."""
        assert self.adversarial is not None
        terms = self.adversarial.discriminator(verdicts)
        # Halved, as in pix2pix, to slow it down beside the generator.
        loss = torch.stack([*terms.values()]).sum() / 2
        return {f"train/d_loss_{name}": term for name, term in terms.items()}, loss

    def of_verdicts(self, verdicts: losses.Verdicts) -> tuple[dict[str, Tensor], Float[Tensor, ""]]:
        """Return the generator's terms that need a discriminator, and their weighted sum."""
        assert self.adversarial is not None
        adversarial = self.adversarial.generator(verdicts)
        figures, loss = (
            {"train/g_loss_adversarial": adversarial},
            self.adversarial_weight * adversarial,
        )
        if self.feature_matching:
            matching = losses.feature_matching(verdicts)
            figures["train/g_loss_feature_matching"] = matching
            loss = loss + self.feature_matching * matching
        return figures, loss

    def of_prediction(
        self,
        prediction: Tensor,
        real_ab: Float[Tensor, "b 2 h w"],
        rarity: Float[Tensor, " q"] | None = None,
    ) -> tuple[dict[str, Tensor], Float[Tensor, ""]]:
        """Return the terms that need no discriminator, as they are logged, and their weighted sum.

        Args:
            prediction: ab (b, 2, h, w) in [-1, 1], or several (b, n, 2, h, w), or logits of the
                bins.
            real_ab: in [-1, 1].
            rarity: what the bins weigh, where there is a `rebalance`.
        """
        if self.bins is not None:
            term = (
                self.bins.cross_entropy(prediction, real_ab)
                if rarity is None
                else self.plane.cross_entropy(prediction, real_ab, rarity)
            )
            return {"train/g_loss_cross_entropy": term}, self.cross_entropy * term
        if prediction.ndim == 5:  # under deep supervision
            real_ab = real_ab[:, None].expand_as(prediction).flatten(0, 1)
            prediction = prediction.flatten(0, 1)
        term = losses.l1(prediction, real_ab)
        figures, loss = {"train/g_loss_l1": term}, self.l1 * term
        if self.log_mse:
            term = losses.log_mse(prediction, real_ab)
            figures["train/g_loss_log_mse"] = term
            loss = loss + self.log_mse * term
        return figures, loss


def build(
    loss: Mapping[str, Any], generator: Generator, discriminator: Discriminator | None
) -> Objective:
    """Make an objective of the configuration's model.loss.

    Raises: UserError: if a weight is missing or out of range, or the parts do not fit together.
    """
    for name in sorted({"adversarial", *WEIGHTS} ^ loss.keys()):
        fault = "unknown" if name in loss else "missing"
        raise UserError(f"model.loss.{name} is {fault}: expected adversarial, {', '.join(WEIGHTS)}")
    for name in WEIGHTS:
        require_number(f"model.loss.{name}", loss[name], 0, 1 if name == "rebalance" else math.inf)
    if generator.deep_supervision and discriminator is not None:
        raise UserError(
            "the generator predicts several ab under deep supervision, and a discriminator judges "
            "one: expected model/discriminator=none and model/loss=l1, or deep_supervision=false"
        )
    adversarial = _adversarial(loss["adversarial"])
    weights = {name: loss[name] for name in WEIGHTS}
    bins = None if generator.takes_hints else generator.bins
    objective = Objective(adversarial=adversarial, bins=bins, **weights)
    _require_fitting_bins(objective, discriminator)
    _require_fitting_discriminator(objective, discriminator)
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


def _require_fitting_bins(objective: Objective, discriminator: Discriminator | None) -> None:
    if objective.bins is not None:
        others = discriminator is not None or objective.l1 or objective.log_mse
        if others or not objective.cross_entropy:
            raise UserError(
                "the generator predicts bins of ab: expected only model/loss=cross_entropy, and "
                "model/discriminator=none"
            )
    elif objective.cross_entropy:
        raise UserError(
            f"model.loss.cross_entropy is {objective.cross_entropy:g} for a generator that "
            "predicts ab: expected 0"
        )
    if objective.rebalance and not isinstance(objective.bins, JointBins):
        raise UserError(
            f"model.loss.rebalance is {objective.rebalance:g} for a generator that predicts no "
            "bins of the ab plane: expected 0, or model=lite0_classes"
        )


def _require_fitting_discriminator(
    objective: Objective, discriminator: Discriminator | None
) -> None:
    adversarial = objective.adversarial
    if discriminator is None:
        if adversarial is not None:
            raise UserError(
                f"model.loss.adversarial is {type(adversarial).__name__} but there is no "
                "discriminator: expected model/loss=l1, or model/discriminator=patchgan"
            )
        if objective.feature_matching:
            raise UserError(
                f"model.loss.feature_matching is {objective.feature_matching:g} but there is no "
                "discriminator: expected 0, or model/discriminator=multiscale and a loss for it"
            )
        if objective.adversarial_weight:
            raise UserError(
                f"model.loss.adversarial_weight is {objective.adversarial_weight:g} but there is "
                "no discriminator: expected 0, or model/discriminator=patchgan model/loss=vanilla"
            )
    elif adversarial is None:
        raise UserError(
            "model.discriminator is set but model.loss.adversarial is null: expected a loss for "
            "it, model/loss=lsgan or model/loss=vanilla, or model/discriminator=none"
        )
    elif adversarial.needs_single_verdicts and any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) for part in discriminator.modules()
    ):
        raise UserError(
            f"{type(adversarial).__name__} holds the slope of the verdict on each picture, which "
            "batch norm makes depend on the others: expected model.discriminator.norm=layer or none"
        )
