"""A command that speaks Hydra: its configuration is composed of conf/ and of what was typed."""

import functools
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from src import errors, files, ranks
from src.commands import overrides
from src.errors import UserError, require_whole

RUN_DIR = "hydra.run.dir"


def command(
    name: str, open_nodes: Collection[str] = (), beside_resume: Mapping[str, str] | None = None
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn a task into a command whose defaults are in conf/`name`.yaml.

    Args: open_nodes, beside_resume: as for overrides.for_hydra.
    """

    def of(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
        composed = hydra.main(version_base="1.3", config_path=str(files.CONF), config_name=name)(
            task
        )

        @functools.wraps(task)
        def main() -> None:
            with errors.ending_for_people():
                sys.argv[1:] = overrides.for_hydra(sys.argv[1:], open_nodes, beside_resume)
            composed()

        return main

    return of


def require_given(config: DictConfig, *keys: str) -> None:
    """Refuse a configuration in which a folder is missing. Raises: UserError: naming its key."""
    missing = OmegaConf.missing_keys(config)
    for key in keys:
        if key in missing:
            raise UserError(f"{key} is not given: add {key}=DIR to the command")


def workers(config: DictConfig) -> int:
    """Return num_workers, or as many as the cores allow. Raises: UserError: if it is no number."""
    count = ranks.default_workers() if config.num_workers is None else config.num_workers
    require_whole("num_workers", count, 0)
    return cast(int, count)


class OwnFolder(Callback):
    """Gives each run a folder of its own, however many start in one second."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        with errors.ending_for_people():
            HydraConfig.instance().set_config(config)  # which the folder's name may ask for
            OmegaConf.set_readonly(config.hydra, False)
            if config.hydra.output_subdir is not None:
                _require_text(OmegaConf.to_container(config.hydra.overrides.task))
            folder = Path(config.hydra.run.dir)
            unresolved = OmegaConf.to_container(config.hydra.overrides.hydra)
            typed = [one for one in cast(list[str], unresolved) if overrides.key_of(one) == RUN_DIR]
            if typed and "${" not in typed[-1]:
                # What the task will refuse must not lose its .hydra before.
                if (folder / "metrics.csv").exists() or files.is_locked(folder):
                    config.hydra.output_subdir = None
            elif folder != Path():
                config.hydra.run.dir = str(files.claim(folder))


def _require_text(typed: Any) -> None:
    """Refuse what a run's folder cannot keep, whose files are UTF-8. Raises: UserError."""
    for override in typed:
        try:
            override.encode()
        except UnicodeEncodeError:
            shown = override.encode(errors="backslashreplace").decode()
            raise UserError(
                f"{shown}: a run keeps its settings as text, and this name is none in UTF-8: "
                "rename the file or folder, or give a link to it (ln -s)"
            ) from None
