"""What of Lightning's Trainer a person may set, and what a run of this project has no use for."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import lightning

from src.errors import UserError, require, require_one_of
from src.training import launcher

PRECISIONS = ("32-true", "bf16-mixed")
STEPS = "Lightning counts the steps of both optimisers: trainer.max_epochs says how long"
CLIPPING = "each network's gradients are clipped separately: model.clip_grad_norm"
# Why each cannot be set, and what to do instead.
REFUSED = {
    "accumulate_grad_batches": "each optimiser steps after every batch: data.batch_size is larger",
    "barebones": "it leaves out what a run is judged by: trainer.fast_dev_run=true keeps nothing",
    "callbacks": "callbacks stand in conf/callbacks: callbacks.NAME._target_=... adds one",
    "enable_checkpointing": "the test judges best.ckpt: trainer.fast_dev_run=true keeps nothing",
    "enable_progress_bar": "the bar is a callback: ~callbacks.progress leaves it out",
    "gradient_clip_algorithm": CLIPPING,
    "gradient_clip_val": CLIPPING,
    "logger": "loggers stand in conf/logger: logger=csv or logger=wandb",
    "max_steps": STEPS,
    "min_steps": STEPS,
    "plugins": "a run's own plugin keeps its checkpoints whole",
}


def check(trainer: Mapping[str, Any]) -> None:
    """Refuse flags that Lightning's Trainer does not have, or that would not do what they say.

    Raises: UserError: naming the flag, and what to set instead.
    """
    known = inspect.signature(lightning.Trainer).parameters
    for name, value in trainer.items():
        if name == "_target_":
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f": is trainer.{near[0]} meant?" if near else ""
            raise UserError(f"Lightning's Trainer has no trainer.{name}{hint}")
        if name in REFUSED and value != known[name].default:
            raise UserError(f"trainer.{name}={value} is not taken, since {REFUSED[name]}")
    # Lightning would clip scaled gradients in 16-mixed, and Lab needs float32 around it.
    require_one_of("trainer.precision", trainer["precision"], PRECISIONS)
    synchronised = trainer["sync_batchnorm"]
    if launcher.trains_on_cpu(trainer):
        require(not synchronised, "trainer.sync_batchnorm", synchronised, "false on the CPU")
    few = trainer["overfit_batches"]
    is_share = isinstance(few, float) and 0 <= few <= 1
    is_count = isinstance(few, int) and not isinstance(few, bool) and few >= 0
    expected = "a number of batches, or a share of them in [0.0, 1.0]"
    require(is_share or is_count, "trainer.overfit_batches", few, expected)
