"""Where figures go: metrics.csv, and Weights & Biases, which never prompts, blocks or fails.

W&B's package takes as long to import as a few training steps: only runs that log there do so.
"""

import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from src import files, ranks
from src.training import metrics_csv

Mode = Literal["online", "offline", "disabled"]

# Longer than a slow network needs, short enough that nobody thinks the run hangs.
INIT_TIMEOUT_S = 30
FINISH_TIMEOUT_S = 120
# Lightning's loggers count batches under this name, whatever the number of optimisers.
BATCH_AXIS = "trainer/global_step"
X_AXES = {"train/*": BATCH_AXIS, "val/*": "epoch", "fit/*": "epoch", "test/*": "epoch"}


class MetricsCsv(Logger):
    """Keeps every figure in metrics.csv, a row on the disk as soon as it is logged.

    Unlike Lightning's CSVLogger it keeps the rows of an interrupted run that is resumed.

    Args: folder: the run's folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        return "metrics.csv"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Do nothing: .hydra/config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {"step": step, **metrics}
        if not row.keys() <= set(self._columns):
            self._columns = metrics_csv.add_columns(self.path, sorted(row))
        metrics_csv.append(self.path, self._columns, row)


def wandb_logger(*, project: str, name: str, folder: str, mode: Mode | None) -> WandbLogger | None:
    """Start a W&B run: online where a key is configured and the server answers, else offline.

    Online, a resumed run stays the same W&B run. Offline it cannot: a second run in the same
    group takes over.

    Args:
        project: as W&B shows it.
        name: the run's overrides; where it has none, its folder names it.
        folder: the run's folder, in which W&B's files go to wandb/. The folder above groups runs:
            it is that of a sweep, or of all single runs of a model.
        mode: None takes WANDB_MODE, and without it chooses between online and offline.
    Returns: the logger, or None where this process is not the one that logs.
    """
    if not ranks.is_zero():
        return None
    options: dict[str, Any] = {
        "project": project,
        "name": name or Path(folder).name,
        "group": Path(folder).parent.name,
        "dir": folder,
        "reinit": "finish_previous",  # the jobs of a sweep share a process
    }
    run = _start(mode or _mode_of_environment() or _reachable_mode(), options)
    for family, axis in X_AXES.items():
        run.define_metric(family, step_metric=axis)
    return WandbLogger(experiment=run)


def finish(*, failed: bool) -> str | None:
    """End the run in progress. Returns: how to upload it, when it was offline."""
    wandb: Any = sys.modules.get("wandb")
    run = wandb and wandb.run
    if run is None:
        return None
    folder = Path(run.dir).parent
    was_offline = run.settings.mode == "offline"
    run.finish(exit_code=int(failed))
    return files.to_paste("wandb", "sync", files.from_here(folder)) if was_offline else None


def _mode_of_environment() -> Mode | None:
    mode = os.environ.get("WANDB_MODE")
    if not mode:
        return None
    return cast(Mode, mode) if mode in get_args(Mode) else "offline"


def _reachable_mode() -> Mode:
    import wandb

    try:
        return "online" if wandb.login(prompt=False) else "offline"
    except wandb.Error as error:
        print(f"W&B: offline, since logging in failed: {error}")
        return "offline"


def _start(mode: Mode, options: dict[str, Any]) -> Any:
    import wandb

    settings = wandb.Settings(
        silent=True,
        init_timeout=INIT_TIMEOUT_S,
        finish_timeout=FINISH_TIMEOUT_S,
        finish_timeout_raises=False,
    )
    # Known before the first step, so that a run that is killed can be found again.
    id_file = Path(options["dir"]) / "wandb" / "run_id.txt"
    resumed_id = id_file.read_text() if id_file.is_file() else None
    run_id = resumed_id or uuid.uuid4().hex[:8]
    try:
        if mode == "online":
            files.write_text(id_file, run_id)
            return wandb.init(mode=mode, settings=settings, id=run_id, resume="allow", **options)
    except wandb.Error as error:
        if resumed_id is None:
            id_file.unlink()
        print(f"W&B: offline, since it could not be reached: {error}")
        mode = "offline"
    id_file.parent.mkdir(parents=True, exist_ok=True)
    return wandb.init(mode=mode, settings=settings, id=uuid.uuid4().hex[:8], **options)
