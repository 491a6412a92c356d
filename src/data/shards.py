"""Shards that src.prepare wrote, read in one go from a disk, HTTP or S3."""

import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
from PIL import Image

from src.data import manifest, picture_list
from src.data.crops import Picture
from src.data.picture_list import Listed
from src.errors import UserError
from src.images import EXTENSIONS, read_rgb

FOLDER, INDEX = "shards", "index.json"
TRIES = 3  # of a connection that breaks off in the middle of a shard


def shard_name(split: str, number: int) -> str:
    """Return the file name of a shard of a split."""
    return f"{split}-{number:06d}.tar"


@dataclass(frozen=True)
class TarPicture(Picture):
    """A picture out of the shard at `path`, not yet decoded."""

    content: bytes = b""

    def read(self, short_side: int | None = None) -> Image.Image:
        return read_rgb(io.BytesIO(self.content), short_side)


class Shards(Sequence):  # type: ignore[type-arg]  # with one, beartype would read a picture a check
    """The shards of one split, and how many pictures each holds."""

    def __init__(self, place: str, split: str, counts: Sequence[int]) -> None:
        self.place = place
        self.addresses = [f"{place}/{shard_name(split, i)}" for i in range(len(counts))]
        self.counts = counts

    def __len__(self) -> int:
        return sum(self.counts)

    def __getitem__(self, index: Any) -> Any:
        """Read one picture, for which its shard is read from its start."""
        return next(self.read(range(len(self.counts)), index, index + 1))

    def read(self, order: Sequence[int], start: int, stop: int) -> Iterator[TarPicture]:
        """Yield the pictures start..stop of all shards in the given order, opening no others.

        Raises: UserError: if a shard holds fewer pictures than the index says.
        """
        first = 0
        for shard in order:
            count = self.counts[shard]
            low, high = max(start - first, 0), min(stop - first, count)
            if low < high:
                yield from self._part(shard, low, high)
            first += count

    def _part(self, shard: int, start: int, stop: int) -> Iterator[TarPicture]:
        address = self.addresses[shard]
        for attempt in range(TRIES):
            try:
                for picture in islice(_pictures(address), start, stop):
                    yield picture
                    start += 1
                break
            except Exception as error:
                is_last = attempt == TRIES - 1 or isinstance(error, FileNotFoundError)
                if is_last or not _is_of_connection(error):
                    raise
                warnings.warn(f"{address} broke off ({error}); trying again", stacklevel=2)
        if start < stop:
            raise UserError(
                f"{address} holds {start} pictures, and the index says {self.counts[shard]}: copy "
                "the shards anew, or run src.prepare again"
            )


def _is_of_connection(error: Exception) -> bool:
    """Tell what a network does from other faults: aiohttp's are no OSError."""
    makers = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError) or "aiohttp" in makers


def _pictures(address: str) -> Iterator[TarPicture]:
    from webdataset.tariterators import group_by_keys, tar_file_expander

    path = Path(address)
    # Without blocks a file comes over HTTP in one go.
    options = {"block_size": 0} if address.startswith("http") else {}
    with fsspec.open(address, "rb", **options) as stream:
        for sample in group_by_keys(tar_file_expander([{"url": address, "stream": stream}])):
            suffix = next((key for key in sample if f".{key}" in EXTENSIONS), None)
            if suffix is not None:
                name = f"{path.name}/{sample['__key__']}"
                yield TarPicture(path, name, content=sample[suffix])


def find(root: str) -> dict[str, Shards]:
    """Find the shards of each split by the index beside them, at `root` or in its folder shards.

    Raises: UserError: if there is no index, a broken one, or nothing to read it with.
    """
    _require_webdataset()
    for place in (root, f"{root}/{FOLDER}"):
        try:
            with fsspec.open(f"{place}/{INDEX}", "rb") as file:
                counts = _counts(json.load(file))
                return {split: Shards(place, split, own) for split, own in counts.items()}
        except FileNotFoundError:
            continue
        except ImportError as error:  # such as s3fs
            raise UserError(f"data.root={root}: {error}") from None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{place}/{INDEX} is no index of whole shards: run src.prepare with "
                "shards=true again"
            ) from error
        except Exception as error:
            if isinstance(error, OSError) or not _is_of_connection(error):
                raise
            continue  # as where a bucket does not tell what it lacks
    raise UserError(
        f"data.root={root} has no {INDEX}, or cannot be reached: expected the shards "
        "that src.prepare writes with shards=true"
    )


def listed(place: str) -> list[Listed] | None:
    """Read which pictures the shards at `place` hold; None where nothing there says so."""
    address = f"{place}/{picture_list.NAME}"
    try:
        with fsspec.open(address, "rb") as file:
            return picture_list.parse(file.read(), address)
    except FileNotFoundError:
        return None


def _counts(content: Any) -> Mapping[str, Sequence[int]]:
    counts = content["pictures"]
    for several in counts.values():
        if not all(type(count) is int and count > 0 for count in several):
            raise UserError("counts of pictures")
    return {split: counts[split] for split in manifest.SPLITS}


def _require_webdataset() -> None:
    try:
        import webdataset  # noqa: F401
    except ImportError:
        raise UserError(
            "data=shards needs webdataset: pip install -c constraints.txt -e '.[shards]'"
        ) from None
