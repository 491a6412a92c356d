import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from src import audit


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["audit", "num_workers=0", "min_size=32", *arguments])
    try:
        audit.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def split(photos: Path, tmp_path: Path) -> Path:
    root = tmp_path / "split"
    for i, path in enumerate(sorted(photos.iterdir())):
        folder = root / ("train", "val", "test")[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    return root


def test_a_clean_split_passes_and_is_not_changed(
    split: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in split.rglob("*"))
    assert run(monkeypatch, f"data.root={split}") == 0
    printed = capsys.readouterr().out
    assert "24 pictures: 8 train, 8 val, 8 test" in printed
    assert "no near-duplicates stand in more than one split" in printed
    assert Path(printed.splitlines()[-1].removeprefix("What was found: ")).is_file()
    assert sorted((path, path.stat().st_mtime_ns) for path in split.rglob("*")) == before


def test_leaks_and_grey_pictures_are_told_and_end_with_a_status(
    split: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = min((split / "train").iterdir())
    with Image.open(source) as image:
        ImageOps.mirror(image).save(split / "test" / "leak.png")
        image.convert("L").save(split / "val" / "grey.png")
    assert run(monkeypatch, f"data.root={split}") == 3
    printed = capsys.readouterr().out
    assert " monochrome (" in printed
    assert "LEAKS: 1 groups of near-duplicates stand in more than one split" in printed
    assert "test/leak.png" in printed
    page = Path(printed.splitlines()[-1].removeprefix("What was found: ")).read_text()
    assert "Leaks: 1" in page
    assert "Would be rejected" in page
    assert "test/leak.png" in page


@pytest.mark.parametrize("root", ["nowhere", "."])
def test_a_folder_without_a_split_is_refused(
    root: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, f"data.root={root}") == 1
    assert "expected train/" in (said := capsys.readouterr().err) or "is no folder" in said


@pytest.mark.parametrize("setting", ["num_workers=-1", "min_size=abc", "one_hue=2"])
def test_a_setting_out_of_range_is_named(
    setting: str, split: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, f"data.root={split}", setting) == 1
    assert capsys.readouterr().err.startswith(f"error: {setting}: expected")


def test_a_manifest_in_another_encoding_is_refused(
    split: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (split / "manifest.csv").write_bytes("file,source\nGro\xdfmutter.jpg,x\n".encode("latin-1"))
    assert run(monkeypatch, f"data.root={split}") == 1
    said = capsys.readouterr().err
    assert "manifest.csv, line 2: expected the columns that src.prepare writes" in said
    assert said.count("\n") == 1
