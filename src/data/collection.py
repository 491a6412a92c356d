"""The pictures of a folder, and which split each stands in: for training, evaluation and audit."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from src import images
from src.data import manifest
from src.data.manifest import SPLITS, Row
from src.data.splits import by_hash
from src.errors import UserError

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
VAL_SHARES = {"val": 0.5, "test": 0.5}


class Collection:
    """The pictures below a folder, each in one split, whoever asks.

    A folder that src.prepare has made keeps the split of its manifest. One that holds train/, val/
    and test/ keeps them; with train/ and val/ only, val/ is halved by hash. Any other is split
    60-20-20 by a hash of each file's content.

    Attributes:
        rows: of the manifest by file, those that are kept; None without a manifest.
        folders: which of train/, val/ and test/ there are.
        left_out: how many pictures were listed of each kind that is not read, by suffix.
    Raises: UserError: if there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(
                f"data.root={root} is no folder: give the folder that holds the pictures"
            )
        self.root = root
        self.rows: dict[str, Row] | None = None
        if (root / manifest.NAME).is_file():
            self.rows = {row.file: row for row in manifest.read(root) if row.kept}
        self.folders = {split for split in SPLITS if (root / split).is_dir()}
        self.left_out: Counter[str] = Counter()

    @property
    def is_split(self) -> bool:
        """Whether the folder says itself which pictures are for testing."""
        return self.rows is not None or "test" in self.folders or {"train", "val"} <= self.folders

    def names(self, split: str | None = None) -> list[str]:
        """List the pictures by path below the folder, sorted.

        Args: split: of a folder that is split, only those that may stand in it.
        """
        if self.rows is not None:
            return sorted(name for name, row in self.rows.items() if split in (None, row.split))
        if not self.is_split:
            return self._below("")
        folders = self.folders if split is None else {split if split in self.folders else "val"}
        return [name for folder in sorted(folders) for name in self._below(folder)]

    def _below(self, folder: str) -> list[str]:
        listing = images.listing(self.root / folder)
        self.left_out += listing.left_out
        return [(PurePosixPath(folder) / name).as_posix() for name in listing.names]

    def is_unseen(self, name: str) -> bool:
        """Tell whether a picture is of a set that is held out whole, and so of no split."""
        return self.rows is not None and self.rows[name].split == manifest.UNSEEN

    def splits(self, contents: Mapping[str, str]) -> dict[str, str]:
        """Tell the split of each picture; what lies beside train/, val/ and test/ has none.

        Args: contents: sha256 of each picture by its path; empty where it cannot be read.
        """
        if self.rows is not None:
            return {name: self.rows[name].split for name in contents}
        if not self.is_split:
            return _by_content(contents, SHARES)
        tops = {name: name.split("/")[0] for name in contents}
        inside = {name: top for name, top in tops.items() if top in self.folders}
        if "test" not in self.folders:
            val = {name: contents[name] for name, top in inside.items() if top == "val"}
            inside |= _by_content(val, VAL_SHARES)
        return inside

    def original(self, name: str) -> str:
        """Return the sha256 of the file that a picture was prepared from; empty where unknown."""
        return "" if self.rows is None else self.rows[name].sha256

    def folder(self, name: str) -> str:
        """Return the folder that a picture, or its original, comes from, within its split."""
        path = name if self.rows is None else self.rows[name].source
        top, _, below = path.partition("/")
        if self.rows is None and self.is_split and top in self.folders:
            path = below
        return path.rpartition("/")[0] or "."


def _by_content(contents: Mapping[str, str], shares: Mapping[str, float]) -> dict[str, str]:
    # Equal files share one hash, and so never stand in two splits.
    assigned = by_hash(filter(None, contents.values()), shares)
    return {name: assigned[sha256] for name, sha256 in contents.items() if sha256}
