"""A photo that someone gives hints on: what is kept between two clicks, so that they are fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from src.colorizers import registry
from src.colorizers.colorizer import Colorizer
from src.colorizers.palette import Palette, Shade
from src.colorizers.proposals import proposals
from src.errors import UserError
from src.images import Photo
from src.images.photo import over_white
from src.inference import alternatives, result
from src.inference.hints import NEARLY_ALL, Strokes
from src.inference.painting import paint
from src.inference.prediction import Prediction
from src.inference.result import Options
from src.web import drawing as drawings
from src.web.drawing import Drawing, Stroke
from src.web.preview import Preview

PREVIEW = 1280  # pixels of the long side
# As strokes are shown, of the preview's short side: the radius of a dab, half the width of others,
# and each of their two rims.
DOT, LINE, RIM = 1 / 80, 1 / 260, 1 / 520
SMOOTH = 2  # times the preview's size, at which marks are drawn
GUESSED, MOST = "#ff7a00", 0.9  # colour of an uncertainty map over a photo, and its most
SURE = 10.0  # Lab units of uncertainty: nowhere is more clear, and it spans as much at least


class Said(NamedTuple):
    """What someone said of a photo: hints, what they were before each change, and the variant."""

    drawing: Drawing = Drawing()
    past: Sequence[Drawing] = ()
    number: int = 1


@dataclass(frozen=True, eq=False)  # Gradio hashes it, which pixels cannot be
class Sitting:
    """A photo before its colouriser, with what someone says of its colours.

    Attributes:
        network: what colours it.
        colorizer: that, or one of its variants.
        samples: of the preview, 8-bit sRGB.
        size: (width, height) of the whole photo, upright; of the first page where there are more.
        pages: how many there are; only of a single one hints are taken.
        preview: its colours, which hints change.
        shades: what the network thinks likely.
        painted: the preview in its colours.
        drawing: the hints.
        past: what it was before each of its changes.
        active: whether the latest stroke may still change its colour.
        rgb: the colour that was chosen last; in_hand: whether the next stroke takes it.
        elsewhere: what the same person said of other photos.
        number: of the variant; 1 is the network's own.
    """

    photo: Path
    network: Colorizer
    colorizer: Colorizer
    options: Options
    samples: UInt8[ndarray, "h w 3"]
    size: tuple[int, int]
    preview: Preview = field(repr=False)
    shades: Palette = field(repr=False)
    painted: UInt8[ndarray, "h w 3"] = field(repr=False)
    drawing: Drawing = field(default_factory=Drawing)
    past: Sequence[Drawing] = ()
    active: bool = False
    rgb: Shade | None = None
    in_hand: bool = False
    elsewhere: Mapping[Path, Said] = field(default_factory=dict, repr=False)
    number: int = 1
    pages: int = 1

    def following(self, before: "Sitting | None") -> "Sitting":
        """Take over the hints that were given before, on this photo and others."""
        if before is None:
            return self
        elsewhere = {**before.elsewhere, before.photo: before.said_of(before.photo)}
        given, past, _ = before.said_of(self.photo)
        return self._with(
            given, past=past, elsewhere=elsewhere, rgb=before.rgb, in_hand=before.in_hand
        )

    def said_of(self, photo: Path) -> Said:
        """Return what was said of this photo or another; a stroke without a colour is forgotten."""
        if photo != self.photo:
            return self.elsewhere.get(photo, Said())
        pending = self.active and self.drawing.strokes[-1].rgb is None
        given, past = (self.past[-1], self.past[:-1]) if pending else (self.drawing, self.past)
        return Said(given, past, self.number)

    def in_use(self) -> set[Path]:
        """Return the files that it needs."""
        each = [Said(self.drawing, self.past), *self.elsewhere.values()]
        drawings = [one for said in each for one in (said.drawing, *said.past)]
        layers = {one.layer.path for one in drawings if one.layer is not None}
        return {self.photo, *layers}

    def stroked(
        self, path: Sequence[tuple[float, float]], radius: float, *, keep: bool
    ) -> "Sitting":
        """Paint a stroke, whose colour is chosen next, or is in hand.

        Args:
            path: (x, y) from 0 to 1, of the width and height.
            radius: of the short side.
            keep: take the colour that was chosen last.
        Raises: UserError: if the drawing is full, or the photo has several pages, or nothing of it
            would be left without a hint.
        """
        self._require_one_page()
        width, height = self.size
        points = [
            (min(width - 1, int(x * width)), min(height - 1, int(y * height))) for x, y in path
        ]
        rgb = self.rgb if self.in_hand or keep else None
        # As it is saved, so that it is the same when it is loaded again.
        stroke = Stroke(points, max(1.0, round(radius * min(self.size), 1)), rgb)
        pending = self.active and self.drawing.strokes[-1].rgb is None
        # A stroke that was given no colour is forgotten.
        before = self.past[-1] if pending else self.drawing
        past = self.past if pending else [*self.past, self.drawing]
        drawing = before.with_stroke(stroke)
        if self._on_preview(drawing.recolored((0, 0, 0))).mask.mean() > NEARLY_ALL:
            raise UserError("strokes would cover nearly all of the photo: take a finer brush")
        return self._with(drawing, past=past, active=True, in_hand=False)

    def colored(self, rgb: Shade, *, keep: bool = False) -> "Sitting":
        """Choose a colour: the latest stroke's, or where that has one that is kept, the next's."""
        if not self.active or (keep and self.drawing.strokes[-1].rgb is not None):
            return replace(self, rgb=rgb, in_hand=True)
        given = self.drawing.strokes[-1].rgb is not None
        past = [*self.past, self.drawing] if given else self.past
        return self._with(self.drawing.recolored(rgb), past=past, rgb=rgb, in_hand=False)

    def undone(self) -> "Sitting":
        """Take the last change back."""
        if not self.past:
            return self
        return self._with(self.past[-1], past=self.past[:-1], active=False, in_hand=False)

    def loaded(self, path: Path, folder: Path) -> "Sitting":
        """Take hints from a file instead.

        Raises: UserError: if it holds none for this photo, or that has several pages.
        """
        self._require_one_page()
        photo = next(Photo(self.photo).pages()).samples
        found = drawings.loaded(path, photo, self.samples.shape[:2], folder)
        return self._with(found, past=[*self.past, self.drawing], active=False)

    def _require_one_page(self) -> None:
        if self.pages > 1:
            raise UserError(several_pages(self.pages))

    def variants(self, count: int) -> "list[Sitting]":
        """Return likely colourings without hints, the network's own first.

        Raises: UserError: if the network gives no probabilities.
        """
        samples = next(Photo(self.photo).pages()).samples
        _, *others = proposals(self.network, count)
        own = replace(self.options, proposal="")
        each = [self._by(self.network, own, samples, 1)]
        for number, one in enumerate(others, start=2):
            options = replace(self.options, proposal=f"{number} of {count}")
            each.append(self._by(one, options, samples, number))
        return each

    def doubted(self, folder: Path) -> tuple[Image.Image, Path]:
        """Return the photo with its uncertainty over it, and the map's file at full size.

        Over the photo its own least is clear, unless that is much, and its most is orange; the map
        has one scale for all photos.

        Raises: UserError: if the photo is broken, or no network predicts its colours.
        """
        alternatives.require_guesses(self.network)
        samples = next(Photo(self.photo).pages()).samples
        found = alternatives.uncertainty(samples, self.network, self.options.size)
        target = folder / f"{self.photo.stem}{result.UNCERTAINTY}"
        alternatives.write_map(target, found, self.size)
        grey = Image.fromarray(self.samples).convert("L").convert("RGB")
        least, most = min(SURE, float(found.min())), float(found.max())
        share = (found - least) / max(most - least, SURE)
        strength = Image.fromarray((share * MOST * 255).byte().numpy()).resize(grey.size)
        return Image.composite(Image.new("RGB", grey.size, GUESSED), grey, strength), target

    def whole(self, folder: Path) -> tuple[Path, list[str]]:
        """Paint the photo at its full size. Returns: the file, and what to know about it.

        Raises: UserError: as `colorize_file`.
        """
        photo = Photo(self.photo)
        target = folder / result.output_name(photo, self.options)
        hints = None
        if self.drawing:  # beside the result it would have its name, and the same suffix at times
            (folder / "hints").mkdir()
            hints = self.drawing.saved(folder / "hints", self.photo.stem, self.size)
        notes = result.colorize_file(photo, target, self.colorizer, self.options, hints)
        target.touch()  # it has the photo's date, and what is old is deleted
        return target, notes

    def marked(self) -> Image.Image:
        """Return the preview in its colours, with the strokes on it: a dot, or a thin line."""
        image = Image.fromarray(self.painted)
        if not self.drawing.strokes:
            return image
        # Pillow draws jagged edges: what is drawn larger and then shrunk has smooth ones.
        marks = Image.new("RGBA", (SMOOTH * image.width, SMOOTH * image.height))
        draw, scale = ImageDraw.Draw(marks), marks.width / self.size[0]
        for stroke in self.drawing.strokes:
            path = [((x + 0.5) * scale, (y + 0.5) * scale) for x, y in stroke.path]
            radius = LINE if len(path) > 1 else DOT
            for rims, ink in ((2, "black"), (1, "white"), (0, stroke.rgb or "white")):
                wide = max(2 + rims, (radius + rims * RIM) * min(marks.size))
                draw.line(path, ink, round(2 * wide), joint="curve")
                for x, y in (path[0], path[-1]):
                    draw.ellipse([x - wide, y - wide, x + wide, y + wide], ink)
        marks = marks.resize(image.size, Image.Resampling.BOX)
        image.paste(marks, mask=marks)
        return image

    def palette(self) -> tuple[list[Shade], list[Shade]]:
        """Return colours that the latest stroke's middle may have: the likely ones, and others."""
        if not self.active:
            return [], []
        width, height = self.size
        path = self.drawing.strokes[-1].path
        middle = path[len(path) // 2]
        rows, columns = self.shades.size
        return self.shades.at(middle[1] * rows // height, middle[0] * columns // width)

    def _by(
        self, colorizer: Colorizer, options: Options, samples: ndarray, number: int
    ) -> "Sitting":
        """Return the photo, whose own samples these are, as another coloured it, without hints."""
        colorizer = followed(colorizer, options)
        preview = Preview(samples, colorizer, options)
        return replace(
            self,
            number=number,
            colorizer=colorizer,
            options=options,
            preview=preview,
            painted=painted(self.samples, preview.prediction, options),
            drawing=Drawing(),
            past=(),
            active=False,
        )

    def _with(self, drawing: Drawing, **others: Any) -> "Sitting":
        """Change the hints, and paint the preview anew if they ask for other colours."""
        at = replace(self, drawing=drawing, **others)
        if not drawing.colors_as(self.drawing):
            at = replace(at, painted=at._painted_anew())
        return at

    def _painted_anew(self) -> UInt8[ndarray, "h w 3"]:
        prediction = self.preview.prediction
        if self.drawing:
            prediction = self.preview.hinted(self._on_preview(self.drawing))
        return painted(self.samples, prediction, self.options)

    def _on_preview(self, drawing: Drawing) -> Strokes:
        height, width = self.samples.shape[:2]
        return drawing.on(height, width, width / self.size[0])


def begin(photo: Path, network: Colorizer, options: Options) -> Sitting:
    """Show a photo to a network. Raises: UserError: if it is broken."""
    file = Photo(photo)
    page = next(file.pages())
    colorizer = followed(network, options)
    preview = Preview(page.samples, colorizer, options)
    prediction = preview.prediction
    height, width = page.samples.shape[:2]
    image = over_white(page.samples, page.alpha)
    image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS, reducing_gap=3.0)
    samples = np.asarray(image)
    return Sitting(
        photo,
        network,
        colorizer,
        options,
        samples,
        (width, height),
        preview,
        Palette(network, prediction.L, prediction.ab),
        painted(samples, prediction, options),
        pages=len(file.sizes),
    )


def several_pages(count: int) -> str:
    """Say what becomes of a file with several pages."""
    return (
        f"This file has {count} pages, of which the first is shown. All are coloured; hints are "
        "taken on a photo of one page only: save the page that you know colours of by itself."
    )


def followed(colorizer: Colorizer, options: Options) -> Colorizer:
    """Let a colouriser look at references, if there are any. Raises: UserError: if it cannot."""
    return colorizer if options.references is None else registry.following(colorizer)


def painted(
    samples: UInt8[ndarray, "h w 3"], prediction: Prediction, options: Options
) -> UInt8[ndarray, "h w 3"]:
    return paint(samples, prediction, guided=options.enlarge == "guided").samples
