"""Weights & Biases, without ever prompting, blocking or failing a run."""

import os
from pathlib import Path
from typing import Any, Literal, cast, get_args

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

Mode = Literal["online", "offline", "disabled"]

# Longer than a slow network needs, short enough that nobody thinks the run hangs.
INIT_TIMEOUT_S = 30
FINISH_TIMEOUT_S = 120
# Lightning's loggers count batches under this name, whatever the number of optimisers.
BATCH_AXIS = "trainer/global_step"
X_AXES = {"train/*": BATCH_AXIS, "val/*": "epoch", "fit/*": "epoch", "test/*": "epoch"}


def wandb_logger(*, project: str, name: str, folder: str, mode: Mode | None) -> WandbLogger | None:
    """Start a W&B run: online where a key is configured and the server answers, else offline.

    Args:
        project: as W&B shows it.
        name: the run's overrides; where it has none, its folder names it.
        folder: the run's folder, in which W&B's files go to wandb/. The folder above groups runs:
            it is that of a sweep, or of all single runs of a model.
        mode: None takes WANDB_MODE, and without it chooses between online and offline.
    Returns: the logger, or None where this process is not the one that logs.
    """
    if cast(Any, rank_zero_only).rank != 0:
        return None
    options: dict[str, Any] = {
        "project": project,
        "name": name or Path(folder).name,
        "group": Path(folder).parent.name,
        "dir": folder,
        "reinit": "finish_previous",  # the jobs of a sweep share a process
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    run = _start(mode or _mode_of_environment() or _reachable_mode(), options)
    for family, axis in X_AXES.items():
        run.define_metric(family, step_metric=axis)
    return WandbLogger(experiment=run)


def finish(*, failed: bool) -> str | None:
    """End the run in progress. Returns: how to upload it, when it was offline."""
    run = wandb.run
    if run is None:
        return None
    folder = Path(run.dir).parent
    was_offline = run.settings.mode == "offline"
    run.finish(exit_code=int(failed))
    return f"wandb sync {from_here(folder)}" if was_offline else None


def from_here(path: Path) -> Path:
    """Shorten a path below the working directory, for people to copy."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _mode_of_environment() -> Mode | None:
    mode = os.environ.get("WANDB_MODE")
    if not mode:
        return None
    return cast(Mode, mode) if mode in get_args(Mode) else "offline"


def _reachable_mode() -> Mode:
    try:
        return "online" if wandb.login(prompt=False) else "offline"
    except wandb.Error as error:
        print(f"W&B: offline, since logging in failed: {error}")
        return "offline"


def _start(mode: Mode, options: dict[str, Any]) -> Any:
    settings = wandb.Settings(
        silent=True,
        init_timeout=INIT_TIMEOUT_S,
        finish_timeout=FINISH_TIMEOUT_S,
        finish_timeout_raises=False,
    )
    try:
        return wandb.init(mode=mode, settings=settings, **options)
    except wandb.Error as error:
        print(f"W&B: offline, since it could not be reached: {error}")
        return wandb.init(mode="offline", settings=settings, **options)
