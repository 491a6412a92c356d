"""Sweeps: jobs that fail without the others, a folder to resume in, and a ranking at the end."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import filelock
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from PIL import Image

from src import errors, files
from src.commands import overrides
from src.errors import UserError
from src.images import write_image
from src.sweeps import page, ranking
from src.training import run_folder

DESCRIPTION = "sweep.json"
SWEEP_DIR = "hydra.sweep.dir"


def is_job() -> bool:
    """Tell whether this process runs a job of a sweep."""
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def run_job(config: DictConfig, train: Callable[[DictConfig], object]) -> float:
    """Run, finish or skip one job of a sweep. Returns: its best figure, the worst where it failed.

    An error is kept for the ranking and does not reach the other jobs.
    """
    folder = Path(config.run.folder)
    if run_folder.read_result(folder).get("status") in ("done", "pruned"):
        print(f"{folder.name}: done before")
    else:
        if (folder / "metrics.csv").exists():
            config.resume = str(folder)
        try:
            train(config)
        except (SystemExit, KeyboardInterrupt):
            print("To resume the sweep: the same command again", flush=True)
            raise
        # Whatever it is, the other jobs can do without it.
        except Exception as error:
            reason = errors.in_one_line(error)
            print(f"error: {reason}", file=sys.stderr)
            run_folder.write_result(folder, "failed", reason=reason)
    worst = math.inf if config.mode == "min" else -math.inf
    return float(run_folder.read_result(folder).get("score", worst))


class Sweep(Callback):
    """Finds the folder of a sweep that was interrupted, and ranks its runs at the end."""

    _lock: filelock.BaseFileLock

    def __getstate__(self) -> dict[str, Any]:
        return {}  # launchers send it to other processes, which have no use for the lock

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        with errors.ending_for_people():
            # Several folders are no value yet, but stand in the command.
            if any(overrides.key_of(typed) == "resume" for typed in config.hydra.overrides.task):
                raise UserError(
                    "resume= resumes one run; a sweep is resumed by the same command again"
                )
            folder, self._lock = _claim_folder(config)
            _describe(folder, config, finished=False)
            config.hydra.sweep.dir = str(folder)
            # Jobs compose anew, from the overrides.
            config.hydra.overrides.hydra.extend(
                [
                    f"{SWEEP_DIR}={overrides.quoted(str(folder))}",
                    _leave_out_of_names(config.hydra.overrides.task),
                ]
            )

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        with errors.ending_for_people():
            folder = Path(config.hydra.sweep.dir)
            runs = ranking.find_runs(folder, config.mode)
            all_ended = all(run.status in ("done", "pruned") for run in runs)
            files.write_text(folder / "sweep.csv", ranking.as_csv(runs, config.monitor))
            page.write(folder, runs, config.monitor, config.mode)
            if any(run.score is not None for run in runs):
                drawn = Image.fromarray(ranking.as_plot(runs, config.monitor))
                write_image(drawn, folder / "sweep.png")
            _describe(folder, config, finished=all_ended)
            self._lock.release()
            print(ranking.as_table(runs, config.monitor, config.mode))
            print(f"The page: {files.from_here(folder / page.PAGE)}")
            print(f"Everything is in {files.from_here(folder)}", flush=True)
        if not all_ended:
            sys.exit(1)


def _claim_folder(config: DictConfig) -> tuple[Path, filelock.BaseFileLock]:
    """Choose the folder of the same sweep that did not end and that no process works in, or a new.

    Returns: the folder, and the lock that keeps other processes out of it.
    """
    new = Path(config.hydra.sweep.dir).absolute()
    for description in sorted(new.parent.glob(f"*/{DESCRIPTION}"), reverse=True):
        if files.read_json(description) == _description(config, finished=False):
            try:
                lock = files.lock(description.parent)
            except BlockingIOError:
                continue  # it runs right now
            print(f"resuming the sweep in {files.from_here(description.parent)}")
            return description.parent, lock
    if not any(overrides.key_of(typed) == SWEEP_DIR for typed in config.hydra.overrides.hydra):
        new = files.claim(new)
    return new, files.lock(new)


def _description(config: DictConfig, *, finished: bool) -> dict[str, Any]:
    # Where the jobs run may change between two starts; what is searched may not.
    searched = [text for text in config.hydra.overrides.hydra if "sweeper" in text]
    return {"overrides": [*config.hydra.overrides.task, *searched], "finished": finished}


def _describe(folder: Path, config: DictConfig, *, finished: bool) -> None:
    files.write_text(folder / DESCRIPTION, json.dumps(_description(config, finished=finished)))


def _leave_out_of_names(overrides: Sequence[str]) -> str:
    """Keep what all jobs share out of the names of their folders, which would be long and alike."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    swept = {one.get_key_element() for one in parsed if one.is_sweep_override()}
    shared = [f"'{key}'" for one in parsed if (key := one.get_key_element()) not in swept]
    return f"hydra.job.config.override_dirname.exclude_keys=[{','.join(shared)}]"
