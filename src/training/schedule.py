"""How weights move: groups of parameters, learning rates over time, the moving average."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


def parameter_groups(
    network: nn.Module, lr: float, pretrained: Sequence[nn.Parameter], pretrained_lr_scale: float
) -> list[dict[str, Any]]:
    """Group what is to be trained of a network; `pretrained` learns at lr x pretrained_lr_scale.

    Biases and the factors of batch norm do not decay: what they scale has no size of its own.
    """
    known = {id(parameter) for parameter in pretrained}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            kind = id(parameter) in known, parameter.ndim > 1
            groups.setdefault(kind, []).append(parameter)
    return [
        {"params": own, "lr": lr * (pretrained_lr_scale if slow else 1)}
        | ({} if decays else {"weight_decay": 0.0})
        for (slow, decays), own in sorted(groups.items())
    ]


def rate(epoch: float, epochs: int, decay_share: float, warmup_epochs: float) -> float:
    """Return the share of the learning rate: a linear rise, a plateau, a linear fall to 0.

    Args:
        epoch: completed epochs, and the completed share of the current one.
        epochs: of the whole training; under 1 where nobody knows.
        decay_share: of the epochs, at their end, over which it falls.
        warmup_epochs: over which it rises.
    """
    rise = min(1.0, epoch / warmup_epochs) if warmup_epochs else 1.0
    if not decay_share or epochs < 1:
        return rise
    return min(rise, max(0.0, epochs - epoch) / (decay_share * epochs))


def averaging(decay: float, *, learnt: bool) -> Callable[[Any, Any, Any], None]:
    """Return how a moving average takes a step, as `AveragedModel` asks for it.

    Unless the network had learnt before, it forgets faster at first, by (1 + n) / (10 + n) after n
    steps: what a network was before it knew anything would otherwise stay in it for 1 / (1 - decay)
    steps. A network that is trained on does better with what it was left in the average
    (Wortsman et al. 2022, arXiv:2109.01903).
    """

    @torch.no_grad()
    def average(averaged: Any, current: Any, steps: Any) -> None:
        kept = decay if learnt else min(decay, (1 + int(steps)) / (10 + int(steps)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - kept)
        else:  # counters
            torch._foreach_copy_(averaged, current)

    return average


@dataclass
class Plateau:
    """Divides the learning rate by ten each time that a figure has stopped falling.

    Attributes:
        patience: how many figures in a row that are no new lowest one end the patience.
        share: of the learning rate.
        lowest, stalled: the lowest figure, and how many came since.
    """

    patience: int
    share: float = 1.0
    lowest: float = math.inf
    stalled: int = 0

    def see(self, figure: float) -> None:
        self.stalled = 0 if figure < self.lowest else self.stalled + 1
        self.lowest = min(self.lowest, figure)
        if self.stalled == self.patience:
            self.share, self.stalled = self.share / 10, 0
