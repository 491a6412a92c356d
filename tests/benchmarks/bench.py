"""Speed as ratios against independent references: make bench. See README.md beside this file."""

import json
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
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from src.curation import dataset
from src.curation.recipe import Settings
from src.data.folder import FolderData
from src.training.experiment import quieten
from src.training.module import ColorizationModule
from tests.benchmarks import training_rows
from tests.benchmarks.busy_rows import busy_rows
from tests.benchmarks.colorize_rows import colorize_rows
from tests.benchmarks.evaluation_rows import evaluation_rows
from tests.benchmarks.folder_rows import folder_rows, full_folder_rows
from tests.benchmarks.row import row, without_openmp

ROOT = Path(__file__).resolve().parents[2]
SIZE, BATCH = 128, 4
RANKS_BATCH = 16  # what data.batch_size is; with 4 the gradients travel as long, for less work
MATRIX = 2048
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
Times = dict[str, list[float]]


def main(arguments: list[str]) -> None:
    options = dict(argument.split("=", 1) for argument in arguments)
    trainer, rounds = options.get("trainer", "cpu"), int(options.get("rounds", 7))
    wanted = options.get("rows", ",".join(name for name in ROWS if name not in ASKED)).split(",")
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in wanted:
            print(f"measuring: {name} ...", flush=True)
            # What a row leaves in memory would slow the next one, and hide what that one takes.
            with ProcessPoolExecutor(1) as fresh:
                rows = fresh.submit(ROWS[name], trainer, rounds, Path(scratch)).result()
            found += rows
            print("\n".join(table(rows)[2:]), flush=True)  # what a later row may take long to join
    text = "\n".join([*machine(trainer), "", *table(found)])
    place = Path("outputs/bench") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text + "\n")
    place.with_suffix(".json").write_text(json.dumps(found, indent=1))
    print(f"{text}\n\nWritten to {place}")


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        named = ["run.model=bench", "run.name=bench", "run.folder=bench"]
        return compose("train", [*named, "logger=csv", *overrides])


class Alternating(Callback):
    """Runs the references after each step of the real trainer, so that all see the same machine."""

    def __init__(self, references: dict[str, Callable[[], object]]) -> None:
        self.references = references
        self.times: Times = {name: [] for name in ("trainer", *references)}
        self._own = 0.0  # seconds that the references took between two steps
        self._before: float | None = None

    def on_train_batch_end(self, *_: Any) -> None:
        now = clock()
        if self._before is not None:
            self.times["trainer"].append(now - self._before)
            for name, step in self.references.items():
                began = clock()
                step()
                self.times[name].append(clock() - began)
        self._before = clock()


def clock() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class SameBatch(lightning.LightningDataModule):
    def __init__(self, L: torch.Tensor, ab: torch.Tensor, steps: int) -> None:
        super().__init__()
        names = [""] * len(L)
        self._batches = [{"L": L, "ab": ab, "name": names} for _ in range(steps)]

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(self._batches, batch_size=None)  # type: ignore[arg-type]

    def mean_ab(self, device: torch.device) -> torch.Tensor:
        return torch.zeros(2, device=device)


def step_rows(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    config = composed(
        "model=unet_gan", "size=full", f"data.image_size={SIZE}", f"trainer={trainer}"
    )
    device = torch.device("cuda" if config.trainer.accelerator == "gpu" else "cpu")
    quieten()
    torch.manual_seed(0)
    L = torch.rand(BATCH, 1, SIZE, SIZE) * 2 - 1
    ab = torch.rand(BATCH, 2, SIZE, SIZE) * 2 - 1
    on_device = L.to(device), ab.to(device)
    autocast = config.trainer.precision == "bf16-mixed"
    bare = loop(instantiate(config.model), *on_device, autocast=autocast, textbook=False)
    book = loop(instantiate(config.model), *on_device, autocast=autocast, textbook=True)
    matrices = torch.rand(2, MATRIX, MATRIX, device=device)
    with FlopCounterMode(display=False) as counter:
        bare()
    flops = counter.get_total_flops()
    both = Alternating(
        {"bare": bare, "textbook": book, "matrix": lambda: matrices[0] @ matrices[1]}
    )
    lightning.Trainer(
        accelerator=config.trainer.accelerator,
        precision=config.trainer.precision,
        devices=1,
        max_epochs=1,
        logger=False,
        callbacks=[both],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=scratch,
        limit_val_batches=0,
    ).fit(instantiate(config.model), datamodule=SameBatch(L, ab, rounds + 2))
    seconds = {name: times[1:] for name, times in both.times.items()}  # the first warms up
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    said = ", ".join(f"{name} {middle[name]:.3f} s" for name in ("trainer", "bare", "textbook"))
    peak = [2 * MATRIX**3 / s for s in seconds["matrix"]]
    rate = [flops / s for s in seconds["trainer"]]
    gflops = f"{statistics.median(rate) / 1e9:.0f} of {statistics.median(peak) / 1e9:.0f} GFLOP/s"
    pairs = {
        name: [a / b for a, b in zip(seconds["trainer"], seconds[name], strict=True)]
        for name in ("bare", "textbook")
    }
    return [
        row("trainer step / bare loop", pairs["bare"], "at most 1.03", said),
        row("trainer step / textbook loop", pairs["textbook"], "at most 1.03", said),
        row(
            "share of the matrix-product rate",
            [a / b for a, b in zip(rate, peak, strict=True)],
            "at least 0.95",
            gflops,
        ),
    ]


def loop(
    model: ColorizationModule, L: torch.Tensor, ab: torch.Tensor, *, autocast: bool, textbook: bool
) -> Callable[[], None]:
    """A plain PyTorch step of the same networks: as here, or as tutorials write pix2pix.

    Those judge real and fake in separate passes too, and make a new Adam with its defaults.
    """
    G, D = model.generator.to(L.device), model.discriminator
    assert D is not None
    D = D.to(L.device)
    if model.hparams["channels_last"] and not textbook:
        for network in (G, D):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        L = L.contiguous(memory_format=torch.channels_last)
    of_g, of_d = model.hparams["generator_optimizer"], model.hparams["discriminator_optimizer"]
    own = {} if textbook else {"betas": tuple(of_g["betas"]), "fused": of_g["fused"]}
    opt_g = torch.optim.Adam(G.parameters(), lr=of_g["lr"], **own)
    opt_d = torch.optim.Adam(D.parameters(), lr=of_d["lr"], **own)
    bce, l1, weight = nn.BCEWithLogitsLoss(), nn.L1Loss(), model.hparams["loss"]["l1"]

    def step() -> None:
        with torch.autocast(L.device.type, torch.bfloat16, enabled=autocast):
            fake = G(L)
            real_logits, fake_logits = D(L, ab).logits[0], D(L, fake.detach()).logits[0]
            loss_d = bce(real_logits, torch.ones_like(real_logits))
            loss_d = (loss_d + bce(fake_logits, torch.zeros_like(fake_logits))) / 2
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        D.requires_grad_(False)
        with torch.autocast(L.device.type, torch.bfloat16, enabled=autocast):
            logits = D(L, fake).logits[0]
            loss_g = bce(logits, torch.ones_like(logits)) + weight * l1(fake, ab)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        D.requires_grad_(True)

    return step


def loader_rows(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
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
        began = clock()
        loaded = sum(len(data.on_after_batch_transfer(b, 0)["L"]) for b in data.train_dataloader())
        ours.append(loaded / (clock() - began))
        began = clock()
        np.stack([reference_lab(path) for path in paths])
        theirs.append(len(paths) / (clock() - began))
    ratios = [a / b for a, b in zip(ours[1:], theirs[1:], strict=True)]
    said = f"{statistics.median(ours[1:]):.0f} and {statistics.median(theirs[1:]):.0f} images/s"
    name = f"loader + Lab, {size[0]}x{size[1]} to {SIZE} px / Pillow + skimage.rgb2lab"
    return row(name, ratios, target, said)


def prepare_rows(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    rows = []
    for size, count in ((PHOTOGRAPHS[0], 480), ((4000, 3000), 6)):
        folder = photographs(scratch / f"originals{size[0]}", size, count)
        paths = sorted(folder.iterdir())
        ours, theirs, read = [], [], [0.0, 0.0]
        for i in range(min(rounds, 5) + 1):
            target, npz = scratch / f"set{size[0]}-{i}", scratch / f"npz{size[0]}-{i}"
            # The 3 GB of a round's npz would still be written to the disk under the next round.
            shutil.rmtree(scratch / f"npz{size[0]}-{i - 1}", ignore_errors=True)
            os.sync()
            began = clock()
            dataset.prepare(folder, target, RECIPE, os.cpu_count() or 1)
            ours.append(len(paths) / (clock() - began))
            began = clock()
            npz.mkdir()
            for path in paths:
                lab = reference_lab(path, RECIPE.image_size, float)
                np.savez(npz / path.stem, L=lab[..., 0], ab=lab[..., 1:])
            theirs.append(len(paths) / (clock() - began))
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
    began = clock()
    loaded = sum(len(data.on_after_batch_transfer(b, 0)["L"]) for b in data.train_dataloader())
    return loaded / (clock() - began)


def npz_reading(folder: Path) -> float:
    began = clock()
    paths = [*folder.iterdir()]
    for path in paths:
        with np.load(path) as content:
            torch.from_numpy(np.concatenate([content["L"][..., None], content["ab"]], -1)).float()
    return len(paths) / (clock() - began)


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


class StopAtFirstStep(Callback):
    def on_train_batch_start(self, *_: Any) -> None:
        os._exit(0)


def start_row(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    tiny = [
        "size.generator_channels=4",
        "size.discriminator_channels=4",
        "size.image_size=32",
        "data.num_workers=0",
        "data.repeat=1",
        "trainer=cpu",
        "logger=csv",
    ]
    stop = "+callbacks.stop._target_=tests.benchmarks.bench.StopAtFirstStep"
    command = [sys.executable, "-m", "src.train", *tiny, stop, f"hydra.run.dir={scratch}/start"]
    with at(ROOT):
        pairs = [
            (seconds(command), seconds([sys.executable, "-c", "import torch, lightning"]))
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


def ranks_row(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    if trainer != "cpu":
        print("two ranks on the CPU are measured by trainer=cpu alone")
        return []
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
            "trainer.limit_train_batches=6",
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
        met = "yes" if one["met"] else "NO"
        lines.append(
            f"| {one['row']} | {one['ratio']:.3f} | {spread} | {one['target']} | {met} | "
            f"{one['measured']} |"
        )
    return lines


ROWS: dict[str, Callable[[str, int, Path], list[dict[str, Any]]]] = {
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
}
ASKED = {"folders_full"}  # only where they are named

if __name__ == "__main__":
    main(sys.argv[1:])
