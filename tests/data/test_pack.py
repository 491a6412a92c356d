import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps

from src.data import pack
from src.data.folder import FolderData


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photos, tmp_path / "photos"))


def crops(folder: Path, **settings: Any) -> list[dict[str, Any]]:
    """The first batches of training; pictures are 64 pixels high."""
    data = FolderData(
        root=str(folder),
        report_dir="run",
        image_size=32,
        batch_size=4,
        zoom=2.0,
        num_workers=0,
        **settings,
    )
    data.setup("fit")
    return [*data.train_dataloader()]


def packs() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path("data/index").rglob("*.pack")}


def test_crops_from_a_pack_are_those_from_the_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = crops(folder)
    assert packs() == {}
    for _ in range(2):  # made, and found again
        for own, wanted in zip(crops(folder, pack=True), plain, strict=True):
            assert own["name"] == wanted["name"]
            assert torch.equal(own["rgb"], wanted["rgb"])
        [first] = packs().items()
        monkeypatch.setattr(pack, "_write", None)
        assert [first] == [*packs().items()]


def test_a_changed_picture_makes_a_new_pack_in_place_of_the_old(folder: Path) -> None:
    name = crops(folder, pack=True)[0]["name"][0]
    [old] = packs()
    with Image.open(folder / name) as image:
        ImageOps.invert(image).save(folder / name, quality=95)
    crops(folder, pack=True)
    [new] = packs()
    assert new != old


def test_a_pack_holds_large_pictures_no_larger_than_crops_need(folder: Path) -> None:
    for path in folder.iterdir():
        with Image.open(path) as image:
            image.resize((800, 640)).save(path)
    assert crops(folder, pack=True)[0]["rgb"].shape == (4, 3, 32, 32)
    [path] = packs()
    assert path.stat().st_size < 24 * (80 * 64 * 3 + 16)
