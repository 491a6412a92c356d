"""Training of what people train here: whole steps of lite0_unet, and pictures out of a pack."""

import statistics
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from src.data.folder import FolderData
from src.errors import UserError
from tests.benchmarks.folder_rows import ROOT, grey_photos
from tests.benchmarks.row import row, without_openmp

BEFORE = "3aa5e6d"  # the commit against which steps are measured
SIZE, BATCH, STEPS = 128, 32, 20
PACKED_RATE = 2000  # pictures a second


def step_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    """Compare images a second of the whole training, loading included, with a commit before."""
    pictures = grey_photos(scratch / "steps", (200, 160), STEPS * BATCH + 64)
    before = scratch / "before"
    add = ["git", "worktree", "add", "--detach", str(before), BEFORE]
    if subprocess.run(add, cwd=ROOT, check=False).returncode:
        raise UserError(f"rows=lite0: expected a clone with its history, down to commit {BEFORE}")
    try:
        rates = [
            [
                BATCH / step_seconds(code, pictures, scratch / f"{name}{number}")
                for name, code in (("now", ROOT), ("before", before))
            ]
            for number in range(min(rounds, 2))
        ]
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
    own, other = (statistics.median(column) for column in zip(*rates, strict=True))
    said = f"{own:.1f} and {other:.1f} images/s"
    name = f"lite0_unet, {SIZE}x{SIZE}, batch {BATCH}: training / that of {BEFORE}"
    return [row(name, [a / b for a, b in rates], "at least 1.3", said)]


def step_seconds(code: Path, pictures: Path, run: Path) -> float:
    command = [
        *(sys.executable, "-m", "src.train", "model=lite0_unet", "trainer=cpu", "logger=csv"),
        *("data=folder", f"data.root={pictures}", f"data.index_dir={run}-index"),
        *(f"data.image_size={SIZE}", f"data.batch_size={BATCH}", f"hydra.run.dir={run}"),
        *("trainer.max_epochs=1", f"trainer.limit_train_batches={STEPS}"),
        *("trainer.limit_val_batches=1", "trainer.limit_test_batches=1"),
        "+callbacks.times._target_=tests.benchmarks.bench.StepTimes",
    ]
    done = subprocess.run(
        command, cwd=code, env=without_openmp(), capture_output=True, text=True, check=False
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("step: ")]
    assert said, done.stdout + done.stderr
    return float(said[0].removeprefix("step: "))


def packed_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    """Read epochs of packed pictures, cut and flipped, in the loading processes."""
    pictures = grey_photos(scratch / "packed", (200, 160), 2000)
    data = FolderData(
        root=str(pictures),
        report_dir=str(scratch),
        index_dir=str(scratch / "packed index"),
        image_size=SIZE,
        batch_size=BATCH,
        pack=True,
    )
    rates = []
    with redirect_stdout(None):
        data.setup("fit")
        loader = data.train_dataloader()
        for _ in range(min(rounds, 5) + 1):
            began = time.perf_counter()
            count = sum(len(batch["rgb"]) for batch in loader)
            rates.append(count / (time.perf_counter() - began))
    said = f"{statistics.median(rates[1:]):.0f} pictures/s"
    ratios = [rate / PACKED_RATE for rate in rates[1:]]
    return [
        row(
            f"an epoch of packed pictures, pictures/s over {PACKED_RATE}",
            ratios,
            "at least 1",
            said,
        )
    ]
