"""The page of an evaluation: one file that opens from the disk and asks the network for nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from PIL import Image

from src import files, metrics, plots
from src.color import HUES, NEUTRAL
from src.errors import UserError
from src.evaluation import charts, contestants, results
from src.evaluation.examples import Example, Examples
from src.evaluation.judge import Judge, Judged, read
from src.metrics import regions
from src.training import metrics_csv

OF_EACH, SAMPLE = 3, 6  # best, median and worst pictures; pictures of the fixed sample
LONG_SIDE = 384  # pixels
BUDGET = 16e6  # bytes of all pictures on the page, before base64 makes a third more of them
BYTES_A_PIXEL = 0.35  # of these JPEGs, an upper estimate
CLASSES = 60  # rows of the table by class
HEADS = {
    "ab_mae": ("ab-MAE", 2),
    "ab_mae_128": ("ab-MAE / 128", 4),
    "delta_e76": ("ΔE76", 2),
    "delta_e2000": ("ΔE2000", 2),
    "delta_e2000_median": ("ΔE2000, median image", 2),
    "delta_e2000_p95": ("ΔE2000, 95th percentile", 2),
    "delta_e2000_under_2_3": ("pixels with ΔE2000 < 2.3", 3),
    "delta_e2000_under_5": ("< 5", 3),
    "delta_e2000_under_10": ("< 10", 3),
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 3),
    "accuracy_2": ("R, G and B within 2 %", 3),
    "accuracy_5": ("within 5 %", 3),
    "colorfulness": ("colourfulness, signed", 1),
    "absolute_colorfulness": ("absolute", 1),
    "colorfulness_difference_of_means": ("signed: difference of means", 1),
    "colorfulness_mean_of_differences": ("mean of differences", 1),
    results.AT_HALF: ("ab-MAE under zero's at half of the true colourfulness, %", 1),
    "clipped": ("clipped pixels", 4),
    "frechet_lite0": ("Fréchet, Lite0 (not FID)", 2),
    "fid": ("FID", 2),
    "lpips": ("LPIPS", 3),
}


@dataclass(frozen=True)
class Tile:
    """A picture on the page. Attributes: picture, heat_map: data URIs, the latter may be empty."""

    name: str
    picture: str
    error: float | None
    heat_map: str


@dataclass(frozen=True)
class Shown:
    """One judged picture with all its colourings."""

    name: str
    tiles: list[Tile]


def write(
    path: Path,
    content: Mapping[str, Any],
    judged: Judged,
    judge: Judge,
    examples: Examples,
    paths: Mapping[str, Path],
) -> None:
    """Write the page. Args: content: as metrics.json has it; paths: of checkpoints, by name."""
    models = content["models"]
    groups = _groups(judged, models)
    wanted = sorted({name for own in groups.values() for name in own})
    shown = _shown(wanted, models, judge, examples)
    pictures = {title: [shown[name] for name in names] for title, names in groups.items()}
    delta_e2000 = {name: own["delta_e2000"] for name, own in content["colorizers"].items()}
    label = "delta-E2000, mean over images, with 95 % interval"
    confusions = {name: charts.confusion(content["where"][name]["confusion"]) for name in models}
    text = plots.page(
        Path(__file__).with_name("report.html"),
        **content,
        number=_number,
        command_line=files.to_paste(*content["command"]),
        heads={name: head for name, head in HEADS.items() if _is_measured(name, content)},
        ordered=[*models, *(name for name in content["colorizers"] if name not in models)],
        reference_meaning=contestants.SAID,
        compared=results.DIFFERENCES,
        lower=results.LOWER_IS_BETTER,
        set_figures=results.SET_FIGURES,
        groups=pictures,
        interval_chart=_markup(charts.intervals(delta_e2000, models, label)),
        saturation_chart=_markup(charts.by_saturation(content["by_saturation"], models)),
        hue_charts=_hue_charts(content),
        confusions={name: _markup(chart) for name, chart in confusions.items()},
        swatches=charts.swatches(),
        failures=_failures(content),
        colors={name: charts.color_of(name, models) for name in models},
        map_limit=charts.MAP_LIMIT,
        neutral=NEUTRAL,
        skin=regions,
        curves=_curves(paths),
        hint_charts=_hint_charts(content),
        shown_classes=CLASSES,
    )
    files.write_text(path, text)


def _is_measured(figure: str, content: Mapping[str, Any]) -> bool:
    return any(figure in own for own in content["colorizers"].values())


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704  # matplotlib escapes the names in it


def _groups(judged: Judged, models: Sequence[str]) -> dict[str, list[str]]:
    """Choose the pictures to show by delta_e2000, averaged over the models, and some by lot."""
    errors = np.mean([judged.figures[name]["delta_e2000"] for name in models], axis=0)
    order = [judged.pictures[i] for i in np.argsort(errors, kind="stable")]
    count = min(OF_EACH, math.ceil(len(order) / 3))
    middle = (len(order) - count) // 2
    lot = np.random.default_rng(0).permutation(len(order))[:SAMPLE]
    return {
        "Worst": order[::-1][:count],
        "Median": order[middle : middle + count],
        "Best": order[:count],
        "Fixed random sample": [judged.pictures[i] for i in sorted(lot)],
    }


def _shown(
    names: Sequence[str], models: Sequence[str], judge: Judge, examples: Examples
) -> dict[str, Shown]:
    """Colour these pictures once more, now to look at."""
    own = [picture for picture in examples.pictures if picture.name in names]
    again = Examples(own, examples.protocol, examples.predictions, None, examples.followed)
    side = side_of(len(own), len(models))
    found = {}
    for example in read(again, 0):
        try:
            with torch.inference_mode():
                found[example.name] = Shown(example.name, _tiles(judge, example, models, side))
        except UserError as error:
            raise UserError(f"{example.name} has changed meanwhile: {error}") from None
    return found


def side_of(pictures: int, models: int) -> int:
    """Return the long side in pixels that so many pictures may have on a page of its budget."""
    tiles = pictures * (2 + 2 * models)  # grey, truth, and each colouring with its map
    return min(LONG_SIDE, int(math.sqrt(BUDGET / BYTES_A_PIXEL / tiles)))


def _tiles(judge: Judge, example: Example, models: Sequence[str], side: int) -> list[Tile]:
    truth, painted = judge.seen(example.samples), judge.painted(example)
    tiles = []
    for name in dict.fromkeys((contestants.ZERO, *models)):
        difference = metrics.color_difference(judge.seen(painted[name].samples), truth)
        map_of_errors = Image.fromarray(charts.heat_map(difference[0].cpu().numpy()))
        heat_map = "" if name == contestants.ZERO else tile_uri(map_of_errors, side)
        picture = tile_uri(Image.fromarray(painted[name].samples), side)
        label = "grey" if name == contestants.ZERO else name
        tiles.append(Tile(label, picture, float(difference.mean()), heat_map))
    tiles.append(Tile("truth", tile_uri(Image.fromarray(example.samples), side), None, ""))
    return tiles


def tile_uri(image: Image.Image, side: int) -> str:
    """Return a picture of at most `side` pixels as what a page can hold."""
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return plots.data_uri(image, "JPEG", quality=88, subsampling=0)


def _hue_charts(content: Mapping[str, Any]) -> dict[str, Markup]:
    models, where = content["models"], content["where"]
    errors = {
        name: {hue: own["delta_e2000"] for hue, own in where[name]["hue"].items()}
        for name in dict.fromkeys((*models, contestants.ZERO))
    }
    ratios = {
        name: {hue: where[name]["hue"][hue]["chroma_ratio"] for hue in HUES} for name in models
    }
    return {
        "delta_e2000": _markup(charts.by_hue(errors, models, "mean delta-E2000")),
        "chroma_ratio": _markup(charts.by_hue(ratios, models, "chroma: predicted / true")),
    }


def _hint_charts(content: Mapping[str, Any]) -> dict[str, Markup]:
    labels = {"psnr": "PSNR, dB", "delta_e2000": "mean delta-E2000"} if content["hints"] else {}
    charts_by_figure = {}
    for figure, label in labels.items():
        found = {
            name: {count: own[figure] for count, own in by_count.items()}
            for name, by_count in content["hints"].items()
        }
        charts_by_figure[figure] = _markup(charts.by_hints(found, content["models"], label))
    return charts_by_figure


def _failures(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """Say of each model in words where the pixels of common hues went."""
    found = {}
    for name in content["models"]:
        where = content["where"][name]
        lines = []
        for hue, row in where["confusion"].items():
            region = where["hue"][hue]
            kept, (most, share) = row[hue], max(row.items(), key=lambda pair: pair[1])
            if hue == "neutral" or region["pixels"] < regions.SEEN:
                continue
            went = f"{kept:.0%} keep their hue"
            if most != hue:
                went += f", {share:.0%} became {most}"
            lines.append(
                f"{hue} ({region['pixels']:.0%} of all pixels): {went}; chroma "
                f"{region['chroma_ratio']:.2f} of the truth's"
            )
        found[name] = lines
    return found


def _curves(paths: Mapping[str, Path]) -> Markup | None:
    """Draw val/ab_mae of the runs whose metrics.csv lies beside their checkpoints."""
    runs, last = {}, {}
    for name, path in paths.items():
        file = path.absolute().parent.parent / "metrics.csv"
        rows = _rows(file) if path.suffix == ".ckpt" else []
        points = [(epoch, error) for epoch, error, _ in rows]
        if points:
            runs[name], last[name] = points, rows[-1][2]
    if not runs:
        return None
    lines = {"grey": next(iter(last.values()))} if len(set(last.values())) == 1 else {}
    return _markup(charts.curves(runs, lines, "val/ab_mae"))


def _rows(path: Path) -> list[tuple[float, float, float]]:
    """Read epoch, ab_mae and ab_mae_zero of the validations; nothing of a broken file."""
    try:
        return [
            (float(row["epoch"]) + 1, float(row["val/ab_mae"]), float(row["val/ab_mae_zero"]))
            for row in metrics_csv.read(path)
            if row.get("val/ab_mae")
        ]
    except (OSError, ValueError, KeyError):
        return []
