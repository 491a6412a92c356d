"""Many photos, and folders of them, on their way to one folder."""

import glob
import math
import os
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from src import errors, files, images, pace
from src.colorizers.colorizer import Colorizer
from src.errors import UserError
from src.inference import result
from src.inference.hints import ByName
from src.inference.result import BESIDE, SUFFIXES, Options, output_name
from src.threads import cores, in_order

LARGE = 2.5  # times the bytes of the photo; colours and a faithful JPEG cost so much at most
# Larger photos are coloured one after the other: side by side they would take more memory than the
# largest does alone, and be long about ending when a person stops the command.
MOST_SIDE_BY_SIDE, AT_ONCE = 16e6, 50e6  # pixels of a photo, and of all that are coloured at once


class Job(NamedTuple):
    """A photo on its way to a folder.

    Attributes:
        photo: what is wrong with it where its file cannot be read.
        alone: whether all cores are to work on it, once what came before is done.
    """

    source: Path
    folder: Path
    photo: images.Photo | Exception
    alone: bool


class Made(NamedTuple):
    """What became of a photo.

    Attributes:
        target: its result.
        notes: on that; None where it was there already.
        beside: what was written beside it.
    """

    target: Path
    notes: list[str] | None
    beside: list[Path]


@dataclass
class Batch:
    """Photos on their way to one folder.

    Attributes:
        output: the folder.
        colorizer, options: how to colour.
        overwrite: make results again that are there already.
        hints: colours of some places: a file for one photo, or a folder with the photos' names.
        painted, skipped, failed: how many photos were, so far.
        large: how many of the results have many more bytes than their photos.
        left_out: how many pictures there were of each kind that is not read, by suffix.
    """

    output: Path | None
    colorizer: Colorizer
    options: Options
    overwrite: bool
    hints: Path | None = None
    painted: int = 0
    skipped: int = 0
    failed: int = 0
    large: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _by_name: ByName | None = None
    _inputs: set[Path] = field(default_factory=set)
    _targets: set[Path] = field(default_factory=set)

    def run(self, photos: list[Path]) -> None:
        """Colour photos and folders of them; what fails is reported, and the rest goes on.

        Raises: UserError: if nothing can be done at all. OSError: if the disk is full.
        """
        output = self._folder()
        # One that is named twice, by itself and by its folder, is one photo.
        named = [one for photo in photos for one in expanded(photo)]
        jobs = list(dict.fromkeys(job for photo in named for job in self._jobs(photo, output)))
        if not jobs:
            return
        self._prepare_hints(photos, [self._name(*job) for job in jobs])
        self._inputs = {source.resolve() for source, _ in jobs}
        is_new = not output.exists()
        output.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(), closing(self._worked_on(jobs)) as done:
            warnings.simplefilter("ignore")  # while a picture is read, of which there are several
            for job, made in pace.each(done, "colouring", len(jobs), "photos"):
                self._tell(job, made)
        if is_new and not self.painted:
            with suppress(OSError):  # what lies there is a person's
                output.rmdir()

    @property
    def worth_a_summary(self) -> bool:
        """Whether there is more to say than what a single photo's own line said."""
        return self.skipped > 0 or self.painted + self.failed != 1 or bool(self.left_out)

    def summary(self) -> str:
        said = [f"{self.painted} coloured"]
        if self.skipped:
            said.append(f"{self.skipped} were there already (--overwrite makes them again)")
        if self.failed:
            said.append(f"{self.failed} failed")
        left_out = images.in_words(self.left_out)
        return f"{', '.join(said)}{left_out and f'; {left_out}'}: {self.output}"

    def on_bytes(self) -> str:
        """Say how many results are large; nothing where none is."""
        if not self.large:
            return ""
        return (
            f"{self.large} of {self.painted} results have over {LARGE} times the bytes of their "
            "photos: --quality 95 makes JPEG and WebP smaller"
        )

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
        results = {name.rpartition(".")[0] for name in listed.names}
        found = [photo / name for name in listed.names if not _is_beside(name, results)]
        if photo.resolve() in output.resolve().parents:
            # Results of an earlier run are no photos of the folder that they lie in.
            found = [path for path in found if not path.resolve().is_relative_to(output.resolve())]
        if self.hints is not None:
            hints = self.hints.resolve()
            if photo.resolve().is_relative_to(hints):
                raise UserError(
                    f"--hints {self.hints} holds the photos too: give hints a folder of their own"
                )
            found = [path for path in found if not path.resolve().is_relative_to(hints)]
        if not found:
            left_out = images.in_words(listed.left_out)
            self._fail(photo, f"no pictures in this folder{left_out and f'; {left_out}'}")
        for path in found:
            yield path, output / path.relative_to(photo).parent

    def _prepare_hints(self, photos: list[Path], names: list[Path]) -> None:
        """Look at what is to give hints. Raises: UserError: if it cannot be meant."""
        if self.hints is None:
            return
        if self.hints.is_dir():
            self._by_name = ByName(self.hints)
            self._by_name.require_some(names)
        elif not self.hints.exists():
            raise UserError(f"no hints at {self.hints}")
        elif len(names) > 1 or any(photo.is_dir() for photo in photos):
            raise UserError(
                f"--hints {self.hints} is one photo's: for several, or a folder, give a folder of "
                "files with the photos' names"
            )

    def _name(self, source: Path, folder: Path) -> Path:
        """A photo's path below the folder that was named. Args: folder: of its result."""
        return folder.relative_to(self._folder()) / source.name

    def _worked_on(
        self, jobs: list[tuple[Path, Path]]
    ) -> Generator[tuple[Job, Future[Made]], None, None]:
        return in_order(self._colorize, self._opened(jobs), self._weight)

    def _opened(self, jobs: list[tuple[Path, Path]]) -> Iterator[Job]:
        names, few = set[Path](), len(jobs) < cores()
        for source, folder in jobs:
            name = folder / source.stem
            photo: images.Photo | Exception
            try:
                photo = images.Photo(source)
            except errors.EXPECTED as error:  # which is told when it is its turn
                photo = error
            # With the same name, its result may be that of another, or not, as that one ends.
            yield Job(source, folder, photo, alone=few or name in names)
            names.add(name)

    def _weight(self, job: Job) -> float:
        if isinstance(job.photo, Exception):
            return 0
        pixels = sum(width * height for width, height in job.photo.sizes)
        pixels *= 1 + self.options.side_by_side
        return math.inf if job.alone or pixels > MOST_SIDE_BY_SIDE else pixels / AT_ONCE

    def _colorize(self, job: Job) -> Made:
        photo, target = self._photo_and_target(job)
        due, asked = self._is_due(target), result.asked_beside(self.options)
        # A sheet that a result lacks is made although the result stays; one that another photo of
        # this run has is refused.
        beside = {one: result.beside(target, one) for one in asked}
        endings = [
            one
            for one, path in beside.items()
            if self.overwrite or not path.is_file() or path.resolve() in self._targets
        ]
        if not due and not endings:
            return Made(target, None, [])
        self._require_own([beside[ending] for ending in endings])
        name = self._name(job.source, job.folder)
        hints = self._by_name.of(name) if self._by_name else self.hints
        given = self.colorizer, self.options, hints
        notes = result.colorize_file(photo, target, *given) if due else None
        return Made(target, notes, result.write_beside(photo, target, endings, *given))

    def _photo_and_target(self, job: Job) -> tuple[images.Photo, Path]:
        if isinstance(job.photo, Exception):
            raise job.photo
        return job.photo, job.folder / output_name(job.photo, self.options)

    def _tell(self, job: Job, made: Future[Made]) -> None:
        source = job.source
        try:
            target, notes, beside = made.result()
        except OSError as error:
            _, target = self._photo_and_target(job)
            if error.errno in files.NO_ROOM:
                said = f"{target}: {error.strerror}, after {self.summary()}"
                raise OSError(said) from error
            self._fail(source, f"{target}: {error.strerror or error}")
        except errors.EXPECTED as error:
            said = errors.in_one_line(error)
            if glob.has_magic(str(source)) and not os.path.lexists(source):
                said += "; no name matches the pattern either"
            self._fail(source, said)
        else:
            self._targets |= {path.resolve() for path in (target, *beside)}
            if notes is None:
                self.skipped += 1
            else:
                self.painted += 1
                self.large += target.stat().st_size > LARGE * source.stat().st_size
                for note in notes:
                    tqdm.write(f"{source}: {note}", file=sys.stderr)
                tqdm.write(f"{source} -> {target}")
            for path in beside:
                tqdm.write(f"{source} -> {path}")

    def _is_due(self, target: Path) -> bool:
        """Tell whether to make a result. Raises: UserError: if it would replace something else."""
        self._require_own([target])
        return self.overwrite or not target.exists()

    def _require_own(self, targets: Sequence[Path]) -> None:
        """Refuse photos, folders, and results of this run for another photo. Raises: UserError."""
        for target in targets:
            if target.resolve() in self._inputs:
                raise UserError(f"{target} is a photo itself: choose another --output")
            if target.is_dir():
                raise UserError(f"{target} is a folder: choose another --output")
            if target.resolve() in self._targets:
                raise UserError(f"{target} is another photo's: choose another --output for one")

    def _fail(self, source: Path, reason: str) -> None:
        self.failed += 1
        tqdm.write(f"{source}: {reason}", file=sys.stderr)


def _is_beside(name: str, results: Collection[str]) -> bool:
    """Tell whether a picture is what an earlier run left beside one of these, without suffix."""
    return any(name.endswith(ending) and name.removesuffix(ending) in results for ending in BESIDE)


def expanded(photo: Path) -> list[Path]:
    """Return the files that a pattern such as *.jpg stands for; Windows' shells leave it as it is.

    What stands for none is returned itself, so that it is reported like any file that is missing.
    """
    if os.path.lexists(photo) or not glob.has_magic(str(photo)):
        return [photo]
    found = glob.glob(str(photo.expanduser()), recursive=True)  # noqa: PTH207 (no hidden files)
    return sorted(Path(name) for name in found) or [photo]
