"""Ending runs of a sweep early that do worse than their siblings."""

import statistics
from pathlib import Path
from typing import Any, cast

import lightning
from lightning.pytorch.callbacks import Callback

from src.errors import require_whole
from src.training import metrics_csv


class Pruning(Callback):
    """Ends a run of a sweep whose best figure is worse than the median of its siblings' by then.

    Source: the median stopping rule of Golovin et al. 2017 (Google Vizier), here on the best figure
    so far, since a GAN's figures jump.

    Args:
        folder: the run's folder; its siblings lie beside it.
        monitor, mode: the figure, and whether the lowest (min) or the highest (max) is the best.
        min_runs: siblings that must have come as far.
        min_epochs: epochs that every run gets.
    """

    def __init__(
        self, *, folder: str, monitor: str, mode: str, min_runs: int, min_epochs: int
    ) -> None:
        require_whole("callbacks.pruning.min_runs", min_runs, 1)
        require_whole("callbacks.pruning.min_epochs", min_epochs, 1)
        self.folder = Path(folder)
        self.monitor = monitor
        self.sign = 1 if mode == "min" else -1
        self.min_runs = min_runs
        self.min_epochs = min_epochs

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        epochs = trainer.current_epoch + 1
        is_last = epochs == trainer.max_epochs
        pruned = False
        if trainer.is_global_zero and epochs >= self.min_epochs and not is_last:
            siblings = list(self.folder.parent.glob("*/metrics.csv"))
            bests = [self._best(path, epochs) for path in siblings if path.parent != self.folder]
            known = [best for best in bests if best is not None]
            best = self._best(self.folder / "metrics.csv", epochs)
            if best is not None and len(known) >= self.min_runs:
                pruned = best > statistics.median(known)
        if trainer.strategy.broadcast(pruned):
            cast(Any, trainer).pruned = True  # which the run's result tells
            trainer.should_stop = True

    def _best(self, metrics: Path, epochs: int) -> float | None:
        """The best figure of the first epochs, signed so that less is better; None if too few."""
        rows = [row for row in metrics_csv.read(metrics) if row.get(self.monitor)]
        if not rows or int(rows[-1]["epoch"]) + 1 < epochs:
            return None
        return min(
            self.sign * float(row[self.monitor]) for row in rows if int(row["epoch"]) < epochs
        )
