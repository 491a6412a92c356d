import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from src import train
from src.colorizers.checkpoint import load
from src.errors import UserError
from src.training import launcher, metrics_csv, run_folder
from src.training.run_folder import folder_name, locked, resume_command, resumed
from tests.conftest import ROOT, TINY, made_once, read_by_shell, run_train

EPOCHS = 3
GAN = (
    "model=unet_gan",
    "model.ema_decay=0.9",
    "model.decay_share=0.5",
    "data=folder",
    "data.num_workers=1",
    "trainer.log_every_n_steps=1",
    f"trainer.max_epochs={EPOCHS}",
)

# Trainings that SIGKILL ends, one after the other: when so many seconds have passed since the first
# step, or when half of so many checkpoints are on the disk. Each is a fork, which imports nothing.
KILLED = """
import gc, io, json, os, signal, sys, threading, torch
gc.disable()
from src import train
from src.training import module

def die():
    os.kill(os.getpid(), signal.SIGKILL)

saved = 0

def torn_save(content, path, save=torch.save):
    global saved
    saved += 1
    if how == "saving" and saved == when:
        whole = io.BytesIO()
        save(content, whole)
        path.write_bytes(whole.getvalue()[: whole.tell() // 2])
        die()
    save(content, path)

def fit_start(self, start=module.ColorizationModule.on_fit_start):
    if how == "seconds":
        threading.Timer(when, die).start()
    start(self)

torch.save = torn_save
module.ColorizationModule.on_fit_start = fit_start
for how, when, *arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        sys.argv = ["train", *arguments]
        train.main()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, arguments
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums depend on the number of threads, which other tests or their libraries may change."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def killed(*runs: tuple[object, ...]) -> None:
    """Start and kill trainings. Args: runs: how, when and the arguments of each."""
    # What they print goes to a file: a pipe would stay open until their loading processes end too,
    # which notice after seconds, or never where the training died while they started.
    with tempfile.TemporaryFile() as printed:
        script = subprocess.Popen(
            [sys.executable, "-c", KILLED, json.dumps(runs)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        code = script.wait()
        with suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
        printed.seek(0)
        assert code == 0, printed.read().decode()


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    train.main()


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted. Tests that write must copy it."""

    def make(place: Path) -> None:
        run_train(place, *TINY, *GAN, f"data.root={photos}", "hydra.run.dir=run")

    return made_once(tmp_path_factory, "whole", make) / "run"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The finished run, in another place than where it was trained."""
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two checkpoints differ in more than the names of folders."""
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [place]
    if isinstance(one, dict):
        places = ("dirpath", "best_model_path", "kth_best_model_path", "last_model_path")
        own = {key: value for key, value in one.items() if key not in places}
        if "best_k_models" in own:
            own["best_k_models"] = list(own["best_k_models"].values())
            other = other | {"best_k_models": list(other["best_k_models"].values())}
        return [d for key in own for d in differences(own[key], other[key], f"{place}/{key}")]
    if isinstance(one, list | tuple):
        return [d for i, v in enumerate(one) for d in differences(v, other[i], f"{place}/{i}")]
    return [] if one == other else [place]


def figures(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "train/images_per_s"} for row in rows]


def assert_same(whole: Path, other: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        one, two = (load(folder / "checkpoints" / name) for folder in (whole, other))
        assert one.keys() == two.keys()
        assert differences(one, two) == []
    assert figures(whole) == figures(other)


def test_a_run_that_was_killed_twice_ends_as_if_it_never_was(
    whole: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each epoch saves last.ckpt, and before it best.ckpt where it is the best: the fourth file is
    # of the second epoch at the earliest.
    first = (*TINY, *GAN, f"data.root={photos}", "hydra.run.dir=broken")
    killed(("saving", 4, *first), ("seconds", 0.3, "resume=broken"))
    main(monkeypatch, "resume=broken")
    assert_same(whole, Path("broken"))
    assert not list(Path("broken/checkpoints").glob(".*"))


@pytest.mark.slow
def test_a_run_killed_before_its_first_epoch_starts_anew_in_its_folder(
    whole: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(("saving", 1, *TINY, *GAN, f"data.root={photos}", "hydra.run.dir=broken"))
    main(monkeypatch, "resume=broken")
    assert "resuming broken after 0 completed epochs" in capsys.readouterr().out
    assert_same(whole, Path("broken"))


def test_a_finished_run_says_so_and_can_be_extended_where_it_was_moved_to(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = figures(copy)
    main(monkeypatch, f"resume={copy}")
    assert "copy is finished" in capsys.readouterr().out
    main(monkeypatch, f"resume={copy}", f"trainer.max_epochs={EPOCHS + 1}")
    printed = capsys.readouterr().out
    assert f"resuming copy after {EPOCHS} completed epochs" in printed
    assert f"epoch {EPOCHS + 1}/{EPOCHS + 1}" in printed
    assert load(copy / "checkpoints" / "last.ckpt")["epoch"] == EPOCHS
    trained = [row for row in before if not row["test/ab_mae"]]
    assert figures(copy)[: len(trained)] == trained
    assert sum(bool(row["test/ab_mae"]) for row in figures(copy)) == 1
    main(monkeypatch, f"resume={copy}")
    assert "copy is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["resume=copy", "seed=1", "trainer.max_epochs=9"], "seed=1: expected nothing but"),
        (["resume=copy", "model=cnn"], "model=cnn: expected nothing but"),
        (
            ["resume=copy", "trainer.max_epochs=2"],
            f"trainer.max_epochs=2: expected at least {EPOCHS}",
        ),
        (["resume=copy", "+seed=1"], "seed=1: expected nothing but"),
        (["resume=copy", "nonsense.key=1"], "nonsense.key=1: expected nothing but"),
        (["resume=copy", "model=nonsense"], "model=nonsense: expected nothing but"),
        (["resume=copy", "model/generator=unet"], "model/generator=unet: expected nothing but"),
        (["resume=copy", "~logger"], "~logger: expected nothing but"),
        (["resume=copy", "logger=nonsense"], "logger=nonsense: expected one of csv, wandb"),
        (
            ["resume=copy", "trainer.devices=0", "trainer.max_epochs=9"],
            "trainer.devices=0: expected",
        ),
        (["resume="], "resume= names no folder"),
        (["resume=nowhere"], "expected a run's folder, with .hydra/config.yaml in it"),
        (["-m", "resume=copy"], "a sweep is resumed by the same command"),
        (["-m", "resume=copy,nowhere"], "a sweep is resumed by the same command"),
    ],
)
def test_mistakes_beside_resume_are_told_by_name(
    copy: Path,
    arguments: list[str],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as ended:
        main(monkeypatch, *arguments)
    assert ended.value.code == 1
    assert fault in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert not Path("outputs").exists()


def test_a_run_resumes_on_another_machine(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = ("trainer.accelerator=cpu", "data.num_workers=1", "logger.wandb.mode=offline")
    main(monkeypatch, f"resume={copy}", f"trainer.max_epochs={EPOCHS + 1}", *elsewhere)
    config = OmegaConf.load(copy / ".hydra" / "config.yaml")
    assert (config.data.num_workers, config.trainer.accelerator) == (1, "cpu")
    assert config.logger.wandb.mode == "offline"
    assert load(copy / "checkpoints" / "last.ckpt")["epoch"] == EPOCHS
    assert list((copy / "wandb").glob("offline-run-*"))


def test_other_devices_share_the_same_batch(copy: Path) -> None:
    given = OmegaConf.create({"resume": str(copy), "trainer": {"devices": 2}})
    config = resumed(given, ["resume=copy", "++trainer.devices=2"])
    assert (config.trainer.devices, config.trainer.strategy) == (2, "ddp")
    assert config.data.batch_size == resumed(given, []).data.batch_size
    assert launcher.must_be_launched(config.trainer)


def test_a_run_of_an_earlier_version_says_so_in_one_line(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "pictures.csv").rename("kept.csv")
    with pytest.raises(SystemExit):
        main(monkeypatch, f"resume={copy}", "trainer.max_epochs=9")
    said = capsys.readouterr().err
    assert "an earlier version made this run (it lacks pictures.csv)" in said
    Path("kept.csv").rename(copy / "pictures.csv")
    config = copy / ".hydra" / "config.yaml"
    target = "src.training.module.ColorizationModule"
    config.write_text(config.read_text().replace(target, "src.colorizer.Colorizer"))
    with pytest.raises(SystemExit):
        main(monkeypatch, f"resume={copy}", "trainer.max_epochs=9")
    said = capsys.readouterr().err
    assert "an earlier version made this run (its configuration builds src.colorizer." in said
    assert said.count("\n") == 1


def test_a_run_whose_parameters_were_grouped_otherwise_says_so_in_one_line(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = copy / "checkpoints" / "last.ckpt"
    state = load(last)
    first, *others = state["optimizer_states"][0]["param_groups"]
    first["params"] += [number for group in others for number in group["params"]] or [99]
    state["optimizer_states"][0]["param_groups"] = [first]
    torch.save(state, last)
    with pytest.raises(SystemExit):
        main(monkeypatch, f"resume={copy}", "trainer.max_epochs=9")
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "another version of the project made this run" in told


def moved(photos: Path, folder: Path) -> Path:
    """Copy the pictures to other names and places."""
    for i, path in enumerate(sorted(photos.iterdir(), reverse=True)):
        (folder / str(i % 3)).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / str(i % 3) / f"renamed {i}.jpg")
    return folder


def test_a_resumed_run_finds_its_pictures_by_content_and_takes_no_others(
    whole: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("here", "there"):
        shutil.copytree(whole, name)
    main(monkeypatch, "resume=here", f"trainer.max_epochs={EPOCHS + 1}")
    assert "left out" not in capsys.readouterr().out
    root = moved(photos, Path("moved"))
    with Image.open(photos / "coffee0.jpg") as image:
        for i in range(2):
            image.crop((i, 0, 60, 60)).save(root / f"new{i}.png")
    main(monkeypatch, "resume=there", f"trainer.max_epochs={EPOCHS + 1}", "data.root=moved")
    assert "left out: 2 pictures in moved that the run was not begun with" in (
        capsys.readouterr().out
    )
    assert_same(Path("here"), Path("there"))
    assert Path("there/pictures.csv").read_text() == (whole / "pictures.csv").read_text()
    assert OmegaConf.load("there/.hydra/config.yaml").data.root == "moved"


def test_pictures_that_are_gone_end_a_resumed_run_where_they_are_many(
    copy: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = moved(photos, Path("moved"))
    first, second, *_ = sorted(root.rglob("*.jpg"))
    first.unlink()
    second.rename("second.jpg")
    kept = [copy / ".hydra" / "config.yaml", copy / "result.json", copy / "metrics.csv"]
    before = [path.read_text() for path in kept]
    extended = (f"resume={copy}", f"trainer.max_epochs={EPOCHS + 1}", "data.root=moved")
    with pytest.raises(SystemExit):
        main(monkeypatch, *extended)
    said = capsys.readouterr().err
    assert "2 of the run's 24 pictures are not in moved, such as" in said
    assert "more than data.max_unreadable=0.05" in said
    assert said.count("\n") == 1
    assert [path.read_text() for path in kept] == before
    Path("second.jpg").rename(second)
    main(monkeypatch, *extended)
    assert "missing: 1 of the run's 24 pictures are not in moved" in capsys.readouterr().out
    assert load(copy / "checkpoints" / "last.ckpt")["epoch"] == EPOCHS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is broken, so start the run anew"),
        ("- a", "is broken, so start the run anew"),
        ("run: {}", "expected run, data, model"),
        ("{", "is broken, so start the run anew"),
    ],
)
def test_a_broken_configuration_is_named(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=fault) as raised:
        resumed(OmegaConf.create({"resume": str(tmp_path)}), [])
    assert "config.yaml" in str(raised.value)


def test_jobs_that_differ_in_odd_characters_alone_get_folders_of_their_own() -> None:
    names = {folder_name(f"data.root-{root}") for root in ("/p/h", "/p_h", "p,h", "x" * 300)}
    assert len(names) == 4
    assert all(re.fullmatch(r"[\w.+-]{1,200}", name) for name in names)
    assert folder_name("model-cnn_seed-0") == "model-cnn_seed-0"


def test_a_folder_in_use_is_left_alone(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(copy), pytest.raises(SystemExit):
        main(monkeypatch, f"resume={copy}", "trainer.max_epochs=9")
    assert "another process" in capsys.readouterr().err


def test_the_resume_command_can_be_typed(tmp_path: Path) -> None:
    assert resume_command(tmp_path / "a") == "python -m src.train resume=a"
    folder = tmp_path / "Oma's (b=c), 100 % Größe"
    words = read_by_shell(resume_command(folder))
    assert words == ["python", "-m", "src.train", f"resume={folder.name}"]


def test_how_a_run_ended_is_kept(whole: Path) -> None:
    result = json.loads((whole / "result.json").read_text())
    assert result["status"] == "done"
    errors = [
        float(row["val/ab_mae"])
        for row in metrics_csv.read(whole / "metrics.csv")
        if row["val/ab_mae"]
    ]
    assert result["score"] == pytest.approx(min(errors))
    assert result["figures"]["test/ab_mae_zero"] > 0


def test_a_budget_is_what_a_system_trains_on_in_its_minutes(tmp_path: Path) -> None:
    for name, rate in {"unet": 20.0, "cnn": 100.0}.items():
        config = tmp_path / name / ".hydra" / "config.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(f"run:\n  model: {name}\n")
        run_folder.write_result(tmp_path / name, "done", figures={"images_per_s": rate})
    assert run_folder.epoch_crops(str(tmp_path), "cnn", 2, 5, 16) == 100 * 60 * 2 / 5
    assert run_folder.epoch_crops(str(tmp_path), "unet", 0.5, 1, 16) == 20 * 30
    with pytest.raises(UserError, match=r"expected a run of pix2pix in it, .* makes one of each"):
        run_folder.epoch_crops(str(tmp_path), "pix2pix", 2, 5, 16)
    too_few = "unet then takes 13 crops in each of 3 epochs, less than a batch of 16: expected at "
    with pytest.raises(UserError, match=f"{too_few}least 0.04"):
        run_folder.epoch_crops(str(tmp_path), "unet", 0.0325, 3, 16)
    assert run_folder.epoch_crops(str(tmp_path), "unet", 0.04, 3, 16) == 16
    with pytest.raises(UserError, match="minutes=0: expected a number"):
        run_folder.epoch_crops(str(tmp_path), "cnn", 0, 5, 16)
