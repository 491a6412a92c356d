"""Any folder of pictures, with a split that stays where it is."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from src import images
from src.data import manifest
from src.data.collection import Collection
from src.data.crops import Picture
from src.data.datamodule import ColorizationData, Subset, Subsets
from src.data.manifest import SPLITS
from src.data.pack import packed
from src.data.picture_list import Listed
from src.data.scan import Scan, digest_of, scan, write_skipped
from src.data.splits import keep_some
from src.errors import UserError, require, require_number, require_whole


class FolderData(ColorizationData):
    """The pictures below a folder, in the splits of its Collection.

    Args:
        root: the folder.
        max_images: use this many pictures, always the same ones; None for all.
        max_unreadable: the largest share of picture files that may be unreadable; of a run that is
            resumed, also of its pictures that may be missing.
        report_dir: where skipped.csv goes when files had to be skipped.
        index_dir: where hashes and packs are kept, so that the next run need not read every file
            again.
        pack: whether training pictures are decoded once, into a file of plain pixels.
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
        pack: bool = False,
        **loading: Any,
    ) -> None:
        super().__init__(**loading)
        require(isinstance(root, str), "data.root", root, "a folder")
        if max_images is not None:
            require_whole("data.max_images", max_images, len(SPLITS))
        require_number("data.max_unreadable", max_unreadable, 0, 1)
        require(isinstance(pack, bool), "data.pack", pack, "true or false")
        self.root = Path(root).expanduser()
        self.max_images = max_images
        self.max_unreadable = max_unreadable
        self.report_dir = Path(report_dir)
        self.index_dir = Path(index_dir)
        self.pack = pack
        self._scanned: tuple[Collection, Scan] | None = None

    def prepare_data(self) -> None:
        # One process of each machine reads the files; the others then find the hashes ready.
        self._scan_once()

    def _scan_once(self) -> tuple[Collection, Scan]:
        if self._scanned is None:
            collection = Collection(self.root)
            found = scan(
                self.root,
                [name for name in collection.names() if not collection.is_unseen(name)],
                self.index_dir,
                self.num_workers,
                image_size=self.image_size,
                eval_fit=self.eval_fit,
            )
            if collection.left_out:
                rank_zero_only(print)(f"{self.root}: {images.in_words(collection.left_out)}")
            self._scanned = collection, found
        return self._scanned

    def find_pictures(self) -> Subsets:
        collection, found = self._scan_once()
        if found.skipped:
            self._report_skipped(found)
        if collection.rows is not None:
            self._report_leaks(collection.rows.values())
        if self.recorded is None:
            names = self._choose(collection, found.contents)
            self.listed = [
                Listed(name, split, found.contents[name], collection.original(name))
                for name, split in names.items()
            ]
            self._report_shared(self.listed)
            files = [picture.file for picture in self.listed]
        else:
            self.listed, files = self._find_again(self.recorded, found.contents)
        subsets: dict[Subset, list[Picture]] = {"train": [], "val": [], "test": []}
        for picture, file in zip(self.listed, files, strict=True):
            # A resumed run shows the same pictures of each folder, wherever they lie by now.
            same_folder = self.recorded is None or collection.rows is not None
            folder = collection.folder(file if same_folder else picture.file)
            subset: Any = picture.split
            subsets[subset].append(Picture(self.root / file, file, folder=folder))
        self._require_each(subsets, collection, found.contents)
        return subsets

    def pictures_to_cut(self) -> Sequence[Picture]:
        """As ColorizationData says: where data.pack asks for it, they are in a pack."""
        pictures = self.subsets["train"]
        if not self.pack:
            return pictures
        _, found = self._scan_once()
        hashes = [found.contents[picture.name] for picture in pictures]
        folder = self.index_dir / digest_of(self.root)
        largest = math.ceil(self.zooms[1] * self.image_size)
        return packed(pictures, hashes, folder, largest, self.num_workers)

    def _choose(self, collection: Collection, contents: Mapping[str, str]) -> dict[str, str]:
        """Return the split of each picture that is used, one split after the other."""
        if collection.rows is None and collection.folders not in ({"train"}, set()):
            folders = collection.folders
            if not {"train", "val"} <= folders:
                raise UserError(
                    f"{self.root} holds only {'/ and '.join(sorted(folders))}/: expected train/ "
                    "and val/ there, or a data.root without a split"
                )
        originals = {name: collection.original(name) or contents[name] for name in contents}
        splits = collection.splits(keep_some(originals, self.max_images))
        return {name: split for split in SPLITS for name in sorted(splits) if splits[name] == split}

    def _find_again(
        self, recorded: Sequence[Listed], contents: Mapping[str, str]
    ) -> tuple[list[Listed], list[str]]:
        """Find the pictures that a run was begun with, by their content, and where they lie."""
        places = {contents[name]: name for name in sorted(contents, reverse=True)}
        missing = [picture.file for picture in recorded if picture.sha256 not in places]
        if missing:
            said = f"{len(missing)} of the run's {len(recorded)} pictures are not in {self.root}, "
            said += f"such as {missing[0]!r}"
            if len(missing) > self.max_unreadable * len(recorded):
                raise UserError(
                    f"{said}. That is more than data.max_unreadable={self.max_unreadable:g}: put "
                    "them back, or give the folder that holds them as data.root=DIR beside resume="
                )
            rank_zero_only(print)(f"missing: {said}; the run resumes without them")
        old = {picture.sha256 for picture in recorded}
        new = sum(sha256 not in old for sha256 in contents.values())
        if new and self.max_images is None:
            rank_zero_only(print)(
                f"left out: {new} pictures in {self.root} that the run was not begun with"
            )
        found = [picture for picture in recorded if picture.sha256 in places]
        files = [
            picture.file if contents.get(picture.file) == picture.sha256 else places[picture.sha256]
            for picture in found
        ]
        return found, files

    def _report_shared(self, listed: Sequence[Listed]) -> None:
        """Say if folders that a person split hold the same files."""
        first: dict[str, Listed] = {}
        shared = [
            (before, one)
            for one in listed
            if (before := first.setdefault(one.sha256, one)).split != one.split
        ]
        if shared:
            before, one = shared[0]
            rank_zero_only(print)(
                f"leaks: {len(shared)} files stand in more than one split of {self.root}, such as "
                f"{before.file} and {one.file}"
            )

    def _report_leaks(self, rows: Any) -> None:
        leaks = manifest.leaks(rows)
        if leaks:
            sources = ", ".join(f"{row.source} ({row.split})" for row in leaks[0][:3])
            rank_zero_only(print)(
                f"leaks: {len(leaks)} groups of near-duplicates stand in more than one split of "
                f"{self.root / manifest.NAME}, such as {sources}"
            )

    def _report_skipped(self, found: Scan) -> None:
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

    def _require_each(
        self, subsets: Subsets, collection: Collection, contents: Mapping[str, str]
    ) -> None:
        for subset, pictures in subsets.items():
            if pictures:
                continue
            if collection.is_split or self.recorded is not None:
                raise UserError(
                    f"no readable picture for {subset} in {self.root}: add some, or raise "
                    "data.max_images"
                )
            raise UserError(
                f"expected at least {len(SPLITS)} different pictures that can be read in "
                f"{self.root}, got {len(set(contents.values()))} in files named "
                f"{', '.join(sorted(images.EXTENSIONS))}: add more, or check data.root"
            )

    def mean_ab(self, device: torch.device) -> Float[Tensor, "2"]:
        """As ColorizationData says; the scan has measured each picture."""
        _, found = self._scan_once()
        means = [found.mean_ab[picture.name] for picture in self.subsets["train"]]
        return torch.from_numpy(np.mean(means, axis=0).astype(np.float32))
