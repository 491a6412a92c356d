"""From a photograph's file to a coloured one that says what it is: what commands and page share."""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from src import files
from src.colorizers.colorizer import Colorizer, Reference
from src.errors import UserError
from src.images import Metadata, Page, Photo, eight_bit, write_pages
from src.images.label import draw_label
from src.images.provenance import Record
from src.images.raster import Samples
from src.images.transfer import transfer
from src.inference import hints as hint_files
from src.inference.hints import Strokes
from src.inference.painting import paint
from src.inference.prediction import Prediction, predict
from src.inference.references import References

SOFTWARE = "colorization"
# The first suffix is the usual one.
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
# What stands beside a result, after its name.
BESIDE = PROPOSALS, UNCERTAINTY = "_proposals.jpg", "_uncertainty.png"
NEAR_GREY = 3.0  # mean chroma in Lab units; few people would call such a picture coloured


@dataclass(frozen=True)
class Options:
    """How to colour.

    Attributes:
        size: short side in pixels that the network sees; None is what it was trained on.
        views: of the picture, whose predictions are averaged; None is what the network's file says.
        saturation: factor of the predicted chroma.
        enlarge: guided, along the edges of L, or bilinear.
        format: of the output: keep, jpeg, png or tiff.
        keep_color: pictures that are in colour already stay as they are.
        side_by_side: the original at the left of the coloured picture.
        label: draw a small visible mark.
        provenance: write XMP that says how the colours were made.
        quality: of JPEG and WebP, 1 to 100; None is all that JPEG has, and lossless WebP.
        references: pictures whose colours are an example, for a colouriser that looks at them.
        proposals: colourisers whose pictures go side by side into a sheet beside the result.
        proposal: which of several colourings this is, such as 3 of 4; empty where there is one.
        unsure: a colouriser; a map of where its colours are a guess is written beside the result.
    """

    size: int | None = None
    views: int | None = None
    saturation: float = 1.0
    enlarge: str = "guided"
    format: str = "keep"
    keep_color: bool = False
    side_by_side: bool = False
    label: bool = False
    provenance: bool = True
    quality: int | None = None
    references: References | None = None
    proposals: Sequence[Colorizer] = ()
    proposal: str = ""
    unsure: Colorizer | None = None

    @property
    def reference(self) -> Reference | None:
        return None if self.references is None else self.references.reference


def output_name(photo: Photo, options: Options) -> str:
    """Name the coloured file: as the photo's, with the suffix of its format."""
    suffixes = SUFFIXES[_output_format(photo, options)]
    own = photo.path.suffix
    return photo.path.stem + (own if own.lower() in suffixes else suffixes[0])


def _output_format(photo: Photo, options: Options) -> str:
    if options.format != "keep":
        return options.format.upper()
    return photo.format if photo.format in SUFFIXES else "PNG"


def colorize_file(
    photo: Photo,
    target: Path,
    colorizer: Colorizer,
    options: Options,
    hints: Path | None = None,
) -> list[str]:
    """Colour all pages of a photo and write them to `target`, whole or not at all.

    Args: hints: a file that says which colours some places have.
    Returns: what a person should know about the result.
    Raises:
        UserError: if the photo or the hints are broken, or the format cannot hold it.
        OSError: if it cannot be written.
    """
    form, count = _output_format(photo, options), len(photo.sizes)
    if count > 1 and form != "TIFF":
        raise UserError(f"its {count} pages are more than a {form} holds: choose --format tiff")
    if hints is not None and count > 1:
        raise UserError(f"it has {count} pages: {hints} can be the hints of one only")
    notes = [] if not photo.animated else ["only the first frame of the animation is coloured"]
    if options.keep_color and count == 1 and _in_color(next(photo.pages())):
        if photo.format == form:
            with files.whole(target) as partial:
                shutil.copyfile(photo.path, partial)
            _keep_time(photo.path, target)
            return ["in colour already: copied as it is"]
        notes.append("in colour already: only its format changed")
    chroma: list[float] = []
    pixels = sum(width * height for width, height in photo.sizes) * (1 + options.side_by_side)
    pages = _painted(photo, form, colorizer, options, hints, chroma, notes)
    write_pages(pages, target, form, pixels, options.quality)
    _keep_time(photo.path, target)
    return notes + on_grey(colorizer, chroma)


def on_grey(colorizer: Colorizer, chroma: Sequence[float]) -> list[str]:
    """Say if a network left all pages of a photo near grey. Args: chroma: mean of each."""
    if not colorizer.sha256 or not chroma or max(chroma) >= NEAR_GREY:
        return []
    return [
        f"the result stays near grey (mean chroma {max(chroma):.1f}): try a saturation of 2, "
        "or a model that was trained for longer"
    ]


def asked_beside(options: Options) -> list[str]:
    """Return the endings, of BESIDE, of what is to stand beside a result."""
    asked = {PROPOSALS: bool(options.proposals), UNCERTAINTY: options.unsure is not None}
    return [ending for ending, is_asked in asked.items() if is_asked]


def beside(target: Path, ending: str) -> Path:
    """Name what stands beside a result."""
    return target.with_name(target.stem + ending)


def write_beside(
    photo: Photo,
    target: Path,
    endings: Collection[str],
    colorizer: Colorizer,
    options: Options,
    hints: Path | None = None,
) -> list[Path]:
    """Write beside a result a sheet of proposals, a map, or both, of the photo's first page.

    Args: endings: of `asked_beside`; the others, as for `colorize_file`.
    Returns: what was written: nothing for a photo that stays as it is.
    Raises: UserError: if the photo or the hints are broken. OSError: if it cannot be written.
    """
    if not endings:
        return []
    from src.inference import alternatives

    page = next(photo.pages())
    if options.keep_color and _in_color(page):
        return []
    samples = page.samples
    if PROPOSALS in endings:
        strokes = None if hints is None else hint_files.read(hints, samples)
        # Other views than the network's own would be drawn otherwise: they cannot be averaged.
        each = [
            predicted(samples, one, replace(options, views=None if i else options.views), strokes)
            for i, one in enumerate(options.proposals)
        ]
        sheet = np.asarray(alternatives.sheet(samples, each))
        own = replace(options, proposal=f"1 to {len(options.proposals)}")
        record = record_of(colorizer, own, strokes) if options.provenance else None
        told = transfer(Metadata(), "JPEG", record=record, moved=False)
        path = beside(target, PROPOSALS)
        write_pages([Page(sheet, metadata=told.metadata)], path, "JPEG", sheet.size // 3, 92)
    if UNCERTAINTY in endings and options.unsure is not None:
        height, width = samples.shape[:2]
        found = alternatives.uncertainty(samples, options.unsure, options.size)
        alternatives.write_map(beside(target, UNCERTAINTY), found, (width, height))
    return [beside(target, ending) for ending in endings]


def predicted(
    samples: Samples, colorizer: Colorizer, options: Options, strokes: Strokes | None
) -> Prediction:
    """Predict as the options ask for it, corrected by hints. Raises: UserError: as `predict`."""
    prediction = predict(
        samples,
        colorizer,
        options.size,
        options.views,
        strokes,
        options.reference,
        options.saturation,
    )
    return prediction if strokes is None else prediction.corrected(strokes)


def _keep_time(source: Path, target: Path) -> None:
    """Date the result as its photo: for many, no other date is known."""
    known = source.stat()
    os.utime(target, ns=(known.st_atime_ns, known.st_mtime_ns))


def _painted(
    photo: Photo,
    form: str,
    colorizer: Colorizer,
    options: Options,
    hints: Path | None,
    chroma: list[float],
    notes: list[str],
) -> Iterator[Page]:
    for page in photo.pages():
        record, moved = None, False
        if not (options.keep_color and _in_color(page)):
            strokes = None if hints is None else hint_files.read(hints, page.samples)
            prediction = predicted(page.samples, colorizer, options, strokes)
            chroma.append(prediction.mean_chroma)
            record = record_of(colorizer, options, strokes) if options.provenance else None
            strokes = None  # as large as the photo
            page = _painted_page(page, prediction, options)
            moved = options.side_by_side
        told = transfer(page.metadata, form, record=record, moved=moved)
        notes += [note for note in told.lost if note not in notes]
        yield replace(page, metadata=told.metadata)


def _painted_page(page: Page, prediction: Prediction, options: Options) -> Page:
    guided = options.enlarge == "guided"
    samples, alpha = paint(page.samples, prediction, guided=guided).samples, page.alpha
    if options.side_by_side:
        before = page.samples if page.samples.ndim == 3 else page.samples[..., None]
        before = np.broadcast_to(before, samples.shape)
        samples = np.concatenate([before, samples], axis=1)
        alpha = None if alpha is None else np.concatenate([alpha, alpha], axis=1)
    if options.label:
        draw_label(samples)
    return Page(samples, alpha, page.metadata)


def record_of(colorizer: Colorizer, options: Options, strokes: Strokes | None) -> Record:
    size = options.size or colorizer.image_size
    settings: dict[str, object] = {
        "size": size,
        "views": options.views or colorizer.views,
        "saturation": options.saturation,
        "enlarge": options.enlarge,
    }
    if strokes is not None:
        settings["hints"] = f"{strokes.count(size)} by a person, from {strokes.source}"
    if options.references is not None:
        settings["reference"] = options.references.said
    if options.proposal:
        settings["proposal"] = options.proposal
    when = datetime.now(UTC).astimezone()
    model = f"sha256:{colorizer.sha256}" if colorizer.sha256 else colorizer.name
    return Record(SOFTWARE, version(), model, bool(colorizer.sha256), settings, when)


@cache
def version() -> str:
    return metadata.version(SOFTWARE)


def _in_color(page: Page) -> bool:
    if page.samples.ndim == 2:
        return False
    from src.images import grey

    height, width = page.samples.shape[:2]
    colors = grey.measure(Image.fromarray(eight_bit(page.samples)))
    return not grey.Rules(min_size=1).fault(width, height, colors)
