import csv
from pathlib import Path

import pytest
from PIL import Image

from src.data import sample
from src.data.sample import FOLDER, SampleData
from src.images.grey import Rules, measure
from tests.conftest import ROOT

SIZES = {"image_size": 32, "batch_size": 4, "num_workers": 0, "report_dir": "run"}


def test_every_photograph_has_an_author_a_page_and_a_licence_and_nothing_else_ships() -> None:
    with (FOLDER / "attribution.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == sorted(path.name for path in FOLDER.glob("*.webp"))
    assert len(rows) == len(list(FOLDER.iterdir())) - 1
    for row in rows:
        assert row["author"].strip()
        assert row["author_page"].startswith("https://www.flickr.com/people/")
        assert row["photo_page"].startswith("https://www.flickr.com/photos/")
        assert row["licence"] == "https://creativecommons.org/licenses/by/2.0/"
    pages = [row["photo_page"] for row in rows]
    assert len(set(pages)) == len(pages)
    for page in ("data/README.md", "README.md", "docs/data.md"):
        assert str(len(rows)) in (ROOT / page).read_text()


def test_they_are_small_and_audit_takes_them_for_photographs_in_colour() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6e6
    rules = Rules(min_size=64)
    for path in sorted(FOLDER.glob("*.webp"))[::20]:
        with Image.open(path) as image:
            assert rules.fault(*image.size, measure(image)) == "", path


def test_they_are_found_from_any_folder_and_split_as_those_of_any_other() -> None:
    data = SampleData(**SIZES)  # type: ignore[arg-type]
    data.setup("fit")
    shares = {name: len(own) / 923 for name, own in data.subsets.items()}
    assert shares == pytest.approx({"train": 0.6, "val": 0.2, "test": 0.2}, abs=0.02)
    assert {picture.path.parent for own in data.subsets.values() for picture in own} == {FOLDER}


def test_another_folder_is_for_data_folder() -> None:
    with pytest.raises(ValueError, match=r"data\.root=photos: expected data=folder beside it"):
        SampleData(root="photos", **SIZES)


def test_where_they_are_missing_it_is_said_what_else_to_train_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "FOLDER", tmp_path / "sample")
    with pytest.raises(ValueError, match=r"sample is missing: .*data=folder data\.root=DIR"):
        SampleData(**SIZES)  # type: ignore[arg-type]
