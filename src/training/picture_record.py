"""Keeping which pictures a run was trained and selected on, in its folder and its checkpoints."""

from pathlib import Path
from typing import Any, cast

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from src import ranks
from src.colorizers import checkpoint
from src.data import picture_list
from src.data.datamodule import ColorizationData
from src.data.picture_list import TrainedOn


class PictureRecord(Callback):
    """Writes pictures.csv when training begins, and its hashes into every checkpoint.

    Args: folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / picture_list.NAME
        self.trained_on = TrainedOn.of(())

    def setup(self, trainer: lightning.Trainer, module: Any, stage: str) -> None:
        if stage != "fit":
            return
        data = cast(ColorizationData, cast(Any, trainer).datamodule)
        self.trained_on = TrainedOn.of(data.listed)
        if ranks.is_zero() and data.recorded is None:
            picture_list.write(data.listed or (), self.path)
        start = module.hparams["init_generator"] or module.hparams["init_encoder"]
        if start and trainer.ckpt_path is None:
            before = TrainedOn.read(checkpoint.load(Path(start)))
            self.trained_on |= before
            tested = [one for one in data.listed or () if one.split == "test"]
            known = before.count(tested)
            if known:
                rank_zero_only(print)(
                    f"{start} was trained or selected on {known} of the {len(tested)} test "
                    "pictures, so that test figures flatter; src.evaluate leaves such pictures out"
                )

    def on_save_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        self.trained_on.write(checkpoint)

    def on_load_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        self.trained_on |= TrainedOn.read(checkpoint)
