"""Going through the pictures once, with every colouriser, and keeping rows and sums alone."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from src import color, metrics
from src.errors import UserError
from src.evaluation.contestants import Colorer
from src.evaluation.examples import Example, Examples
from src.evaluation.pretrained import Distance, Features
from src.inference.threads import side_by_side
from src.metrics import Coloring
from src.metrics.frechet import Gaussian
from src.metrics.regions import Regions

# Figures that the truth has, too.
TRUE = {
    "colorfulness": metrics.colorfulness,
    "absolute_colorfulness": metrics.absolute_colorfulness,
}


@dataclass
class Judged:
    """What became of the pictures.

    Attributes:
        pictures: names of those that were judged.
        figures: of each colouriser and figure, the pictures' values.
        truth: colourfulness of the true pictures, by formula.
        regions: sums by hue and lightness of each colouriser.
        gaussians: of each feature network, those of the truth (under "") and each colouriser.
        left_out: pictures that could not be judged, and why; grey: those without colours.
        sha256: of the names and contents of the judged files.
    """

    pictures: list[str] = field(default_factory=list)
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    truth: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TRUE})
    regions: dict[str, Regions] = field(default_factory=dict)
    gaussians: dict[str, dict[str, Gaussian]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    grey: dict[str, str] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True)
class Measured:
    """What one colouring of one picture adds: figures, features by network, sums by colour."""

    figures: dict[str, float]
    features: dict[str, Tensor]
    regions: Regions


@dataclass(frozen=True)
class Judge:
    """Judges pictures one by one.

    Attributes:
        colorers: by name.
        features: networks between whose features Frechet distances are taken.
        distances: figures of pairs of pictures beyond src.metrics.
    """

    colorers: Mapping[str, Colorer]
    features: Mapping[str, Features]
    distances: Mapping[str, Distance]
    device: torch.device

    def judge(self, examples: Examples, num_workers: int) -> Judged:
        judged = Judged()
        for name in self.colorers:
            judged.figures[name], judged.regions[name] = {}, Regions()
        for name in self.features:
            judged.gaussians[name] = {who: Gaussian() for who in ("", *self.colorers)}
        digest = hashlib.sha256()
        measured = side_by_side(self._measure, read(examples, num_workers))
        bar = tqdm(measured, "judging", len(examples), unit=" pictures", disable=None)
        for example, fault, found in bar:
            if example.is_grey:
                judged.grey[example.name] = example.fault
            elif fault:
                judged.left_out[example.name] = fault
            else:
                _add(example, found, judged)
                line = f"{example.name}\0{example.sha256}\n"
                digest.update(line.encode(errors="backslashreplace"))
        judged.sha256 = digest.hexdigest()
        return judged

    def colorings(self, example: Example) -> tuple[Coloring, dict[str, Coloring]]:
        """Return the truth, and every colouring of it. Raises: UserError: if there is none."""
        if example.rgb is None:
            raise UserError(example.fault)
        truth = Coloring(*color.uint8_to_L_ab(example.rgb[None].to(self.device)))
        return truth, {name: colorer(example, truth) for name, colorer in self.colorers.items()}

    @torch.inference_mode()
    def _measure(self, example: Example) -> tuple[Example, str, dict[str, Measured]]:
        """Measure every colouring, and the truth under ""; or say why that cannot be."""
        try:
            truth, colorings = self.colorings(example)
        except ValueError as error:
            return example, str(error), {}
        found = {"": Measured({name: TRUE[name](truth.rgb).item() for name in TRUE},
                              self._features(truth), Regions())}  # fmt: skip
        for name, coloring in colorings.items():
            difference = metrics.color_difference(coloring, truth)
            own = metrics.figures(coloring, truth, difference)
            own |= {figure: d(coloring.rgb, truth.rgb) for figure, d in self.distances.items()}
            regions = Regions()
            regions.add(coloring.lab, truth.lab, difference)
            figures = {figure: value.item() for figure, value in own.items()}
            found[name] = Measured(figures, self._features(coloring), regions)
        return example, "", found

    def _features(self, coloring: Coloring) -> dict[str, Tensor]:
        return {space: features(coloring.rgb) for space, features in self.features.items()}


def _add(example: Example, found: Mapping[str, Measured], judged: Judged) -> None:
    judged.pictures.append(example.name)
    for name, own in found.items():
        rows = judged.figures[name] if name else judged.truth
        for figure, value in own.figures.items():
            rows.setdefault(figure, []).append(value)
        if name:
            judged.regions[name].join(own.regions)
        for space, features in own.features.items():
            judged.gaussians[space][name].add(features)


def read(examples: Examples, num_workers: int) -> Iterator[Example]:
    """Yield the examples in order, read by so many processes besides this one."""
    workers = min(num_workers, len(examples))
    return iter(DataLoader(examples, batch_size=None, num_workers=workers))
