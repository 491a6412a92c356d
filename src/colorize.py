"""Colourise photographs: python -m src.colorize PHOTO FOLDER ... --output colored/"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported lives to the end: to look for garbage in it takes half a second

import argparse
import errno
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from src import errors, images
from src.colorizers.checkpoint import MAX_IMAGE_SIZE, TrainedGenerator
from src.errors import UserError, require_number
from src.inference.result import SUFFIXES, Options, color_file, load_generator, output_name

STANDARD = Path("-")
DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    options = Options(
        given.size, given.saturation, given.enlarge, given.format, given.keep_color,
        given.side_by_side, given.label, given.provenance,
    )  # fmt: skip
    with errors.ending_for_people():
        if given.size is not None:
            require_number("--size", given.size, 16, MAX_IMAGE_SIZE)
        require_number("--saturation", given.saturation, 0, 4)
        if STANDARD in given.photos:
            require_pipe(given.photos, given.output)
            pipe(load_generator(given.checkpoint), options)
            return
        batch = Batch(given.output, options, given.overwrite)
        batch.run(given.photos, given.checkpoint)
        if (batch.colored, batch.skipped, batch.failed) != (1, 0, 0) or batch.left_out:
            print(batch.summary())
        sys.exit(1 if batch.failed else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.colorize",
        description="Colourise photographs at their full size. Originals are never changed; the "
        "colours are guesses, and each output says so in its metadata.",
    )
    add = parser.add_argument
    add(
        "photos",
        nargs="+",
        type=_path,
        metavar="PHOTO",
        help="picture files, or folders, which are searched recursively; - is standard input",
    )
    add("--output", "-o", type=_path, help="folder for the results; they keep their photos' names")
    add("--checkpoint", type=_path, help="a trained .ckpt, or what src.export made of one")
    add(
        "--size",
        type=int,
        metavar="PIXELS",
        help="short side that the network sees (as trained); more gives finer, other colours",
    )
    add(
        "--saturation",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="strength of the colours, 0 to 4 (1)",
    )
    add(
        "--format",
        choices=("keep", "jpeg", "png", "tiff"),
        default="keep",
        help="of the results; formats other than JPEG, PNG, TIFF and WebP become PNG (keep)",
    )
    add(
        "--enlarge",
        choices=("guided", "bilinear"),
        default="guided",
        help="colours enlarged along the photo's edges, or regardless of them (guided)",
    )
    add("--keep-color", action="store_true", help="leave photos that are in colour as they are")
    add("--side-by-side", action="store_true", help="the original at the left of the result")
    add("--label", action="store_true", help="draw a small mark that says what the colours are")
    add("--no-provenance", dest="provenance", action="store_false",
        help="leave out the metadata that say what the colours are")  # fmt: skip
    add("--overwrite", action="store_true", help="make results again that are there already")
    return parser


def _path(text: str) -> Path:
    if not text:  # of a variable that is not set; it would be the working directory
        raise argparse.ArgumentTypeError("an empty name: expected a file or a folder")
    return Path(text)


def require_pipe(photos: list[Path], output: Path | None) -> None:
    """Refuse what cannot be piped. Raises: UserError."""
    if len(photos) > 1 or output is not None:
        raise UserError("- is standard input, coloured to standard output: name it alone")
    if sys.stdin is None or sys.stdout is None:
        raise UserError("- needs standard input and output, of which one is closed")
    if sys.stdout.isatty():
        raise UserError("standard output is a terminal: send the picture to a file or a pipe")


def pipe(trained: TrainedGenerator, options: Options) -> None:
    """Colour the picture that comes in at standard input. Raises: UserError: if it is none."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "standard input"), Path(folder, "coloured")
        with source.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            notes = color_file(images.Photo(source), target, trained, options)
        except ValueError as error:
            raise UserError(f"standard input: {error}") from error
        for note in notes:
            print(f"standard input: {note}", file=sys.stderr)
        try:
            with target.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except OSError as error:
            error.filename = "standard output"
            raise


@dataclass
class Batch:
    """Photos on their way to one folder.

    Attributes:
        output: the folder.
        options: how to colour.
        overwrite: make results again that are there already.
        colored, skipped, failed: how many photos were, so far.
        left_out: how many pictures there were of each kind that is not read, by suffix.
    """

    output: Path | None
    options: Options
    overwrite: bool
    colored: int = 0
    skipped: int = 0
    failed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _inputs: set[Path] = field(default_factory=set)
    _targets: set[Path] = field(default_factory=set)

    def run(self, photos: list[Path], model: Path | None) -> None:
        """Colour photos and folders of them; what fails is reported, and the rest goes on.

        Raises: UserError: if nothing can be done at all. OSError: if the disk is full.
        """
        output = self._folder()
        # One that is named twice, by itself and by its folder, is one photo.
        jobs = list(dict.fromkeys(job for photo in photos for job in self._jobs(photo, output)))
        if not jobs:
            return
        self._inputs = {source.resolve() for source, _ in jobs}
        trained = load_generator(model)
        output.mkdir(parents=True, exist_ok=True)
        with tqdm(jobs, unit="photo", disable=None if len(jobs) > 1 else True) as progress:
            for source, folder in progress:
                self._color(source, folder, trained)

    def summary(self) -> str:
        said = [f"{self.colored} coloured"]
        if self.skipped:
            said.append(f"{self.skipped} were there already (--overwrite makes them again)")
        if self.failed:
            said.append(f"{self.failed} failed")
        left_out = images.in_words(self.left_out)
        return f"{', '.join(said)}{left_out and f'; {left_out}'}: {self.output}"

    def _folder(self) -> Path:
        if self.output is None:
            raise UserError("no --output is given: name a folder for the coloured photos")
        known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
        if self.output.suffix.lower() in known and not self.output.is_dir():
            raise UserError(
                f"--output {self.output}: expected a folder; results keep their photos' names"
            )
        if self.output.exists() and not self.output.is_dir():
            raise UserError(f"--output {self.output} is a file: expected a folder")
        return self.output

    def _jobs(self, photo: Path, output: Path) -> Iterator[tuple[Path, Path]]:
        if not photo.is_dir():
            yield photo, output
            return
        listed = images.listing(photo)
        self.left_out += listed.left_out
        found = [photo / name for name in listed.names]
        if photo.resolve() in output.resolve().parents:
            # Results of an earlier run are no photos of the folder that they lie in.
            found = [path for path in found if not path.resolve().is_relative_to(output.resolve())]
        if not found:
            left_out = images.in_words(listed.left_out)
            self._fail(photo, f"no pictures in this folder{left_out and f'; {left_out}'}")
        for path in found:
            yield path, output / path.relative_to(photo).parent

    def _color(self, source: Path, folder: Path, trained: TrainedGenerator) -> None:
        try:
            photo = images.Photo(source)
            target = folder / output_name(photo, self.options)
            if not self._is_due(target):
                self.skipped += 1
                self._targets.add(target.resolve())
                return
            notes = color_file(photo, target, trained, self.options)
        except OSError as error:
            if error.errno in DISK_IS_FULL:
                said = f"{target}: {error.strerror}, after {self.summary()}"
                raise OSError(said) from error
            self._fail(source, f"{target}: {error.strerror or error}")
        # RuntimeError is torch's word for memory that is not there.
        except (ValueError, MemoryError, RuntimeError) as error:
            self._fail(source, errors.in_one_line(error))
        else:
            self.colored += 1
            self._targets.add(target.resolve())
            for note in notes:
                tqdm.write(f"{source}: {note}", file=sys.stderr)
            tqdm.write(f"{source} -> {target}")

    def _is_due(self, target: Path) -> bool:
        """Tell whether to make a result. Raises: UserError: if it would replace something else."""
        resolved = target.resolve()
        if resolved in self._inputs:
            raise UserError(f"{target} is a photo itself: choose another --output")
        if resolved in self._targets:
            raise UserError(f"{target} is another photo's result: choose another --output for one")
        if target.is_dir():
            raise UserError(f"{target} is a folder: choose another --output")
        return self.overwrite or not target.exists()

    def _fail(self, source: Path, reason: str) -> None:
        self.failed += 1
        tqdm.write(f"{source}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    main()
