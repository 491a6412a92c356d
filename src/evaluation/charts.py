"""The page's figures as SVG that takes the page's own colour for its lines and words."""

import io
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy import ndarray
from skimage.color import lab2rgb

from src.color import HUES
from src.evaluation.results import Vividness
from src.metrics.bootstrap import Interval
from src.metrics.regions import BINS

INK = "#010203"  # stands for the page's text colour
PALETTE = (
    "#3b82c4",
    "#e07b39",
    "#3fa36b",
    "#c4519c",
    "#8a6fd1",
    "#b59a2a",
    "#2aa8b5",
    "#d15a5a",
    "#94673f",
    "#8fae3c",
)
REFERENCE = "#8a8a8a"
STYLE: Any = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "font.size": 10,
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
WIDTH = 5.2  # inches, so that words of 10 points can be read on a phone, too
LONG_NAME = 18  # letters from which a column of the legend is as wide as the figure
MOST_COLORFUL, MOST_ERROR = 100.0, -20.0  # percent, to which lines of error and colour are drawn
MAP_LIMIT = 30.0  # CIEDE2000 at which a heat map has its strongest colour
Curve = Sequence[tuple[float, float]]


def intervals(found: Mapping[str, Interval], models: Sequence[str], label: str) -> str:
    """Draw each colouriser's figure with its interval, the first at the top."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.7 + 0.45 * len(found)), layout="constrained")
        axis = figure.subplots()
        for y, (name, (mean, low, high)) in enumerate(found.items()):
            shade = color_of(name, models)
            if low is not None and high is not None:
                axis.plot([low, high], [y, y], color=shade, linewidth=3, solid_capstyle="round")
            axis.plot(mean, y, "o", color=shade, markersize=8)
            # Above its line, where a long name has room.
            axis.text(0.01, y - 0.2, name, transform=axis.get_yaxis_transform(), va="bottom")
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set(xlabel=label, ylim=(len(found) - 0.6, -0.8))
        axis.grid(axis="x", alpha=0.25)
        return _svg(figure)


def by_hue(
    errors: Mapping[str, Mapping[str, float | None]], models: Sequence[str], label: str
) -> str:
    """Draw a figure of each colouriser by the truth's hue. Args: errors: by name, then hue."""
    kinds = [*next(iter(errors.values()))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2 + _legend_height(errors)), layout="constrained")
        axis = figure.subplots()
        for name, own in errors.items():
            values = np.array([own[kind] for kind in kinds], float)  # None becomes NaN
            shade = color_of(name, models)
            axis.plot(range(len(kinds)), values, "o-", color=shade, label=name, linewidth=1.2)
        axis.set_xticks(range(len(kinds)), labels=kinds, rotation=55, ha="right")
        for tick, shade in zip(axis.get_xticklabels(), swatches().values(), strict=False):
            tick.set_bbox({"facecolor": shade, "alpha": 0.45, "edgecolor": "none", "pad": 1.5})
        axis.set(ylabel=label, ylim=(0, None))
        axis.grid(axis="y", alpha=0.25)
        _legend(figure, errors)
        return _svg(figure)


def by_hints(found: Mapping[str, Mapping[int, Interval]], models: Sequence[str], label: str) -> str:
    """Draw a figure of each colouriser by the number of hints, with its intervals."""
    counts = [*next(iter(found.values()))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2 + _legend_height(found)), layout="constrained")
        axis = figure.subplots()
        for name, own in found.items():
            mean, low, high = np.array([*own.values()], float).T  # None becomes NaN
            shade = color_of(name, models)
            axis.plot(range(len(counts)), mean, "o-", color=shade, label=name, linewidth=1.2)
            axis.fill_between(range(len(counts)), low, high, color=shade, alpha=0.15, linewidth=0)
        axis.set_xticks(range(len(counts)), labels=[str(count) for count in counts])
        axis.set(xlabel="hints", ylabel=label)
        axis.grid(axis="y", alpha=0.25)
        _legend(figure, found)
        return _svg(figure)


def by_saturation(found: Mapping[str, Sequence[Vividness]], models: Sequence[str]) -> str:
    """Draw each colouriser's line of error against colour as its chroma is scaled."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2 + _legend_height(models)), layout="constrained")
        axis = figure.subplots()
        axis.axhline(0, color=REFERENCE, linestyle=":")
        lowest = 0.0
        for name in models:
            judged = [one.colorfulness for one in found[name] if one.factor == 1]
            most = max(MOST_COLORFUL, *judged)
            shown = [one for one in found[name] if one.colorfulness <= most]
            x = [one.colorfulness for one in shown]
            y = [one.under_zero for one in shown]
            own = [i for i, one in enumerate(shown) if one.factor == 1]
            shade = color_of(name, models)
            axis.plot(x, y, "-o", color=shade, label=name, markevery=own, markersize=7)
            lowest = min([lowest, *y])
        axis.set(
            xlabel="colourfulness, % of the truths'",
            ylabel="ab-MAE under zero's, %",
            xlim=(0, None),
            ylim=(max(lowest, MOST_ERROR), None),
        )
        axis.grid(alpha=0.25)
        _legend(figure, models)
        return _svg(figure)


def confusion(shares: Mapping[str, Mapping[str, float]]) -> str:
    """Draw where the pixels of each true hue went, a row a hue, in percent of the row."""
    table = 100 * np.array([[row[kind] for kind in BINS] for row in shares.values()])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        axis = figure.subplots()
        blues = LinearSegmentedColormap.from_list("share", ["#3b82c400", "#3b82c4ff"])
        axis.pcolormesh(table, cmap=blues, vmin=0, vmax=100, edgecolors="#88888833", linewidth=0.5)
        for y, row in enumerate(table):
            for x, share in enumerate(row):
                if share >= 0.5:
                    axis.text(
                        x + 0.5, y + 0.5, f"{share:.0f}", ha="center", va="center", fontsize=9
                    )
        centres = np.arange(len(BINS)) + 0.5
        axis.set_xticks(centres, labels=list(BINS), rotation=55, ha="right")
        axis.set_yticks(centres, labels=list(BINS))
        axis.set(xlabel="predicted", ylabel="true", ylim=(len(BINS), 0))
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        return _svg(figure)


def curves(runs: Mapping[str, Curve], references: Mapping[str, float], label: str) -> str:
    """Draw a figure of each run by epoch, over what the trivial colourisers score."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.8 + _legend_height(runs)), layout="constrained")
        axis = figure.subplots()
        for name, points in runs.items():
            x, y = np.array(points, float).T
            axis.plot(x, y, "o-", color=color_of(name, list(runs)), label=name, markersize=3)
        for name, value in references.items():
            axis.axhline(value, color=REFERENCE, linestyle=":")
            axis.annotate(
                name,
                (1, value),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=REFERENCE,
            )
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel="epoch", ylabel=label)
        axis.grid(alpha=0.25)
        _legend(figure, runs)
        return _svg(figure)


def heat_map(difference: Float[ndarray, "h w"]) -> UInt8[ndarray, "h w 3"]:
    """Paint CIEDE2000 of each pixel, black for none to white for MAP_LIMIT. Returns: 8-bit sRGB."""
    shades = mpl.colormaps["inferno"](np.clip(difference / MAP_LIMIT, 0, 1))
    return (shades[..., :3] * 255).round().astype(np.uint8)


def swatches() -> dict[str, str]:
    """Return a colour of each bin of hues, as CSS has it."""
    angles = 2 * np.pi * np.arange(len(HUES)) / len(HUES)
    L = np.full(len(HUES), 65.0)
    lab = np.stack([L, 45 * np.cos(angles), 45 * np.sin(angles)], axis=-1)
    rgb = [*(lab2rgb(lab) * 255).round().astype(int), (150, 150, 150)]
    return {kind: "#{:02x}{:02x}{:02x}".format(*own) for kind, own in zip(BINS, rgb, strict=True)}


def color_of(name: str, models: Sequence[str]) -> str:
    """Return a model's colour, the same in all figures of a page; grey for references."""
    return PALETTE[models.index(name) % len(PALETTE)] if name in models else REFERENCE


def _legend(figure: Figure, names: Iterable[str]) -> None:
    figure.legend(loc="outside lower center", ncols=_columns(names))


def _legend_height(names: Collection[str]) -> float:
    """Inches that the legend below a figure takes."""
    return 0.2 * math.ceil(len(names) / _columns(names))


def _columns(names: Iterable[str]) -> int:
    return 1 if max(map(len, names)) > LONG_NAME else 2


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # Metadata names matplotlib's site; the sizes are the page's business.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
