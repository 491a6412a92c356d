"""pictures.csv: which pictures a run was trained, selected and tested on, by their content."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from src import files
from src.data.manifest import SPLITS
from src.errors import UserError

NAME = "pictures.csv"
KEY = "trained_on"  # of a checkpoint


@dataclass(frozen=True)
class Listed:
    """A picture of a run.

    Attributes:
        file: below the folder of the data set.
        split: train, val or test.
        sha256: of the file that was read.
        original: sha256 of what the file was prepared from; empty where no manifest says it.
    """

    file: str
    split: str
    sha256: str
    original: str = ""


def write(pictures: Iterable[Listed], path: Path) -> None:
    """Write a list of pictures, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Listed)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(picture) for picture in pictures)
    files.write_text(path, text.getvalue())


def read(path: Path) -> list[Listed]:
    """Read a list of pictures. Raises: UserError: if it is broken. OSError: if there is none."""
    return parse(path.read_bytes(), str(path))


def parse(content: bytes, place: str) -> list[Listed]:
    """Read the bytes of a list of pictures that lies at `place`, as `read`."""
    try:
        rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
        names = [field.name for field in fields(Listed)]
        pictures = [Listed(**{name: row[name] for name in names}) for row in rows]
        for picture in pictures:
            if picture.split not in SPLITS:
                raise ValueError(f"split {picture.split!r}")
            short(picture.sha256)
            short(picture.original or "0")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{place} is broken: it is no list of a run's pictures ({error})") from None
    return pictures


def short(sha256: str) -> int:
    """Shorten a hash to 64 bits, signed, which no two of a few million pictures share by chance."""
    return int(sha256[:16], 16) - 2**63


def _hashes(picture: Listed) -> list[int]:
    return [short(sha256) for sha256 in (picture.sha256, picture.original) if sha256]


@dataclass(frozen=True)
class TrainedOn:
    """What a checkpoint was trained or selected on.

    Attributes:
        pictures: (n,) shortened hashes of the files and of their originals, sorted.
        is_complete: False where it may have seen more than these.
    """

    pictures: Int64[Tensor, " n"]
    is_complete: bool

    @classmethod
    def of(cls, pictures: Sequence[Listed] | None) -> "TrainedOn":
        """Take the training and validation pictures of a list; None: nobody knows them."""
        hashes = {
            sha256
            for picture in pictures or ()
            if picture.split != "test"
            for sha256 in _hashes(picture)
        }
        return cls(torch.tensor(sorted(hashes), dtype=torch.int64), pictures is not None)

    @classmethod
    def read(cls, checkpoint: Mapping[str, Any]) -> "TrainedOn":
        """Read what a checkpoint says of itself, which may be nothing."""
        content = checkpoint.get(KEY)
        content = content if isinstance(content, Mapping) else {}
        pictures = content.get("pictures")
        if not isinstance(pictures, Tensor) or pictures.dtype != torch.int64 or pictures.ndim != 1:
            return cls.of(None)
        return cls(pictures, content.get("is_complete") is True)

    def count(self, pictures: Sequence[Listed]) -> int:
        """Return how many of these it was trained or selected on."""
        known = {*self.pictures.tolist()}
        return sum(not known.isdisjoint(_hashes(one)) for one in pictures)

    def write(self, checkpoint: dict[str, Any]) -> None:
        """Put it into a checkpoint, as plain data."""
        checkpoint[KEY] = {"pictures": self.pictures, "is_complete": self.is_complete}

    def __or__(self, other: "TrainedOn") -> "TrainedOn":
        pictures = torch.cat([self.pictures, other.pictures]).unique()
        return TrainedOn(pictures, self.is_complete and other.is_complete)
