"""What a folder holds: which pictures can be read, with hashes that are kept for the next run."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from src import files, images
from src.errors import UserError
from src.images import UnreadableImageError, read_rgb


@dataclass(frozen=True)
class Scan:
    """What a folder holds: the sha256 of every readable picture, and why others are not."""

    contents: dict[str, str]
    skipped: dict[str, str]


def scan(root: Path, index_dir: Path, num_workers: int) -> Scan:
    """Decode and hash every picture file below `root`, but those an earlier scan has seen.

    Raises: UserError: if there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"data.root={root} is no folder: give the folder that holds the pictures")
    listed = images.listing(root)
    names = listed.names
    if listed.left_out:
        rank_zero_only(print)(f"{root}: {images.in_words(listed.left_out)}")
    digest = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()
    index_file = index_dir / f"{digest[:16]}.json"
    known = _read_index(index_file)
    stamps = {name: _stamp(root / name) for name in names}
    contents = {n: known[n][1] for n in names if n in known and known[n][0] == stamps[n]}
    skipped = {}
    fresh = [name for name in names if name not in contents]
    workers = min(num_workers, len(fresh))
    reader = DataLoader(_Reader(root, fresh), batch_size=None, num_workers=workers)
    bar = tqdm(reader, "reading pictures", unit=" files", disable=None if fresh else True)
    for name, (sha256, fault) in zip(fresh, bar, strict=True):
        if fault:
            skipped[name] = fault
        else:
            contents[name] = sha256
    if fresh:
        _write_index(index_file, {name: (stamps[name], contents[name]) for name in contents})
    return Scan({name: contents[name] for name in names if name in contents}, skipped)


class _Reader(Dataset[tuple[str, str]]):
    """Reads each file once: its sha256, and what is wrong with it ('' when nothing is)."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root = root
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[str, str]:
        path = self.root / self.names[index]
        try:
            read_rgb(path)
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except UnreadableImageError as error:
            return "", str(error)
        except OSError as error:
            return "", error.strerror or str(error)
        return sha256, ""


Index = dict[str, tuple[list[int], str]]  # name: ([size, modification time in ns], sha256)


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:  # a dangling link: the reader will say so
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def _read_index(path: Path) -> Index:
    try:
        return {
            name: (stamp, sha256) for name, (stamp, sha256) in json.loads(path.read_text()).items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # none yet, or a broken one: the pictures are read again


@rank_zero_only
def _write_index(path: Path, index: Index) -> None:
    files.write_text(path, json.dumps(index))


@rank_zero_only
def write_skipped(skipped: Mapping[str, str], path: Path) -> None:
    """Write the names of unreadable files and the reasons as CSV."""
    rows = io.StringIO(newline="")
    csv.writer(rows).writerows([("file", "reason"), *skipped.items()])
    files.write_text(path, rows.getvalue())
