import hashlib
import shutil
from pathlib import Path

import pytest

from src.data.collection import Collection


def placed(photos: Path, root: Path, *splits: str) -> dict[str, str]:
    """Copy photographs below folders of these names. Returns: sha256 of each by its path."""
    contents = {}
    for i, path in enumerate(sorted(photos.iterdir())):
        name = f"{splits[i % len(splits)]}/some class/{path.name}"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / name)
        contents[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return contents


@pytest.mark.parametrize("folders", [("train", "val", "test"), ("train", "test"), ("val", "test")])
def test_folders_that_are_named_after_splits_are_splits(
    photos: Path, tmp_path: Path, folders: tuple[str, ...]
) -> None:
    contents = placed(photos, tmp_path, *folders)
    collection = Collection(tmp_path)
    assert collection.is_split
    assert set(collection.names()) == contents.keys()
    assert collection.names("test") == [name for name in sorted(contents) if name[:4] == "test"]
    assert all(name.startswith(f"{s}/") for name, s in collection.splits(contents).items())
    assert {collection.folder(name) for name in contents} == {"some class"}


def test_val_without_test_is_halved_for_whoever_asks(photos: Path, tmp_path: Path) -> None:
    contents = placed(photos, tmp_path, "train", "val")
    collection = Collection(tmp_path)
    splits = collection.splits(contents)
    test = {name for name, split in splits.items() if split == "test"}
    assert 0 < len(test) < 12
    assert test < set(collection.names("test")) == {n for n in contents if n.startswith("val/")}
    # Evaluation asks only for what may be a test picture, and gets the same answer.
    only_val = {name: sha256 for name, sha256 in contents.items() if name.startswith("val/")}
    assert {n for n, split in collection.splits(only_val).items() if split == "test"} == test


@pytest.mark.parametrize("folders", [("train",), ("val",), ("photos", "scans")])
def test_other_folders_are_no_split_and_go_by_content(
    photos: Path, tmp_path: Path, folders: tuple[str, ...]
) -> None:
    contents = placed(photos, tmp_path, *folders)
    collection = Collection(tmp_path)
    assert not collection.is_split
    assert collection.names("test") == sorted(contents)
    assert set(collection.splits(contents).values()) == {"train", "val", "test"}
