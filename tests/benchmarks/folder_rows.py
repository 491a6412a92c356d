"""Folders of photos: the command's way against a plain loop of Pillow, PyTorch and scikit-image."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from src.colorizers import shipped, trained
from src.inference.batch import Batch
from src.inference.prediction import SCALES
from src.inference.result import Options
from tests.benchmarks.row import row, without_openmp

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"256x256": (256, 256), "2 megapixels": (1632, 1224), "12 megapixels": (4000, 3000)}
COUNTS, FULL_COUNT, MOST_ROUNDS = (60, 24, 8), 200, 2
SCENES = ("astronaut", "chelsea", "coffee", "rocket")
Figures = dict[str, float]


def folder_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    return _rows(COUNTS, min(rounds, MOST_ROUNDS), scratch / "folders")


def full_folder_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    return _rows((FULL_COUNT,) * len(KINDS), 1, scratch / "full folders")


def _rows(counts: tuple[int, ...], rounds: int, scratch: Path) -> list[dict[str, Any]]:
    rows = []
    for (kind, size), count in zip(KINDS.items(), counts, strict=True):
        folder = grey_photos(scratch / kind, size, count)
        pairs = [(measured("ours", folder), measured("reference", folder)) for _ in range(rounds)]
        rates = [[count / one["seconds"] for one in column] for column in zip(*pairs, strict=True)]
        cpu = [
            statistics.median(one["cpu"] / count for one in column)
            for column in zip(*pairs, strict=True)
        ]
        own, reference = (statistics.median(column) for column in rates)
        said = f"{count} photos: {own:.1f} and {reference:.1f} photos/s, {cpu[0]:.2f} and "
        said += f"{cpu[1]:.2f} processor seconds a photo"
        ratios = [a / b for a, b in zip(*rates, strict=True)]
        rows.append(row(f"colorize a folder, {kind} / plain loop", ratios, "at least 5", said))
    return rows


def grey_photos(folder: Path, size: tuple[int, int], count: int) -> Path:
    """Cut scikit-image's photographs into grey JPEGs of one size, with the grain of a film."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        scene = getattr(skimage.data, SCENES[number % len(SCENES)])()
        at = 40 * number / count
        box = (at, at, scene.shape[1] - 40 + at, scene.shape[0] - 40 + at)
        grey = np.asarray(Image.fromarray(scene).convert("L").resize(size, box=box))
        grain = random.integers(-3, 4, grey.shape, dtype=np.int16)
        seen = Image.fromarray((grey + grain).clip(0, 255).astype(np.uint8)).convert("RGB")
        seen.save(folder / f"{number:03}.jpg", quality=92)
    return folder


def measured(way: str, folder: Path) -> Figures:
    """Colour a folder in a process of its own; loading the network is left out."""
    command = [sys.executable, "-m", "tests.benchmarks.folder_rows", way, str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=without_openmp(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(way: str, folder: Path) -> None:
    out = folder.with_name(f"{folder.name} {way}")
    if way == "ours":
        network = shipped.load()
        began, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(open(os.devnull, "w")):  # noqa: PTH123
            Batch(out, network, Options(), overwrite=True).run([folder])
    else:
        loaded = trained.load(shipped.PATH)
        loaded.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        out.mkdir(exist_ok=True)
        sizes = [round(scale * loaded.image_size) for scale in SCALES]
        began, cpu = time.perf_counter(), time.process_time()
        for path in sorted(folder.iterdir()):
            plainly(loaded.network, sizes, path, out / path.name)
    used = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(used))


@torch.inference_mode()
def plainly(network: torch.nn.Module, sizes: list[int], source: Path, target: Path) -> None:
    """Colour a photo from six views as a tutorial would, at the command's JPEG quality."""
    with Image.open(source) as file:
        photo = file.convert("RGB")
    L = rgb2lab(np.asarray(photo))[..., :1]
    each = []
    for size in sizes:
        scale = size / min(photo.size)
        small = photo.resize(
            (round(scale * photo.width), round(scale * photo.height)), Image.Resampling.BICUBIC
        )
        seen = torch.from_numpy(rgb2lab(np.asarray(small))[..., 0]).float()[None, None] / 50 - 1
        views = network(seen), network(seen.flip(-1)).flip(-1)
        each += [F.interpolate(one, L.shape[:2], mode="bilinear") for one in views]
    ab = torch.stack(each).mean(dim=0)[0].permute(1, 2, 0).numpy() * 110
    rgb = lab2rgb(np.concatenate([L, ab], axis=2))
    Image.fromarray((rgb * 255).round().astype(np.uint8)).save(target, quality=99, subsampling=0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
