"""WebDataset shards: a data set's pictures in plain tars, to be read in one go from anywhere."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from src import files, pace
from src.data import picture_list
from src.data.manifest import SPLITS, Row
from src.data.picture_list import Listed
from src.data.shards import FOLDER, INDEX, shard_name


def write(folder: Path, rows: Sequence[Row], most: int | None) -> None:
    """Write the kept pictures of a data set as shards, where those that are there differ.

    Each picture is followed by a JSON file of its row. They stand in the order of their hashes,
    which mixes them. Beside the shards, an index says how many pictures each one holds, and a
    list which ones.

    Args:
        folder: the data set's, whose pictures are there.
        rows: its manifest.
        most: pictures that a shard may hold; those of one split differ by one at most. None renews
            shards that are there.
    """
    place = folder / FOLDER
    index = place / INDEX
    before = files.read_json(index)
    most = most or before.get("most")
    if most is None:
        return
    shards = {
        split: _dealt([row for row in rows if row.kept and row.split == split], most)
        for split in SPLITS
    }
    content = {
        "most": most,
        "pictures": {split: [len(own) for own in several] for split, several in shards.items()},
        "sha256": hashlib.sha256("".join(sorted(row.file for row in rows)).encode()).hexdigest(),
    }
    if before == content and (place / picture_list.NAME).exists():
        return
    if before:  # what stands beside it will no longer fit it
        files.write_text(index, json.dumps({"most": most}))
    wanted = [
        (place / shard_name(split, number), own)
        for split, several in shards.items()
        for number, own in enumerate(several)
    ]
    pictures: list[Listed] = []
    for path, own in pace.each(wanted, "writing", len(wanted), "shards"):
        pictures += _write(path, folder, own)
    for path in {*place.glob("*.tar")} - {path for path, _ in wanted}:
        path.unlink()
    picture_list.write(pictures, place / picture_list.NAME)
    files.write_text(index, json.dumps(content))


def _dealt(rows: Sequence[Row], most: int) -> list[list[Row]]:
    """Cut rows into as few parts as may be, all equally long but for one."""
    ordered = sorted(rows, key=lambda row: row.sha256)
    count = -(-len(ordered) // most)
    return [
        ordered[i * len(ordered) // count : (i + 1) * len(ordered) // count] for i in range(count)
    ]


def _write(path: Path, folder: Path, rows: Sequence[Row]) -> list[Listed]:
    names = [PurePosixPath(row.file).name for row in rows]
    members = [one for own in names for one in (own, str(PurePosixPath(own).with_suffix(".json")))]
    pictures = [
        Listed(row.file, row.split, files.sha256(folder / row.file), row.sha256) for row in rows
    ]
    if path.exists() and _members(path) == members:
        return pictures  # an interrupted run's: the same names hold the same pictures
    with files.whole(path) as partial, tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as t:
        for row, picture, facts in zip(rows, members[::2], members[1::2], strict=True):
            _add(t, picture, (folder / row.file).read_bytes())
            _add(t, facts, json.dumps(asdict(row)).encode())
    return pictures


def _members(path: Path) -> list[str]:
    try:
        with tarfile.open(path, "r:") as tar:
            return tar.getnames()
    except (OSError, tarfile.TarError):
        return []


def _add(tar: tarfile.TarFile, member: str, content: bytes) -> None:
    header = tarfile.TarInfo(member)  # of no owner and no time: the same shard each time
    header.size = len(content)
    header.mode = 0o644
    tar.addfile(header, io.BytesIO(content))
