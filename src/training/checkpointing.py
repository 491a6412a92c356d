"""Checkpoints that are whole or absent, and that stay right when their folder moves."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from src import files

PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file and renames it; on failure the previous one stays.

    Raises: OSError: if there is no room for it, saying what is left.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        path = Path(path)
        try:
            with files.whole(path) as partial:
                torch.save(checkpoint, partial)
        # torch's own writer turns a full disk into a RuntimeError.
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno not in files.NO_ROOM:
                raise
            left = "the one before it is intact" if path.exists() else "there is none before it"
            raise OSError(
                f"epoch {checkpoint['epoch'] + 1} could not be written to {path}: is the disk "
                f"full? {left.capitalize()}. Make room, then resume"
            ) from error


class Checkpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, which forgets the best score when its folder has moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = {name: self._here(state_dict[name]) for name in PATHS}
        best = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        moved = here | {"best_k_models": best, "dirpath": self.dirpath}
        super().load_state_dict(state_dict | moved)

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else ""
