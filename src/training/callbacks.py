"""What is shown while training: progress, panels of pictures, curves."""

import math
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import lightning
import torch
import wandb
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy import ndarray
from PIL import Image
from torch.utils.data import default_collate

from src import color, plots
from src.data.datamodule import ColorizationData
from src.errors import require_whole
from src.images import write_image
from src.training.loggers import read_metrics
from src.training.module import ColorizationModule


class Throughput(Callback):
    """Log train/images_per_s: pictures over the time that training steps and loading took."""

    def __init__(self) -> None:
        self._images = 0
        self._start = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        self._images, self._start = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._images += len(batch["name"]) * trainer.world_size
        rate = self._images / (time.perf_counter() - self._start)
        module.log("train/images_per_s", rate, prog_bar=True)


class Progress(TQDMProgressBar):
    """A progress bar where there is a terminal, and a line after each validation everywhere."""

    # Without the share and batches/s, which the rest says better, the losses fit 80 columns.
    BAR_FORMAT = "{desc}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"

    def __init__(self) -> None:
        super().__init__()
        self._start = 0.0
        self._first_epoch = 0
        if not sys.stdout.isatty():
            self.disable()

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        super().on_train_start(trainer, *_)
        self._start, self._first_epoch = time.perf_counter(), trainer.current_epoch

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer, *_)
        bar = self.train_progress_bar
        bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

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
        return str(timedelta(seconds=round(seconds)))


class Panels(Callback):
    """After each validation, the same pictures: grey, predicted, truth.

    Args:
        folder: where `epoch_0001.png` and so on go.
        count: pictures from training, and as many that were held out.
    """

    def __init__(self, folder: str, count: int = 4) -> None:
        require_whole("callbacks.panels.count", count, 1)
        self.folder = Path(folder)
        self.count = count
        self._rgb = torch.empty(0, 3, 1, 1, dtype=torch.uint8)
        self._columns: list[str] = []

    @rank_zero_only
    def on_fit_start(self, trainer: lightning.Trainer, module: Any) -> None:
        data = cast(ColorizationData, cast(Any, trainer).datamodule)
        seen, held_out = (data.eval_pictures(s, self.count) for s in ("train", "val"))
        samples = [source[i] for source in (seen, held_out) for i in range(len(source))]
        self._rgb = default_collate([sample["rgb"] for sample in samples])
        self._columns = ["training"] * len(seen) + ["held out"] * len(held_out)

    @rank_zero_only
    def on_validation_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        if trainer.sanity_checking:
            return
        epoch = trainer.current_epoch + 1
        grid = self._draw(module, f"epoch {epoch}")
        write_image(Image.fromarray(grid), self.folder / f"epoch_{epoch:04d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                # No step: Lightning's is counted twice with two optimisers.
                logger.experiment.log({"panel": wandb.Image(grid), "epoch": trainer.current_epoch})

    def _draw(self, module: ColorizationModule, title: str) -> UInt8[ndarray, "h w 3"]:
        L, ab = color.uint8_to_L_ab(self._rgb.to(module.device))
        predicted = module.inference_generator(L).float()
        rows = {"grey": torch.zeros_like(ab), "predicted": predicted, "truth": ab}
        pictures = {
            name: list(color.L_ab_to_uint8(L, value).permute(0, 2, 3, 1).cpu().numpy())
            for name, value in rows.items()
        }
        return plots.picture_grid(pictures, self._columns, title)


class Curves(Callback):
    """Draw the losses from metrics.csv when training ends, however it ends.

    Args: folder: the run's folder, with metrics.csv; curves.png goes beside it.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer: lightning.Trainer, module: Any) -> None:
        self._draw()

    def on_exception(self, trainer: lightning.Trainer, *_: Any) -> None:
        with suppress(OSError):  # a full disk has been told of already
            self._draw()

    @rank_zero_only
    def _draw(self) -> None:
        rows = read_metrics(self.folder / "metrics.csv")
        generator, discriminator, l1 = (
            [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]
            for name in ("train/g_loss", "train/d_loss", "train/g_loss_l1")
        )
        if l1:
            drawn = plots.loss_curves(generator, discriminator, l1)
            write_image(Image.fromarray(drawn), self.folder / "curves.png")


class EndAtSigterm(Callback):
    """Lets SIGTERM end a rank at once.

    Lightning's own handler tells the other ranks by a collective, while they may be in another one.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)

    def on_test_start(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)
