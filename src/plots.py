"""Figures from numbers and pictures, and pages that hold them. Nothing here knows their origin."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image

Curve = Sequence[tuple[float, float]]  # (x, y) points

GENERATOR_COLOR, DISCRIMINATOR_COLOR = "tab:blue", "tab:red"


def picture_grid(
    rows: Mapping[str, Sequence[UInt8[ndarray, "h w 3"]]], columns: Sequence[str], title: str
) -> UInt8[ndarray, "H W 3"]:
    """Draw rows of equally sized pictures, named at the left, under named columns.

    Args:
        rows: a row's name and its pictures, one for each column.
        columns: a name for each column; an equal neighbour's is not repeated.
    Returns: the grid as 8-bit sRGB.
    """
    size = 1.5
    figure = Figure(figsize=(size * len(columns) + 1.0, size * len(rows) + 0.7), dpi=100)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for (name, pictures), row in zip(rows.items(), axes, strict=True):
        for picture, axis in zip(pictures, row, strict=True):
            axis.imshow(picture)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, fontsize=10)
    for i, (name, axis) in enumerate(zip(columns, axes[0], strict=True)):
        if i == 0 or columns[i - 1] != name:
            axis.set_title(name, fontsize=10, loc="left")
    # By default its distance from the top grows with the figure, down to the names of columns.
    figure.suptitle(title, fontsize=11, y=1 - 0.05 / figure.get_figheight())
    figure.tight_layout(pad=0.4)
    return _rendered(figure)


def loss_curves(
    generator: Curve, discriminator: Curve, term: Mapping[str, Curve]
) -> UInt8[ndarray, "H W 3"]:
    """Draw the losses by batch: generator and discriminator, the same on scaled axes, and a term.

    Args:
        discriminator: without points only the term is drawn.
        term: the one that compares prediction and ground truth, by its name.
    Returns: the figure as 8-bit sRGB.
    """
    panels = 3 if discriminator else 1
    figure = Figure(figsize=(5.2 * panels, 3.8), dpi=100)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    if discriminator:
        _draw(axes[0], generator, GENERATOR_COLOR, "generator")
        _draw(axes[0], discriminator, DISCRIMINATOR_COLOR, "discriminator")
        axes[0].legend()
        axes[0].set(title="Generator and discriminator loss", ylabel="loss")
        _draw(axes[1], generator, GENERATOR_COLOR, "generator")
        axes[1].set_ylabel("generator loss", color=GENERATOR_COLOR)
        axes[1].set_title("The same, each on its own axis")
        twin = axes[1].twinx()
        _draw(twin, discriminator, DISCRIMINATOR_COLOR, "discriminator")
        twin.set_ylabel("discriminator loss", color=DISCRIMINATOR_COLOR)
    ((name, points),) = term.items()
    _draw(axes[-1], points, GENERATOR_COLOR, name)
    axes[-1].set(title=f"{name} between predicted and true ab", ylabel=name)
    for axis in axes:
        axis.set_xlabel("batch")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    return _rendered(figure)


def ranking(groups: Mapping[str, Sequence[float]], label: str) -> UInt8[ndarray, "H W 3"]:
    """Draw the figures of each group as points around their mean, the first group at the top.

    Args: groups: a group's name and its figures, at least one; label: what the figures are.
    Returns: the figure as 8-bit sRGB.
    """
    names = 0.08 * max(map(len, groups))  # inches
    figure = Figure(figsize=(6 + names, 1.2 + 0.35 * len(groups)), dpi=100)
    axis = figure.subplots()
    for y, values in enumerate(groups.values()):
        axis.plot(values, [y] * len(values), "o", color=GENERATOR_COLOR, alpha=0.5)
        if len(values) > 1:
            axis.plot(np.mean(values), y, "|", color="black", markersize=16)
    axis.set_yticks(range(len(groups)), labels=list(groups))
    axis.set(xlabel=label, ylim=(len(groups) - 0.5, -0.5))
    axis.grid(alpha=0.3)
    figure.tight_layout()
    return _rendered(figure)


def hues(
    shares: Mapping[str, Float[ndarray, "hues chromas"]],
) -> UInt8[ndarray, "H W 3"]:
    """Draw a panel for each name: the share of pixels of each hue, stacked by rising chroma.

    Args: shares: of color.HUES; the middle of the first is Lab's axis +a*.
    Returns: the figure as 8-bit sRGB.
    """
    figure = Figure(figsize=(3.6 * len(shares), 3.0), dpi=100)
    panels = figure.subplots(1, len(shares), squeeze=False, sharey=True)[0]
    for (name, table), axis in zip(shares.items(), panels, strict=True):
        count, levels = table.shape
        turns = np.arange(count) / count
        # Lab's red, yellow, green and blue lie near these hues of HSV.
        angles = np.interp(turns, [0, 0.25, 0.5, 0.75, 1], [0.93, 1.15, 1.4, 1.6, 1.93]) % 1
        below = np.zeros(count)
        for level in range(levels):
            chroma = 0.3 + 0.7 * level / max(1, levels - 1)
            shades = [hsv_to_rgb((angle, chroma, 0.85)) for angle in angles]
            heights = 100 * table[:, level]
            axis.bar(range(count), heights, bottom=below, color=shades)
            below += heights
        axis.set(title=name, xlabel="hue", xticks=np.arange(0, count, count / 4))
        axis.set_xticklabels(["+a*", "+b*", "-a*", "-b*"])
    panels[0].set_ylabel("% of pixels")
    # A tight layout would take as long as the drawing.
    figure.subplots_adjust(0.17 / len(shares), 0.16, 0.995, 0.9, wspace=0.04)
    return _rendered(figure)


def page(template: Path, **content: Any) -> str:
    """Fill in a page's template, in which nothing but Markup is taken for HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # which no training needs

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(content)


def data_uri(image: Image.Image, form: str, **options: Any) -> str:
    """Return a picture as an address that holds it. Args: form, options: as Pillow saves it."""
    content = io.BytesIO()
    image.save(content, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


def _draw(axis: Axes, curve: Curve, color: str, label: str) -> None:
    points = np.array(curve, dtype=float).reshape(-1, 2)
    x, y = points.T
    window = max(1, len(y) // 30)
    if window == 1:
        axis.plot(x, y, color=color, label=label, marker=".")
        return
    # Single batches scatter widely: they stay faint behind their running mean.
    axis.plot(x, y, color=color, alpha=0.25, linewidth=0.8)
    smooth = np.convolve(y, np.ones(window) / window, mode="valid")
    axis.plot(x[window - 1 :], smooth, color=color, label=label)


def _rendered(figure: Figure) -> UInt8[ndarray, "H W 3"]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
