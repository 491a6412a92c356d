"""How fast colourings are judged, and what memory it takes."""

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from src import metrics
from src.colorizers.constants import Constant
from src.data.crops import Picture
from src.evaluation import contestants
from src.evaluation.examples import Examples
from src.evaluation.judge import Judge
from tests.benchmarks.row import row

SIDE, PICTURES = 256, 20


def evaluation_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    examples = Examples(squares(scratch, PICTURES), "stretch256", {}, None)
    return [difference_row(rounds), judging_row(rounds, examples), memory_row(examples)]


def squares(folder: Path, count: int) -> list[Picture]:
    """Make so many different photographs of 256x256 pixels."""
    pictures = []
    scenes = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    for i in range(count):
        scene = scenes[i % len(scenes)]
        y, x = (7 * i) % (scene.shape[0] - SIDE), (11 * i) % (scene.shape[1] - SIDE)
        path = folder / f"judged{i}.png"
        Image.fromarray(scene[y : y + SIDE, x : x + SIDE]).save(path)
        pictures.append(Picture(path, path.name))
    return pictures


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def difference_row(rounds: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    one, other = (rgb2lab(random.random((SIDE, SIDE, 3))) for _ in range(2))
    pair = [
        torch.from_numpy(lab).permute(2, 0, 1)[None].float().contiguous() for lab in (one, other)
    ]
    apart = np.abs(metrics.delta_e2000(*pair)[0].numpy() - deltaE_ciede2000(one, other)).max()
    assert apart < 1e-3, f"CIEDE2000 is {apart} off skimage's"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as Judge does
    times = [
        (seconds(lambda: deltaE_ciede2000(one, other)), seconds(lambda: metrics.delta_e2000(*pair)))
        for _ in range(5 * rounds)
    ]
    torch.set_num_threads(threads)
    theirs, ours = (1000 * float(np.median(column)) for column in zip(*times, strict=True))
    said = f"skimage {theirs:.1f} ms, ours {ours:.1f} ms a picture; at most {apart:.0e} apart"
    ratios = [a / b for a, b in times]
    return row("CIEDE2000, skimage / ours, 256x256", ratios, "at least 5", said)


def judge_of_constants() -> Judge:
    """A colouriser in place of a network, and the three references."""
    tints = {"model": 0.1, contestants.CONSTANT: 0.06, contestants.ZERO: 0.0}
    of: dict[str, contestants.Contestant] = {
        name: contestants.blind(Constant(name, torch.tensor([0.02, b])))
        for name, b in tints.items()
    }
    return Judge(
        of | {contestants.ORACLE: contestants.oracle_constant}, {}, {}, torch.device("cpu")
    )


def judging_row(rounds: int, examples: Examples) -> dict[str, Any]:
    judge = judge_of_constants()
    judge.judge(examples, 0)  # warms up
    rates = [PICTURES / seconds(lambda: judge.judge(examples, 0)) for _ in range(rounds)]
    said = f"{np.median(rates):.1f} pictures/s, each coloured four times"
    return row("judging 256x256, pictures/s", rates, "at least 10", said)


def memory_row(examples: Examples) -> dict[str, Any]:
    """Judge as many pictures again, and again: what they leave in memory would add up."""
    judge = judge_of_constants()
    first, more = (Examples([*examples.pictures] * n, "stretch256", {}, None) for n in (5, 10))
    judge.judge(first, 0)
    before = kept()
    judge.judge(more, 0)
    after = kept()
    said = f"{before / 1e6:.0f} and {after / 1e6:.0f} MB"
    name = f"memory kept after judging {len(first) + len(more)} / {len(first)} pictures"
    return row(name, [after / before], "at most 1.05", said)


def kept() -> int:
    """Bytes of this process in memory, less what is freed and its allocator holds back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # of glibc
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])
