"""Colouring and training on an idle machine and beside two busy processes, threads as they are."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.benchmarks.folder_rows import ROOT, grey_photos
from tests.benchmarks.row import row, without_openmp

PHOTOS, BUSY, NICE = 50, 2, 10
RIVALS: dict[str, dict[str, str]] = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
LIMITS = {"idle": "at most 1.1", "beside two busy processes": "at most 1.25"}


def busy_rows(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    photos = grey_photos(scratch / "beside", (256, 256), PHOTOS)
    pictures = grey_photos(scratch / "beside training", (160, 160), 200)
    commands = {
        "colorize 50 small photos": [
            *("src.colorize", str(photos), "--output", str(scratch / "out"), "--overwrite")
        ],
        "train lite0_unet": [
            *(
                "src.train",
                "model=lite0_unet",
                "data=folder",
                f"data.root={pictures}",
                "logger=csv",
            ),
            *("trainer.max_epochs=1", "trainer.limit_train_batches=6", "data.batch_size=16"),
            *("trainer.limit_val_batches=1", "trainer.limit_test_batches=1", "trainer=cpu"),
            *(f"data.index_dir={scratch}/index", f"hydra.run.dir={scratch}/beside/run"),
        ],
    }
    rows = []
    for where, target in LIMITS.items():
        with busy() if where != "idle" else nullcontext():
            for name, command in commands.items():
                rows.append(_row(f"{name}, {where}", command, target))
    return rows


def _row(name: str, command: list[str], target: str) -> dict[str, Any]:
    own = [seconds(command, {})]
    rivals = {rival: seconds(command, setting) for rival, setting in RIVALS.items()}
    own.append(seconds(command, {}))
    best = min(rivals, key=lambda rival: rivals[rival])
    said = f"{statistics.mean(own):.1f} s; "
    said += ", ".join(f"{rival} {value:.1f} s" for rival, value in rivals.items())
    return row(
        f"{name}: as it is / best of {len(rivals)}",
        [one / rivals[best] for one in own],
        target,
        said,
    )


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
