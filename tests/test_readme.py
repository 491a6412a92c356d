"""Every command of the README runs, shrunk where it is long."""

import contextlib
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from src import train
from tests.conftest import ROOT, TINY

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
]
SHRUNK = [*(o for o in TINY if not o.startswith("trainer=")), "data.repeat=1"]


def run(command: list[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=300,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where DIR, PHOTO and RUN of the README's commands exist."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(photos, place / "DIR")
    # What the download would leave.
    for i, path in enumerate(sorted(photos.iterdir())):
        target = place / "data" / "imagenette2-160" / ("train", "val")[i % 2] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    Image.effect_noise((40, 30), 50).save(place / "PHOTO", "PNG")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_dir = f"hydra.run.dir={place}/RUN"
        made = ["model=unet", "data=folder", f"data.root={photos}", run_dir]
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["train", *made, *SHRUNK])
        train.main()
    return place


def test_the_readme_is_short_and_its_picture_exists() -> None:
    assert len(README.splitlines()) <= 215
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    for picture in pictures:
        with Image.open(ROOT / picture) as image:
            assert np.asarray(image).std() > 10


def test_there_are_commands() -> None:
    kinds = {command.split()[2 if command.startswith("python") else 1] for command in COMMANDS}
    assert kinds == {"train", "test", "src.train", "src.prepare", "src.audit", "src.evaluate",
                     "src.colorize", "src.export", "src.demo"}  # fmt: skip


@pytest.mark.parametrize("command", [c for c in COMMANDS if "src.train" in c])
def test_a_training_command_runs(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "src.train"]
    left_out = {"size=full"} if torch.cuda.is_available() else {"size=full", "trainer=gpu"}
    words = [re.sub(r"seed=.*", "seed=0", word) for word in words[3:] if word not in left_out]
    monkeypatch.chdir(place)
    # In this process: starting a new one takes longer than all of the training.
    shrunk = () if "resume=RUN" in words else SHRUNK
    monkeypatch.setattr(sys, "argv", ["train", *words, *shrunk])
    train.main()
    printed = capsys.readouterr().out
    assert ("RUN is finished" if "resume=RUN" in words else "Everything is in") in printed


@pytest.mark.usefixtures("untyped_shapes")
def test_commands_that_colour_and_export_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other: one colours with what another exported."""
    monkeypatch.chdir(place)
    commands = [c for c in COMMANDS if "src.colorize" in c or "src.export" in c]
    for command in commands:
        words = shlex.split(command)
        assert words[:2] == ["python", "-m"]
        overwrite = ["--overwrite"] if "src.colorize" in words else []
        with contextlib.suppress(SystemExit):
            importlib.import_module(words[2]).main([*words[3:], *overwrite])
        printed = capsys.readouterr()
        assert not re.search("^error:", printed.err, flags=re.MULTILINE), command
        assert "failed" not in printed.out
    assert (place / "out" / "PHOTO.png").is_file()
    assert (place / "out" / "chelsea0.jpg").is_file()


@pytest.mark.parametrize("command", [c for c in COMMANDS if "src.prepare" in c or "src.audit" in c])
def test_a_command_about_data_sets_runs(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)
    monkeypatch.chdir(place)
    for i, path in enumerate(sorted((place / "DIR").iterdir())):
        target = place / "SPLIT" / ("train", "val", "test")[i % 3] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    monkeypatch.setattr(sys, "argv", [*words[2:], "num_workers=0"])
    importlib.import_module(words[2]).main()
    assert "What was found: " in capsys.readouterr().out


@pytest.mark.parametrize("command", [c for c in COMMANDS if "src.evaluate" in c])
def test_a_command_that_judges_runs(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [*words[2:], "num_workers=0", "hydra.run.dir=judged"])
    importlib.import_module(words[2]).main()
    assert "The page: judged/report.html" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["train", pytest.param("test", marks=pytest.mark.slow)])
def test_make_starts_what_it_should(target: str, place: Path) -> None:
    """A fresh clone is CI's business; here make runs in the project, shrunk."""
    if not (ROOT / ".venv").is_dir():
        pytest.skip("this is not the .venv that make setup makes")
    shrunk = {"train": [*SHRUNK, f"hydra.run.dir={place}/made"], "test": ["tests/test_losses.py"]}
    done = run(["make", target, f"ARGS={' '.join(shrunk[target])}"], ROOT)
    assert done.returncode == 0, done.stderr
    assert {"train": f"Everything is in {place}/made", "test": "passed"}[target] in done.stdout


def test_make_help_lists_every_target() -> None:
    done = run(["make"], ROOT)
    targets = re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"setup", "train", "test", "test-all", "lint"} <= set(targets)
    assert all(f"make {target}" in done.stdout for target in targets)


def test_every_override_of_the_readme_composes(configure: Callable[..., DictConfig]) -> None:
    overrides = re.findall(r"^\| `([^`]+=[^`]+)` \|", README, flags=re.MULTILINE)
    assert len(overrides) > 8
    for override in overrides:
        configure(*override.split())
