"""Every command of README and docs/ runs, shrunk where it is long."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

import src.web
from src.data import sample
from tests.conftest import ROOT, TINY

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXTENDING = ROOT / "docs" / "extending.md"
# Its commands run in a copy of the project that its diffs are applied to.
RUNNABLE = [p for p in PAGES if p != EXTENDING or (ROOT / "src/generators/dilated.py").exists()]
TARGETS = re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
SHRUNK = [*(o for o in TINY if not o.startswith("trainer=")), "data.image_size=32"]
# What is left of words that make a command long.
SHORTER = {
    r"size=full": "",
    r"([\w.]+=[^\[,]+),.*": r"\1",
    r"trainer\.max_epochs=.*": "trainer.max_epochs=3",
    r"hydra\.sweeper\.n_trials=.*": "hydra.sweeper.n_trials=1",
    r"hydra\.launcher\.n_jobs=.*": "hydra.launcher.n_jobs=1",
} | ({} if torch.cuda.is_available() else {"trainer=gpu": ""})

# What shortens a sweep through all systems.
OF_THE_STORY = {
    "experiment=report_rates": ["model=cnn", "trainer.max_time=00:00:00:02"],
    "experiment=report_story": ["model=cnn", "seed=0", "trainer.limit_train_batches=2"],
}


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def shorter(word: str) -> str:
    for pattern, left in SHORTER.items():
        if match := re.fullmatch(pattern, word):
            return match.expand(left)
    return word


@pytest.fixture
def place(
    photos: Path, page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A working directory where DIR, SPLIT, PHOTO, REF.jpg and RUN of a page's commands exist."""
    for i, photo in enumerate(sorted(photos.iterdir())[::2]):
        split = ("train", "val", "test")[i % 3]
        # The last is what the download of Imagenette would leave.
        for folder in ("DIR", f"SPLIT/{split}", f"data/imagenette2-160/{split}"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, folder)
    # Reading all that the project comes with takes longer than training on them.
    monkeypatch.setattr(sample, "FOLDER", Path("DIR").resolve())
    shutil.copy(photo, "REF.jpg")
    if any("RUN" in command for command in commands(page)):
        shutil.copytree(request.getfixturevalue("gan_run"), "RUN", symlinks=True)
    Image.effect_noise((40, 30), 50).save("PHOTO", "PNG")
    hints = Image.new("RGBA", (40, 30))
    hints.putpixel((20, 15), (90, 120, 60, 255))
    hints.save("HINTS", "PNG")


def start(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Start a command in this process, where nothing is imported again.

    Returns: something that it prints where it works.
    """
    if words[0] == "make":
        assert words[1] in TARGETS
        return ""
    if words[0] == "wandb":  # which draws curves until somebody presses q
        asked = ["inspect", "--summary", *words[2:]] if "--summary" not in words else words[2:]
        command = [sys.executable, "-m", "wandb", "leet", *asked]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return "val/ab_mae"
    assert words[:2] == ["python", "-m"]
    name, arguments = words[2], words[3:]
    module = importlib.import_module(name)
    if name == "src.colorize":
        with pytest.raises(SystemExit, match=r"^0$"):
            module.main([*arguments, "--overwrite"])
        return "-> out/"
    if name in ("src.export", "src.demo"):
        page = SimpleNamespace(serve=lambda models, *_: print("served:", *models))
        monkeypatch.setitem(sys.modules, "src.web.page", page)
        # Another test may have imported it before.
        monkeypatch.setattr(src.web, "page", page, raising=False)
        module.main(arguments)
        return "To use it: " if name == "src.export" else "served: RUN/checkpoints/best.ckpt"
    end = "What was found: "
    if name == "src.pretrain":
        words = [word for word in map(shorter, arguments) if word]
        arguments = [*words, *(o for o in SHRUNK if not o.startswith(("logger", "callbacks")))]
        end = "Everything is in "
    if name == "src.train":
        more = [word for one in arguments for word in OF_THE_STORY.get(one, [])]
        arguments = [word for word in map(shorter, [*arguments, *more]) if word]
        end = "RUN is finished" if arguments == ["resume=RUN"] else "Everything is in "
        arguments += [] if "resume=RUN" in arguments else SHRUNK
    elif name != "src.pretrain":
        arguments += ["num_workers=0"]
    if name == "src.evaluate":
        # What the copy of the project below need not import.
        from tests.evaluation.test_evaluation import _make_quick as judge_quickly

        judge_quickly(monkeypatch)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    module.main()
    return "The page: " if name == "src.evaluate" else end


@pytest.mark.usefixtures("untyped_shapes", "place")
@pytest.mark.parametrize(
    "page",
    [
        # Hints, references and uncertainty of many pictures: a quarter of the fast suite's time.
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem == "evaluation"))
        for page in RUNNABLE
    ],
)
def test_the_commands_of_a_page_run_in_their_order(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What stands on several pages runs on the first.
    earlier = {command for other in PAGES[: PAGES.index(page)] for command in commands(other)}
    for command in [one for one in commands(page) if one not in earlier]:
        capsys.readouterr()
        try:
            expected = start(shlex.split(command), monkeypatch)
        except (SystemExit, subprocess.CalledProcessError) as ended:
            pytest.fail(f"{command}: {ended!r}\n{capsys.readouterr().err}")
        printed = capsys.readouterr()
        assert expected in printed.out, command
        assert not re.search("^error:", printed.err, flags=re.MULTILINE), command


def test_what_is_shown_of_extending_works(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("src", "conf", "tests", "docs"):
        # What is compiled comes along, but for what another process is about to write.
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name in ("README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    diffs = re.findall(r"```diff\n(.*?)```", EXTENDING.read_text(), flags=re.DOTALL)
    applied = subprocess.run(
        ["git", "apply", "-"], cwd=copy, input="".join(diffs), capture_output=True, text=True
    )
    assert applied.returncode == 0, applied.stderr
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-m",
            "not slow",
            f"--basetemp={tmp_path / 'base'}",
            "tests/generators/test_dilated.py",
            "tests/discriminators/test_patch16.py",
            "tests/test_docs.py",
            "-k",
            "Dilated or Patch16 or (order and extending)",
        ],
        cwd=copy,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    for name in (
        "[extending] PASSED",
        "TestDilated::test_a_checkpoint_brings_it_back PASSED",
        "TestPatch16::test_training_reaches_every_parameter PASSED",
    ):
        assert name in done.stdout


def test_the_readme_is_short_and_shows_both_ways_to_start() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 130
    assert commands(ROOT / "README.md")[:2] == ["make train", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text):
        assert (page.parent / link).is_file(), link
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        with Image.open(page.parent / picture) as image:
            assert np.asarray(image).std() > 10
    # Files and folders that are named in the text; placeholders and what a run makes are not here.
    for named in re.findall(r"`((?:src|conf|tests)/[\w./*-]+)`", text):
        assert list(ROOT.glob(named.rstrip("/"))), named


def test_every_model_stands_in_the_table_of_systems() -> None:
    table, _, _ = (ROOT / "docs/systems.md").read_text().partition("\n## ")
    named = re.findall(r"(?m)^\| `(\w+)` \|", table)
    assert sorted(named) == sorted(p.stem for p in (ROOT / "conf/model").glob("[!_]*.yaml"))


def test_every_override_that_a_page_lists_composes(configure: Callable[..., DictConfig]) -> None:
    texts = [page.read_text() for page in PAGES]
    overrides = [row for text in texts for row in re.findall(r"(?m)^\| `([^`]+=[^`]+)` \|", text)]
    assert len(overrides) > 20
    together, alone = [], []
    for words in map(str.split, overrides):
        chooses_a_part = any("." not in word.split("=")[0] for word in words)
        alone.append(words) if chooses_a_part else together.extend(words)
    for words in [together, *alone]:
        configure(*words)


@pytest.mark.parametrize(
    ("target", "started"),
    [
        ("train", "-m src.train model=unet_gan a=b"),
        ("pretrain", "-m src.pretrain a=b"),
        ("demo", "-m src.demo a=b"),
        ("test", '-m "not slow" a=b'),
        ("lint", "ruff check ."),
    ],
)
def test_make_starts_what_it_should(target: str, started: str) -> None:
    """What these commands do is tested elsewhere; a fresh clone is CI's business."""
    done = subprocess.run(
        ["make", "-n", target, "ARGS=a=b"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert started in done.stdout


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"setup", "train", "test", "test-all", "lint"} <= set(TARGETS)
    assert all(f"make {target}" in done.stdout for target in TARGETS)
