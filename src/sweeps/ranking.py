"""The runs of a sweep, ranked by their best figure, with mean and spread over seeds."""

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from src import plots
from src.training import run_folder

Mode = str  # min: the lowest figure is the best one; max: the highest
SEED = "seed"
# Columns of test figures: the network's, and those of colourisers without one.
TESTED = {"": 16, "_zero": 10, "_constant": 10}


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        settings: what it was overridden with, without what all runs of the sweep share.
        status: done, pruned, failed, or unfinished.
        reason: why it failed.
        score: the best value of the sweep's metric; None where it has none.
        figures: the test figures of its best checkpoint, its parameters, and its rate.
        folder: where it is.
    """

    settings: Mapping[str, str]
    status: str
    reason: str
    score: float | None
    figures: Mapping[str, float]
    folder: Path

    @property
    def group(self) -> str:
        """What it shares with runs that differ only in their seed."""
        return " ".join(f"{k}={v}" for k, v in self.settings.items() if k != SEED) or "seeds"

    @property
    def name(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.settings.items()) or "the run"


def find_runs(folder: Path, mode: Mode) -> list[Run]:
    """Read the runs below a sweep's folder, the best first, those without a figure last."""
    places = sorted(path.parents[1] for path in folder.glob("*/.hydra/overrides.yaml"))
    settings = [_settings(place / ".hydra" / "overrides.yaml") for place in places]
    varied = {
        key
        for typed in settings
        for key in typed
        if len({other.get(key) for other in settings}) > 1
    }
    short = _short_names(varied)
    runs = []
    for place, typed in zip(places, settings, strict=True):
        result = run_folder.read_result(place)
        shown = {short[key]: _short(value) for key, value in typed.items() if key in varied}
        status = str(result.get("status", "unfinished"))
        runs.append(
            Run(
                shown,
                status,
                result.get("reason", ""),
                result.get("score"),
                result.get("figures", {}),
                place,
            )
        )
    sign = 1 if mode == "min" else -1
    return sorted(runs, key=lambda run: (run.score is None, sign * (run.score or 0.0)))


def _settings(overrides: Path) -> dict[str, str]:
    typed = (str(override).lstrip("+") for override in OmegaConf.load(overrides))
    return {key: value for key, _, value in (text.partition("=") for text in typed)}


def _short_names(keys: Iterable[str]) -> dict[str, str]:
    """Shorten model.loss.l1 to l1, and others to as many of their last words as tell them apart."""
    words = {key: key.split(".") for key in keys}
    ends = {key: [".".join(w[-n:]) for n in range(1, len(w) + 1)] for key, w in words.items()}
    return {
        key: next(end for end in ends[key] if sum(end in others for others in ends.values()) == 1)
        for key in words
    }


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}" if "." in value else value
    except ValueError:
        return value


def spread(runs: Iterable[Run], group: str) -> str:
    """Return mean and standard deviation of a group's figures, and how many they are."""
    scores = [run.score for run in runs if run.group == group and run.score is not None]
    if len(scores) < 2:
        return ""
    return f"{statistics.mean(scores):.3f} ± {statistics.stdev(scores):.3f} ({len(scores)})"


def as_table(runs: Sequence[Run], monitor: str, mode: Mode) -> str:
    """Lay out all runs, each beside its group's spread and the trivial colourisers' figures."""
    figure = monitor.split("/")[-1]
    order = "lowest" if mode == "min" else "highest"
    width = max(len(run.name) for run in runs)
    title = f"{'':4}{'run':{width}}{monitor:>16}{'over seeds':>22}"
    lines = [
        f"{len(runs)} runs, ranked by the {order} {monitor}. Test figures: best.ckpt's, "
        "those of ab = 0 (grey), and of the training set's mean ab, on the same pictures",
        f"{title}{f'test/{figure}':>16}{'ab = 0':>10}{'mean ab':>10}",
    ]
    for rank, run in enumerate(runs, start=1):
        if run.score is None:
            lines.append(f"{'-':4}{run.name:{width}}  {run.status}: {run.reason}".rstrip(": "))
            continue
        cells = "".join(
            f"{_three(run.figures.get(f'test/{figure}{suffix}')):>{cell}}"
            for suffix, cell in TESTED.items()
        )
        ended = "" if run.status == "done" else f"  {run.status} {run.reason}".rstrip()
        over_seeds = spread(runs, run.group)
        lines.append(f"{rank:<4}{run.name:{width}}{run.score:>16.3f}{over_seeds:>22}{cells}{ended}")
    return "\n".join(lines)


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def as_csv(runs: Sequence[Run], monitor: str) -> str:
    """Write a row for each run: rank, settings, status, its figure, its group's, the test's."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    tested = dict.fromkeys(name for run in runs for name in run.figures)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["rank", *keys, "status", "reason", monitor, "mean", "sd", "seeds", *tested])
    for rank, run in enumerate(runs, start=1):
        scores = [r.score for r in runs if r.group == run.group and r.score is not None]
        mean = statistics.mean(scores) if scores else ""
        sd = statistics.stdev(scores) if len(scores) > 1 else ""
        row: list[Any] = ["" if run.score is None else rank]
        row += [run.settings.get(key, "") for key in keys]
        row += [run.status, run.reason, run.score, mean, sd, len(scores)]
        writer.writerow([*row, *(run.figures.get(name, "") for name in tested)])
    return text.getvalue()


def as_plot(runs: Sequence[Run], monitor: str) -> Any:
    """Draw every run's figure by group. Returns: 8-bit sRGB."""
    groups: dict[str, list[float]] = {}
    for run in runs:
        if run.score is not None:
            groups.setdefault(run.group, []).append(run.score)
    return plots.ranking(groups, monitor)
