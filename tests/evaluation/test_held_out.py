import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from src.colorizers.trained import save_weights
from src.curation import dataset
from src.curation.recipe import Settings
from src.data.folder import FolderData
from src.data.picture_list import Listed, TrainedOn, read
from src.errors import UserError
from src.evaluation.examples import choose
from src.evaluation.held_out import held_out
from src.files import sha256
from tests.conftest import TINY, made_once, run_train
from tests.evaluation.test_evaluation import _make_quick, figures_of, run


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _make_quick(monkeypatch)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the 24 photographs. Tests that write must copy it."""

    def make(place: Path) -> None:
        run_train(
            place, *TINY, "model=cnn", "data=folder", f"data.root={photos}", "hydra.run.dir=run"
        )

    return made_once(tmp_path_factory, "held_out", make) / "run"


def of(pictures: list[Listed], *splits: str) -> list[str]:
    return [picture.file for picture in pictures if picture.split in splits]


def test_a_run_is_judged_on_its_test_pictures_where_it_was_trained(
    trained: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = read(trained / "pictures.csv")
    assert len(pictures) == 24
    best = trained / "checkpoints" / "best.ckpt"
    shutil.copy(best, "copied.ckpt")
    judged = f"checkpoints=[{best},copied.ckpt]"
    assert run(judged, f"data.root={photos}", "keep_grey=true", "hydra.run.dir=left") == 0
    test = of(pictures, "test")
    rows = Path("left/per_image.csv").read_text()
    assert {name for name in of(pictures, "train", "val", "test") if name in rows} == {*test}
    printed = capsys.readouterr().out
    assert f"trained or selected on them: {24 - len(test)} of 24 pictures" in printed
    assert figures_of(Path("left"))["data"]["seen_in_training"] == 24 - len(test)
    page = Path("left/report.html").read_text()
    assert f"{24 - len(test)} of 24 pictures" in page
    assert 'class="warning"' not in page


def test_a_copy_of_a_training_picture_is_known_by_its_content(trained: Path, photos: Path) -> None:
    pictures = read(trained / "pictures.csv")
    Path("elsewhere/deep").mkdir(parents=True)
    shutil.copy(photos / of(pictures, "train")[0], "elsewhere/deep/renamed.jpg")
    shutil.copy(photos / of(pictures, "val")[0], "elsewhere/another.jpg")
    shutil.copy(photos / of(pictures, "test")[0], "elsewhere/new.jpg")
    shutil.copy(trained / "checkpoints" / "best.ckpt", "copied.ckpt")
    guard = held_out(choose(Path("elsewhere")), {"a": Path("copied.ckpt")}, everything=False)
    assert [picture.name for picture in guard.chosen.pictures] == ["new.jpg"]
    assert guard.seen == 2
    assert guard.unsure == []


def test_where_everything_was_seen_one_line_names_the_way_out_and_the_page_turns_red(
    trained: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in of(read(trained / "pictures.csv"), "train")[:3]:
        Path("seen").mkdir(exist_ok=True)
        shutil.copy(photos / name, "seen")
    asked = [f"checkpoints={trained / 'checkpoints' / 'best.ckpt'}", "data.root=seen"]
    assert run(*asked, "hydra.run.dir=refused") == 1
    said = capsys.readouterr().err
    assert "on all 3 pictures" in said
    assert "subset=all" in said
    assert said.count("\n") == 1
    assert run(*asked, "subset=all", "keep_grey=true", "hydra.run.dir=left") == 0
    warning = "trained or selected on 3 of these 3 pictures"
    assert warning in capsys.readouterr().out
    assert f'<p class="warning">subset=all: a judged checkpoint was {warning}' in (
        Path("left/report.html").read_text()
    )
    assert figures_of(Path("left"))["data"]["pictures"] == 3


def test_a_stable_subset_is_judged(photos: Path) -> None:
    guard = held_out(choose(photos), {}, everything=False)
    few, more = ([one.name for one in guard.some(n).chosen.pictures] for n in (3, 9))
    assert (len(few), len(more)) == (3, 9)
    assert set(few) < set(more)
    assert guard.some(3).chosen.said == "a folder without a split, a stable subset"
    with pytest.raises(UserError, match="max_images"):
        guard.some(0)
    Path("album").mkdir()
    Path("album/a link to nothing.jpg").symlink_to("absent.jpg")
    for path in sorted(photos.iterdir())[:3]:
        shutil.copy(path, "album")
    album = held_out(choose(Path("album")), {}, everything=False).some(3)
    assert "a link to nothing.jpg" not in {one.name for one in album.chosen.pictures}


def test_a_subset_counts_its_own_pictures_that_were_seen(trained: Path, photos: Path) -> None:
    pictures = read(trained / "pictures.csv")
    judged = {"a": trained / "checkpoints" / "best.ckpt"}
    seen = len(of(pictures, "train", "val"))
    [note] = held_out(choose(photos), judged, everything=False).some(2).notes
    assert note.endswith(f"selected on them: {seen} of 24 pictures")
    few = held_out(choose(photos, "all"), judged, everything=True).some(9)
    known = {one.name for one in few.chosen.pictures} & {*of(pictures, "train", "val")}
    [warning] = few.warnings
    assert f"selected on {len(known)} of these 9 pictures" in warning


def test_the_union_of_all_checkpoints_is_left_out(photos: Path) -> None:
    names = sorted(path.name for path in photos.iterdir())
    for number in range(2):
        content: dict[str, object] = {}
        seen = [Listed("", "train", sha256(photos / name)) for name in names[number::3]]
        TrainedOn.of(seen).write(content)
        torch.save(content, f"{number}.ckpt")
    judged = {str(number): Path(f"{number}.ckpt") for number in range(2)}
    guard = held_out(choose(photos), judged, everything=False)
    assert [picture.name for picture in guard.chosen.pictures] == names[2::3]


def test_a_prepared_picture_and_its_original_are_one(photos: Path, tmp_path: Path) -> None:
    recipe = {"format": "jpeg", "min_size": 32, "min_chroma_spread": 0.0, "one_hue": 1.0}
    shares = {"train": 0.6, "val": 0.2, "test": 0.2}
    settings = Settings(image_size=32, fit="short", shares=shares, part="1/1", **recipe)  # type: ignore[arg-type]
    rows = dataset.prepare(photos, Path("set"), settings, 0)
    for root, others, expected in (
        (Path("set"), photos, {row.source for row in rows if row.kept and row.split == "test"}),
        (photos, Path("set"), None),
    ):
        data = FolderData(
            root=str(root), report_dir="run", image_size=32, batch_size=4, num_workers=0
        )
        data.setup("fit")
        content: dict[str, object] = {}
        TrainedOn.of(data.listed).write(content)
        torch.save(content, "a.ckpt")
        guard = held_out(choose(others, "all"), {"a": Path("a.ckpt")}, everything=True)
        assert data.listed is not None
        seen = {p.original or p.sha256 for p in data.listed if p.split != "test"}
        assert guard.seen == sum(not seen.isdisjoint(h) for h in guard.chosen.hashes.values()) > 0
        if expected is not None:
            left = held_out(choose(others), {"a": Path("a.ckpt")}, everything=False).chosen
            kept = {row.source for row in rows if row.kept}
            assert {picture.name for picture in left.pictures} & kept == expected


def test_what_does_not_say_what_trained_it_is_named(trained: Path, photos: Path) -> None:
    best = trained / "checkpoints" / "best.ckpt"
    save_weights([best], Path("exported.safetensors"))
    torch.save({"state_dict": {}}, "earlier.ckpt")
    judged = {"known": best, "old": Path("earlier.ckpt"), "export": Path("exported.safetensors")}
    guard = held_out(choose(photos), judged, everything=False)
    assert guard.unsure == ["old", "export"]
    assert "pictures trained old, export: some of them may be among these" in guard.notes[-1]


def test_the_half_of_val_that_tests_is_the_half_that_was_not_selected_on(photos: Path) -> None:
    for i, path in enumerate(sorted(photos.iterdir())):
        target = Path("split", ("train", "val")[i % 2], path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    data = FolderData(root="split", report_dir="run", image_size=32, batch_size=4, num_workers=0)
    data.setup("fit")
    assert [p.name for p in choose(Path("split")).pictures] == [
        picture.name for picture in data.eval_pictures("test").pictures
    ]
