"""From rows to figures with intervals, and the files that hold them."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src import files
from src.evaluation.contestants import ORACLE
from src.evaluation.judge import TRUE, Judged
from src.metrics import bootstrap, frechet, regions
from src.metrics.bootstrap import Interval

OVER_IMAGES = {"median": 0.5, "p95": 0.95}
DIFFERENCES = ("ab_mae", "delta_e76", "delta_e2000", "psnr", "ssim", "colorfulness")
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
    "colorfulness": "Hasler and Suesstrunk 2003, signed axes rg and yb",
    "absolute_colorfulness": "the same of |rg| and |yb|, as DDColor, CT2 and UniColor have it",
    "colorfulness_true": "of the true pictures",
    "colorfulness_difference_of_means": "mean of the colourings' minus mean of the truths'",
    "colorfulness_mean_of_differences": "mean over images of |colouring's minus truth's|",
    "clipped": "share of pixels that had to be moved into sRGB",
    "frechet_lite0": "Frechet distance of EfficientNet-Lite0's features; not FID",
    "fid": "standard FID, of the Inception features that torch-fidelity has; with fid=true",
    "lpips": "distance of AlexNet's features, Zhang et al. 2018; with lpips=true",
}


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
    for space, gaussians in judged.gaussians.items():
        # No interval: resampled pictures repeat, which a Frechet distance takes for a difference.
        apart = frechet.distance(gaussians[""], gaussians[name])
        found[space] = Interval(apart, None, None)
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
    if isinstance(value, Interval):
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
    }
    ordered = [*models, *(name for name in found if name not in models)]
    width = max(16, *(len(name) for name in ordered)) + 2
    lines = [title, f"{'':{width}}" + "".join(f"{head:>24}" for head, _ in columns.values())]
    for name in ordered:
        cells = "".join(
            f"{said(found[name][figure], digits):>24}" for figure, (_, digits) in columns.items()
        )
        lines.append(f"{name:{width}}{cells}")
    true = next(iter(found.values()))["colorfulness_true"]
    lines.append(f"{'truth':{width}}{'':>96}{said(true, 1):>24}")
    return "\n".join(lines)


def said(interval: Interval, digits: int) -> str:
    """Write a figure with its interval, such as 9.31 [8.90, 9.72]."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:.{digits}f}"
    low, high = (f"{end:.{digits}f}" for end in (interval.low, interval.high))
    return f"{interval.mean:.{digits}f} [{low}, {high}]"
