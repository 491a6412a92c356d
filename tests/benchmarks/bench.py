"""Speed as ratios against independent references: make bench. See README.md beside this file."""

import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import skimage.color
import skimage.data
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image

from src import errors, files
from src.curation import dataset
from src.curation.recipe import Settings
from src.data.folder import FolderData
from src.errors import require, require_one_of
from tests.benchmarks import training_rows
from tests.benchmarks.busy_rows import busy_rows
from tests.benchmarks.colorize_rows import colorize_rows
from tests.benchmarks.evaluation_rows import evaluation_rows
from tests.benchmarks.folder_rows import folder_rows, full_folder_rows
from tests.benchmarks.gpu_rows import gpu_rows
from tests.benchmarks.row import row, without_openmp
from tests.benchmarks.step_rows import ROOT, SIZE, step_rows

# Both end without taking Python down again, which takes a second.
IMPORTED = "import os, torch, lightning; os._exit(0)"
RANKS_BATCH = 16  # what data.batch_size is; with 4 the gradients travel as long, for less work
RECIPE = Settings(
    image_size=256,
    fit="stretch",
    format="jpeg",
    min_size=64,
    min_chroma_spread=0.0,
    one_hue=1.0,
    shares={"train": 0.6, "val": 0.2, "test": 0.2},
    part="1/1",
)
PHOTOGRAPHS = ((500, 375), (1600, 1200))  # as ImageNet has them, and as a camera's small setting
SHIFT = 48  # pixels by which the pictures of a scene differ
GPU = "gpu"


def main(arguments: list[str]) -> None:
    trainer, rounds, names = asked(arguments)
    place = Path("outputs/bench") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}.md"
    # A process that looked for a GPU has no use of it after fork; starting anew takes seconds.
    how = "spawn" if GPU in names else None
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            print(f"measuring: {name} ...", flush=True)
            # What a row leaves in memory would slow the next one, and hide what that one takes.
            with ProcessPoolExecutor(1, multiprocessing.get_context(how)) as fresh:
                rows = fresh.submit(ROWS[name], rounds, Path(scratch)).result()
            found += rows
            print("\n".join(table(rows)[2:]), flush=True)  # what a later row may take long to join
            # After each, so that one that fails takes none of those before it along.
            text = "\n".join([*machine(trainer), "", *table(found)])
            files.write_text(place, text + "\n")
            files.write_text(place.with_suffix(".json"), json.dumps(found, indent=1))
    print(f"{text}\n\nWritten to {place}")


def asked(arguments: list[str]) -> tuple[str, int, list[str]]:
    """Return the trainer, the rounds and the rows that are asked for. Raises: UserError."""
    options = {"trainer": "cpu", "rounds": "7", "rows": ""}
    for argument in arguments:
        name, _, value = argument.partition("=")
        require_one_of("option", name, [*options])
        options[name] = value
    trainer, rounds = options["trainer"], options["rounds"]
    require_one_of("trainer", trainer, ["cpu", "gpu"])
    require(
        rounds.isdecimal() and int(rounds) > 0, "rounds", rounds, "a whole number of at least 1"
    )
    usual = [GPU] if trainer == "gpu" else [name for name in ROWS if name not in ASKED]
    names = options["rows"].split(",") if options["rows"] else usual
    for name in names:
        require_one_of("rows", name, [*ROWS])
    missing = GPU in names and not torch.cuda.is_available()
    require(not missing, "trainer", trainer, "cpu, since torch finds no GPU on this machine")
    return trainer, int(rounds), names


def loader_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    targets = zip(PHOTOGRAPHS, ("at least 3", "at least 6"), strict=True)
    return [loader_row(size, target, rounds, scratch) for size, target in targets]


def loader_row(size: tuple[int, int], target: str, rounds: int, scratch: Path) -> dict[str, Any]:
    folder = photographs(scratch / f"photos{size[0]}", size)
    data = FolderData(
        root=str(folder),
        report_dir=str(scratch),
        index_dir=str(scratch / "index"),
        image_size=SIZE,
        batch_size=16,
        num_workers=0,
    )
    with redirect_stdout(None):
        data.setup("fit")
    paths = [picture.path for picture in data.subsets["train"]]
    ours, theirs = [], []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        loaded = sum(len(data.on_after_batch_transfer(b, 0)["L"]) for b in data.train_dataloader())
        ours.append(loaded / (time.perf_counter() - began))
        began = time.perf_counter()
        np.stack([reference_lab(path) for path in paths])
        theirs.append(len(paths) / (time.perf_counter() - began))
    ratios = [a / b for a, b in zip(ours[1:], theirs[1:], strict=True)]
    said = f"{statistics.median(ours[1:]):.0f} and {statistics.median(theirs[1:]):.0f} images/s"
    name = f"loader + Lab, {size[0]}x{size[1]} to {SIZE} px / Pillow + skimage.rgb2lab"
    return row(name, ratios, target, said)


def prepare_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    rows = []
    for size, count in ((PHOTOGRAPHS[0], 480), ((4000, 3000), 12)):
        folder = photographs(scratch / f"originals{size[0]}", size, count)
        paths = sorted(folder.iterdir())
        ours, theirs, read = [], [], [0.0, 0.0]
        for i in range(min(rounds, 3) + 1):
            target, npz = scratch / f"set{size[0]}-{i}", scratch / f"npz{size[0]}-{i}"
            # The 3 GB of a round's npz would still be written to the disk under the next round.
            shutil.rmtree(scratch / f"npz{size[0]}-{i - 1}", ignore_errors=True)
            os.sync()
            began = time.perf_counter()
            dataset.prepare(folder, target, RECIPE, os.cpu_count() or 1)
            ours.append(len(paths) / (time.perf_counter() - began))
            began = time.perf_counter()
            npz.mkdir()
            for path in paths:
                lab = reference_lab(path, RECIPE.image_size, float)
                np.savez(npz / path.stem, L=lab[..., 0], ab=lab[..., 1:])
            theirs.append(len(paths) / (time.perf_counter() - began))
            read = [reading(target, scratch), npz_reading(npz)]
        said = f"{len(paths)} pictures: {statistics.median(ours[1:]):.0f} and "
        said += f"{statistics.median(theirs[1:]):.1f}"
        said += f" pictures/s; an epoch is read back at {read[0]:.0f} and {read[1]:.0f} pictures/s"
        ratios = [a / b for a, b in zip(ours[1:], theirs[1:], strict=True)]
        name = f"prepare, {size[0]}x{size[1]} / Pillow + skimage + np.savez"
        rows.append(row(name, ratios, "at least 4", said))
        ratio = in_bytes(npz) / in_bytes(target)
        said = f"{in_bytes(target) / 1e6:.1f} and {in_bytes(npz) / 1e6:.1f} MB, all files"
        rows.append(
            row(
                f"bytes of the npz / of the data set, {size[0]}x{size[1]}",
                [ratio],
                "at least 30",
                said,
            )
        )
    return rows


def reading(target: Path, scratch: Path) -> float:
    """Pictures a second of an epoch over a prepared data set, Lab included."""
    data = FolderData(
        root=str(target),
        report_dir=str(scratch),
        image_size=RECIPE.image_size,
        batch_size=16,
        num_workers=0,
    )
    with redirect_stdout(None):
        data.setup("fit")
    began = time.perf_counter()
    loaded = sum(len(data.on_after_batch_transfer(b, 0)["L"]) for b in data.train_dataloader())
    return loaded / (time.perf_counter() - began)


def npz_reading(folder: Path) -> float:
    began = time.perf_counter()
    paths = [*folder.iterdir()]
    for path in paths:
        with np.load(path) as content:
            torch.from_numpy(np.concatenate([content["L"][..., None], content["ab"]], -1)).float()
    return len(paths) / (time.perf_counter() - began)


def in_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def reference_lab(path: Path, size: int = SIZE, of: Any = np.float32) -> "np.ndarray[Any, Any]":
    with Image.open(path) as image:
        small = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return skimage.color.rgb2lab(np.asarray(small)).astype(of)


def photographs(folder: Path, size: tuple[int, int] = PHOTOGRAPHS[0], count: int = 48) -> Path:
    """Cut scikit-image's photographs into JPEGs of one size."""
    folder.mkdir(parents=True)
    for scene in ("astronaut", "chelsea", "coffee", "rocket"):
        with Image.open(next(Path(skimage.data.__file__).parent.glob(f"{scene}.*"))) as image:
            for i in range(count):
                at = SHIFT * i / count
                box = (at, at, image.width - SHIFT + at, image.height - SHIFT + at)
                image.convert("RGB").resize(size, box=box).save(folder / f"{scene}{i}.jpg")
    return folder


def start_row(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    tiny = [
        "size.generator_channels=4",
        "size.discriminator_channels=4",
        "size.image_size=32",
        "data.num_workers=0",
        "data.repeat=1",
        "trainer=cpu",
        "logger=csv",
    ]
    stop = "+callbacks.stop._target_=tests.benchmarks.first_step.StopAtFirstStep"
    command = [sys.executable, "-m", "src.train", *tiny, stop, f"hydra.run.dir={scratch}/start"]
    with at(ROOT):
        pairs = [
            (seconds(command), seconds([sys.executable, "-c", IMPORTED]))
            for _ in range(min(rounds, 5))
        ]
    own, reference = (statistics.median(column) for column in zip(*pairs, strict=True))
    said = f"{own:.1f} s and {reference:.1f} s; beyond lightning: {where_it_goes()}"
    ratios = [a / b for a, b in pairs]
    return [row("command to first step / import torch, lightning", ratios, "at most 1.2", said)]


def where_it_goes() -> str:
    """The packages that take longest to import after lightning is there, in seconds."""
    code = "import torch, lightning, sys; sys.stderr.write('HERE\\n'); import src.train"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    own: dict[str, float] = {}
    for line in done.stderr.split("HERE\n")[1].splitlines():
        itself, _, name = line.removeprefix("import time:").split("|")
        package = name.strip().split(".")[0]
        own[package] = own.get(package, 0.0) + int(itself) / 1e6
    slowest = sorted(own, key=lambda package: -own[package])[:6]
    return ", ".join(f"{package} {own[package]:.2f}" for package in slowest)


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command, env=without_openmp(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


@contextmanager
def at(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class StepTimes(Callback):
    """Prints the median time of the steps after the first two, on rank 0."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self._ends.append(time.perf_counter())

    def on_train_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            print(f"step: {statistics.median(np.diff(self._ends)[2:])}", flush=True)


def ranks_row(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    photographs(scratch / "photographs")
    one, two = [], []
    for i in range(min(rounds, 2)):
        one.append(RANKS_BATCH / step_seconds(scratch, f"one{i}", "trainer=cpu"))
        two.append(RANKS_BATCH / step_seconds(scratch, f"two{i}", "trainer=ddp"))
    said = f"{statistics.median(two):.2f} and {statistics.median(one):.2f} images/s"
    ratios = [a / b for a, b in zip(two, one, strict=True)]
    return [row("two ranks of one core / one process on two", ratios, "at least 0.95", said)]


def step_seconds(scratch: Path, name: str, trainer: str) -> float:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "src.train",
            "model=unet_gan",
            "size=full",
            trainer,
            "logger=csv",
            f"data.image_size={SIZE}",
            f"data.batch_size={RANKS_BATCH}",
            "data=folder",
            "data.num_workers=0",
            f"data.root={scratch}/photographs",
            f"hydra.run.dir={scratch}/{name}",
            "trainer.max_epochs=1",
            "trainer.limit_train_batches=5",
            "trainer.limit_val_batches=1",
            "trainer.limit_test_batches=1",
            "+callbacks.times._target_=tests.benchmarks.bench.StepTimes",
        ],
        cwd=ROOT,
        env=without_openmp(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("step: ")]
    assert said, done.stdout + done.stderr
    return float(said[0].removeprefix("step: "))


def machine(trainer: str) -> list[str]:
    cpu = (
        next(
            (
                line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")
            ),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"torch {torch.__version__}, lightning {lightning.__version__}"
    when = f"trainer={trainer}; medians, and the range over rounds; {datetime.now():%Y-%m-%d %H:%M}"
    return [
        f"{cpu}, {os.cpu_count()} cores, {gpu}; Python {platform.python_version()}",
        versions,
        when,
    ]


def table(found: list[dict[str, Any]]) -> list[str]:
    lines = ["| row | ratio | range | target | met | measured |", "| --- " * 6 + "|"]
    for one in found:
        spread = f"{one['low']:.3f} .. {one['high']:.3f}"
        met = {True: "yes", False: "NO", None: ""}[one["met"]]
        target = one["target"] or "none set"
        lines.append(
            f"| {one['row']} | {one['ratio']:.3f} | {spread} | {target} | {met} | "
            f"{one['measured']} |"
        )
    return lines


ROWS: dict[str, Callable[[int, Path], list[dict[str, Any]]]] = {
    "step": step_rows,
    "loader": loader_rows,
    "prepare": prepare_rows,
    "start": start_row,
    "colorize": colorize_rows,
    "evaluate": evaluation_rows,
    "ranks": ranks_row,
    "folders": folder_rows,
    "folders_full": full_folder_rows,
    "packed": training_rows.packed_rows,
    "lite0": training_rows.step_rows,
    "beside": busy_rows,
    GPU: gpu_rows,
}
ASKED = {"folders_full", GPU}  # only where they are named, or trainer=gpu

if __name__ == "__main__":
    with errors.ending_for_people():
        main(sys.argv[1:])
