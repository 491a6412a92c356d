"""Whoever is judged: a callable that paints an example.

Colourisers are shown nothing but lightness; `oracle_constant` sees the truth and says so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from src import color
from src.colorizers import registry
from src.colorizers.colorizer import Colorizer
from src.colorizers.constants import Constant
from src.errors import UserError
from src.evaluation.examples import Example, as_samples
from src.inference.painting import Painted, paint
from src.inference.prediction import predict

Contestant = Callable[[Example], Painted]
ZERO, CONSTANT, ORACLE = "zero", "constant", "oracle_constant"
SAID = {
    ZERO: "ab = 0: grey",
    CONSTANT: "the training set's mean ab",
    ORACLE: "each picture's own mean ab: a bound that no one can reach blindly",
}
SAME = 0.05  # Lab units within which two training sets have the same mean ab


def blind(colorizer: Colorizer) -> Contestant:
    """Paint as src.colorize does, from lightness only."""
    return lambda example: paint(example.samples, predict(example.samples, colorizer))


def following(colorizer: Colorizer) -> Contestant:
    """Paint as src.colorize does with a reference, from lightness and that."""

    def painted(example: Example) -> Painted:
        prediction = predict(example.samples, colorizer, reference=example.reference)
        return paint(example.samples, prediction)

    return painted


def oracle_constant(example: Example) -> Painted:
    _, ab = color.uint8_to_L_ab(torch.from_numpy(example.samples).permute(2, 0, 1)[None])
    return blind(Constant(ORACLE, ab.mean(dim=(0, 2, 3))))(example)


@dataclass(frozen=True)
class OtherProgram:
    """What a program made, with the lightness that it gave it. Attributes: name: of the program."""

    name: str

    def __call__(self, example: Example) -> Painted:
        return Painted(as_samples(example.predictions[self.name]), clipped=0.0)


def references(models: Mapping[str, Colorizer]) -> dict[str, Contestant]:
    """Return the contestants that need no network, by name.

    `constant` is of the first model, or else of the network that ships; another model whose
    training set has another mean adds its own, as `constant of NAME`.
    """
    found = {ZERO: blind(registry.load(ZERO, None))}
    known: list[Tensor] = []
    for name, model in (models or {"": registry.from_file(None)}).items():
        ab = model.mean_ab
        if ab is not None and all((ab - one).abs().max() * color.AB_RANGE > SAME for one in known):
            found[f"{CONSTANT} of {name}" if known else CONSTANT] = blind(Constant(CONSTANT, ab))
            known.append(ab)
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
        taken = {*found, *registry.METHODS, ORACLE}
        while "/".join(parts[-count:]) in taken and count < len(parts):
            count += 1
        name, number = "/".join(parts[-count:]), 2
        while name in taken:
            name, number = f"{'/'.join(parts[-count:])} ({number})", number + 1
        found.append(name)
    return found


def load(paths: Sequence[Path]) -> tuple[dict[Path, Colorizer], list[str]]:
    """Load checkpoints and exported files.

    Returns: those that can be used, and what is wrong with the others.
    """
    loaded, faults = {}, []
    for path in paths:
        try:
            loaded[path] = registry.from_file(path)
        except (OSError, UserError) as error:
            said = str(error)
            faults.append(said if str(path) in said else f"{path}: {said}")
    return loaded, faults
