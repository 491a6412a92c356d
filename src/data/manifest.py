"""manifest.csv: what became of every picture of the source, and where those that are kept stand."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from pathlib import Path

from src import files
from src.errors import UserError

NAME = "manifest.csv"
SPLITS = ("train", "val", "test")
UNSEEN = "unseen"  # the split of whole sets that nothing is ever trained on


@dataclass(frozen=True)
class Row:
    """A picture of the source.

    Attributes:
        file: the prepared picture, below the data set's folder; empty where it was rejected.
        source: the original, below the source's folder.
        status: `kept` or `rejected`.
        reason: why it was rejected: the rule's name, then the figures.
        split: train, val, test or unseen.
        group: equal for near-duplicates of each other.
        sha256: of the original's bytes.
        width, height: of the original, upright, in pixels; 0 where it cannot be read.
        mean_chroma: of the original, in Lab.
    """

    file: str
    source: str
    status: str
    reason: str
    split: str
    group: str
    sha256: str
    width: int
    height: int
    mean_chroma: float

    @property
    def kept(self) -> bool:
        return self.status == "kept"

    @property
    def rule(self) -> str:
        """The name of the rule that rejected it."""
        return self.reason.split(":")[0]


TEXTS = [field.name for field in fields(Row) if field.type is str]


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write the manifest of a data set, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(row) for row in rows)
    files.write_text(folder / NAME, text.getvalue())


def read(folder: Path) -> list[Row]:
    """Read the manifest of a data set.

    Raises: UserError: if it is broken, or names files outside the data set's folder.
    """
    path = folder / NAME
    rows: list[Row] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows.extend(_row(content) for content in csv.DictReader(file))
    # UnicodeDecodeError, of a manifest that was saved in another encoding, is a ValueError.
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}, line {len(rows) + 2}: expected the columns that src.prepare writes, got "
            f"{error}: prepare the data set anew"
        ) from error
    return rows


def _row(content: Mapping[str, str]) -> Row:
    row = Row(
        **{name: content[name] for name in TEXTS},
        width=int(content["width"]),
        height=int(content["height"]),
        mean_chroma=float(content["mean_chroma"]),
    )
    if row.status not in ("kept", "rejected"):
        raise UserError(f"status {row.status!r}")
    if row.kept and row.split not in (*SPLITS, UNSEEN):
        raise UserError(f"split {row.split!r}")
    # A pathlib.Path of each would take longer than all else.
    if row.kept and (row.file[:1] in ("", "/") or ".." in row.file.split("/")):
        raise UserError(f"file {row.file!r}, which is no place in the folder")
    return row


def leaks(rows: Iterable[Row]) -> list[list[Row]]:
    """Find the groups of near-duplicates, and equal files, that stand in more than one split.

    Returns: the pictures of each, first one of each split.
    """
    sets: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.kept:
            sets["group", row.group].append(row)
            sets["sha256", row.sha256].append(row)
    found = {}
    for own in sets.values():
        if len({row.split for row in own}) > 1:
            found[tuple(sorted(row.source for row in own))] = own
    return [_by_turns(found[sources]) for sources in sorted(found)]


def _by_turns(rows: Iterable[Row]) -> list[Row]:
    turns: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        turns[row.split].append(row)
    return [row for own in zip_longest(*turns.values()) for row in own if row is not None]
