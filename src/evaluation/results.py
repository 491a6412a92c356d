"""From rows to figures with intervals, and the files that hold them."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from src import files
from src.evaluation.contestants import ORACLE, ZERO
from src.evaluation.judge import TRUE, Judged
from src.metrics import bootstrap, frechet, half_colorfulness, regions
from src.metrics.bootstrap import Interval

AT_HALF = "under_zero_at_half"  # of those that have colour
CELL = 15  # characters of a column
OVER_IMAGES = {"median": 0.5, "p95": 0.95}
DIFFERENCES = (
    "ab_mae",
    "delta_e76",
    "delta_e2000",
    "psnr",
    "ssim",
    "accuracy_2",
    "accuracy_5",
    "colorfulness",
)
SET_FIGURES = {
    "pictures": "pictures",
    "ab_mae": "ab-MAE",
    "under_zero": "% under zero",
    AT_HALF: "% under zero at half",
    "psnr_over_zero": "PSNR over zero, dB",
    "colorfulness": "% of true colourfulness",
}
SET_MEANS = ("ab_mae", "psnr", "colorfulness")
SHOWN_SETS = 12  # that a terminal shows
LOWER_IS_BETTER = {"ab_mae", "delta_e76", "delta_e2000"}
MEANING = {
    "ab_mae": "mean |error| of a* and b*, Lab units",
    "ab_mae_128": "the same divided by 128, the scale of the source report",
    "delta_e76": "mean over pixels of the CIE 1976 colour difference",
    "delta_e2000": "mean over pixels of CIEDE2000",
    "delta_e76_median, delta_e2000_median": "median over images of the image's mean",
    "delta_e76_p95, delta_e2000_p95": "95th percentile over images of the image's mean",
    "delta_e2000_under_2_3, _5, _10": "share of pixels whose CIEDE2000 is below that",
    "psnr": "dB, sRGB; a grey picture scores well, so read it beside zero's",
    "ssim": "sRGB, mean over channels",
    "accuracy_2, accuracy_5": "share of pixels whose R, G and B are each off by at most 2 %, 5 %",
    "colorfulness": "Hasler and Suesstrunk 2003, signed axes rg and yb",
    "absolute_colorfulness": "the same of |rg| and |yb|, as DDColor, CT2 and UniColor have it",
    "colorfulness_true": "of the true pictures",
    "colorfulness_difference_of_means": "mean of the colourings' minus mean of the truths'",
    "colorfulness_mean_of_differences": "mean over images of |colouring's minus truth's|",
    AT_HALF: "percent by which ab-MAE is under that of ab = 0, all colours scaled by the one "
    "factor that makes the mean colourfulness half of the truths'",
    "clipped": "share of pixels that had to be moved into sRGB; 0 for other programs' pictures",
    "frechet_lite0": "Frechet distance of EfficientNet-Lite0's features; not FID",
    "fid": "standard FID, of the Inception features that torch-fidelity has; with fid=true",
    "lpips": "distance of AlexNet's features, Zhang et al. 2018; with lpips=true",
}


class Vividness(NamedTuple):
    """A colouriser with its chroma scaled.

    Attributes: factor: of the chroma; colorfulness: percent of the truths'; under_zero: percent by
        which ab-MAE is under that of ab = 0.
    """

    factor: float
    colorfulness: float
    under_zero: float


@dataclass(frozen=True)
class Difference:
    """What `one` scores minus what `other` scores on the same pictures, by figure."""

    one: str
    other: str
    figures: dict[str, Interval]


def totals(judged: Judged) -> dict[str, dict[str, Interval]]:
    """Return every figure of every colouriser over all pictures, with its interval."""
    return {name: _totals(judged, name) for name in judged.figures}


def _totals(judged: Judged, name: str) -> dict[str, Interval]:
    own = {figure: np.array(values) for figure, values in judged.figures[name].items()}
    columns = dict(own)
    for formula in TRUE:
        true = np.array(judged.truth[formula])
        columns[f"{formula}_true"] = true
        columns[f"{formula}_difference_of_means"] = own[formula] - true
        columns[f"{formula}_mean_of_differences"] = np.abs(own[formula] - true)
    means = bootstrap.means(np.stack([*columns.values()], axis=1))
    found = dict(zip(columns, means, strict=True))
    for figure in ("delta_e76", "delta_e2000"):
        intervals = bootstrap.quantiles(own[figure], tuple(OVER_IMAGES.values()))
        for suffix, interval in zip(OVER_IMAGES, intervals, strict=True):
            found[f"{figure}_{suffix}"] = interval
    if (at_half := _under_zero_at_half(judged.curves[name])) is not None:
        found[AT_HALF] = at_half
    for space, gaussians in judged.gaussians.items():
        # No interval: resampled pictures repeat, which a Frechet distance takes for a difference.
        apart = frechet.distance(gaussians[""], gaussians[name])
        found[space] = Interval(apart, None, None)
    return found


def _under_zero_at_half(rows: Sequence[Float[ndarray, " columns"]]) -> Interval | None:
    count = len(half_colorfulness.FACTORS)

    def figure(means: Float[ndarray, "n columns"]) -> Float[ndarray, " n"]:
        error, colors = means[:, :count], means[:, count : 2 * count]
        return 100 * half_colorfulness.error_under_zero(error, colors, means[:, -2], means[:, -1])

    return bootstrap.of_means(np.stack(rows), figure)


def by_saturation(judged: Judged) -> dict[str, list[Vividness]]:
    """Return where each colouriser stands with its chroma scaled by each of FACTORS.

    Truths without any colour leave nothing to compare with: then it stands nowhere.
    """
    count = len(half_colorfulness.FACTORS)
    found = {}
    for name, rows in judged.curves.items():
        *means, zero_error, true_colors = np.mean(rows, axis=0).tolist()
        each = zip(half_colorfulness.FACTORS, means[:count], means[count:], strict=True)
        found[name] = [
            Vividness(factor, 100 * colors / true_colors, 100 * (1 - error / zero_error))
            for factor, error, colors in each
            if zero_error > 0 and true_colors > 0
        ]
    return found


def differences(judged: Judged, models: Sequence[str]) -> list[Difference]:
    """Compare each model with the references that it could beat, and with those before it."""
    others = [name for name in judged.figures if name not in models and name != ORACLE]
    pairs = [(one, other) for i, one in enumerate(models) for other in [*others, *models[:i]]]
    found = []
    for one, other in pairs:
        apart = np.stack(
            [
                np.subtract(judged.figures[one][figure], judged.figures[other][figure])
                for figure in DIFFERENCES
            ],
            axis=1,
        )
        intervals = bootstrap.means(apart)
        found.append(Difference(one, other, dict(zip(DIFFERENCES, intervals, strict=True))))
    return found


def by_class(judged: Judged, classes: Mapping[str, str]) -> dict[str, dict[str, Interval]]:
    """Return the mean delta_e2000 of each class and colouriser, with its interval."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(judged.pictures):
        if name in classes:
            groups.setdefault(classes[name], []).append(i)
    found = {}
    for kind, own in sorted(groups.items()):
        rows = [np.array(figures["delta_e2000"])[own] for figures in judged.figures.values()]
        intervals = bootstrap.means(np.stack(rows, axis=1))
        found[kind] = dict(zip(judged.figures, intervals, strict=True))
    return found


def by_set(
    judged: Judged, classes: Mapping[str, str], models: Sequence[str]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Compare each model with ab = 0 on the pictures of each folder at the top of the data set.

    Returns: of each set and model, the figures of SET_FIGURES; none without several sets.
    """
    sets: dict[str, list[int]] = {}
    for i, name in enumerate(judged.pictures):
        if name in classes:
            top = (*PurePosixPath(classes[name]).parts, ".")[0]
            sets.setdefault(top, []).append(i)
    if len(sets) < 2:
        return {}
    true = np.array(judged.truth["colorfulness"])
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for kind, own in sorted(sets.items()):
        zero, found[kind] = judged.figures[ZERO], {}
        for model in models:
            mean = {figure: _mean(judged.figures[model], figure, own) for figure in SET_MEANS}
            grey = _mean(zero, "ab_mae", own)
            at_half = _under_zero_at_half([judged.curves[model][i] for i in own])
            found[kind][model] = {
                "pictures": len(own),
                "ab_mae": mean["ab_mae"],
                "under_zero": _percent(grey - mean["ab_mae"], grey),
                AT_HALF: None if at_half is None else at_half.mean,
                "psnr_over_zero": mean["psnr"] - _mean(zero, "psnr", own),
                "colorfulness": _percent(mean["colorfulness"], float(true[own].mean())),
            }
    return found


def _percent(part: float, whole: float) -> float | None:
    """Return a share; None of pictures without colours, which are judged with keep_grey=true."""
    return 100 * part / whole if whole else None


def _mean(figures: Mapping[str, Sequence[float]], name: str, own: Sequence[int]) -> float:
    return float(np.array(figures[name])[own].mean())


def sets_table(sets: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    """Lay out what `by_set` returns for a terminal; empty where sets are none, or many."""
    if not 0 < len(sets) <= SHOWN_SETS:
        return ""
    names = {f"{kind}, {model}": own for kind, row in sets.items() for model, own in row.items()}
    width = max(map(len, names)) + 2
    lines = ["", f"{'':{width}}" + "".join(f"{head:>24}" for head in SET_FIGURES.values())]
    for name, own in names.items():
        cells = "".join(f"{_short(own[figure]):>24}" for figure in SET_FIGURES)
        lines.append(f"{name:{width}}{cells}")
    return "\n".join(lines)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def where(judged: Judged) -> dict[str, Any]:
    """Return the tables by hue, lightness and skin-like colours as plain data."""
    tables: dict[str, Any] = {}
    for name, own in judged.regions.items():
        kinds = {
            "hue": own.by_hue(),
            "lightness": own.by_lightness(),
            "skin": own.skin_by_lightness(),
        }
        tables[name] = {
            kind: {part: asdict(region) for part, region in found.items()}
            for kind, found in kinds.items()
        }
        tables[name]["confusion"] = {
            hue: dict(zip(regions.BINS, (round(float(x), 5) for x in row), strict=True))
            for hue, row in zip(regions.BINS, own.confusion(), strict=True)
        }
    return tables


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write metrics.json; intervals become {mean, low, high}."""
    files.write_text(path, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Interval | Vividness):
        return value._asdict()
    if isinstance(value, Difference):
        return {"one": value.one, "other": value.other, **_plain(value.figures)}
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    return value


def write_rows(path: Path, judged: Judged, classes: Mapping[str, str]) -> None:
    """Write per_image.csv: a row for each picture and colouriser."""
    names = [*next(iter(judged.figures.values()))]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "class", "colorizer", *names, *(f"{name}_true" for name in TRUE)])
    for i, picture in enumerate(judged.pictures):
        true = [f"{judged.truth[name][i]:.6g}" for name in TRUE]
        for who, figures in judged.figures.items():
            own = [f"{figures[name][i]:.6g}" for name in names]
            writer.writerow([picture, classes.get(picture, ""), who, *own, *true])
    files.write_text(path, text.getvalue())


def write_left_out(path: Path, judged: Judged) -> None:
    """Write the names of the pictures that were not judged, and why."""
    text = io.StringIO(newline="")
    rows = [("file", "reason"), *judged.left_out.items(), *judged.grey.items()]
    csv.writer(text, lineterminator="\n").writerows(rows)
    files.write_text(path, text.getvalue())


def table(found: Mapping[str, Mapping[str, Interval]], models: Sequence[str], title: str) -> str:
    """Lay out the main figures with their intervals for a terminal, the references last."""
    columns = {
        "ab_mae": ("ab-MAE", 2),
        "delta_e2000": ("dE2000", 2),
        "psnr": ("PSNR dB", 2),
        "ssim": ("SSIM", 3),
        "colorfulness": ("colourfulness", 1),
        AT_HALF: ("% at half", 1),
    }
    ordered = [*models, *(name for name in found if name not in models)]
    width = max(16, *(len(name) for name in ordered)) + 2
    lines = [title, " " * width + "".join(f"{head:>{CELL}}" for head, _ in columns.values())]
    for name in ordered:
        own = found[name]
        cells = "".join(
            f"{_plus_minus(own[figure], digits) if figure in own else '':>{CELL}}"
            for figure, (_, digits) in columns.items()
        ).rstrip()
        lines.append(f"{name:{width}}{cells}")
    before = ([*columns].index("colorfulness") + 1) * CELL
    true = next(iter(found.values()))["colorfulness_true"]
    lines.append(f"{'truth':{width}}{_plus_minus(true, 1):>{before}}")
    lines.append(
        "% at half: how far ab-MAE is under that of ab = 0, with colours scaled to half\n"
        "of the true colourfulness"
    )
    return "\n".join(lines)


def _plus_minus(interval: Interval, digits: int) -> str:
    """Write a figure with half its interval's width, such as 9.31 ± 0.41."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:.{digits}f}"
    return f"{interval.mean:.{digits}f} ± {(interval.high - interval.low) / 2:.{digits}f}"


def hints_table(found: Mapping[str, Mapping[int, Mapping[str, Interval]]]) -> str:
    """Lay out figures by the number of hints for a terminal; nothing where there are none."""
    if not found:
        return ""
    width = max(16, *(len(name) for name in found)) + 2
    counts = [*next(iter(found.values()))]
    lines = ["", "With so many hints from the truth: PSNR, dB (CIEDE2000)"]
    lines.append(f"{'':{width}}" + "".join(f"{count:>16}" for count in counts))
    for name, own in found.items():
        cells = [f"{one['psnr'].mean:.2f} ({one['delta_e2000'].mean:.2f})" for one in own.values()]
        lines.append(f"{name:{width}}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def said(interval: Interval, digits: int) -> str:
    """Write a figure with its interval, such as 9.31 [8.90, 9.72]."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:.{digits}f}"
    low, high = (f"{end:.{digits}f}" for end in (interval.low, interval.high))
    return f"{interval.mean:.{digits}f} [{low}, {high}]"
