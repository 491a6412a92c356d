"""Train a colouriser: compose -> fit -> test.

python -m src.train model=unet_gan data=folder data.root=DIR trainer=gpu
"""

import hashlib
import logging
import os
import re
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

from src import metrics, report, tracking
from src.colorizer import Colorizer
from src.data import ColorizationData
from src.settings import require_one_of

CONF = str(Path(__file__).resolve().parents[1] / "conf")
# What a person can mend: it ends with one line instead of a traceback.
EXPECTED_ERRORS = (
    ArithmeticError,
    InstantiationException,
    MisconfigurationException,
    OmegaConfBaseException,
    OSError,
    torch.OutOfMemoryError,
    TypeError,
    ValueError,
)
PRECISIONS = ("32-true", "bf16-mixed")


def folder_name(overrides: str) -> str:
    """Make one folder's name of a job's overrides: plain characters, no more than a name may have.

    A path with = or , in it could not be given back to Hydra as an override.
    """
    name = re.sub(r"[^\w.+-]+", "_", overrides) or "default"
    if len(name.encode()) <= 200:
        return name
    return f"{name[:60]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def main(config: DictConfig) -> None:
    try:
        train(config)
    except EXPECTED_ERRORS as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        cause = error.__cause__ if isinstance(error, InstantiationException) else None
        said = str(cause or error)
        if "Original Traceback" in said:  # of a loading process: its last line says what happened
            said = said.strip().splitlines()[-1]
        print(f"error: {' '.join(said.split())}", file=sys.stderr)
        sys.exit(1)


def train(config: DictConfig) -> dict[str, float]:
    """Run one experiment and leave its folder. Returns: the test figures by name.

    Raises: ValueError: if the configuration makes no sense.
    """
    folder = Path(config.run.folder)
    _check(config, folder)
    _quieten()
    data: ColorizationData = instantiate(config.data)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    model: Colorizer = instantiate(config.model)
    trainer: lightning.Trainer = instantiate(
        config.trainer,
        callbacks=_instantiate_each(config.callbacks),
        logger=_instantiate_each(config.logger),
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(cast(Any, OmegaConf.to_container(config, resolve=True)))
    ended = False
    try:
        trainer.fit(model, datamodule=data)
        fit = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures = _test(trainer, model, data)
        ended = True
    finally:
        upload = tracking.finish(failed=not ended)
        if not ended and trainer.is_global_zero:
            print(f"The run stopped early. What it made is in {tracking.from_here(folder)}")
    if trainer.is_global_zero:
        print(report.fit_line(fit, len(data.eval_pictures("train", data.fit_images))))
        if figures:
            print(report.test_table(figures, f"{config.run.model}, best.ckpt", data.protocol))
        print(report.closing(tracking.from_here(folder), data.next_step, upload))
    return figures


def _check(config: DictConfig, folder: Path) -> None:
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ValueError(f"{missing[0]} is not given: add {missing[0]}=... to the command")
    if (folder / "metrics.csv").exists():
        raise ValueError(f"{folder} holds another run: choose another hydra.run.dir")
    # Lightning would clip scaled gradients in 16-mixed, and Lab needs float32 around it.
    require_one_of("trainer.precision", config.trainer.precision, PRECISIONS)
    known = [f"{subset}/{name}" for subset in ("val", "fit") for name in metrics.COLORING]
    require_one_of("monitor", config.monitor, known)


def _test(trainer: lightning.Trainer, model: Colorizer, data: ColorizationData) -> dict[str, float]:
    if not cast(Any, trainer.checkpoint_callback).best_model_path:
        raise ValueError(
            "training ended before a validation, so there is no best.ckpt: raise "
            "trainer.max_epochs, or check the limits and intervals of the trainer"
        )
    tested = trainer.test(
        model, datamodule=data, ckpt_path="best", weights_only=True, verbose=False
    )
    return dict(tested[0]) if tested else {}


def _instantiate_each(nodes: DictConfig) -> list[Any]:
    made = instantiate(nodes, _convert_="all").values()
    return [one for one in made if one is not None]


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
