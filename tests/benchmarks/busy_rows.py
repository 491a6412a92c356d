"""Colouring and training on an idle machine and beside two busy processes, threads as they are."""

import itertools
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.benchmarks.folder_rows import ROOT, grey_photos
from tests.benchmarks.row import row, without_openmp

PHOTOS, ASKED, BUSY, NICE = 50, 6, 2, 10
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
# A person's own setting, which changes nothing but that the commands leave the rest alone.
DEFAULT = {"OMP_DISPLAY_ENV": "FALSE"}
# What may be best there, and how far off commands may be that settle it themselves.
PLACES: dict[str, tuple[dict[str, dict[str, str]], str]] = {
    "idle": ({"OpenMP's default": DEFAULT, "passive": PASSIVE}, "at most 1.1"),
    "beside two busy processes": (
        {"passive": PASSIVE, "one thread": {"OMP_NUM_THREADS": "1"}},
        "at most 1.25",
    ),
}
Command = Callable[[], list[str]]


def busy_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    photos = grey_photos(scratch / "beside", (256, 256), PHOTOS)
    pictures = grey_photos(scratch / "beside_training", (160, 160), 200)
    number = itertools.count()
    commands: dict[str, Command] = {
        "colorize 50 small photos": lambda: [
            *("src.colorize", str(photos), "--output", str(scratch / "out"), "--overwrite")
        ],
        "train lite0_unet": lambda: [
            *("src.train", "model=lite0_unet", "data=folder", f"data.root={pictures}"),
            *("logger=csv", "trainer=cpu", "trainer.max_epochs=1", "data.batch_size=16"),
            *("trainer.limit_train_batches=6", "trainer.limit_val_batches=1"),
            *("trainer.limit_test_batches=1", f"data.index_dir={scratch}/index"),
            f"hydra.run.dir={scratch}/beside_run{next(number)}",
        ],
        "evaluate 8 pictures": lambda: [
            *("src.evaluate", f"data.root={pictures}", "data.max_images=8", "keep_grey=true"),
            *("subset=all", f"hydra.run.dir={scratch}/beside_run{next(number)}"),
        ],
        "the page, from its start to the 6th photo": lambda: [
            *("tests.benchmarks.busy_rows", str(photos))
        ],
    }
    rows = []
    for where, (rivals, target) in PLACES.items():
        with busy() if where != "idle" else nullcontext():
            rows += [_row(f"{name}, {where}", commands[name], rivals, target) for name in commands]
    return rows


def _row(
    name: str, command: Command, rivals: dict[str, dict[str, str]], target: str
) -> dict[str, Any]:
    own = [seconds(command(), {})]
    others = {rival: seconds(command(), setting) for rival, setting in rivals.items()}
    own.append(seconds(command(), {}))
    said = f"{statistics.mean(own):.1f} s; "
    said += ", ".join(f"{rival} {value:.1f} s" for rival, value in others.items())
    best = min(others.values())
    return row(f"{name}: as it is / best", [one / best for one in own], target, said)


def seconds(command: list[str], setting: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=without_openmp() | setting,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


@contextmanager
def busy() -> Iterator[None]:
    """Keep two processes computing, as low in priority as a build or an indexer."""
    code = f"import os; os.nice({NICE})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(BUSY)]
    time.sleep(1)
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def ask_the_page(folder: Path) -> None:
    """Start the page, let it colour photos one after the other, and end it."""
    from gradio_client import Client, handle_file

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "src.demo", "--port", str(port)]
    page = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert page.stdout is not None
        next(line for line in page.stdout if str(port) in line)
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        for photo in sorted(folder.iterdir())[:ASKED]:
            client.predict(handle_file(photo), None, api_name="/color")
    finally:
        page.terminate()
        page.wait()


if __name__ == "__main__":
    ask_the_page(Path(sys.argv[1]))
