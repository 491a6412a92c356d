"""Going through the pictures once, with every colouriser, and keeping rows and sums alone."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from src import color, metrics
from src.evaluation.colorers import Colorer
from src.evaluation.pictures import Example, Examples
from src.evaluation.pretrained import Distance, Features
from src.metrics import Coloring
from src.metrics.frechet import Gaussian
from src.metrics.regions import Regions

TRUE = ("colorfulness", "absolute_colorfulness")  # figures that the truth has, too


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

    @torch.inference_mode()
    def judge(self, examples: Examples, num_workers: int) -> Judged:
        judged = Judged()
        for name in self.colorers:
            judged.figures[name], judged.regions[name] = {}, Regions()
        for name in self.features:
            judged.gaussians[name] = {who: Gaussian() for who in ("", *self.colorers)}
        digest = hashlib.sha256()
        bar = tqdm(read(examples, num_workers), "judging", len(examples), unit=" pictures",
                   disable=None)  # fmt: skip
        for example in bar:
            if example.is_grey:
                judged.grey[example.name] = example.fault
                continue
            try:
                self._add(example, judged)
            except ValueError as error:
                judged.left_out[example.name] = str(error)
                continue
            digest.update(f"{example.name}\0{example.sha256}\n".encode(errors="backslashreplace"))
        judged.sha256 = digest.hexdigest()
        return judged

    def colorings(self, example: Example) -> tuple[Coloring, dict[str, Coloring]]:
        """Return the truth, and every colouring of it. Raises: ValueError: if there is none."""
        if example.rgb is None:
            raise ValueError(example.fault)
        truth = Coloring(*color.uint8_to_L_ab(example.rgb[None].to(self.device)))
        return truth, {name: colorer(example, truth) for name, colorer in self.colorers.items()}

    def _add(self, example: Example, judged: Judged) -> None:
        truth, colorings = self.colorings(example)
        judged.pictures.append(example.name)
        judged.truth["colorfulness"].append(metrics.colorfulness(truth.rgb).item())
        judged.truth["absolute_colorfulness"].append(
            metrics.absolute_colorfulness(truth.rgb).item()
        )
        for space, features in self.features.items():
            judged.gaussians[space][""].add(features(truth.rgb))
        for name, coloring in colorings.items():
            difference = metrics.color_difference(coloring, truth)
            own = metrics.figures(coloring, truth, difference)
            own |= {figure: d(coloring.rgb, truth.rgb) for figure, d in self.distances.items()}
            for figure, value in own.items():
                judged.figures[name].setdefault(figure, []).append(value.item())
            judged.regions[name].add(coloring.lab, truth.lab, difference)
            for space, features in self.features.items():
                judged.gaussians[space][name].add(features(coloring.rgb))


def read(examples: Examples, num_workers: int) -> Iterator[Example]:
    """Yield the examples in order, read by so many processes besides this one."""
    workers = min(num_workers, len(examples))
    return iter(DataLoader(examples, batch_size=None, num_workers=workers))
