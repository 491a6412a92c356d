"""Time and memory of colouring photographs, by PyTorch and by ONNX Runtime."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from src import export, images
from src.colorizers import registry
from src.generators.unet import UNet
from src.inference import result
from tests.benchmarks.row import peak_gigabytes, row, without_openmp

ROOT = Path(__file__).resolve().parents[2]
MEGAPIXELS = {1: (1200, 833), 24: (6000, 4000), 100: (11_600, 8_621)}
MOST_ROUNDS = {1: 5, 24: 3, 100: 1}  # the first scatters most
CHANNELS, IMAGE_SIZE = 16, 128  # size=small
OVER_TORCH = {"PyTorch": 0.3, "shipped": 1.5}  # seconds
SECONDS_24, GIGABYTES, GIGABYTES_HINTED = 3.0, 2.0, 3.0
Figures = dict[str, list[float]]


def colorize_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    models = make_models(scratch)
    photos = {many: make_photo(scratch / f"{many}.jpg", size) for many, size in MEGAPIXELS.items()}
    rows = one_megapixel_rows(models, photos[1], min(rounds, MOST_ROUNDS[1]), scratch)
    found: dict[str, Figures] = {name: {} for name in ("PyTorch", "ONNX")}
    for _ in range(min(rounds, MOST_ROUNDS[24])):
        for name, figures in found.items():
            for figure, value in warm(models[name], photos[24], scratch).items():
                figures.setdefault(figure, []).append(value)
    own, onnx = found["PyTorch"], found["ONNX"]
    rows.append(
        row(
            f"colorize, 24 megapixels: seconds besides loading / {SECONDS_24:g}",
            [value / SECONDS_24 for value in own["warm"]],
            "at most 1",
            f"{statistics.median(own['warm']):.2f} s",
        )
    )
    for figure, (unit, most) in {"warm": ("s", 1.03), "gigabytes": ("GB", 1.1)}.items():
        pairs = [a / b for a, b in zip(onnx[figure], own[figure], strict=True)]
        said = f"{statistics.median(onnx[figure]):.2f} and {statistics.median(own[figure]):.2f}"
        name = f"colorize, 24 megapixels, {figure}: ONNX / PyTorch"
        rows.append(row(name, pairs, f"at most {most}", f"{said} {unit}"))
    hints = scratch / "hints.csv"
    hints.write_text("5000,4000,#3060c0,40\n")
    for said, limit, given in (("", GIGABYTES, ""), (", with hints", GIGABYTES_HINTED, hints)):
        peak = warm(models["PyTorch"], photos[100], scratch, str(given))["gigabytes"]
        name = f"colorize, 100 megapixels{said}: peak memory / {limit:g} GB"
        rows.append(row(name, [peak / limit], "at most 1", f"{peak:.2f} GB"))
    return rows


def one_megapixel_rows(
    models: dict[str, Path], photo: Path, rounds: int, scratch: Path
) -> list[dict[str, Any]]:
    alone: list[float] = []
    times: Figures = {name: [] for name in OVER_TORCH}
    for _ in range(rounds):
        alone.append(seconds([sys.executable, "-c", "import torch"]))
        for name, own in times.items():
            options = [] if name == "shipped" else ["--checkpoint", str(models[name])]
            command = ["-m", "src.colorize", str(photo), "-o", str(scratch / "out"), "--overwrite"]
            own.append(seconds([sys.executable, *command, *options]))
    rows = []
    for name, own in times.items():
        over = [(a - b) / OVER_TORCH[name] for a, b in zip(own, alone, strict=True)]
        kind = "U-Net, one view" if name == "PyTorch" else "as shipped"
        title = f"colorize, 1 megapixel, {kind}: seconds over import torch / {OVER_TORCH[name]:g}"
        said = f"{statistics.median(own):.2f} s, {statistics.median(alone):.2f} s of them"
        rows.append(row(title, over, "at most 1", said))
    return rows


def make_models(scratch: Path) -> dict[str, Path]:
    network = UNet(CHANNELS).eval()
    config = {"_target_": "src.generators.unet.UNet", "base_channels": CHANNELS}
    state = {f"generator.{key}": value for key, value in network.state_dict().items()}
    state["mean_ab"] = torch.zeros(2)
    own = {"generator": config, "image_size": IMAGE_SIZE}
    checkpoint, onnx = scratch / "model.ckpt", scratch / "model.onnx"
    torch.save({"hyper_parameters": own, "state_dict": state}, checkpoint)
    export.main([str(checkpoint), "--output", str(onnx)])
    return {"PyTorch": checkpoint, "ONNX": onnx}


def make_photo(path: Path, size: tuple[int, int]) -> Path:
    """A photograph that comes with scikit-image, enlarged, with the grain of a film."""
    grey = export.package_photos()[0]
    with Image.open(grey) as image:
        large = np.asarray(image.convert("L").resize(size, Image.Resampling.BICUBIC))
    grain = np.random.default_rng(0).integers(-4, 5, large.shape, dtype=np.int16)
    Image.fromarray((large + grain).clip(0, 255).astype(np.uint8)).save(path, quality=92)
    return path


def warm(model: Path, photo: Path, scratch: Path, hints: str = "") -> dict[str, float]:
    """Time the second of two colourings in a process, and tell its memory."""
    command = [str(model), str(photo), str(scratch / "coloured"), hints]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.colorize_rows", *command],
        cwd=ROOT,
        env=without_openmp(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=without_openmp(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def main(model: str, photo: str, out: str, hints: str) -> None:
    colorizer = registry.from_file(Path(model))
    for _ in range(2):
        began = time.perf_counter()
        own = Path(hints) if hints else None
        target = Path(out, "warm.jpg")
        result.colorize_file(images.Photo(Path(photo)), target, colorizer, result.Options(), own)
        seconds_of_it = time.perf_counter() - began
    print(json.dumps({"warm": seconds_of_it, "gigabytes": peak_gigabytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
