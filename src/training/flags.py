"""What of Lightning's Trainer a person may set, and what a run of this project has no use for."""

import difflib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning
from hydra.errors import InstantiationException

from src.errors import UserError, require, require_one_of, require_whole
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
    longest = trainer["max_time"]
    is_time = longest is None or isinstance(longest, Mapping) or str(longest).count(":") == 3
    require(is_time, "trainer.max_time", longest, "days:hours:minutes:seconds, such as 00:00:10:00")
    for name in ("detect_anomaly", "enable_model_summary"):
        require(isinstance(trainer[name], bool), f"trainer.{name}", trainer[name], "true or false")
    fast = trainer["fast_dev_run"]
    require(
        isinstance(fast, int), "trainer.fast_dev_run", fast, "true, false or a count of batches"
    )
    for name in ("num_nodes", "log_every_n_steps"):
        require_whole(f"trainer.{name}", trainer[name], 1)


@contextmanager
def named() -> Iterator[None]:
    """Turn what Lightning says of a flag's value into a UserError."""
    try:
        yield
    except InstantiationException as error:
        said = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(f"conf/trainer: {said}") from error
    except ValueError as error:
        last = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
        if not last.f_globals["__name__"].startswith("lightning."):
            raise
        raise UserError(f"conf/trainer: {error}") from error
