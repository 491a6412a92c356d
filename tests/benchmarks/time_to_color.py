"""Minutes from the command until held-out colours are 10 % better than the constant's.

python -m tests.benchmarks.time_to_color data.root=DIR [systems=cnn,unet] [OVERRIDE ...]

What was measured before stays in outputs/bench/time_to_color.json, and in table and plot.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from src import errors
from src.errors import UserError, require_one_of
from tests.benchmarks.row import without_openmp

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "outputs" / "bench"
SYSTEMS = ("lite0_unet", "cnn", "unet", "unet_gan")
GOAL = 0.9  # of the constant's val/ab_mae
AT_MOST = "00:02:00:00"  # days, hours, minutes, seconds
SETTINGS = (
    *("data=folder", "data.pack=true", "data.epoch_crops=800", "logger=csv", "trainer=cpu"),
    *("trainer.max_epochs=300", f"trainer.max_time={AT_MOST}", "model.decay_share=0"),
    *("data.image_size=96", "trainer.limit_val_batches=16", "trainer.limit_test_batches=1"),
)
# What the encoder knows of ImageNet need not change for so little: 1.0 minutes instead of 1.5.
BEST = {"lite0_unet": ("model.generator.frozen_blocks=16",)}
SAID = "stopwatch:"
Curve = list[tuple[float, float]]


class Stopwatch(Callback):
    """Says after each validation how long it took, and ends the training at the goal.

    Args: began: when the command did, in seconds of the Unix epoch.
    """

    def __init__(self, began: float) -> None:
        self.began = began

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        seen = trainer.callback_metrics
        share = float(seen["val/ab_mae"] / seen["val/ab_mae_constant"])
        print(f"{SAID} {(time.time() - self.began) / 60:.3f} {share:.4f}", flush=True)
        if share <= GOAL:
            trainer.should_stop = True


def main(arguments: list[str]) -> None:
    given = [one for one in arguments if one.startswith("systems=")]
    systems = given[0].removeprefix("systems=").split(",") if given else SYSTEMS
    for system in systems:
        require_one_of("systems", system, SYSTEMS)
    typed = [one for one in arguments if one not in given]
    OUT.mkdir(parents=True, exist_ok=True)
    kept = OUT / "time_to_color.json"
    curves: dict[str, Curve] = json.loads(kept.read_text()) if kept.is_file() else {}
    for system in systems:
        curves[system] = trained(system, typed)
        kept.write_text(json.dumps(curves))
    (OUT / "time_to_color.md").write_text(table(curves) + "\n")
    draw(curves, OUT / "time_to_color.png")
    print(f"{table(curves)}\n\nWritten to {OUT}")


def trained(system: str, typed: list[str]) -> Curve:
    """Train until it is good enough. Returns: minutes, and val/ab_mae over the constant's."""
    print(f"measuring: {system} ...", flush=True)
    watch = "+callbacks.stopwatch"
    command = [
        *(sys.executable, "-m", "src.train", f"model={system}", *SETTINGS),
        *(*BEST.get(system, ()), *typed),
        f"{watch}._target_=tests.benchmarks.time_to_color.Stopwatch",
        f"{watch}.began={time.time()}",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=without_openmp(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(SAID)]
    return [(float(minutes), float(share)) for _, minutes, share in lines]


def table(curves: dict[str, Curve]) -> str:
    lines = [
        "| system | minutes until 10 % under the constant | best share | after |",
        "| --- " * 4 + "|",
    ]
    for system, curve in curves.items():
        there = [minutes for minutes, share in curve if share <= GOAL]
        best, last = min(share for _, share in curve), curve[-1][0]
        said = f"{there[0]:.1f}" if there else "not reached"
        lines.append(f"| `{system}` | {said} | {best:.3f} | {last:.1f} minutes |")
    return "\n".join(lines)


def draw(curves: dict[str, Curve], path: Path) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for system, curve in curves.items():
        axis.plot(*zip(*curve, strict=True), marker=".", label=system)
    axis.axhline(GOAL, color="grey", linestyle=":")
    axis.set(
        xscale="log", xlabel="minutes from the command", ylabel="val/ab_mae over the constant's"
    )
    axis.legend()
    figure.savefig(path)


if __name__ == "__main__":
    with errors.ending_for_people():
        main(sys.argv[1:])
