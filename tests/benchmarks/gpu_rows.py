"""Full-size unet_gan and a large photo on one GPU: make bench trainer=gpu, in five minutes."""

import os
import statistics
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from src import images
from src.colorizers import registry
from src.data.folder import FolderData
from src.inference import result
from src.training.experiment import quieten
from tests.benchmarks.colorize_rows import MEGAPIXELS, make_photo
from tests.benchmarks.folder_rows import grey_photos
from tests.benchmarks.row import row
from tests.benchmarks.step_rows import Alternating, SameBatch, clock, composed, fit, loop, noise

SIZE, BATCH, STEPS, WARM_UP = 256, 32, 20, 5
MATRIX = 8192
TRAINER = "trainer=gpu"
# What the settings are worth: the other three ways to compile, or not, and to lay tensors out.
WITHOUT = {
    "not compiled": ["model.compile=false"],
    "not channels_last": ["model.channels_last=false"],
    "neither": ["model.compile=false", "model.channels_last=false"],
}
LOADER_BOUND = 0.95  # of the rate without loading


def gpu_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    config = configured()
    device = torch.device("cuda" if config.trainer.accelerator == "gpu" else "cpu")
    quieten()
    torch.manual_seed(0)
    L, ab = noise(BATCH, SIZE)
    autocast = config.trainer.precision == "bf16-mixed"
    bare = loop(instantiate(config.model), L.to(device), ab.to(device), autocast=autocast)
    matrices = torch.rand(2, MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    with FlopCounterMode(display=False) as counter:
        bare()
    own = Alternating({"bare": bare, "matrix": lambda: matrices[0] @ matrices[1]})
    same = SameBatch(L, ab, STEPS + WARM_UP)
    fit(config, same, own, scratch)
    steps = {name: times[WARM_UP:] for name, times in own.times.items()}
    rates = {"as they are": images_a_second(own)}
    for name, settings in WITHOUT.items():
        other = Alternating({})
        fit(configured(*settings), same, other, scratch)
        rates[name] = images_a_second(other)
    rates["bare loop"] = BATCH / statistics.median(steps["bare"])
    done = [counter.get_total_flops() / s for s in steps["trainer"]]
    peak = [2 * MATRIX**3 / s for s in steps["matrix"]]
    tera = f"{statistics.median(done) / 1e12:.3g} of {statistics.median(peak) / 1e12:.3g} TFLOP/s"
    return [
        row(
            f"unet_gan size=full, {SIZE}x{SIZE}, batch {BATCH}: trainer step / bare loop",
            [a / b for a, b in zip(steps["trainer"], steps["bare"], strict=True)],
            "at most 1.03",
            "images/s: " + ", ".join(f"{name} {rate:.4g}" for name, rate in rates.items()),
        ),
        row(
            "share of the card's bfloat16 rate",
            [a / b for a, b in zip(done, peak, strict=True)],
            None,
            tera,
        ),
        *([memory_row(config, same, scratch)] if device.type == "cuda" else []),
        loading_row(config, rates["as they are"], scratch),
        photo_row(device, rounds, scratch),
    ]


def configured(*settings: str) -> DictConfig:
    return composed("model=unet_gan", "size=full", f"data.image_size={SIZE}", TRAINER, *settings)


def images_a_second(steps: Alternating) -> float:
    return BATCH / statistics.median(steps.times["trainer"][WARM_UP:])


def memory_row(config: DictConfig, same: SameBatch, scratch: Path) -> dict[str, Any]:
    """Train alone: the bare loop's networks would count as well."""
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    fit(config, same, Alternating({}), scratch)
    peak = torch.cuda.max_memory_allocated() - before
    card = torch.cuda.get_device_properties(0).total_memory
    said = f"{peak / 1e9:.1f} of {card / 1e9:.0f} GB"
    return row("peak memory of training / the card's", [peak / card], "at most 1", said)


def loading_row(config: DictConfig, alone: float, scratch: Path) -> dict[str, Any]:
    """Train on JPEGs of 500x375 by the default's loading processes."""
    count = 2 * (STEPS + WARM_UP) * BATCH  # three fifths of which are training pictures
    data = FolderData(
        root=str(grey_photos(scratch / "loaded", (500, 375), count)),
        report_dir=str(scratch),
        index_dir=str(scratch / "loaded index"),
        image_size=SIZE,
        batch_size=BATCH,
    )
    steps = Alternating({})
    with redirect_stdout(None):
        fit(config, data, steps, scratch)
    ratios = [BATCH / s / alone for s in steps.times["trainer"][WARM_UP:]]
    bound = "" if statistics.median(ratios) < LOADER_BOUND else "not "
    said = f"{images_a_second(steps):.4g} images/s, {data.num_workers} processes of "
    said += f"{os.cpu_count()} cores: {bound}bound by loading"
    return row("training from JPEGs of 500x375 / from memory", ratios, None, said)


def photo_row(device: torch.device, rounds: int, scratch: Path) -> dict[str, Any]:
    colorizer = registry.from_file(None)
    colorizer.to(device)
    photo = images.Photo(make_photo(scratch / "24.jpg", MEGAPIXELS[24]))
    times = []
    for _ in range(min(rounds, 5) + 1):
        began = clock()
        result.colorize_file(photo, scratch / "coloured.jpg", colorizer, result.Options(), None)
        times.append(time.perf_counter() - began)
    said = f"{statistics.median(times[1:]):.2f} s, as shipped, with its six views"
    name = "colouring 24 megapixels, warm, network on the card: seconds / 3"
    return row(name, [one / 3 for one in times[1:]], "at most 1", said)
