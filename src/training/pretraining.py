"""Pretraining an encoder from its configuration to its folder."""

import csv
import io
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from hydra.utils import instantiate
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from src import color, files, plots
from src.colorizers import checkpoint
from src.data import picture_list
from src.data.datamodule import ColorizationData
from src.data.picture_list import TrainedOn
from src.errors import UserError, require, require_whole
from src.images import write_image
from src.training import flags, launcher, run_folder
from src.training.autoencoders import StackedAutoencoders
from src.training.experiment import quieten

ENCODER, PANEL, METRICS = "encoder.ckpt", "panel.png", "metrics.csv"
SHOWN = 4  # pictures of the panel from training, and as many that were held out


def pretrain(config: DictConfig) -> Path:
    """Train an encoder and leave its folder, all at once at the end. Returns: its checkpoint.

    Raises: UserError: if the configuration makes no sense, or training ends too early.
    """
    config = run_folder.self_contained(config)
    folder = Path(config.run.folder)
    _check(config, folder)
    with run_folder.locked(folder), launcher.ending_by_ctrl_c():
        quieten()
        data: ColorizationData = instantiate(config.data)
        data.overfit_batches = config.trainer.overfit_batches
        lightning.seed_everything(config.seed, workers=True, verbose=False)
        described = cast(
            dict[str, Any], OmegaConf.to_container(config.model.generator, resolve=True)
        )
        generator = checkpoint.build_generator(described)
        epochs = config.trainer.max_epochs
        stack = StackedAutoencoders(generator, noise=config.noise, lr=config.lr, epochs=epochs)
        _fit(stack, data, config.trainer)
        content: dict[str, Any] = {
            "hyper_parameters": {"generator": described, "image_size": data.image_size},
            "state_dict": {
                f"{checkpoint.ENCODER_PREFIX}{key}": weight.cpu()
                for key, weight in checkpoint.encoder_weights(generator).items()
            },
        }
        TrainedOn.of(data.listed).write(content)
        picture_list.write(data.listed or (), folder / picture_list.NAME)
        files.write_text(folder / METRICS, _metrics(stack))
        _draw(stack, data, folder / PANEL)
        saved = io.BytesIO()
        torch.save(content, saved)
        with files.whole(folder / ENCODER) as partial:
            partial.write_bytes(saved.getvalue())
    return folder / ENCODER


def _check(config: DictConfig, folder: Path) -> None:
    run_folder.require_whole_config(config)
    if (folder / ENCODER).exists():
        raise UserError(f"{folder} holds another encoder: choose another hydra.run.dir")
    trainer = config.trainer
    flags.check(trainer)
    require_whole("trainer.max_epochs", trainer.max_epochs, 1)
    fast = trainer.fast_dev_run
    require(not fast, "trainer.fast_dev_run", fast, "false; trainer.limit_train_batches=1 is fast")
    alone = not str(trainer.strategy).startswith("ddp")
    require(alone, "trainer.strategy", trainer.strategy, "auto: src.pretrain has one process")
    launcher.must_be_launched(trainer)


def _fit(stack: StackedAutoencoders, data: ColorizationData, config: DictConfig) -> None:
    epochs = config.max_epochs * len(stack.stack)
    with flags.named():
        trainer: lightning.Trainer = instantiate(
            config,
            max_epochs=epochs,
            callbacks=[launcher.EndAtSigterm()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            overfit_batches=0.0,  # which data has seen to: Lightning would replace its loaders
        )
    try:
        with flags.named():
            trainer.fit(stack, datamodule=data)
        if trainer.current_epoch < epochs:
            raise UserError(
                f"training ended in layer {stack.number + 1} of {len(stack.stack)}: raise "
                "trainer.max_time, or check the limits of the trainer"
            )
    except BaseException:
        print("Pretraining stopped early: it leaves no encoder, and does not resume", flush=True)
        raise


def _metrics(stack: StackedAutoencoders) -> str:
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(("layer", "train/not_rebuilt", "val/not_rebuilt"))
    writer.writerows(stack.history)
    return rows.getvalue()


def _draw(stack: StackedAutoencoders, data: ColorizationData, path: Path) -> None:
    stack.eval()
    seen, held_out = (data.eval_pictures(subset, SHOWN) for subset in ("train", "val"))
    samples = [source[i] for source in (seen, held_out) for i in range(len(source))]
    L, _ = color.uint8_to_L_ab(default_collate([sample["rgb"] for sample in samples]))
    rows = {"grey": L} | {
        f"from layer {depth}": stack.rebuilt(L.to(stack.device), depth).float().cpu()
        for depth in range(1, len(stack.stack) + 1)
    }
    pictures = {name: [*_grey(values)] for name, values in rows.items()}
    columns = ["training"] * len(seen) + ["held out"] * len(held_out)
    drawn = plots.picture_grid(pictures, columns, "")
    write_image(Image.fromarray(drawn), path)


def _grey(L: Float[Tensor, "b 1 h w"]) -> Any:
    shown = color.L_ab_to_uint8(L.clamp(-1, 1), torch.zeros_like(L).expand(-1, 2, -1, -1))
    return shown.permute(0, 2, 3, 1).numpy()
