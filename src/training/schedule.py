"""What a network's optimiser is given: groups of parameters, and learning rates over time."""

from collections.abc import Sequence
from typing import Any

from torch import nn


def parameter_groups(
    network: nn.Module, lr: float, pretrained: Sequence[nn.Parameter], pretrained_lr_scale: float
) -> list[Any]:
    """Group what is to be trained of a network; `pretrained` learns at lr x pretrained_lr_scale."""
    known = {id(parameter) for parameter in pretrained}
    fresh = [parameter for parameter in network.parameters() if id(parameter) not in known]
    rates = ((fresh, lr), (pretrained, lr * pretrained_lr_scale))
    groups = [([p for p in parameters if p.requires_grad], rate) for parameters, rate in rates]
    return [{"params": trained, "lr": rate} for trained, rate in groups if trained]


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
