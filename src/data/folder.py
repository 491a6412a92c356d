"""Any folder of pictures, with a split that stays where it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

from lightning.pytorch.utilities import rank_zero_only

from src.data import manifest
from src.data.crops import Picture
from src.data.datamodule import ColorizationData, Subset, Subsets
from src.data.scan import Scan, scan, write_skipped
from src.data.splits import by_hash
from src.errors import UserError, require, require_number, require_whole
from src.images import EXTENSIONS

SHARES: dict[Subset, float] = {"train": 0.6, "val": 0.2, "test": 0.2}
VAL_SHARES: dict[Subset, float] = {"val": 0.5, "test": 0.5}


class FolderData(ColorizationData):
    """The pictures below a folder, split 60-20-20 by a hash of each file's content.

    A folder that src.prepare has made keeps the split of its manifest. One that holds train/, val/
    and test/ keeps them; with train/ and val/ alone, val/ is halved by hash.

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
        require(isinstance(root, str), "data.root", root, "a folder")
        if max_images is not None:
            require_whole("data.max_images", max_images, len(SHARES))
        require_number("data.max_unreadable", max_unreadable, 0, 1)
        self.root = Path(root).expanduser()
        self.max_images = max_images
        self.max_unreadable = max_unreadable
        self.report_dir = Path(report_dir)
        self.index_dir = Path(index_dir)
        self._found: Scan | None = None
        self._manifest: dict[str, manifest.Row] | None = None

    def prepare_data(self) -> None:
        # One process of each machine reads the files; the others then find the hashes ready.
        self._scan_once()

    def _scan_once(self) -> Scan:
        if self._found is not None:
            return self._found
        if (self.root / manifest.NAME).is_file():
            kept = {row.file: row for row in manifest.read(self.root) if row.kept}
            gone = {name: "no such file" for name in kept if not (self.root / name).is_file()}
            self._manifest = kept
            there = {name: row.sha256 for name, row in kept.items() if name not in gone}
            self._found = Scan(there, gone)
        else:
            self._found = scan(self.root, self.index_dir, self.num_workers)
        return self._found

    def find_pictures(self) -> Subsets:
        found = self._scan_once()
        if found.skipped:
            self._report(found)
        contents = keep_some(found.contents, self.max_images)
        subsets = split(contents, self.root) if self._manifest is None else self._given(contents)
        return {
            subset: [
                Picture(self.root / name, name, folder=self._folder(name)) for name in sorted(names)
            ]
            for subset, names in subsets.items()
        }

    def _folder(self, name: str) -> str:
        original = name if self._manifest is None else self._manifest[name].source
        return str(PurePosixPath(original).parent)

    def _given(self, contents: Mapping[str, str]) -> dict[Subset, list[str]]:
        """Split as the manifest of src.prepare says, which is told where it leaks."""
        assert self._manifest is not None
        leaks = manifest.leaks(self._manifest.values())
        if leaks:
            sources = ", ".join(f"{row.source} ({row.split})" for row in leaks[0][:3])
            rank_zero_only(print)(
                f"leaks: {len(leaks)} groups of near-duplicates stand in more than one split of "
                f"{self.root / manifest.NAME}, such as {sources}"
            )
        subsets: dict[Subset, list[str]] = {subset: [] for subset in SHARES}
        for name in contents:
            subsets[cast(Subset, self._manifest[name].split)].append(name)
        _require_each(subsets, self.root)
        return subsets

    def _report(self, found: Scan) -> None:
        path = self.report_dir / "skipped.csv"
        write_skipped(found.skipped, path)
        count, of = len(found.skipped), len(found.skipped) + len(found.contents)
        name, reason = next(iter(found.skipped.items()))
        said = f"{count} of {of} picture files in {self.root} cannot be read, such as {name!r} "
        said += f"({reason}); all are listed in {path}"
        if count > self.max_unreadable * of:
            raise UserError(
                f"{said}. That is more than data.max_unreadable={self.max_unreadable:g}: "
                "mend or remove them, or raise it"
            )
        rank_zero_only(print)(f"skipped: {said}")


def keep_some(contents: Mapping[str, str], max_images: int | None) -> dict[str, str]:
    """Keep the `max_images` pictures that come first by a part of the hash that no split uses."""
    names = sorted(contents, key=lambda name: (contents[name][16:32], name))
    return {name: contents[name] for name in names[:max_images]}


def split(contents: Mapping[str, str], root: Path) -> dict[Subset, list[str]]:
    """Assign names to train, val and test, by the folders train/, val/ and test/ or by hash.

    Args: contents: sha256 of every picture by its path below `root`.
    Raises: UserError: if a subset would be empty.
    """
    given = {name for name in SHARES if (root / name).is_dir()}
    if not given or given == {"train"}:
        return _split_by_hash(contents, SHARES, root)
    if not {"train", "val"} <= given:
        raise UserError(
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
    _require_each(subsets, root)
    return subsets


def _require_each(subsets: Mapping[Subset, Sequence[str]], root: Path) -> None:
    for subset, names in subsets.items():
        if not names:
            raise UserError(
                f"no readable picture for {subset} in {root}: add some, or raise data.max_images"
            )


def _split_by_hash(
    contents: Mapping[str, str], shares: Mapping[Subset, float], root: Path
) -> dict[Subset, list[str]]:
    # Equal files share one hash, and so never stand in two subsets.
    hashes = sorted(set(contents.values()))
    if len(hashes) < len(shares):
        raise UserError(
            f"expected at least {len(shares)} different pictures that can be read in {root}, "
            f"got {len(hashes)} in files named {', '.join(sorted(EXTENSIONS))}: add more, or check "
            "data.root and data.max_images"
        )
    assigned = by_hash(hashes, {str(subset): share for subset, share in shares.items()})
    subsets: dict[Subset, list[str]] = {subset: [] for subset in shares}
    for name, sha256 in contents.items():
        subsets[cast(Subset, assigned[sha256])].append(name)
    return subsets
