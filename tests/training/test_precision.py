from collections.abc import Callable
from pathlib import Path
from typing import Any

import kornia.color  # noqa: F401  whose import makes tables of float64, on the CPU
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from src.training.experiment import train


class NoFloat64(TorchDispatchMode):
    """Fails where an operation gives float64, which Apple's GPUs do not have."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        found = [one for one in tree_leaves(given) if isinstance(one, Tensor)]
        assert all(one.dtype != torch.float64 for one in found), f"float64 of {func}"
        return given


@pytest.mark.parametrize("model", ["unet_gan", "lite0_classes_rebalanced"])
def test_no_part_of_a_training_needs_float64(
    configure: Callable[..., DictConfig], photos: Path, model: str
) -> None:
    asked = ("model.ema_decay=0.9", "model.clip_grad_norm=1", "data.tone=0.2")
    config = configure(f"model={model}", "data=folder", f"data.root={photos}", *asked)
    with NoFloat64():
        figures = train(config)
    assert figures["test/ab_mae"] > 0
