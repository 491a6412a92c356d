"""What a person draws on a photo to tell its colours: strokes, over a layer that was loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, dist
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

from src import files
from src.colorizers.palette import Shade
from src.errors import UserError
from src.images import write_image
from src.inference import hints as hint_files
from src.inference.hints import Line, Strokes

MOST_DISCS = 20_000  # that a drawing is made of
ROUNDED = 1.5  # pixels that whole numbers add to the distance of two discs, at most
FADED = 32  # of 255: alpha under which a pixel of a layer that was shrunk is none


@dataclass(frozen=True)
class Stroke:
    """A brush that was moved along a path; one point is a dab.

    Attributes:
        path: (x, y), in pixels of the whole photo.
        radius: likewise.
        rgb: None until its colour is chosen.
    """

    path: Sequence[tuple[int, int]]
    radius: float
    rgb: Shade | None = None

    def __len__(self) -> int:
        """Return how many discs cover it."""
        return 1 + sum(self._counts)

    def lines(self) -> list[Line]:
        """Return the discs; none without a colour."""
        if self.rgb is None:
            return []
        found = [Line(*self.path[0], self.rgb, self.radius)]
        for (begin, end), count in zip(pairwise(self.path), self._counts, strict=True):
            for i in range(1, count + 1):
                x, y = (round(a + (b - a) * i / count) for a, b in zip(begin, end, strict=True))
                found.append(Line(x, y, self.rgb, self.radius))
        return found

    @property
    def _counts(self) -> list[int]:
        # Discs that lie as close as those of a stroke need none between them: so the path of all
        # discs of a stroke is the same stroke.
        step = _step(self.radius)
        apart = [dist(*pair) for pair in pairwise(self.path)]
        return [1 if one <= step + ROUNDED else ceil(one / step) for one in apart]


def _step(radius: float) -> float:
    """Return how far the discs of a stroke lie apart, before they are rounded to pixels."""
    return max(1.0, radius / 2)


def strokes_of(lines: Sequence[Line]) -> list[Stroke]:
    """Join discs that follow each other as those of a stroke do; the same discs cover it."""
    runs: list[list[Line]] = []
    for one in lines:
        last = runs[-1][-1] if runs else None
        alike = last is not None and (last.rgb, last.radius) == (one.rgb, one.radius)
        if last is not None and alike and dist(last[:2], one[:2]) <= _step(one.radius) + ROUNDED:
            runs[-1].append(one)
        else:
            runs.append([one])
    return [Stroke([(one.x, one.y) for one in run], run[0].radius, run[0].rgb) for run in runs]


@dataclass(frozen=True, eq=False)
class Layer:
    """Hints that were loaded from a picture. Attributes: path: of an RGBA of the photo's size."""

    path: Path
    rgb: UInt8[ndarray, "h w 3"]  # at the preview's size
    mask: Bool[ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Drawing:
    """Strokes, the latest on top, over a layer."""

    strokes: Sequence[Stroke] = ()
    layer: Layer | None = None

    def __bool__(self) -> bool:
        return self.layer is not None or any(one.rgb is not None for one in self.strokes)

    def colors_as(self, other: "Drawing") -> bool:
        """Tell whether it asks for the same: strokes without a colour do not count."""
        own, others = (
            [one for one in each.strokes if one.rgb is not None] for each in (self, other)
        )
        return self.layer is other.layer and own == others

    def with_stroke(self, stroke: Stroke) -> "Drawing":
        """Add a stroke. Raises: UserError: if there are too many."""
        if sum(len(one) for one in self.strokes) + len(stroke) > MOST_DISCS:
            raise UserError("the drawing is full: save it, and go on in a paint program")
        return replace(self, strokes=[*self.strokes, stroke])

    def recolored(self, rgb: Shade) -> "Drawing":
        """Give the latest stroke a colour."""
        *others, latest = self.strokes
        return replace(self, strokes=[*others, replace(latest, rgb=rgb)])

    def lines(self) -> list[Line]:
        return [line for stroke in self.strokes for line in stroke.lines()]

    def on(self, height: int, width: int, scale: float) -> Strokes:
        """Draw everything on the preview, whose size is `scale` times the photo's."""
        lines = [
            Line(
                min(width - 1, int((one.x + 0.5) * scale)),
                min(height - 1, int((one.y + 0.5) * scale)),
                one.rgb,
                one.radius * scale,
            )
            for one in self.lines()
        ]
        strokes = hint_files.drawn(lines, height, width, "the page")
        if self.layer is None:
            return strokes
        rgb = np.where(strokes.mask[..., None], strokes.rgb, self.layer.rgb)
        return replace(strokes, rgb=rgb, mask=strokes.mask | self.layer.mask)

    def saved(self, folder: Path, name: str, size: tuple[int, int]) -> Path:
        """Write it as --hints reads it: .csv if there are strokes only, or else .png.

        Args: size: (width, height) of the photo.
        """
        if self.layer is None:
            path = folder / f"{name}.csv"
            files.write_text(path, hint_files.as_text(self.lines()))
            return path
        width, height = size
        with Image.open(self.layer.path) as image:
            pixels = np.array(image)
        strokes = hint_files.drawn(self.lines(), height, width, "the page")
        pixels[strokes.mask, :3], pixels[strokes.mask, 3] = strokes.rgb[strokes.mask], 255
        path = folder / f"{name}.png"
        write_image(Image.fromarray(pixels), path)
        return path


def loaded(
    path: Path, photo: UInt8[ndarray, "..."], preview: tuple[int, int], folder: Path
) -> Drawing:
    """Read hints from a .csv or a picture, as --hints does.

    Args: photo: its samples; preview: its (height, width); folder: for the layer of a picture.
    Raises: UserError: if it holds none for this photo.
    """
    height, width = photo.shape[:2]
    if path.suffix.lower() == hint_files.CSV:
        lines = hint_files.lines(path, height, width)
        if not 0 < len(lines) <= MOST_DISCS:
            raise UserError(f"{path.name} has {len(lines)} hints: expected 1 to {MOST_DISCS}")
        hint_files.read(path, photo)  # refuses what covers nearly all
        return Drawing(strokes_of(lines))
    strokes = hint_files.read(path, photo)
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[strokes.mask, :3], pixels[strokes.mask, 3] = strokes.rgb[strokes.mask], 255
    whole = Image.fromarray(pixels)
    write_image(whole, folder / "layer.png")
    small = np.asarray(whole.resize(preview[::-1], Image.Resampling.BOX))
    return Drawing((), Layer(folder / "layer.png", small[..., :3], small[..., 3] >= FADED))
