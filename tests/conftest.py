import gc
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import jaxtyping
import lightning  # noqa: F401  Before src: what src imports first, jaxtyping compiles once more.
import pytest
import skimage.data
from filelock import FileLock
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from omegaconf import DictConfig
from PIL import Image

from tests.browser import Browser, chromium

ROOT = Path(__file__).resolve().parents[1]
SMALL = (
    "size.generator_channels=4",
    "size.discriminator_channels=4",
    "size.image_size=32",
    "data.batch_size=4",
    "data.num_workers=0",
    "trainer.max_epochs=1",
    "trainer=cpu",
    "logger=csv",
)
# Drawing takes a third of such a training.
TINY = (*SMALL, "callbacks.panels.count=1", "callbacks.curves=null")

os.environ.setdefault("WANDB_MODE", "offline")
# `nohup make test &` in a script ignores Ctrl-C, and so would every process that a test starts.
# One that is caught here has its default handling there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that one of the session's workers fills; no test may write to it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_suffix(".lock")):
        if not folder.with_suffix(".made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            folder.with_suffix(".made").touch()
    return folder


def run_train(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run src.train in this process, from `folder`: a new one would import for seconds.

    Returns: what it prints, and what it says of errors.
    """
    from src import train

    printed, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        with redirect_stdout(printed), redirect_stderr(said):
            train.main()
    return printed.getvalue(), said.getvalue()


def read_by_shell(line: str) -> list[str]:
    """Return the words that a shell makes of a line that was pasted into it."""
    script = f"""set -- {line}\nfor word; do printf '%s\\0' "$word"; done"""
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    return read.split("\0")[:-1]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the collector pass over what was imported, which stays: it would take a tenth of all."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def composed_once() -> Iterator[None]:
    """Spare Hydra the first of two compositions: for hydra.mode, which experiments alone set."""
    whole = Hydra.get_mode

    def get_mode(hydra: Hydra, config_name: str, overrides: list[str]) -> Any:
        asked = any(one.lstrip("+").startswith(("experiment=", "hydra.mode")) for one in overrides)
        return whole(hydra, config_name, overrides) if asked else None

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Hydra, "get_mode", get_mode)
        yield


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test writes below the working directory lands in its own folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; not for the whole session, since playwright's event loop is in asyncio's way."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 different real photographs: parts of scikit-image's, 80x64 pixels."""
    folder = tmp_path_factory.mktemp("photos")
    for scene in ("astronaut", "chelsea", "coffee"):
        with Image.open(Path(skimage.data.__file__).parent / f"{scene}.png") as image:
            for i in range(8):
                x, y = 100 * (i % 4), 120 * (i // 4)
                image.crop((x, y, x + 80, y + 64)).save(folder / f"{scene}{i}.jpg", quality=95)
    return folder


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., DictConfig]:
    """Compose the training config as the command line would, with its run in tmp_path/run."""

    def configured(*overrides: str, tiny: Sequence[str] = TINY) -> DictConfig:
        run = [f"run.folder={tmp_path / 'run'}", "run.model=tested", "run.name=tested"]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return compose("train", [*tiny, *run, *overrides])

    return configured


@pytest.fixture
def untyped_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch shape checks off, which torch.export's symbolic sizes do not pass."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def gan_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small unet_gan run with a moving average and W&B, which nobody may change.

    printed.txt in it is what the command printed.
    """

    def make(root: Path) -> None:
        printed, _ = run_train(
            root,
            *SMALL,
            "model=unet_gan",
            "model.ema_decay=0.9",
            "data=folder",
            f"data.root={photos}",
            "trainer.max_epochs=2",
            "trainer.log_every_n_steps=1",
            "logger=wandb",
        )
        [folder] = (root / "outputs" / "unet_gan").iterdir()
        (folder / "printed.txt").write_text(printed)

    root = made_once(tmp_path_factory, "gan", make)
    [folder] = (root / "outputs" / "unet_gan").iterdir()
    return folder
