"""The page of a sweep: what its systems cost and reach, and the same pictures coloured by each."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from src import files, plots
from src.sweeps.ranking import Mode, Run
from src.training.panels import TEST_PANEL

PAGE = "sweep.html"
# Of each figure of a run: its column's head, digits, and what a unit of the column is.
COLUMNS = {
    "parameters": ("parameters, M", 2, 1e6),
    "images_per_s": ("images/s", 1, 1),
    "test/ab_mae": ("ab-MAE", 2, 1),
    "test/delta_e2000": ("ΔE2000", 2, 1),
    "test/psnr": ("PSNR, dB", 2, 1),
    "test/colorfulness": ("colourfulness", 1, 1),
}
GREY, TRUE_COLORFULNESS = "test/ab_mae_zero", "test/colorfulness_true"
REFERENCES = {"ab = 0 (grey)": "_zero", "the training set's mean ab": "_constant"}


@dataclass(frozen=True)
class Row:
    """A line of the table. Attributes: cells: mean over seeds and, where there are several, sd."""

    name: str
    cells: list[tuple[str, str]]
    remarks: list[str]


def write(folder: Path, runs: Sequence[Run], monitor: str, mode: Mode) -> None:
    """Write the page of ranked runs, which opens from the disk. Args: folder: the sweep's."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    groups = dict(sorted(groups.items(), key=lambda item: _rank(item[1], mode)))
    # One for each lot of test pictures: grey's figure tells them apart.
    own = [run for run in reversed(runs) if GREY in run.figures]  # not of one that was pruned
    tested = [*{run.figures[GREY]: run for run in own}.values()][::-1]
    text = plots.page(
        Path(__file__).with_name(PAGE),
        heads=[head for head, _, _ in COLUMNS.values()],
        rows=[_row(name, own) for name, own in groups.items()],
        references=[row for run in tested for row in _references(run, len(tested) > 1)],
        true_colorfulness=", ".join(_said(run.figures[TRUE_COLORFULNESS], 1) for run in tested),
        strips=_strips(groups),
        monitor=monitor,
        order="lowest" if mode == "min" else "highest",
    )
    files.write_text(folder / PAGE, text)


def _rank(runs: Sequence[Run], mode: Mode) -> float:
    """Say how early a group comes: the lower, the earlier; by the mean over its seeds."""
    scores = [run.score for run in runs if run.score is not None]
    mean = statistics.mean(scores) if scores else math.inf
    return mean if mode == "min" or not scores else -mean


def _row(name: str, runs: Sequence[Run]) -> Row:
    cells = []
    for figure, (_, digits, unit) in COLUMNS.items():
        values = [run.figures[figure] / unit for run in runs if figure in run.figures]
        deviation = f"± {statistics.stdev(values):.{digits}f}" if len({*values}) > 1 else ""
        cells.append((_said(statistics.mean(values), digits) if values else "", deviation))
    ended = [
        f"{run.name}: {run.status} {run.reason}".strip() for run in runs if run.status != "done"
    ]
    return Row(name, cells, ended)


def _references(run: Run, is_named: bool) -> list[Row]:
    """Return what is trivial on the pictures of a run, which is named where others had others."""
    rows = []
    for name, suffix in REFERENCES.items():
        name = f"{name}: {run.group}" if is_named else name
        own = [run.figures.get(f"{figure}{suffix}") for figure in COLUMNS]
        digits = [digits for _, digits, _ in COLUMNS.values()]
        cells = [(_said(value, d), "") for value, d in zip(own, digits, strict=True)]
        rows.append(Row(name, cells, []))
    return rows


def _said(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _strips(groups: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Return rows of pictures as addresses: truth, each group's first run that has any, grey."""
    truth, grey, predicted = "", "", {}
    for name, runs in groups.items():
        panels = [run.folder / "panels" / TEST_PANEL for run in runs]
        for panel in [path for path in panels if path.exists()][:1]:
            with Image.open(panel) as image:
                side = image.height // 3
                rows = [image.crop((0, y, image.width, y + side)) for y in (0, side, 2 * side)]
            own_grey, predicted[name], own_truth = (
                plots.data_uri(row.convert("RGB"), "JPEG", quality=90) for row in rows
            )
            truth, grey = truth or own_truth, grey or own_grey
    return {"truth": truth, **predicted, "grey": grey} if predicted else {}
