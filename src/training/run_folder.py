"""A run's folder: its name, the configuration it keeps, how it ended, and taking it up again."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src import files, ranks
from src.colorizers import checkpoint
from src.errors import UserError, require_whole

CONFIG = Path(".hydra", "config.yaml")
RESULT = "result.json"
LAST = Path("checkpoints", "last.ckpt")
# What the configuration of a stranger's folder may build.
BUILDS = ("lightning.Trainer", "src.training.loggers.wandb_logger")
BUILDS_CLASSES_OF = ("src", "lightning.pytorch.callbacks", "lightning.pytorch.loggers")
# The parts of a configuration that there must be, and the keys of what they write to.
PARTS = ("run", "data", "model", "trainer", "callbacks", "logger")
WRITTEN = ("dirpath", "folder", "default_root_dir")
BESIDE_RESUME = ("resume", "trainer.max_epochs")
HYDRAS_OWN = "hydra.mode=RUN"  # which it adds to what was typed

Status = Literal["done", "pruned", "failed"]


def folder_name(overrides: str) -> str:
    """Make one folder's name of a job's overrides: plain characters, no more than a name may have.

    A path with = or , in it could not be given back to Hydra as an override.
    """
    name = re.sub(r"[^\w.+-]+", "_", overrides) or "default"
    if (name == overrides and len(name.encode()) <= 200) or not overrides:
        return name
    # Two jobs whose names would differ in such characters alone must not share a folder.
    return f"{name[:60]}_{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"


def resume_command(folder: Path) -> str:
    """Return what a person types to go on with the run in `folder`."""
    return files.to_paste("python", "-m", "src.train", f"resume={files.from_here(folder)}")


def self_contained(config: DictConfig) -> DictConfig:
    """Copy a configuration with what it asks Hydra for filled in, since Hydra will be gone."""
    copy = OmegaConf.create(cast(Any, OmegaConf.to_container(config)))
    copy.run = OmegaConf.to_container(config.run, resolve=True)
    return copy


@rank_zero_only
def store_config(config: DictConfig) -> None:
    """Keep what a run is made of, so that its folder alone is enough to go on with it."""
    kept = OmegaConf.merge(config, {"resume": None})
    files.write_text(Path(config.run.folder) / CONFIG, OmegaConf.to_yaml(kept))


def resumed(given: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the configuration that goes on with the run in `given.resume`.

    Args:
        given: what the command line composed.
        overrides: the command line's; of them only trainer.max_epochs may stand beside resume.
    Raises: UserError: if there are others, there is no such run, its configuration would build
        what this project does not, or it has more epochs than asked for.
    """
    typed = [override for override in overrides if override != HYDRAS_OWN]
    keys = {override.lstrip("+~").split("=")[0]: override for override in typed}
    others = [override for key, override in keys.items() if key not in BESIDE_RESUME]
    if others:
        raise UserError(
            f"{', '.join(others)}: expected nothing but trainer.max_epochs=N beside resume=, "
            "since a run goes on with its own configuration"
        )
    if not given.resume:
        raise UserError("resume= names no folder: expected that of the run to go on with")
    folder = Path(str(given.resume)).absolute()
    config = _stored_config(folder)
    config.resume = str(folder)
    if "trainer.max_epochs" in keys:
        config.trainer.max_epochs = given.trainer.max_epochs
    require_whole("trainer.max_epochs", config.trainer.max_epochs, 1)
    done = completed(folder)
    if done > config.trainer.max_epochs:
        raise UserError(
            f"trainer.max_epochs={config.trainer.max_epochs}: expected at least {done}, since so "
            "many epochs are done already"
        )
    return config


def completed(folder: Path) -> int:
    """Count the epochs that the run in `folder` can go on after. Raises: UserError."""
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
        for key, value in _values(OmegaConf.to_container(config, resolve=True)):
            if key == "_target_":
                _require_buildable(value)
        for part in (config.callbacks, config.logger, config.trainer):
            for key, value in _values(OmegaConf.to_container(part, resolve=True)):
                inside = Path(str(value)).resolve().is_relative_to(folder.resolve())
                if key in WRITTEN and value is not None and not inside:
                    raise UserError(f"the run would write to {value}, outside its own folder")
    except FileNotFoundError:
        raise UserError(f"resume={folder}: expected a run's folder, with {CONFIG} in it") from None
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"{folder / CONFIG} is broken, so start the run anew: {said}") from error
    return config


def _values(node: object) -> Iterator[tuple[object, object]]:
    """Yield every key below a node, and its value."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        yield key, value
        yield from _values(value)
    for value in node if isinstance(node, list) else ():
        yield from _values(value)


def _require_buildable(target: object) -> None:
    if target in BUILDS:
        return
    for package in (*BUILDS_CLASSES_OF, checkpoint.OPTIMIZERS):
        if str(target).startswith(f"{package}."):
            checkpoint.class_in(package, str(target))
            return
    raise UserError(f"the run's configuration would build {target!r}, which is not allowed")


@rank_zero_only
def write_result(folder: Path, status: Status, **more: Any) -> None:
    """Keep how a run ended, for whoever ranks or restarts it."""
    files.write_text(folder / RESULT, json.dumps({"status": status, **more}, indent=1))


def read_result(folder: Path) -> dict[str, Any]:
    """Read how a run ended; empty while it has not."""
    return files.read_json(folder / RESULT)


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
OmegaConf.register_new_resolver(
    # Hydra makes a folder and writes a configuration for every process: only a new run needs them.
    "if_new",
    lambda resume, new, other: new if resume is None and ranks.is_zero() else other,
    replace=True,
)
