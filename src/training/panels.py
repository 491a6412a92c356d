"""Panels of pictures: what the network makes of the same ones as training proceeds."""

from pathlib import Path
from typing import Any, cast

import lightning
import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy import ndarray
from PIL import Image
from torch.utils.data import default_collate

from src import color, plots
from src.data.datamodule import ColorizationData
from src.errors import require_whole
from src.images import write_image
from src.training.module import ColorizationModule

TEST_PANEL = "test.png"  # bare rows of TEST_PICTURES squares: grey, coloured by best.ckpt, truth
TEST_PICTURES = 8


class Panels(Callback):
    """After each validation, the same pictures: grey, predicted, truth; and at last test pictures.

    Args:
        folder: where `epoch_0001.png` and so on, and TEST_PANEL, go.
        count: pictures from training, and as many that were held out.
        attention: also where the network looks, white most of all, if it has such maps.
    """

    def __init__(self, folder: str, count: int = 4, attention: bool = False) -> None:
        require_whole("callbacks.panels.count", count, 1)
        self.folder = Path(folder)
        self.count = count
        self.attention = attention
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
        if trainer.sanity_checking or cast(Any, trainer).fast_dev_run:
            return
        epoch = trainer.current_epoch + 1
        grid = self._draw(module, f"epoch {epoch}")
        write_image(Image.fromarray(grid), self.folder / f"epoch_{epoch:04d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                import wandb

                # No step: Lightning's is counted twice with two optimisers.
                logger.experiment.log({"panel": wandb.Image(grid), "epoch": trainer.current_epoch})

    @rank_zero_only
    def on_test_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        if cast(Any, trainer).fast_dev_run:
            return
        data = cast(ColorizationData, cast(Any, trainer).datamodule)
        shown = data.eval_pictures("test", TEST_PICTURES)
        rgb = default_collate([shown[i]["rgb"] for i in range(len(shown))])
        L, ab = color.uint8_to_L_ab(rgb.to(module.device))
        predicted = module.inference_generator(L, *module.hints(ab, 0)).float()
        rows = [color.L_ab_to_uint8(L, own) for own in (torch.zeros_like(ab), predicted, ab)]
        bare = torch.stack(rows).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
        write_image(Image.fromarray(bare.cpu().numpy()), self.folder / TEST_PANEL)

    def _draw(self, module: ColorizationModule, title: str) -> UInt8[ndarray, "h w 3"]:
        L, ab = color.uint8_to_L_ab(self._rgb.to(module.device))
        generator = module.inference_generator
        predicted = generator(L, *module.hints(ab, 0)).float()
        rows = {"grey": torch.zeros_like(ab), "predicted": predicted, "truth": ab}
        shown = {name: color.L_ab_to_uint8(L, value) for name, value in rows.items()}
        for name, weights in (generator.attention(L) if self.attention else {}).items():
            shown[name] = (255 * weights).round().byte().expand(-1, 3, -1, -1)
        pictures = {
            name: list(value.permute(0, 2, 3, 1).cpu().numpy()) for name, value in shown.items()
        }
        return plots.picture_grid(pictures, self._columns, title)
