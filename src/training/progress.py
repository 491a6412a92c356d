"""How fast training goes and how long it will take: a bar, and a line after each validation."""

import math
import sys
import time
from datetime import timedelta
from typing import Any, cast

import lightning
from lightning.pytorch.callbacks import Callback, Timer, TQDMProgressBar

from src import pace


class Throughput(Callback):
    """Log train/images_per_s: pictures over the time that training steps and loading took.

    An epoch's first batch, which waits for loading processes to start, counts only until the next.
    """

    def __init__(self) -> None:
        self._images = 0
        self._start = self._paused = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        self._images, self._start = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self._images += len(batch["name"]) * trainer.world_size
        module.log("train/images_per_s", self._images / (now - self._start), prog_bar=True)
        if batch_idx == 0:
            self._images, self._start = 0, now

    def on_validation_start(self, *_: Any) -> None:
        self._paused = time.perf_counter()

    def on_validation_end(self, *_: Any) -> None:
        self._start += time.perf_counter() - self._paused


class Progress(TQDMProgressBar):
    """A bar on a terminal, in a log a line every half minute, and one after each validation."""

    # Without the share and batches/s, which the rest says better, the losses fit 80 columns.
    BAR_FORMAT = "{desc}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"

    def __init__(self) -> None:
        super().__init__()
        self._start = self._told = 0.0
        self._first_epoch = 0
        if not sys.stdout.isatty():
            self.disable()

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        super().on_train_start(trainer, *_)
        self._start, self._first_epoch = time.perf_counter(), trainer.current_epoch
        self._told = self._start

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer, *_)
        bar = self.train_progress_bar
        bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        super().on_train_batch_end(trainer, *args)
        now = time.perf_counter()
        rate = trainer.callback_metrics.get("train/images_per_s")  # none yet at the first batch
        if self.is_enabled or trainer.global_rank != 0 or rate is None:
            return
        if now - self._told < pace.INTERVAL_S:
            return
        self._told = now
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            f" | batch {done}/{trainer.num_training_batches}"
            f" | {rate:.1f} images/s | {self._time_left(trainer)} left",
            flush=True,
        )

    def get_metrics(self, *args: Any) -> dict[str, Any]:
        metrics = super().get_metrics(*args)
        metrics.pop("v_num", None)
        # What a narrow terminal cuts off stands last.
        shown = {"left": self._time_left(cast(lightning.Trainer, args[0]))}
        if "train/images_per_s" in metrics:
            shown["img/s"] = f"{metrics.pop('train/images_per_s'):.3g}"
        return shown | {name.removeprefix("train/"): value for name, value in metrics.items()}

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        super().on_validation_end(trainer, module)
        if trainer.sanity_checking or trainer.global_rank != 0:
            return
        seen = trainer.callback_metrics
        self._told = time.perf_counter()
        line = (
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            f" | ab-MAE: held out {seen['val/ab_mae']:.2f}"
            f" (zero {seen['val/ab_mae_zero']:.2f}, constant {seen['val/ab_mae_constant']:.2f})"
            f", training {seen['fit/ab_mae']:.2f} (zero {seen['fit/ab_mae_zero']:.2f})"
            f" | {seen['train/images_per_s']:.1f} images/s | {self._time_left(trainer)} left"
        )
        self.print(line) if self.is_enabled else print(line, flush=True)

    def _time_left(self, trainer: lightning.Trainer) -> str:
        batches = trainer.num_training_batches
        if math.isinf(batches):
            return "?"  # before training, as in Lightning's sanity check
        done = (trainer.current_epoch - self._first_epoch) * batches
        done += trainer.fit_loop.epoch_loop.batch_progress.current.completed
        total = ((trainer.max_epochs or 0) - self._first_epoch) * batches
        if not done or total < done:
            return "?"
        seconds = (time.perf_counter() - self._start) * (total - done) / done
        timers = [one for one in cast(Any, trainer).callbacks if isinstance(one, Timer)]
        limits = [limit for one in timers if (limit := one.time_remaining()) is not None]
        return str(timedelta(seconds=round(max(0, min([seconds, *limits])))))
