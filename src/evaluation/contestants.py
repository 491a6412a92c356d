"""Every colouriser that is judged is one callable: a picture's truth -> its colouring.

Networks and constants are given nothing of it but L; `oracle_constant` cheats and says so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from src import color
from src.colorizers.checkpoint import TrainedGenerator
from src.errors import UserError
from src.evaluation.examples import Example
from src.inference.painting import predict_ab
from src.inference.result import load_generator
from src.metrics import Coloring

Colorer = Callable[[Example, Coloring], Coloring]
ZERO, CONSTANT, ORACLE = "zero", "constant", "oracle_constant"
SAID = {
    ZERO: "ab = 0: grey",
    CONSTANT: "the training set's mean ab",
    ORACLE: "each picture's own mean ab: a bound that no one can reach blindly",
}
SAME = 0.05  # Lab units within which two training sets have the same mean ab


@dataclass(frozen=True)
class Blind:
    """A colouriser that sees L alone. Attributes: predict: L -> ab, in a network's scale."""

    predict: Callable[[Tensor], Tensor]

    def __call__(self, example: Example, truth: Coloring) -> Coloring:
        ab = self.predict(truth.L)
        if not ab.isfinite().all():
            raise UserError("the colouring is not finite")
        return Coloring(truth.L, ab)


def network(trained: TrainedGenerator) -> Blind:
    return Blind(lambda L: predict_ab(L, trained.network, trained.image_size))


def constant(ab: Float[Tensor, "2"]) -> Blind:
    return Blind(lambda L: ab.to(L.device).view(1, 2, 1, 1).expand(-1, -1, *L.shape[2:]))


def oracle_constant(_: Example, truth: Coloring) -> Coloring:
    return Coloring(truth.L, truth.ab.mean(dim=(2, 3), keepdim=True).expand_as(truth.ab))


@dataclass(frozen=True)
class Prediction:
    """What another program made, with the lightness that it gave it."""

    program: str

    def __call__(self, example: Example, truth: Coloring) -> Coloring:
        rgb = example.predictions[self.program].to(truth.L.device)
        return Coloring(*color.uint8_to_L_ab(rgb[None]))


def references(trained: Mapping[str, TrainedGenerator]) -> dict[str, Colorer]:
    """Return the colourisers that need no network, by name.

    `constant` is of the first checkpoint; another checkpoint whose training set has another mean
    adds its own, as `constant of NAME`. Without checkpoints there is none.
    """
    found: dict[str, Colorer] = {ZERO: constant(torch.zeros(2))}
    known: list[Tensor] = []
    for name, own in trained.items():
        differs = all((own.mean_ab - ab).abs().max() * color.AB_RANGE > SAME for ab in known)
        if differs:
            found[f"{CONSTANT} of {name}" if known else CONSTANT] = constant(own.mean_ab)
            known.append(own.mean_ab)
    return found | {ORACLE: oracle_constant}


def names(paths: Sequence[Path]) -> list[str]:
    """Name checkpoints and folders of predictions by what tells them apart, briefly.

    RUN/checkpoints/best.ckpt is RUN, and a run that is named by its date has its model before it.
    """
    found: list[str] = []
    for path in paths:
        parts = [part for part in path.absolute().parts[1:] if part != "checkpoints"]
        if path.suffix == ".ckpt":
            parts[-1] = parts[-1].removesuffix(".ckpt")
            if parts[-1] == "best" and len(parts) > 1:
                parts.pop()
        count = 2 if parts[-1] == "last" or re.match(r"\d{4}-\d\d-\d\d", parts[-1]) else 1
        taken = {*found, ZERO, CONSTANT, ORACLE}
        while "/".join(parts[-count:]) in taken and count < len(parts):
            count += 1
        name, number = "/".join(parts[-count:]), 2
        while name in taken:
            name, number = f"{'/'.join(parts[-count:])} ({number})", number + 1
        found.append(name)
    return found


def load(paths: Sequence[Path]) -> tuple[dict[Path, TrainedGenerator], list[str]]:
    """Load checkpoints and exported files.

    Returns: those that can be used, and what is wrong with the others.
    """
    trained, faults = {}, []
    for path in paths:
        try:
            trained[path] = load_generator(path)
        except (OSError, ValueError) as error:
            said = str(error)
            faults.append(said if str(path) in said else f"{path}: {said}")
    return trained, faults
