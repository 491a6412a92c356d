"""Reading a folder once: which pictures are readable, their hashes and mean colours, kept."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset

from src import color, files, pace
from src.data.crops import EvalFit, judged_square
from src.images import UnreadableImageError, read_rgb

MeanAb = tuple[float, float]


@dataclass(frozen=True)
class Scan:
    """What is known of the pictures of a folder, by their path.

    Attributes:
        contents: sha256 of every readable picture.
        mean_ab: of each of them, cut as for evaluation; in a network's scale [-1, 1].
        skipped: why the others cannot be read.
    """

    contents: dict[str, str]
    mean_ab: dict[str, MeanAb]
    skipped: dict[str, str]


@dataclass(frozen=True)
class Entry:
    """What the index keeps of a file. Attributes: mean_ab: by the cut that it was measured in."""

    stamp: tuple[int, int]
    sha256: str
    mean_ab: dict[str, MeanAb]


def scan(
    root: Path,
    names: Sequence[str],
    index_dir: Path,
    num_workers: int,
    *,
    image_size: int,
    eval_fit: EvalFit,
) -> Scan:
    """Decode and hash these files below `root`, but those that the index knows already."""
    index_file = index_dir / f"{digest_of(root)}.json"
    cut = f"{eval_fit} {image_size}"
    before = _read_index(index_file)
    stamps = {name: files.stamp(root / name) for name in names}
    known = {
        name: before[name]
        for name in names
        if name in before and before[name].stamp == stamps[name] and cut in before[name].mean_ab
    }
    skipped = {}
    fresh = [name for name in names if name not in known]
    reader = DataLoader(
        _Reader(root, fresh, image_size, eval_fit),
        batch_size=None,
        num_workers=min(num_workers, len(fresh)),
    )
    read = pace.each(reader, "reading", len(fresh), "files")
    for name, (sha256, mean_ab, fault) in zip(fresh, read, strict=True):
        if fault:
            skipped[name] = fault
            continue
        same = name in before and before[name].sha256 == sha256
        other_cuts = before[name].mean_ab if same else {}
        known[name] = Entry(stamps[name], sha256, other_cuts | {cut: (mean_ab[0], mean_ab[1])})
    known = {name: known[name] for name in names if name in known}
    if fresh:
        _write_index(index_file, known)
    return Scan(
        {name: entry.sha256 for name, entry in known.items()},
        {name: entry.mean_ab[cut] for name, entry in known.items()},
        skipped,
    )


def digest_of(root: Path) -> str:
    """Return a name for what is kept about a folder."""
    return hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]


class _Reader(Dataset[tuple[str, Sequence[float], str]]):
    """Reads each file once: its sha256, mean a and b, and what is wrong ('' when nothing is)."""

    def __init__(
        self, root: Path, names: Sequence[str], image_size: int, eval_fit: EvalFit
    ) -> None:
        self.root = root
        self.names = names
        self.image_size = image_size
        self.eval_fit = eval_fit

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[str, Sequence[float], str]:
        path = self.root / self.names[index]
        try:
            image = read_rgb(path)
            sha256 = files.sha256(path)
        except UnreadableImageError as error:
            return "", (), str(error)
        except OSError as error:
            return "", (), error.strerror or str(error)
        _, ab = color.uint8_to_L_ab(judged_square(image, self.image_size, self.eval_fit)[None])
        return sha256, ab.mean(dim=(0, 2, 3)).tolist(), ""


def _read_index(path: Path) -> dict[str, Entry]:
    try:
        content = json.loads(path.read_text())
        return {
            name: Entry((stamp[0], stamp[1]), sha256, {cut: (a, b) for cut, (a, b) in own.items()})
            for name, (stamp, sha256, own) in content.items()
        }
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return {}  # none yet, or a broken one: the pictures are read again


@rank_zero_only
def _write_index(path: Path, index: Mapping[str, Entry]) -> None:
    content = {name: (own.stamp, own.sha256, own.mean_ab) for name, own in index.items()}
    files.write_text(path, json.dumps(content))


@rank_zero_only
def write_skipped(skipped: Mapping[str, str], path: Path) -> None:
    """Write the names of unreadable files and the reasons as CSV."""
    rows = io.StringIO(newline="")
    csv.writer(rows).writerows([("file", "reason"), *skipped.items()])
    files.write_text(path, rows.getvalue())
