"""A photo that someone gives hints on: what is kept between two clicks, so that they are fast."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from src.colorizers.colorizer import Colorizer
from src.colorizers.correction import Correction
from src.colorizers.palette import Palette, Shade
from src.images import read_rgb_and_size
from src.inference import hints as hint_files
from src.inference.hints import Line, Strokes
from src.inference.painting import paint
from src.inference.prediction import Prediction, predict
from src.inference.result import Options

PREVIEW = 1280  # pixels of the long side
DOT = 1 / 80  # of the short side, as hints are drawn


@dataclass(frozen=True, eq=False)  # Gradio hashes it, which pixels cannot be
class Sitting:
    """A photo before its colouriser, with what someone says of its colours.

    Attributes:
        samples: of the preview, 8-bit sRGB.
        size: (width, height) of the whole photo, upright.
        prediction: without any hint.
        lines: hints so far, in pixels of the whole photo.
        spot: the last one that was clicked on, likewise; its (x, y).
    """

    photo: Path
    colorizer: Colorizer
    options: Options
    samples: UInt8[ndarray, "h w 3"]
    size: tuple[int, int]
    prediction: Prediction
    correction: Correction = field(repr=False)
    shades: Palette = field(repr=False)
    lines: Sequence[Line] = ()
    spot: tuple[int, int] | None = None

    def clicked(self, x: int, y: int) -> "Sitting":
        """Turn to a pixel of the preview."""
        height, width = self.samples.shape[:2]
        full_width, full_height = self.size
        return replace(
            self,
            spot=(
                (2 * x + 1) * full_width // (2 * width),
                (2 * y + 1) * full_height // (2 * height),
            ),
        )

    def hinted(self, rgb: Sequence[int]) -> "Sitting":
        """Give the spot a colour, instead of one that it has."""
        if self.spot is None:
            return self
        x, y = self.spot
        radius = max(1.0, hint_files.RADIUS * min(self.size))
        others = [line for line in self.lines if (line.x, line.y) != self.spot]
        return replace(self, lines=[*others, Line(x, y, (rgb[0], rgb[1], rgb[2]), radius)])

    def undone(self) -> "Sitting":
        """Take the last hint back."""
        return replace(self, lines=self.lines[:-1])

    def loaded(self, path: Path) -> "Sitting":
        """Take hints from a .csv. Raises: UserError: if it holds none for this photo."""
        width, height = self.size
        return replace(self, lines=hint_files.lines(path, height, width))

    def painted(self) -> UInt8[ndarray, "h w 3"]:
        """Return the preview in its colours."""
        if not self.lines:
            return paint(self.samples, self.prediction, guided=self._guided).samples
        strokes = self._strokes()
        prediction, correction = self.prediction, self.correction
        if self.colorizer.takes_hints:
            prediction = predicted(self.samples, self.colorizer, self.options, strokes)
            correction = Correction(prediction.L, prediction.ab)
        prediction = prediction.corrected(strokes, correction)
        return paint(self.samples, prediction, guided=self._guided).samples

    def marked(self, painted: UInt8[ndarray, "h w 3"]) -> Image.Image:
        """Draw the hints and the spot on it."""
        image = Image.fromarray(painted)
        draw = ImageDraw.Draw(image)
        radius = max(4, round(DOT * min(image.size)))
        for line in self.lines:
            x, y = self._on_preview(line.x, line.y)
            around = [x - radius, y - radius, x + radius, y + radius]
            draw.ellipse(around, fill=line.rgb, outline="white", width=2)
        if self.spot is not None:
            x, y = self._on_preview(*self.spot)
            for outer, shade in ((2, "black"), (0, "white")):
                far = 2 * radius + outer
                draw.line([x - far, y, x + far, y], fill=shade, width=1 + outer)
                draw.line([x, y - far, x, y + far], fill=shade, width=1 + outer)
        return image

    def palette(self) -> list[Shade]:
        """Return colours that the spot may have: the likely ones, then others."""
        if self.spot is None:
            return []
        height, width = self.prediction.L.shape[2:]
        x, y = ((2 * at + 1) * side // (2 * full) for at, side, full in self._sides(height, width))
        likely, others = self.shades.at(y, x)
        return likely + others

    def text(self) -> str:
        """Return the hints as a .csv has them."""
        return hint_files.as_text(self.lines)

    @property
    def _guided(self) -> bool:
        return self.options.enlarge == "guided"

    def _strokes(self) -> Strokes:
        height, width = self.samples.shape[:2]
        scale = width / self.size[0]
        lines = [
            Line(*self._on_preview(line.x, line.y), line.rgb, line.radius * scale)
            for line in self.lines
        ]
        return hint_files.drawn(lines, height, width, "the page")

    def _on_preview(self, x: int, y: int) -> tuple[int, int]:
        height, width = self.samples.shape[:2]
        return x * width // self.size[0], y * height // self.size[1]

    def _sides(self, height: int, width: int) -> list[tuple[int, int, int]]:
        assert self.spot is not None
        return [(self.spot[0], width, self.size[0]), (self.spot[1], height, self.size[1])]


def begin(photo: Path, colorizer: Colorizer, options: Options) -> Sitting:
    """Show a photo to its colouriser. Raises: UserError: if it is broken."""
    image, size = read_rgb_and_size(photo)
    image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS, reducing_gap=3.0)
    samples = np.asarray(image.convert("RGB"))
    prediction = predicted(samples, colorizer, options, None)
    correction = Correction(prediction.L, prediction.ab)
    shades = Palette(colorizer, prediction.L, prediction.ab)
    return Sitting(photo, colorizer, options, samples, size, prediction, correction, shades)


def predicted(
    samples: UInt8[ndarray, "h w 3"],
    colorizer: Colorizer,
    options: Options,
    strokes: Strokes | None,
) -> Prediction:
    prediction = predict(samples, colorizer, options.size, options.views, strokes)
    return prediction.saturated(options.saturation)
