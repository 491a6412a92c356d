import csv
import io
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from src.curation import dataset
from src.curation.recipe import Settings
from src.data.collection import Collection
from src.data.folder import FolderData
from src.data.scan import Scan, scan
from src.files import sha256
from src.images import UnreadableImageError, read_rgb


def folder_data(root: Path, tmp_path: Path, **options: Any) -> FolderData:
    loading = {"image_size": 32, "batch_size": 4, "num_workers": 0}
    paths = {"report_dir": str(tmp_path / "run"), "index_dir": str(tmp_path / "index")}
    return FolderData(root=str(root), **(loading | paths | options))


def scanned(root: Path, tmp_path: Path, image_size: int = 32) -> Scan:
    names = Collection(root).names()
    return scan(root, names, tmp_path / "index", 0, image_size=image_size, eval_fit="crop")


def subsets_by_content(root: Path, tmp_path: Path, **options: Any) -> dict[bytes, str]:
    data = folder_data(root, tmp_path, **options)
    data.setup("fit")
    return {
        picture.path.read_bytes(): subset
        for subset, pictures in data.subsets.items()
        for picture in pictures
    }


def noise(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for i in range(300):
        noise(tmp_path / "many" / f"{i}.png", i)
    return tmp_path / "many"


def test_the_split_is_60_20_20_and_keeps_to_content(many: Path, tmp_path: Path) -> None:
    before = subsets_by_content(many, tmp_path)
    counts = Counter(before.values())
    assert counts.keys() == {"train", "val", "test"}
    assert counts["train"] == pytest.approx(180, abs=30)
    assert counts["val"] == pytest.approx(60, abs=25)

    moved = tmp_path / "moved" / "deep" / "er"
    moved.mkdir(parents=True)
    for i, path in enumerate(sorted(many.iterdir(), reverse=True)):
        shutil.copy(path, moved / f"renamed {i} [x].PNG")
    for i in range(300, 350):
        noise(moved.parent / f"{i}.png", i)
    after = subsets_by_content(tmp_path / "moved", tmp_path)
    assert len(after) == 350
    assert before.items() <= after.items()


def test_the_split_is_the_same_on_every_machine(tmp_path: Path) -> None:
    # Raw bytes instead of an encoder's, which may change with its version.
    for i in range(8):
        header, pixels = b"P6 2 2 255\n", bytes([i] * 12)
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / f"{i}.ppm").write_bytes(header + pixels)
    data = folder_data(tmp_path / "a", tmp_path)
    data.setup("fit")
    names = {subset: [p.name[0] for p in pictures] for subset, pictures in data.subsets.items()}
    assert {subset: "".join(name) for subset, name in names.items()} == EXPECTED_SPLIT


EXPECTED_SPLIT = {"train": "0237", "val": "46", "test": "15"}


def test_max_images_takes_a_stable_subset_of_every_part(many: Path, tmp_path: Path) -> None:
    whole = subsets_by_content(many, tmp_path)
    some = subsets_by_content(many, tmp_path, max_images=50)
    fewer = subsets_by_content(many, tmp_path, max_images=20)
    assert (len(some), len(fewer)) == (50, 20)
    assert fewer.keys() <= some.keys()
    assert some.items() <= whole.items()
    assert set(some.values()) == {"train", "val", "test"}


def test_a_given_split_is_kept(photos: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted(photos.iterdir())):
        target = tmp_path / "given" / ("train", "val", "test")[i % 3] / "some class" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    data = folder_data(tmp_path / "given", tmp_path)
    data.setup("fit")
    for subset, pictures in data.subsets.items():
        assert len(pictures) == 8
        assert all(picture.name.startswith(f"{subset}/some class/") for picture in pictures)


def test_equal_files_in_two_splits_of_a_person_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    for seed, name in enumerate(("train/a.png", "train/b.png", "val/c.png", "test/d.png")):
        noise(given / name, seed)
    folder_data(given, tmp_path).setup("fit")
    assert "leaks" not in capsys.readouterr().out
    shutil.copy(given / "test" / "d.png", given / "train" / "again.png")
    folder_data(given, tmp_path).setup("fit")
    said = f"leaks: 1 files stand in more than one split of {given}, such as train/again.png and"
    assert said in capsys.readouterr().out


def test_a_resumed_run_overfits_the_very_same_crops(many: Path, tmp_path: Path) -> None:
    first = []
    for epochs in (0, 3):
        data = folder_data(many, tmp_path)
        data.overfit_batches, data.first_epoch = 1, epochs
        data.setup("fit")
        first.append([batch["rgb"] for batch in data.train_dataloader()])
    assert all(torch.equal(*both) for both in zip(*first, strict=True))


def test_val_alone_is_halved_by_hash(many: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted(many.iterdir())):
        target = tmp_path / "given" / ("val" if i % 2 else "train") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    data = folder_data(tmp_path / "given", tmp_path)
    data.setup("fit")
    assert len(data.subsets["train"]) == 150
    assert len(data.subsets["val"]) == pytest.approx(75, abs=25)
    assert len(data.subsets["val"]) + len(data.subsets["test"]) == 150
    assert all(p.name.startswith("val/") for s in ("val", "test") for p in data.subsets[s])


def test_test_pictures_are_never_trained_on_by_accident(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "given" / "train")
    shutil.copytree(photos, tmp_path / "given" / "test")
    shutil.copytree(photos, tmp_path / "other" / "val")
    with pytest.raises(ValueError, match=r"holds only val/"):
        folder_data(tmp_path / "other", tmp_path).setup("fit")
    with pytest.raises(ValueError, match=r"holds only test/ and train/"):
        folder_data(tmp_path / "given", tmp_path).setup("fit")


def test_equal_files_never_stand_in_two_subsets(tmp_path: Path) -> None:
    for i in range(30):
        noise(tmp_path / "a" / f"{i}.png", i % 10)
    data = folder_data(tmp_path / "a", tmp_path)
    data.setup("fit")
    contents = [{p.path.read_bytes() for p in pictures} for pictures in data.subsets.values()]
    assert sum(map(len, data.subsets.values())) == 30
    assert sum(map(len, contents)) == 10


def test_three_pictures_are_enough_for_three_subsets(tmp_path: Path) -> None:
    for i in range(3):
        noise(tmp_path / "a" / f"{i}.png", i)
    assert sorted(subsets_by_content(tmp_path / "a", tmp_path).values()) == ["test", "train", "val"]


def test_missing_empty_and_tiny_folders_end_with_one_line(tmp_path: Path) -> None:
    noise(tmp_path / "two" / "a.png", 0)
    noise(tmp_path / "two" / "b.png", 1)
    noise(tmp_path / "two" / "copy of b.png", 1)
    (tmp_path / "empty").mkdir()
    faults = {"absent": "no folder", "empty": r"at least 3.*got 0", "two": r"at least 3.*got 2"}
    for name, fault in faults.items():
        with pytest.raises(ValueError, match=fault) as refusal:
            folder_data(tmp_path / name, tmp_path).setup("fit")
        assert "\n" not in str(refusal.value)


def spoil(folder: Path) -> set[str]:
    """Put every kind of bad file into a folder. Returns: the names that cannot be read."""
    jpeg = io.BytesIO()
    Image.effect_noise((80, 80), 90).convert("RGB").save(jpeg, "JPEG")
    (folder / "truncated.jpg").write_bytes(jpeg.getvalue()[:-500])
    (folder / "empty.jpg").touch()
    (folder / "text.JPG").write_text("hello")
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "notes.txt").write_text("no picture, and does not pretend to be one")
    (folder / "._photo.jpg").write_bytes(b"macOS")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    return {"truncated.jpg", "empty.jpg", "text.JPG", "dangling.png", "pipe.png"}


def odd_but_readable(folder: Path) -> set[str]:
    """Put every kind of odd picture into a folder. Returns: their names."""
    red = Image.new("RGB", (40, 30), (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 8
    red.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.full((30, 40), 40_000, np.uint16)).save(folder / "16bit.png")
    red.convert("P").save(folder / "palette.png")
    red.convert("RGBA").save(folder / "alpha.png")
    red.save(folder / "rotated.jpg", exif=exif)
    red.save(folder / "moving.gif", save_all=True, append_images=[red.rotate(90)])
    red.save(folder / "new\nline, and ü.png")
    red.resize((1, 1)).save(folder / "pixel.png")
    return {
        "cmyk.jpg",
        "16bit.png",
        "palette.png",
        "alpha.png",
        "rotated.jpg",
        "moving.gif",
        "new\nline, and ü.png",
        "pixel.png",
    }


def test_broken_files_are_skipped_and_listed_and_odd_ones_are_used(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "spoilt"
    shutil.copytree(photos, root)
    broken, odd = spoil(root), odd_but_readable(root)
    data = folder_data(root, tmp_path, max_unreadable=0.2)
    data.setup("fit")
    used = {picture.name for pictures in data.subsets.values() for picture in pictures}
    assert used == odd | {path.name for path in photos.iterdir()}
    for loader in (data.train_dataloader(), *data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            assert batch["rgb"].shape[1:] == (3, 32, 32)
    with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
        listed = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert listed.keys() == broken
    assert "empty" in listed["empty.jpg"]
    assert "truncated" in listed["truncated.jpg"]
    assert f"5 of {5 + len(used)} picture files" in capsys.readouterr().out


def test_too_many_unreadable_files_end_the_run(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "spoilt"
    shutil.copytree(photos, root)
    spoil(root)
    with pytest.raises(ValueError, match=r"5 of 29 .*data\.max_unreadable=0\.05") as refusal:
        folder_data(root, tmp_path).setup("fit")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_that_break_during_a_run_do_not_end_it(
    photos: Path, tmp_path: Path, workers: int
) -> None:
    root = tmp_path / "root"
    shutil.copytree(photos, root)
    data = folder_data(root, tmp_path, num_workers=workers)
    data.setup("fit")
    first, second = data.subsets["train"][:2]
    first.path.write_bytes(b"")
    second.path.unlink()
    if workers == 0:
        with pytest.warns(UserWarning, match=rf"{first.name} can no longer be read: .*empty"):
            list(data.train_dataloader())
    names = [name for batch in data.train_dataloader() for name in batch["name"]]
    assert len(names) == len(data.subsets["train"]) // 4 * 4
    assert not {first.name, second.name} & set(names)
    if workers == 0:
        shutil.rmtree(root)
        with pytest.raises(UnreadableImageError, match="is the folder gone"):
            list(data.train_dataloader())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission_are_skipped(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "spoilt"
    shutil.copytree(photos, root)
    (root / "astronaut0.jpg").chmod(0)
    found = scanned(root, tmp_path)
    assert found.skipped.keys() == {"astronaut0.jpg"}


def test_a_second_scan_reads_only_what_changed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(photos, root)
    first = scanned(root, tmp_path)
    noise(root / "new.png", 1)
    noise(root / "coffee0.jpg", 2)
    read: list[str] = []

    def spy(path: Path) -> Image.Image:
        read.append(path.name)
        return read_rgb(path)

    monkeypatch.setattr("src.data.scan.read_rgb", spy)
    second = scanned(root, tmp_path)
    assert sorted(read) == ["coffee0.jpg", "new.png"]
    unchanged = first.contents.keys() - {"coffee0.jpg"}
    assert all(second.contents[name] == first.contents[name] for name in unchanged)
    assert second.contents["coffee0.jpg"] != first.contents["coffee0.jpg"]


def test_each_size_of_pictures_has_its_own_mean_colour_in_the_index(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (scanned(photos, tmp_path, size) for size in (32, 48))
    assert small.contents == large.contents
    assert small.mean_ab != large.mean_ab
    monkeypatch.setattr("src.data.scan.read_rgb", Mock(side_effect=AssertionError("read again")))
    assert scanned(photos, tmp_path, 32) == small
    assert scanned(photos, tmp_path, 48) == large


def test_a_run_walks_the_folder_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = Mock(wraps=os.scandir)
    monkeypatch.setattr(os, "scandir", walk)
    data = folder_data(photos, tmp_path)
    for stage in ("fit", "test"):  # as Lightning does
        data.prepare_data()
        data.setup(stage)
    walk.assert_called_once()
    assert walk.call_args.args == (str(photos),)


def test_a_broken_index_is_made_anew(photos: Path, tmp_path: Path) -> None:
    first = scanned(photos, tmp_path)
    for index in (tmp_path / "index").iterdir():
        index.write_text('{"coffee0.jpg": 7')
    assert scanned(photos, tmp_path) == first


def test_no_folder_gives_an_epoch_more_than_its_share(tmp_path: Path) -> None:
    for i in range(60):
        noise(tmp_path / "photos" / ("large" if i < 45 else "small") / f"{i}.png", i)

    data = folder_data(tmp_path / "photos", tmp_path, max_per_folder=12, num_workers=0)
    data.setup("fit")
    everything = Counter(picture.path.parent.name for picture in data.subsets["train"])
    assert everything["large"] > 12 > everything["small"]
    loader = data.train_dataloader()
    shown = Counter(Path(name).parent.name for batch in loader for name in batch["name"])
    assert shown == {"large": 12, "small": everything["small"]}


def test_a_run_lists_its_pictures_and_the_originals_that_a_manifest_names(
    photos: Path, tmp_path: Path
) -> None:
    plain = folder_data(photos, tmp_path)
    plain.setup("fit")
    assert plain.listed is not None
    assert all(sha256(photos / p.file) == p.sha256 and not p.original for p in plain.listed)
    recipe = {"format": "jpeg", "min_size": 32, "min_chroma_spread": 0.0, "one_hue": 1.0}
    shares = {"train": 0.6, "val": 0.2, "test": 0.2}
    settings = Settings(image_size=32, fit="short", shares=shares, part="1/1", **recipe)  # type: ignore[arg-type]
    rows = dataset.prepare(photos, tmp_path / "set", settings, 0)
    prepared = folder_data(tmp_path / "set", tmp_path)
    prepared.setup("fit")
    assert prepared.listed is not None
    splits = {row.file: row.split for row in rows if row.kept}
    assert {picture.file: picture.split for picture in prepared.listed} == splits
    originals = {sha256(path) for path in photos.iterdir()}
    for picture in prepared.listed:
        assert sha256(tmp_path / "set" / picture.file) == picture.sha256
        assert picture.original in originals
        assert picture.original != picture.sha256
