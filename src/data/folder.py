"""Any folder of pictures: what in it can be read, and a split that stays where it is."""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from src.data.module import (
    ColorizationData,
    Subset,
    Subsets,
    require,
    require_whole,
)
from src.data.pictures import Picture
from src.images import EXTENSIONS, UnreadableImageError, read_rgb

SHARES: dict[Subset, float] = {"train": 0.6, "val": 0.2, "test": 0.2}
VAL_SHARES: dict[Subset, float] = {"val": 0.5, "test": 0.5}


class FolderData(ColorizationData):
    """The pictures below a folder, split 60-20-20 by a hash of each file's content.

    A folder that holds train/, val/ and test/ keeps them; with train/ and val/ alone, val/ is
    halved by hash.

    Args:
        root: the folder.
        max_images: use this many pictures, always the same ones; None for all.
        max_unreadable: the largest share of picture files that may be unreadable.
        report_dir: where skipped.csv goes when files had to be skipped.
        index_dir: where hashes are kept, so that the next run need not read every file again.
        loading: arguments of ColorizationData.
    """

    def __init__(
        self,
        *,
        root: str,
        max_images: int | None = None,
        max_unreadable: float = 0.05,
        report_dir: str,
        index_dir: str = "data/index",
        **loading: Any,
    ) -> None:
        super().__init__(**loading)
        require(isinstance(root, str), "root", root, "a folder")
        if max_images is not None:
            require_whole("max_images", max_images, len(SHARES))
        holds = isinstance(max_unreadable, int | float) and 0 <= max_unreadable <= 1
        require(holds, "max_unreadable", max_unreadable, "a share in [0, 1]")
        self.root = Path(root).expanduser()
        self.max_images = max_images
        self.max_unreadable = max_unreadable
        self.report_dir = Path(report_dir)
        self.index_dir = Path(index_dir)

    def prepare_data(self) -> None:
        # Once on each machine; setup() then finds the hashes ready on every rank.
        scan(self.root, self.index_dir, self.num_workers)

    def find_pictures(self) -> Subsets:
        found = scan(self.root, self.index_dir, self.num_workers)
        if found.skipped:
            self._report(found)
        contents = keep_some(found.contents, self.max_images)
        subsets = split(contents, self.root)
        return {
            subset: [Picture(self.root / name, name) for name in sorted(names)]
            for subset, names in subsets.items()
        }

    def _report(self, found: "Scan") -> None:
        path = self.report_dir / "skipped.csv"
        write_skipped(found.skipped, path)
        count, of = len(found.skipped), len(found.skipped) + len(found.contents)
        name, reason = next(iter(found.skipped.items()))
        said = f"{count} of {of} picture files in {self.root} cannot be read, such as {name!r} "
        said += f"({reason}); all are listed in {path}"
        if count > self.max_unreadable * of:
            raise ValueError(
                f"{said}. That is more than data.max_unreadable={self.max_unreadable:g}: "
                "mend or remove them, or raise it"
            )
        rank_zero_only(print)(f"skipped: {said}")


@dataclass(frozen=True)
class Scan:
    """What a folder holds: the sha256 of every readable picture, and why others are not."""

    contents: dict[str, str]
    skipped: dict[str, str]


def scan(root: Path, index_dir: Path, num_workers: int) -> Scan:
    """Decode and hash every picture file below `root`, but those an earlier scan has seen.

    Raises: ValueError: if there is no such folder.
    """
    if not root.is_dir():
        raise ValueError(f"data.root={root} is no folder: give the folder that holds the pictures")
    names = sorted(_picture_files(root))
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


def _picture_files(root: Path) -> Iterable[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            # Hidden files are other programs' business, such as macOS's "._photo.jpg".
            if Path(name).suffix.lower() in EXTENSIONS and not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps(index))
    partial.replace(path)


@rank_zero_only
def write_skipped(skipped: Mapping[str, str], path: Path) -> None:
    """Write the names of unreadable files and the reasons as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "reason"])
        writer.writerows(skipped.items())


def keep_some(contents: Mapping[str, str], max_images: int | None) -> dict[str, str]:
    """Keep the `max_images` pictures that come first by a part of the hash that no split uses."""
    names = sorted(contents, key=lambda name: (contents[name][16:32], name))
    return {name: contents[name] for name in names[:max_images]}


def split(contents: Mapping[str, str], root: Path) -> dict[Subset, list[str]]:
    """Assign names to train, val and test, by the folders train/, val/ and test/ or by hash.

    Args: contents: sha256 of every picture by its path below `root`.
    Raises: ValueError: if a subset would be empty.
    """
    given = {name for name in SHARES if (root / name).is_dir()}
    if not given or given == {"train"}:
        return _split_by_hash(contents, SHARES, root)
    if not {"train", "val"} <= given:
        raise ValueError(
            f"{root} holds {'/ and '.join(sorted(given))}/ alone: expected train/ and val/ there, "
            "or a data.root without a split"
        )
    inside: dict[Subset, dict[str, str]] = {
        subset: {name: sha for name, sha in contents.items() if name.startswith(f"{subset}/")}
        for subset in SHARES
    }
    subsets: dict[Subset, list[str]] = {subset: list(names) for subset, names in inside.items()}
    if "test" not in given:
        subsets |= _split_by_hash(inside["val"], VAL_SHARES, root / "val")
    for subset, names in subsets.items():
        if not names:
            raise ValueError(
                f"no readable picture for {subset} in {root}: add some, or raise data.max_images"
            )
    return subsets


def _split_by_hash(
    contents: Mapping[str, str], shares: Mapping[Subset, float], root: Path
) -> dict[Subset, list[str]]:
    # Equal files share one hash, and so never stand in two subsets.
    hashes = sorted(set(contents.values()))
    if len(hashes) < len(shares):
        raise ValueError(
            f"expected at least {len(shares)} different pictures that can be read in {root}, "
            f"got {len(hashes)} in files named {', '.join(sorted(EXTENSIONS))}: add more, or check "
            "data.root and data.max_images"
        )
    subsets: dict[Subset, list[str]] = {}
    start, upper = 0, 0.0
    for rank, (subset, share) in enumerate(shares.items(), start=1):
        upper += share
        end = sum(int(sha[:16], 16) < upper * 2**64 for sha in hashes)
        # With a handful of pictures chance may leave a subset empty: each gets at least one.
        end = min(max(end, start + 1), len(hashes) - len(shares) + rank)
        own = set(hashes[start:end])
        subsets[subset] = [name for name, sha in contents.items() if sha in own]
        start = end
    return subsets
