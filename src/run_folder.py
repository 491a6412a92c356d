"""A run's folder: its name, the configuration it keeps, how it ended, and taking it up again."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import filelock
import yaml
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src import checkpoint, files, ranks
from src.settings import require_whole

CONFIG = Path(".hydra", "config.yaml")
RESULT = "result.json"
LAST = Path("checkpoints", "last.ckpt")
# What the configuration of a stranger's folder may build.
BUILDS = ("lightning.Trainer", "src.tracking.wandb_logger")
BUILDS_CLASSES_OF = ("src", "lightning.pytorch.callbacks", "lightning.pytorch.loggers")
BESIDE_RESUME = ("resume", "trainer.max_epochs")
HYDRAS_OWN = "hydra.mode=RUN"  # which it adds to what was typed

Status = Literal["done", "pruned", "failed"]


def folder_name(overrides: str) -> str:
    """Make one folder's name of a job's overrides: plain characters, no more than a name may have.

    A path with = or , in it could not be given back to Hydra as an override.
    """
    name = re.sub(r"[^\w.+-]+", "_", overrides) or "default"
    if len(name.encode()) <= 200:
        return name
    return f"{name[:60]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def from_here(path: Path) -> Path:
    """Shorten a path below the working directory, for people to copy."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def resume_command(folder: Path) -> str:
    """Return what a person types to go on with the run in `folder`."""
    argument = f"resume={from_here(folder)}"
    if not re.fullmatch(r"[\w./+=-]+", str(from_here(folder))) or "=" in str(from_here(folder)):
        argument = shlex.quote(f"resume='{from_here(folder)}'")  # quoted for Hydra and the shell
    return f"python -m src.train {argument}"


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
    Raises: ValueError: if there are others, there is no such run, its configuration would build
        what this project does not, or it has more epochs than asked for.
    """
    typed = [override for override in overrides if override != HYDRAS_OWN]
    keys = {override.lstrip("+~").split("=")[0]: override for override in typed}
    others = [override for key, override in keys.items() if key not in BESIDE_RESUME]
    if others:
        raise ValueError(
            f"{', '.join(others)}: expected nothing but trainer.max_epochs=N beside resume=, "
            "since a run goes on with its own configuration"
        )
    folder = Path(str(given.resume)).absolute()
    config = _stored_config(folder)
    config.run.folder, config.resume = str(folder), str(folder)
    if "trainer.max_epochs" in keys:
        config.trainer.max_epochs = given.trainer.max_epochs
    require_whole("trainer.max_epochs", config.trainer.max_epochs, max(1, completed(folder)))
    return config


def completed(folder: Path) -> int:
    """Count the epochs that the run in `folder` can go on after. Raises: ValueError."""
    if not (folder / LAST).exists():
        return 0
    epoch = checkpoint.load(folder / LAST).get("epoch")
    if type(epoch) is not int or epoch < 0:
        raise ValueError(f"{folder / LAST} says no epoch: it is not of a run")
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
        for target in _targets(OmegaConf.to_container(config, resolve=True)):
            _require_buildable(target)
    except FileNotFoundError:
        raise ValueError(f"resume={folder}: expected a run's folder, with {CONFIG} in it") from None
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise ValueError(f"{folder / CONFIG} is broken, so start the run anew: {said}") from error
    return config


def _targets(node: object) -> Iterator[object]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _targets(inner)


def _require_buildable(target: object) -> None:
    if target in BUILDS:
        return
    for package in (*BUILDS_CLASSES_OF, checkpoint.OPTIMIZERS):
        if str(target).startswith(f"{package}."):
            checkpoint.class_in(package, str(target))
            return
    raise ValueError(f"the run's configuration would build {target!r}, which is not allowed")


@rank_zero_only
def write_result(folder: Path, status: Status, **more: Any) -> None:
    """Keep how a run ended, for whoever ranks or restarts it."""
    files.write_text(folder / RESULT, json.dumps({"status": status, **more}, indent=1))


def read_result(folder: Path) -> dict[str, Any]:
    """Read how a run ended; empty while it has not."""
    return files.read_json(folder / RESULT)


def lock(folder: Path) -> filelock.BaseFileLock:
    """Keep other processes from working in `folder` until this one ends or releases the lock.

    Raises: ValueError: if another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = filelock.FileLock(folder / ".lock")
    try:
        own.acquire(timeout=0)
    except filelock.Timeout:
        raise ValueError(f"another process is at work in {from_here(folder)}: let it end") from None
    return own


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` during the block; one process does so for all its ranks."""
    own = lock(folder) if ranks.is_zero() else None
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
