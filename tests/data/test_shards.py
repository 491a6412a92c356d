import http.server
import json
import shutil
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from torch.multiprocessing.spawn import start_processes

from src.curation import shard_writer
from src.data.manifest import Row
from src.data.shard_stream import ShardsData
from src.training.experiment import train

COUNTS = {"train": 47, "val": 5, "test": 4}
BATCH = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of plain colours in shards of at most ten pictures."""
    folder = tmp_path_factory.mktemp("set")
    rows: list[Row] = []
    for split, count in COUNTS.items():
        for i in range(count):
            sha256 = f"{len(rows) * 7919 % 251:02x}{i:062d}"
            file = f"pictures/{split}{i}.jpg"
            (folder / "pictures").mkdir(exist_ok=True)
            Image.new("RGB", (40, 36), (5 * i, 90, 200)).save(folder / file)
            rows.append(Row(file, f"{i}.jpg", "kept", "", split, sha256, sha256, 40, 36, 9.0))
    shard_writer.write(folder, rows, 10)
    return folder


def data(root: Path | str, **options: Any) -> ShardsData:
    own: dict[str, Any] = {"batch_size": BATCH, "image_size": 32, "num_workers": 0} | options
    made = ShardsData(root=str(root), **own)
    made.setup("fit")
    return made


def names(loader: Any) -> list[list[str]]:
    return [batch["name"] for batch in loader]


def test_shards_are_equal_in_size_and_hold_every_picture_with_its_row(place: Path) -> None:
    found = Counter[str]()
    for split, count in COUNTS.items():
        paths = sorted((place / "shards").glob(f"{split}-*.tar"))
        sizes = []
        for path in paths:
            with tarfile.open(path) as tar:
                members = tar.getnames()
                for picture, facts in zip(members[::2], members[1::2], strict=True):
                    row = json.loads(tar.extractfile(facts).read())  # type: ignore[union-attr]
                    original = (place / row["file"]).read_bytes()
                    assert tar.extractfile(picture).read() == original  # type: ignore[union-attr]
                    assert row["split"] == split
                    found[row["file"]] += 1
            sizes.append(len(members) // 2)
        assert sum(sizes) == count
        assert max(sizes) <= 10
        assert max(sizes) - min(sizes) <= 1
    assert set(found.values()) == {1}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_shows_every_picture_once_but_the_last_incomplete_batch(
    place: Path, workers: int
) -> None:
    loader = data(place, num_workers=workers).train_dataloader()
    first, second = names(loader), names(loader)
    assert len(loader) == len(first) == COUNTS["train"] // BATCH
    for epoch in (first, second):
        seen = [name for batch in epoch for name in batch]
        assert all(len(batch) == BATCH for batch in epoch)
        assert len(seen) == len(set(seen)) > COUNTS["train"] - BATCH
    assert first != second
    # A resumed run begins with the pictures of its own epoch, cut as they would have been.
    resumed, whole = (data(place, num_workers=workers) for _ in range(2))
    resumed.first_epoch = 1
    loader = whole.train_dataloader()
    list(loader)
    for one, other in zip(resumed.train_dataloader(), loader, strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["rgb"], other["rgb"])


def test_evaluation_takes_all_pictures_in_order(place: Path) -> None:
    own = data(place, num_workers=2)
    val = names(own.val_dataloader()[0])
    assert [len(batch) for batch in val] == [COUNTS["val"]]
    assert val == names(data(place).val_dataloader()[0])
    assert len(own.eval_pictures("train", 3)) == 3
    assert sum(map(len, names(own.all_of("train")))) == COUNTS["train"]


def on_rank(rank: int, place: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}/join", rank=rank, world_size=2
    )
    own = data(place, num_workers=2)
    loader = own.train_dataloader()
    seen = [names(loader) for _ in range(2)]
    judged = names(own.all_of("train"))
    Path(place, f"rank{rank}.json").write_text(json.dumps([*seen, judged]))
    torch.distributed.destroy_process_group()


def test_two_ranks_see_every_picture_of_an_epoch_once(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "shards", tmp_path / "shards")
    # Spawned ranks, and the loading processes of each, would all import everything anew.
    start_processes(on_rank, (str(tmp_path),), nprocs=2, start_method="fork")
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    for epoch in range(2):
        batches = [batch for rank in ranks for batch in rank[epoch]]
        assert [len(rank[epoch]) for rank in ranks] == [COUNTS["train"] // BATCH] * 2
        assert {len(batch) for batch in batches} == {BATCH // 2}
        seen = Counter(name for batch in batches for name in batch)
        assert set(seen.values()) == {1}
        assert len(seen) > COUNTS["train"] - BATCH
    judged = Counter(name for rank in ranks for batch in rank[2] for name in batch)
    assert set(judged.values()) == {1}
    assert len(judged) == COUNTS["train"]


def test_each_process_opens_its_own_shards(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    part = "src.data.shards.Shards._part"

    def spy(own: Any, shard: int, start: int, stop: int) -> Iterator[Any]:
        opened.append((shard, start, stop))
        return iter(())

    shard = data(place)._shards("train")
    monkeypatch.setattr(part, spy)
    assert shard.counts == [9, 9, 10, 9, 10]
    list(shard.read([2, 0, 1, 3, 4], 6, 21))
    assert opened == [(2, 6, 10), (0, 0, 9), (1, 0, 2)]


@pytest.fixture
def server(place: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as own:
        threading.Thread(target=own.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{own.server_port}"
        own.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def test_shards_are_read_over_http_as_from_a_disk(place: Path, server: str) -> None:
    local = data(place, num_workers=2).train_dataloader()
    assert names(data(f"{server}/shards", num_workers=2).train_dataloader()) == names(local)


class BrokenPayload(Exception):  # noqa: N818 (as aiohttp names its own)
    """Stands for what aiohttp raises, which is no OSError."""

    __module__ = "aiohttp.client_exceptions"


@pytest.mark.parametrize("kind", [ConnectionResetError, BrokenPayload])
def test_a_connection_that_breaks_off_is_taken_up_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    from src.data import shards as reading

    whole, breaks = reading._pictures, [3]

    def broken(address: str) -> Iterator[Any]:
        if breaks:
            yield from islice(whole(address), breaks.pop())
            raise kind("reset by peer")
        yield from whole(address)

    expected = names(data(place).train_dataloader())
    monkeypatch.setattr(reading, "_pictures", broken)
    with pytest.warns(UserWarning, match=r"broke off \(reset by peer\); trying again"):
        assert names(data(place).train_dataloader()) == expected


@pytest.mark.parametrize(
    ("root", "fault"),
    [
        ("nowhere", "has no index.json, or cannot be reached: expected the shards that"),
        ("ftp://host/x", "begins with http, https, s3"),
        ("pipe://rm", "begins with http, https, s3"),
        ("half", "is no index of whole shards"),
    ],
)
def test_what_is_no_place_of_shards_is_told_in_a_line(root: str, fault: str) -> None:
    Path("half").mkdir()
    Path("half/index.json").write_text('{"most": 10}')
    with pytest.raises(ValueError, match=fault):
        data(root)


def test_a_shard_that_was_cut_off_is_named(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "shards", tmp_path / "cut")
    path = tmp_path / "cut" / "train-000002.tar"
    path.write_bytes(path.read_bytes()[: 512 * 8])
    with pytest.raises((ValueError, tarfile.ReadError), match=r"train-000002\.tar"):
        names(data(tmp_path / "cut").train_dataloader())


def test_a_broken_picture_is_replaced_by_another(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(place, copy)
    rows = [
        Row(f"pictures/{s}{i}.jpg", "", "kept", "", s, "", f"{i:03d}", 40, 36, 9.0)
        for s in COUNTS
        for i in range(4)
    ]
    (copy / "pictures/train2.jpg").write_bytes(b"no picture")
    shard_writer.write(copy, rows, 10)
    with pytest.warns(UserWarning, match="train2 can no longer be read: not a picture"):
        seen = names(data(copy, batch_size=4).train_dataloader())
    assert len(seen[0]) == 4


def test_without_webdataset_the_command_to_install_it_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(ValueError, match=r"pip install .*'\.\[shards\]'"):
        data(place)


def test_training_runs_from_shards(place: Path, configure: Callable[..., DictConfig]) -> None:
    figures = train(configure("model=unet_gan", "data=shards", f"data.root={place}"))
    assert figures["test/ab_mae"] > 0
