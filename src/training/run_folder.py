"""A run's folder: its name, the configuration it keeps, how it ended, and how it is resumed."""

import hashlib
import json
import math
import pydoc
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from src import files, ranks
from src.colorizers import checkpoint
from src.commands.overrides import key_of
from src.data import picture_list
from src.data.picture_list import Listed
from src.errors import UserError, require_number, require_whole
from src.training import launcher

CONFIG = Path(".hydra", "config.yaml")
RESULT = "result.json"
LAST = Path("checkpoints", "last.ckpt")
PARTS = ("run", "data", "model", "trainer", "callbacks", "logger")  # of every configuration
# What may stand beside resume= and replaces what the run was made with, as a person types it.
BESIDE_RESUME = {
    "trainer.max_epochs": "trainer.max_epochs=N",
    "data.root": "data.root=DIR",
    "data.num_workers": "data.num_workers=N",
    "trainer.accelerator": "trainer.accelerator=NAME",
    "trainer.devices": "trainer.devices=N",
    "logger": "logger=NAME",
}

Status = Literal["done", "pruned", "failed"]


def folder_name(overrides: str) -> str:
    """Make one folder's name of a job's overrides: plain characters, no more than a name may have.

    A path with = or , in it could not be given back to Hydra as an override.
    """
    name = re.sub(r"[^\w.+-]+", "_", overrides) or "default"
    if (name == overrides and len(name.encode()) <= 200) or not overrides:
        return name
    # Two jobs whose names would differ only in such characters must not share a folder.
    return f"{name[:60]}_{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"


def resume_command(folder: Path) -> str:
    """Return what a person types to resume the run in `folder`."""
    return files.to_paste("python", "-m", "src.train", f"resume={files.from_here(folder)}")


def self_contained(config: DictConfig) -> DictConfig:
    """Copy a configuration with what it asks Hydra for filled in, since Hydra will be gone.

    Raises: UserError: if that cannot be had.
    """
    copy = OmegaConf.create(cast(Any, OmegaConf.to_container(config)))
    try:
        copy.run = OmegaConf.to_container(config.run, resolve=True)
    except InterpolationResolutionError as error:  # omegaconf keeps only the text of what it met
        raise UserError(str(error).splitlines()[0].partition("interpolation: ")[2]) from error
    return copy


def require_whole_config(config: DictConfig) -> None:
    """Refuse a configuration in which something is to be given. Raises: UserError: naming it."""
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise UserError(f"{missing[0]} is not given: add {missing[0]}=... to the command")


@rank_zero_only
def store_config(config: DictConfig) -> None:
    """Keep what a run is made of, so that its folder is enough to resume it."""
    kept = OmegaConf.merge(config, {"resume": None})
    files.write_text(Path(config.run.folder) / CONFIG, OmegaConf.to_yaml(kept))


def resumed(given: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the configuration that resumes the run in `given.resume`.

    Args:
        given: what the command line composed.
        overrides: the command line's, of BESIDE_RESUME.
    Raises: UserError: if there is no such run, an earlier version made it, or it has more epochs
        than asked for.
    """
    if not given.resume:
        raise UserError("resume= names no folder: expected that of the run to resume")
    folder = Path(str(given.resume)).absolute()
    config = _stored_config(folder)
    config.resume = str(folder)
    keys = {key_of(override) for override in overrides}
    for key in keys.intersection(BESIDE_RESUME) - {"logger"}:
        _override(config, key, OmegaConf.select(given, key))
    if any(key.split(".")[0] == "logger" for key in keys):
        config.logger = given.logger
    if not keys.isdisjoint({"trainer.accelerator", "trainer.devices"}):
        launcher.fit_devices(config.trainer)
    require_whole("trainer.max_epochs", config.trainer.max_epochs, 1)
    done = completed(folder)
    if done and not (folder / picture_list.NAME).exists():
        raise _of_earlier_version(folder, f"it lacks {picture_list.NAME}")
    if done > config.trainer.max_epochs:
        raise UserError(
            f"trainer.max_epochs={config.trainer.max_epochs}: expected at least {done}, since so "
            "many epochs are done already"
        )
    return config


def _override(config: DictConfig, key: str, value: object) -> None:
    part, _, name = key.rpartition(".")
    if name not in OmegaConf.select(config, part):
        raise UserError(f"{key}={value}: the run that is resumed has no such setting")
    OmegaConf.update(config, key, value)


def completed(folder: Path) -> int:
    """Count the epochs after which the run in `folder` can resume. Raises: UserError."""
    if not (folder / LAST).exists():
        return 0
    epoch = checkpoint.load(folder / LAST).get("epoch")
    if type(epoch) is not int or epoch < 0:
        raise UserError(f"{folder / LAST} says no epoch: it is not of a run")
    return epoch + 1


def is_finished(config: DictConfig) -> bool:
    """Tell whether a run has been trained for all its epochs and tested."""
    folder = Path(config.run.folder)
    return read_result(folder).get("status") == "done" and (
        completed(folder) >= config.trainer.max_epochs
    )


def _stored_config(folder: Path) -> DictConfig:
    try:
        config = cast(DictConfig, OmegaConf.load(folder / CONFIG))
        if not OmegaConf.is_dict(config) or not config.keys() >= {*PARTS}:
            raise UserError(
                f"{folder / CONFIG} is broken, so start the run anew: expected {', '.join(PARTS)}"
            )
        config.run.folder = str(folder)
        for target in _targets(OmegaConf.to_container(config)):
            if pydoc.locate(target) is None:
                raise _of_earlier_version(folder, f"its configuration builds {target}")
    except FileNotFoundError:
        raise UserError(f"resume={folder}: expected a run's folder, with {CONFIG} in it") from None
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"{folder / CONFIG} is broken, so start the run anew: {said}") from error
    return config


def _targets(node: object) -> Iterator[str]:
    """Yield the names of all classes that a configuration builds."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        if key == "_target_":
            yield str(value)
        yield from _targets(value)


def _of_earlier_version(folder: Path, sign: str) -> UserError:
    return UserError(
        f"resume={folder}: an earlier version made this run ({sign}), and this one cannot resume "
        "it. Start it anew; its checkpoints still colour, and serve as model.init_generator"
    )


def pictures(folder: Path) -> list[Listed] | None:
    """Read which pictures a run was begun with; None while it has none. Raises: UserError."""
    path = folder / picture_list.NAME
    return picture_list.read(path) if path.exists() else None


@rank_zero_only
def write_result(folder: Path, status: Status, **more: Any) -> None:
    """Keep how a run ended, for whoever ranks or restarts it."""
    files.write_text(folder / RESULT, json.dumps({"status": status, **more}, indent=1))


def read_result(folder: Path) -> dict[str, Any]:
    """Read how a run ended; empty while it has not."""
    return files.read_json(folder / RESULT)


def epoch_crops(rates: str, model: str, minutes: float, epochs: int, batch_size: int) -> int:
    """Return how many crops each of `epochs` has that together take so many minutes.

    Args: rates: a sweep's folder in which `model` was trained with the machine to itself.
    Raises: UserError: if there is no such run, or the crops of an epoch do not fill a batch.
    """
    require_number("minutes", minutes, 0, open_ends=True)
    for config in sorted(Path(rates).glob(f"*/{CONFIG}")):
        rate = read_result(config.parents[1]).get("figures", {}).get("images_per_s")
        if rate is not None and OmegaConf.load(config).run.model == model:
            crops = round(rate * 60 * minutes / epochs)
            if crops < batch_size:
                least = math.ceil(100 * batch_size * epochs / (60 * rate)) / 100
                raise UserError(
                    f"minutes={minutes}: {model} then takes {crops} crops in each of {epochs} "
                    f"epochs, less than a batch of {batch_size}: expected at least {least:g}"
                )
            return crops
    raise UserError(
        f"rates={rates}: expected a run of {model} in it, since its rate tells its budget: "
        "python -m src.train experiment=report_rates data.root=DIR makes one of each"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` during the block; one process does so for all its ranks."""
    own = files.lock(folder) if ranks.is_zero() else None
    try:
        yield
    finally:
        if own is not None:
            own.release()


OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
OmegaConf.register_new_resolver("epoch_crops", epoch_crops, replace=True)
OmegaConf.register_new_resolver(
    # Hydra makes a folder and writes a configuration for every process: only a new run needs them.
    "if_new",
    lambda resume, new, other: new if resume is None and ranks.is_zero() else other,
    replace=True,
)
