import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

from src import images, prepare
from src.curation import examine, picture_writer
from src.data import manifest
from src.data.folder import FolderData
from src.data.manifest import Row
from src.evaluation import examples
from tests.conftest import ROOT

FAST = ("image_size=48", "num_workers=0", "min_size=40")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["prepare", *FAST, *arguments])
    try:
        prepare.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def tree(folder: Path) -> dict[str, str]:
    """Every file of a data set by its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def by_source(folder: Path) -> dict[str, Row]:
    return {row.source: row for row in manifest.read(folder)}


@pytest.fixture
def spoiled(photos: Path, tmp_path: Path) -> Path:
    """Real photographs, copies of one of them, and every kind of file that is in the way."""
    root = tmp_path / "spoiled"
    shutil.copytree(photos, root / "good")
    photo = Image.fromarray(skimage.data.rocket())
    photo.save(root / "photo.png")
    shutil.copy(root / "photo.png", root / "the same.png")
    photo.resize((320, 213)).save(root / "smaller.jpg", quality=60)
    ImageOps.mirror(photo).save(root / "mirrored.webp")
    photo.crop((10, 8, 630, 418)).save(root / "cropped [1] = é, ü.jpg")
    photo.convert("L").save(root / "grey.jpg")
    ImageOps.colorize(photo.convert("L"), (40, 20, 5), (250, 235, 205)).save(root / "sepia.jpg")
    photo.resize((39, 60)).save(root / "small.png")
    Image.fromarray(skimage.data.coffee()).save(root / os.fsdecode(b"caf\xe9.png"))
    (root / "empty.jpg").touch()
    (root / "broken.jpg").write_bytes((root / "smaller.jpg").read_bytes()[:2000])
    (root / "text.png").write_text("no picture")
    (root / "notes.txt").write_text("ignored")
    (root / "loop").symlink_to(root)
    (root / "dangling.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(root / "pipe.png")
    return root


def test_every_file_stands_in_the_manifest_with_what_became_of_it(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path, path.lstat().st_mtime_ns) for path in spoiled.rglob("*"))
    assert run(monkeypatch, f"source={spoiled}", "target=set") == 0
    printed = capsys.readouterr().out
    assert sorted((path, path.lstat().st_mtime_ns) for path in spoiled.rglob("*")) == before
    rows = by_source(Path("set"))
    assert len(rows) == 24 + 9 + 5
    reasons = {name: row.reason for name, row in rows.items() if not row.kept}
    assert reasons["the same.png"] == "duplicate: the same file as photo.png"
    assert reasons["grey.jpg"].startswith("monochrome: ")
    assert reasons["sepia.jpg"].startswith("monochrome: ")
    assert reasons["small.png"] == "too small: short side of 39 under min_size=40"
    for name in ("empty.jpg", "broken.jpg", "text.png", "dangling.jpg", "pipe.png"):
        assert reasons[name].startswith("unreadable: ")
    assert len([name for name in reasons if not name.startswith("good/")]) == 9
    kept = [row for row in rows.values() if row.kept]
    copies = ("photo.png", "smaller.jpg", "mirrored.webp", "cropped [1] = é, ü.jpg")
    assert len({(rows[name].group, rows[name].split) for name in copies}) == 1
    assert all(row.group and row.sha256 and row.mean_chroma > 0 for row in kept)
    for row in kept:
        with Image.open(Path("set", row.file)) as image:
            assert min(image.size) == 48
            assert image.format == "JPEG"
    assert (rows["photo.png"].width, rows["photo.png"].height) == (640, 427)
    assert f"38 pictures: {len(kept)} kept" in printed
    assert "5 rejected: unreadable" in printed
    assert "python -m src.train data=folder data.root=set" in printed
    assert printed.splitlines()[-1] == "What was found: set/audit.html"
    page = Path("set/audit.html").read_text()
    assert "<h2>Rejected</h2>" in page
    assert "cropped [1] = é, ü.jpg" in page
    assert rows["caf\\udce9.png"].kept
    assert page.count("data:image/jpeg") > 8
    assert "http" not in page.replace("http://www.w3.org", "")

    # Nothing new: nothing is written.
    stamps = {path: path.stat().st_mtime_ns for path in Path("set").rglob("*") if path.is_file()}
    assert run(monkeypatch, f"source={spoiled}", "target=set") == 0
    changed = [path for path, at in stamps.items() if path.stat().st_mtime_ns != at]
    assert [path.name for path in changed if path.name != ".lock"] == []


def test_training_takes_the_manifests_split_and_tells_of_leaks(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, f"source={spoiled}", "target=set") == 0
    rows = manifest.read(Path("set"))

    def subsets() -> dict[str, str]:
        data = FolderData(root="set", report_dir="run", image_size=32, batch_size=4, num_workers=0)
        data.setup("fit")
        return {p.name: subset for subset, own in data.subsets.items() for p in own}

    assert subsets() == {row.file: row.split for row in rows if row.kept}
    assert "leaks" not in capsys.readouterr().out
    several = next(row for row in rows if row.source == "smaller.jpg")
    other = "val" if several.split == "train" else "train"
    text = Path("set/manifest.csv").read_text()
    line = next(line for line in text.splitlines() if ",smaller.jpg," in line)
    moved = line.replace(f",{several.split},", f",{other},")
    Path("set/manifest.csv").write_text(text.replace(line, moved))
    assert subsets()[several.file] == other
    printed = capsys.readouterr().out
    assert "leaks: 1 groups of near-duplicates" in printed
    assert f"smaller.jpg ({other})" in printed
    assert f"({several.split})" in printed
    Path("set/manifest.csv").write_text(text.replace(several.file, f"../{several.file}"))
    with pytest.raises(ValueError, match="no place in the folder"):
        subsets()


def test_the_split_depends_on_content_and_old_pictures_stay(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, f"source={photos}", "target=set") == 0
    first = {row.sha256: (row.split, row.group) for row in manifest.read(Path("set"))}
    moved = tmp_path / "moved"
    for i, path in enumerate(sorted(photos.iterdir(), reverse=True)):
        (moved / str(i)).mkdir(parents=True)
        shutil.copy(path, moved / str(i) / "x.JPG")
    assert run(monkeypatch, f"source={moved}", "target=again") == 0
    again = manifest.read(Path("again"))
    assert {row.sha256: (row.split, row.group) for row in again} == first
    # Pictures are added, one of them a near-duplicate of an old one.
    for i in range(10):
        pixels = np.roll(skimage.data.rocket(), 40 * i, axis=1)[60 + 20 * i :][:100, :140]
        Image.fromarray(pixels).save(moved / f"new{i}.png")
    old = next(row for row in again if row.kept)
    with Image.open(moved / old.source) as image:
        ImageOps.mirror(image).resize((160, 128)).save(moved / "mirrored.png")
    assert run(monkeypatch, f"source={moved}", "target=again") == 0
    rows = by_source(Path("again"))
    assert {
        row.sha256: (row.split, row.group) for row in rows.values() if row.sha256 in first
    } == first
    assert (rows["mirrored.png"].split, rows["mirrored.png"].group) == (old.split, old.group)


def test_parts_that_are_merged_are_what_one_run_makes(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = ("shards=true", "shard_pictures=4")
    assert run(monkeypatch, f"source={spoiled}", "target=whole", *shards) == 0
    for part in range(1, 4):
        assert run(monkeypatch, f"source={spoiled}", f"target=p{part}", f"part={part}/3") == 0
    assert run(monkeypatch, "merge=[p1,p3]", "target=merged") == 1
    assert "expected the parts 1/3, 2/3, 3/3, got 1/3, 3/3" in capsys.readouterr().err
    assert run(monkeypatch, "merge=[p1,p2,p3]", "target=merged", *shards) == 0
    assert len(list(Path("merged/shards").glob("train-*.tar"))) > 2
    assert tree(Path("merged")) == tree(Path("whole"))


def test_what_a_kill_left_half_written_is_removed(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*FAST, f"source={spoiled}", "target=set", "shards=true"]
    assert run(monkeypatch, *command) == 0
    whole = tree(Path("set"))
    for left in ("manifest.csv", ".prepare/facts.jsonl", "shards/train-000000.tar"):
        path = Path("set", left)
        path.with_name(f".{path.name}.123.part").touch()
    assert tree(Path("set")) != whole
    assert run(monkeypatch, *command) == 0
    assert tree(Path("set")) == whole


KILLED = """
import gc, os, signal, sys, threading
gc.disable()
from src import prepare
threading.Timer(float(sys.argv.pop(1)), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
prepare.main()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    command = [*FAST, f"source={spoiled}", "num_workers=1", "shards=true", "shard_pictures=2"]
    assert run(monkeypatch, *command, "target=whole") == 0
    random.seed(kills)
    for _ in range(kills):
        # Most of the first second goes into starting processes.
        # Into a file: a loading process that has just been started could keep a pipe open.
        with Path("said").open("w") as said:
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    KILLED,
                    str(random.uniform(0.2, 1.5)),
                    *command,
                    "target=set",
                ],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=said,
                stderr=said,
                check=False,
            )
        assert done.returncode == -signal.SIGKILL, Path("said").read_text()
        time.sleep(0.1)  # its loading process ends too
    assert run(monkeypatch, *command, "target=set") == 0
    assert tree(Path("set")) == tree(Path("whole"))


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["source=nowhere"], "expected the folder that holds the pictures"),
        ([], "source is not given"),
        (["source=photos", "target=photos/.."], "holds the source"),
        (["source=photos", "target=full"], "holds other files"),
        (["source=photos", "image_size=0"], "image_size=0: expected a whole number"),
        (["source=photos", "part=5/4"], "part=5/4: expected NUMBER/COUNT"),
        (["source=photos", "part=1/4", "shards=true"], "Give shards=true beside merge="),
        (["source=photos", "shard_pictures=0"], "shard_pictures=0: expected a whole number"),
        (["source=photos", "fit=squash"], "fit=squash: expected one of short, stretch, crop"),
        (["source=photos", "shares.val=0.5"], "numbers whose sum is 1"),
        (["source=none"], "no picture files in none"),
        (["source=bad"], "none of 1 picture files in bad can be read: unreadable: not a picture"),
        (["merge=[full]"], "full was not made by src.prepare"),
    ],
)
def test_mistakes_end_with_one_line(
    photos: Path,
    arguments: list[str],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("full", "none", "bad"):
        Path(name).mkdir()
    Path("full/file").touch()
    Path("bad/a.jpg").write_text("text")
    Path("photos").mkdir()
    shutil.copy(next(photos.iterdir()), "photos")
    target = [] if any(one.startswith("target=") for one in arguments) else ["target=set"]
    assert run(monkeypatch, *arguments, *target) == 1
    said = capsys.readouterr().err.strip()
    assert fault in said
    assert len(said.splitlines()) == 1


def test_shards_are_added_to_a_data_set_and_follow_it(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "source"
    shutil.copytree(photos, source)
    assert run(monkeypatch, "source=source", "target=set") == 0
    assert not Path("set/shards").exists()
    assert run(monkeypatch, "source=source", "target=set", "shards=true", "shard_pictures=5") == 0
    assert "data=shards data.root=set/shards" in capsys.readouterr().out
    before = tree(Path("set/shards"))
    # A shard that is cut off, and no index: where a run was killed.
    torn = Path("set/shards/train-000001.tar")
    torn.write_bytes(torn.read_bytes()[:3000])
    Path("set/shards/index.json").unlink()
    assert run(monkeypatch, "source=source", "target=set", "shards=true", "shard_pictures=5") == 0
    assert tree(Path("set/shards")) == before
    Image.fromarray(skimage.data.rocket()).save(source / "new.png")
    assert run(monkeypatch, "source=source", "target=set") == 0
    held = []
    for path in Path("set/shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            held += [name for name in tar.getnames() if name.endswith(".jpg")]
    rows = manifest.read(Path("set"))
    assert sorted(held) == sorted(Path(row.file).name for row in rows if row.kept)
    assert by_source(Path("set"))["new.png"].kept


def test_a_folder_that_cannot_be_listed_is_named_and_ends_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    shutil.copytree(photos, source)
    (source / "closed").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:  # root, as whom tests may run, is refused nothing
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refusing)
        assert run(monkeypatch, "source=source", "target=set") == 0
    rows = by_source(Path("set"))
    assert rows["closed"].reason == "unreadable: Permission denied"
    assert len(rows) == 25
    Image.fromarray(skimage.data.rocket()).save(source / "closed" / "rocket.png")
    assert run(monkeypatch, "source=source", "target=set") == 0
    rows = by_source(Path("set"))
    assert "closed" not in rows
    assert rows["closed/rocket.png"].kept


def test_what_could_not_be_read_is_tried_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    shutil.copytree(photos, source)
    Image.fromarray(skimage.data.rocket()).save(source / "rocket.png")
    read = images.read_rgb_and_size

    def refusing(path: Path, short_side: int) -> object:
        if path.name == "rocket.png":
            raise images.UnreadableImageError("HEIC needs one more package")
        return read(path, short_side)

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(examine, "read_rgb_and_size", refusing)
            assert run(monkeypatch, "source=source", "target=set") == 0
        reason = by_source(Path("set"))["rocket.png"].reason
        assert reason == "unreadable: HEIC needs one more package"
    journal = Path("set/.prepare/facts.jsonl").read_text()
    assert journal.count("rocket.png") == 1
    assert run(monkeypatch, "source=source", "target=set") == 0
    assert by_source(Path("set"))["rocket.png"].kept
    assert len(by_source(Path("set"))) == 25


def test_a_new_picture_that_would_link_two_splits_is_rejected_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    Image.fromarray(skimage.data.chelsea()).save(source / "cat.png")
    scene = Image.fromarray(skimage.data.rocket())
    left, middle, right = (
        scene.crop((x, 0, x + scene.width - 44, scene.height)) for x in (0, 22, 44)
    )
    left.save(source / "left.png")
    right.save(source / "right.png")
    assert run(monkeypatch, "source=source", "target=set") == 0
    assert len({row.split for row in manifest.read(Path("set"))}) == 3
    middle.save(source / "middle.png")
    assert run(monkeypatch, "source=source", "target=set") == 0
    assert by_source(Path("set"))["middle.png"].reason.startswith("links: would link ")
    before = tree(Path("set"))
    assert len([name for name in before if name.endswith(".jpg")]) == 3
    assert run(monkeypatch, "source=source", "target=set") == 0
    assert tree(Path("set")) == before
    assert run(monkeypatch, "merge=[set]", "target=merged") == 0
    assert by_source(Path("merged"))["middle.png"].reason.startswith("links: ")


def test_a_target_made_with_other_settings_is_refused_and_stays(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, f"source={photos}", "target=set") == 0
    before = tree(Path("set"))
    assert run(monkeypatch, f"source={photos}", "target=set", "fit=crop") == 1
    assert "was made with fit=short, now fit=crop" in capsys.readouterr().err
    assert tree(Path("set")) == before


def test_a_full_disk_ends_with_a_line_and_leaves_the_manifest(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, f"source={photos}", "target=set") == 0
    before = Path("set/manifest.csv").read_bytes()
    more = tmp_path / "more"
    shutil.copytree(photos, more)
    Image.fromarray(skimage.data.rocket()).save(more / "rocket.png")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", full)
        assert run(monkeypatch, f"source={more}", "target=set") == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "the same command resumes" in said
    assert Path("set/manifest.csv").read_bytes() == before
    assert run(monkeypatch, f"source={more}", "target=set") == 0
    assert by_source(Path("set"))["rocket.png"].kept


@pytest.mark.parametrize(
    ("fit", "shape"), [("short", (72, 48)), ("crop", (48, 48)), ("stretch", (48, 48))]
)
def test_pictures_are_written_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: str, shape: tuple[int, int]
) -> None:
    (tmp_path / "one").mkdir()
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "one" / "a.png")
    assert run(monkeypatch, "source=one", "target=set", f"fit={fit}", "format=png") == 0
    [path] = Path("set/pictures").rglob("*.png")
    with Image.open(path) as image:
        assert image.size == shape


def test_pictures_that_are_far_longer_than_wide_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    shutil.copytree(photos, tmp_path / "long")
    Image.effect_noise((1, 60_000), 50).save(tmp_path / "long" / "line.png")
    Image.effect_noise((48, 300), 50).save(tmp_path / "long" / "strip.png")
    monkeypatch.setattr(picture_writer, "MAX_PIXELS", 10_000)
    command = [*FAST, f"source={tmp_path / 'long'}", "target=strips"]
    assert run(monkeypatch, *command) == 0
    found = by_source(Path("strips"))
    assert found["line.png"].reason.startswith("too small")
    assert "48x300 is too long for a short side of 48" in found["strip.png"].reason


def test_held_out_sets_are_never_trained_on_and_nothing_like_them_either(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path("source")
    for name in ("known", "other", "far"):
        (source / name).mkdir(parents=True)
    for i, path in enumerate(sorted(photos.iterdir())):
        shutil.copy(path, source / ("far" if i % 4 == 0 else "known") / path.name)
    far = sorted((source / "far").iterdir())
    shutil.copy(far[0], source / "known" / "same.jpg")
    with Image.open(far[1]) as image:
        ImageOps.mirror(image).save(source / "other" / "like.png")
    made = (f"source={source}", "target=set")
    assert run(monkeypatch, *made, "held_out=[near]") == 1
    said = capsys.readouterr().err
    assert "held_out names 'near': expected folders at the top of source: far, known, other" in said
    assert run(monkeypatch, *made, "held_out=[far]") == 0
    rows = by_source(Path("set"))
    held = {row.file for name, row in rows.items() if row.kept and name.startswith("far/")}
    assert {row.split for row in rows.values() if row.file in held} == {"unseen"}
    assert f"{len(held)} unseen" in capsys.readouterr().out
    assert rows["known/same.jpg"].reason == f"duplicate: the same file as far/{far[0].name}"
    assert rows["other/like.png"].reason.startswith("links: a near-duplicate of pictures that are")
    assert not manifest.leaks(rows.values())
    data = FolderData(root="set", report_dir="run", image_size=32, batch_size=4, num_workers=0)
    data.setup("fit")
    assert data.listed is not None
    used = {picture.file for picture in data.listed}
    assert used == {row.file for row in rows.values() if row.kept and row.split != "unseen"}
    assert {p.name for p in examples.choose(Path("set"), "unseen").pictures} == held

    # What is added later and looks like a picture that is trained on is held out from the set.
    known = next(row for name, row in rows.items() if name.startswith("known/") and row.kept)
    with Image.open(source / known.source) as image:
        ImageOps.mirror(image).save(source / "far" / "late.png")
    assert run(monkeypatch, *made, "held_out=[far]") == 0
    assert by_source(Path("set"))["far/late.png"].reason.startswith("links: a near-duplicate")
