"""Time and memory of colouring photographs, by PyTorch and by ONNX Runtime."""

import json
import resource
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
from tests.benchmarks.row import row

ROOT = Path(__file__).resolve().parents[2]
MEGAPIXELS = {1: (1200, 833), 24: (6000, 4000), 100: (11_600, 8_621)}
MOST_ROUNDS = {1: 9, 24: 3, 100: 3}
CHANNELS, IMAGE_SIZE = 16, 128  # size=small
SECONDS_OVER_TORCH, SECONDS_24, GIGABYTES = 1.5, 8.0, 3.0
Figures = dict[str, list[float]]


def colorize_rows(trainer: str, rounds: int, scratch: Path) -> list[dict[str, Any]]:
    models = make_models(scratch)
    rows = []
    for megapixels, size in MEGAPIXELS.items():
        photo = make_photo(scratch / f"{megapixels}.jpg", size)
        found = {name: Figures() for name in models}
        torch_alone = []
        for _ in range(min(rounds, MOST_ROUNDS[megapixels])):
            torch_alone.append(seconds([sys.executable, "-c", "import torch"]))
            for name, model in models.items():
                for figure, value in measure(model, photo, scratch).items():
                    found[name].setdefault(figure, []).append(value)
        rows += rows_of(megapixels, found, torch_alone)
    return rows


def rows_of(
    megapixels: int, found: dict[str, Figures], torch_alone: list[float]
) -> list[dict[str, Any]]:
    own, onnx = found["PyTorch"], found["ONNX"]
    middle = {
        name: {figure: statistics.median(values) for figure, values in figures.items()}
        for name, figures in found.items()
    }
    rows = []
    if megapixels == 1:
        over = [
            (cold - alone) / SECONDS_OVER_TORCH
            for cold, alone in zip(own["cold"], torch_alone, strict=True)
        ]
        said = f"{middle['PyTorch']['cold']:.2f} s, {statistics.median(torch_alone):.2f} s of them"
        rows.append(
            row("colorize, 1 megapixel: seconds over import torch / 1.5", over, "at most 1", said)
        )
    if megapixels == 24:
        rows.append(
            row(
                "colorize, 24 megapixels: seconds besides loading / 8",
                [value / SECONDS_24 for value in own["warm"]],
                "at most 1",
                f"{middle['PyTorch']['warm']:.2f} s",
            )
        )
    if megapixels == 100:
        rows.append(
            row(
                "colorize, 100 megapixels: peak memory / 3 GB",
                [value / GIGABYTES for value in own["gigabytes"]],
                "at most 1",
                f"{middle['PyTorch']['gigabytes']:.2f} GB",
            )
        )
    for figure, unit in {"cold": "s", "warm": "s", "gigabytes": "GB"}.items():
        pairs = [a / b for a, b in zip(onnx[figure], own[figure], strict=True)]
        said = f"{middle['ONNX'][figure]:.2f} and {middle['PyTorch'][figure]:.2f} {unit}"
        kind = "peak memory" if figure == "gigabytes" else figure
        # Most of the time is spent outside the network, in the same code: it varies by some 3 %.
        most = "at most 1.1" if figure == "gigabytes" else "at most 1.03"
        rows.append(
            row(f"colorize, {megapixels} megapixels, {kind}: ONNX / PyTorch", pairs, most, said)
        )
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


def measure(model: Path, photo: Path, scratch: Path) -> dict[str, float]:
    """Time a whole process, and in another the second of two colourings, with its memory."""
    out = scratch / "coloured"
    command = ["-m", "src.colorize", str(photo), "--checkpoint", str(model), "--output", str(out)]
    cold = seconds([sys.executable, *command, "--overwrite"])
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.colorize_rows", str(model), str(photo), str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {"cold": cold} | json.loads(done.stdout)


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def main(model: str, photo: str, out: str) -> None:
    colorizer = registry.from_file(Path(model))
    for _ in range(2):
        began = time.perf_counter()
        options = result.Options()
        result.colorize_file(images.Photo(Path(photo)), Path(out, "warm.jpg"), colorizer, options)
        warm = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"warm": warm, "gigabytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
