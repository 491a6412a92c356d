"""Colourise photographs: python -m src.colorize PHOTO FOLDER ... --output colored/"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported lives to the end: to look for garbage in it takes half a second

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from src import errors, images
from src.colorizers import registry
from src.colorizers.colorizer import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, VIEWS, Colorizer
from src.errors import UserError, require_number, require_whole
from src.inference import pipe, references
from src.inference.batch import Batch, expanded
from src.inference.result import Options

STANDARD = Path("-")
DEFAULT_PROPOSALS, MOST_PROPOSALS = 4, 16


def main(arguments: list[str] | None = None) -> None:
    given = vars(_parser().parse_args(arguments))
    photos, output, overwrite = (given.pop(name) for name in ("photos", "output", "overwrite"))
    method, checkpoint = given.pop("method"), given.pop("checkpoint")
    megapixels, hints = given.pop("max_megapixels"), given.pop("hints")
    count, number = given["proposals"], given.pop("number")
    guessed = given.pop("uncertainty")
    given["proposals"] = ()
    paths = [one for path in given.pop("reference") for one in expanded(path)]
    options = Options(**given)
    with errors.ending_for_people():
        if options.size is not None:
            require_number("--size", options.size, MIN_IMAGE_SIZE, MAX_IMAGE_SIZE)
        require_number("--saturation", options.saturation, 0, 4)
        if options.quality is not None:
            require_number("--quality", options.quality, 1, 100)
        if megapixels is not None:
            require_number("--max-megapixels", megapixels, 1, 100_000)
            images.allow_megapixels(megapixels)
        if STANDARD in photos:
            pipe.require(photos, output)
            if count is not None or guessed:
                raise UserError("- has no folder for --proposals and --uncertainty: name a file")
        if checkpoint is not None and method not in (None, registry.CONSTANT):
            raise UserError(f"--method {method} takes nothing from a --checkpoint: leave one out")
        colorizer = registry.load(method, checkpoint)
        if guessed:
            from src.inference import alternatives

            alternatives.require_guesses(colorizer)
            options = replace(options, unsure=colorizer)
        if not paths and colorizer.takes_reference:
            raise UserError(
                f"--method {method} takes colours of others: name a --reference PICTURE"
            )
        if colorizer.takes_hints and method is not None and hints is None:
            raise UserError(f"--method {method} spreads hints only: give some with --hints FILE")
        if count is not None or number is not None:
            colorizer, options = _proposed(colorizer, options, count, number)
        if paths:
            colorizer = registry.following(colorizer)
            each = [registry.following(one) for one in options.proposals]
            read = references.read(paths)
            for note in read.notes:
                print(note, file=sys.stderr)
            options = replace(options, references=read, proposals=each)
        if STANDARD in photos:
            pipe.run(colorizer, options, hints)
            return
        batch = Batch(output, colorizer, options, overwrite, hints)
        batch.run(photos)
        if batch.worth_a_summary:
            print(batch.summary())
        if said := batch.on_bytes():
            print(said)
        sys.exit(1 if batch.failed else 0)


def _proposed(
    colorizer: Colorizer, options: Options, count: int | None, number: int | None
) -> tuple[Colorizer, Options]:
    """Return the colouriser of the proposal that is kept, and options for a sheet of all.

    Raises: UserError: if there are none of this colouriser, or no such one.
    """
    from src.colorizers.proposals import proposals

    of = DEFAULT_PROPOSALS if count is None else count
    require_whole("--proposals", of, 2, MOST_PROPOSALS)
    require_whole("--proposal", 1 if number is None else number, 1, of)
    each = proposals(colorizer, of)
    if count is not None:
        options = replace(options, proposals=each)
    if number is not None:
        colorizer, views = each[number - 1], options.views if number == 1 else None
        options = replace(options, proposal=f"{number} of {of}", views=views)
    return colorizer, options


def _parser() -> argparse.ArgumentParser:
    parser = errors.Parser(
        prog="python -m src.colorize",
        description="Colourise photographs at their full size. Originals are never changed; the "
        "colours are guesses, and each output says so in its metadata.",
    )
    add = parser.add_argument
    photos = "picture files, or folders, which are searched recursively; - is standard input"
    add("photos", nargs="+", type=_path, metavar="PHOTO", help=photos)
    add("--output", "-o", type=_path, help="folder for the results; they keep their photos' names")
    add("--checkpoint", type=_path, help="a trained .ckpt, or what src.export made of one")
    methods = (
        "colour without a network; constant is the mean colour of what --checkpoint learnt from"
    )
    add("--method", choices=list(registry.METHODS), help=methods)
    hints = (
        "colours of some places: a picture of the photo's size with strokes on a transparent layer "
        "or on a copy of the photo; lines of x,y,color[,radius] as .csv; or a folder of such files "
        "with the photos' names"
    )
    add("--hints", type=_path, metavar="FILE", help=hints)
    reference = (
        "pictures in colour that show alike things: the network takes their colours where it is "
        "sure of that, --method exemplar everywhere"
    )
    add(
        "--reference",
        action="extend",
        nargs="+",
        type=_path,
        default=[],
        metavar="PICTURE",
        help=reference,
    )
    several = (
        "also write NAME_proposals.jpg, a sheet of so many plausible colourings with numbers, 2 to "
        f"{MOST_PROPOSALS}"
    )
    add("--proposals", type=errors.whole, metavar="N", help=several)
    kept = f"keep this one of the N, or of {DEFAULT_PROPOSALS}, as the result"
    add("--proposal", dest="number", type=errors.whole, metavar="K", help=kept)
    unsure = "also write NAME_uncertainty.png, light where the colour is a guess without hints"
    add("--uncertainty", action="store_true", help=unsure)
    size = "short side that the network sees (as trained); more gives finer, other colours"
    add("--size", type=errors.whole, metavar="PIXELS", help=size)
    views = "predictions that are averaged: 1; 2, the mirror image too; 6, both at three sizes"
    add("--views", type=errors.whole, choices=VIEWS, help=f"{views} (as stored with the network)")
    saturation = "strength of the colours, 0 to 4 (1)"
    add("--saturation", type=errors.number, default=1.0, metavar="FACTOR", help=saturation)
    form = "of the results; formats other than JPEG, PNG, TIFF and WebP become PNG (keep)"
    add("--format", choices=("keep", "jpeg", "png", "tiff"), default="keep", help=form)
    quality = (
        "of JPEG and WebP, 1 to 100. JPEG at 95 instead of 99 halves the bytes and moves lightness "
        "by 0.5 instead of 0.2 (L*); WebP, lossless otherwise, halves the colours' resolution"
    )
    add("--quality", type=errors.whole, metavar="N", help=quality)
    enlarge = "colours enlarged along the photo's edges, or regardless of them (guided)"
    add("--enlarge", choices=("guided", "bilinear"), default="guided", help=enlarge)
    add("--keep-color", action="store_true", help="leave photos that are in colour as they are")
    add("--side-by-side", action="store_true", help="the original at the left of the result")
    add("--label", action="store_true", help="draw a small mark that says what the colours are")
    unsaid = "leave out the metadata that say what the colours are"
    add("--no-provenance", dest="provenance", action="store_false", help=unsaid)
    megapixels = (
        "refuse pictures of more, which may be decompression bombs (179); a grey TIFF of 400 needs "
        "2 GB of memory"
    )
    add("--max-megapixels", type=errors.number, metavar="N", help=megapixels)
    add("--overwrite", action="store_true", help="make results again that are there already")
    return parser


def _path(text: str) -> Path:
    if not text:  # of a variable that is not set; it would be the working directory
        raise argparse.ArgumentTypeError("an empty name: expected a file or a folder")
    return Path(text)


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    main()
