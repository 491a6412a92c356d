"""Curves of the losses, drawn from metrics.csv."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from src import plots
from src.images import write_image
from src.training import metrics_csv


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
        rows = metrics_csv.read(self.folder / "metrics.csv")
        generator, discriminator, l1, cross_entropy = (
            [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]
            for name in (
                "train/g_loss",
                "train/d_loss",
                "train/g_loss_l1",
                "train/g_loss_cross_entropy",
            )
        )
        if generator:
            term = {"cross-entropy": cross_entropy} if cross_entropy else {"L1": l1}
            drawn = plots.loss_curves(generator, discriminator, term)
            write_image(Image.fromarray(drawn), self.folder / "curves.png")
