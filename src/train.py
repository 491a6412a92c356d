"""Train a colouriser: compose -> fit -> test.

python -m src.train model=unet_gan data=folder data.root=DIR trainer=gpu
"""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import hydra
import lightning
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src import report, tracking
from src.colorizer import Colorizer
from src.data import ColorizationData

CONF = str(Path(__file__).resolve().parents[1] / "conf")
# What a person can mend: it ends with one line instead of a traceback.
EXPECTED_ERRORS = (
    ArithmeticError,
    InstantiationException,
    MisconfigurationException,
    OmegaConfBaseException,
    OSError,
    torch.OutOfMemoryError,
    ValueError,
)


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def main(config: DictConfig) -> None:
    try:
        train(config)
    except EXPECTED_ERRORS as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        cause = error.__cause__ if isinstance(error, InstantiationException) else None
        print(f"error: {' '.join(str(cause or error).split())}", file=sys.stderr)
        sys.exit(1)


def train(config: DictConfig) -> dict[str, float]:
    """Run one experiment and leave its folder. Returns: the test figures by name."""
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ValueError(f"{missing[0]} is not given: add {missing[0]}=... to the command")
    _quieten()
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data: ColorizationData = instantiate(config.data)
    model: Colorizer = instantiate(config.model)
    trainer: lightning.Trainer = instantiate(
        config.trainer,
        callbacks=_instantiate_each(config.callbacks),
        logger=_instantiate_each(config.logger),
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(cast(Any, OmegaConf.to_container(config, resolve=True)))
    try:
        trainer.fit(model, datamodule=data)
        fit = {name: float(value) for name, value in trainer.callback_metrics.items()}
        [figures] = trainer.test(
            model, datamodule=data, ckpt_path="best", weights_only=True, verbose=False
        )
    finally:
        upload = tracking.finish()
    if trainer.is_global_zero:
        print(report.fit_line(fit, len(data.eval_pictures("train", data.fit_images))))
        print(report.test_table(figures, f"{config.run.model}, best.ckpt", data.protocol))
        _say_what_next(tracking.from_here(Path(config.run.folder)), data.next_step, upload)
    return dict(figures)


def _instantiate_each(nodes: DictConfig) -> list[Any]:
    made = instantiate(nodes, _convert_="all").values()
    return [one for one in made if one is not None]


def _say_what_next(folder: Path, next_step: str | None, upload: str | None) -> None:
    best = folder / "checkpoints" / "best.ckpt"
    if next_step:
        print(next_step)
    if upload:
        print(f"W&B was offline; to upload: {upload}")
    print(f"To colour a photo: python -m src.colorize PHOTO --checkpoint {best} --output out/")
    print(f"Everything is in {folder}")


def _quieten() -> None:
    # Lightning's advertisements and its notes on what the configuration chose on purpose.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*log_every_n_steps.*",
        ".*is not empty.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main()
