"""Going through the pictures once, with every contestant, and keeping only rows and sums."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from torch.utils.data import DataLoader

from src import metrics, pace
from src.errors import UserError
from src.evaluation.contestants import Contestant
from src.evaluation.examples import Example, Examples
from src.evaluation.pretrained import Distance, Features
from src.inference.painting import Painted
from src.metrics import LabPicture, half_colorfulness
from src.metrics.frechet import Gaussian
from src.metrics.regions import Regions
from src.threads import side_by_side

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
        curves: of each colouriser, what `metrics.half_colorfulness.curve` has of each picture, in
            one row.
        regions: sums by hue and lightness of each colouriser.
        gaussians: of each feature network, those of the truth (under "") and each colouriser.
        left_out: pictures that could not be judged, and why; grey: those without colours.
        sha256: of the names and contents of the judged files.
    """

    pictures: list[str] = field(default_factory=list)
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    truth: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TRUE})
    curves: dict[str, list[Float[ndarray, " columns"]]] = field(default_factory=dict)
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
    curve: Float[ndarray, " columns"] | None = None


@dataclass(frozen=True)
class Judge:
    """Judges pictures one by one.

    Attributes:
        contestants: by name.
        features: networks between whose features Frechet distances are taken.
        distances: figures of pairs of pictures beyond src.metrics.
    """

    contestants: Mapping[str, Contestant]
    features: Mapping[str, Features]
    distances: Mapping[str, Distance]
    device: torch.device

    def judge(self, examples: Examples, num_workers: int) -> Judged:
        judged = Judged()
        for name in self.contestants:
            judged.figures[name], judged.regions[name] = {}, Regions()
        for name in self.features:
            judged.gaussians[name] = {who: Gaussian() for who in ("", *self.contestants)}
        digest = hashlib.sha256()
        measured = side_by_side(self._measure, read(examples, num_workers))
        for example, fault, found in pace.each(measured, "judging", len(examples), "pictures"):
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

    def painted(self, example: Example) -> dict[str, Painted]:
        """Return what each contestant makes of it. Raises: UserError: if it is left out."""
        return {name: contestant(example) for name, contestant in self.contestants.items()}

    def seen(self, samples: UInt8[ndarray, "h w 3"]) -> LabPicture:
        """Return a picture as figures take it, from the pixels that a file would hold."""
        rgb = torch.from_numpy(samples).permute(2, 0, 1)[None].to(self.device)
        return LabPicture.of_rgb(rgb.contiguous() / 255)

    @torch.inference_mode()
    def _measure(self, example: Example) -> tuple[Example, str, dict[str, Measured]]:
        """Measure every colouring, and the truth under ""; or say why that cannot be."""
        try:
            truth, painted = self.seen(example.samples), self.painted(example)
            true = {name: TRUE[name](truth.rgb).item() for name in TRUE}
            found = {"": Measured(true, self._features(truth), Regions())}
            for name, picture in painted.items():
                coloring = self.seen(picture.samples)
                difference = metrics.color_difference(coloring, truth)
                own = metrics.figures(coloring, truth, difference)
                own |= {figure: d(coloring.rgb, truth.rgb) for figure, d in self.distances.items()}
                regions = Regions()
                regions.add(coloring.lab, truth.lab, difference)
                figures = {figure: value.item() for figure, value in own.items()}
                figures["clipped"] = picture.clipped  # which the painted pixels no longer show
                curve = half_colorfulness.curve(coloring, truth)
                row = torch.cat([one.flatten() for one in curve]).double().cpu().numpy()
                found[name] = Measured(figures, self._features(coloring), regions, row)
        except UserError as error:
            return example, str(error), {}
        return example, "", found

    def _features(self, coloring: LabPicture) -> dict[str, Tensor]:
        return {space: features(coloring.rgb) for space, features in self.features.items()}


def _add(example: Example, found: Mapping[str, Measured], judged: Judged) -> None:
    judged.pictures.append(example.name)
    for name, own in found.items():
        rows = judged.figures[name] if name else judged.truth
        for figure, value in own.figures.items():
            rows.setdefault(figure, []).append(value)
        if own.curve is not None:
            judged.regions[name].join(own.regions)
            judged.curves.setdefault(name, []).append(own.curve)
        for space, features in own.features.items():
            judged.gaussians[space][name].add(features)


def read(examples: Examples, num_workers: int) -> Iterator[Example]:
    """Yield the examples in order, read by so many processes besides this one."""
    workers = min(num_workers, len(examples))
    return iter(DataLoader(examples, batch_size=None, num_workers=workers))
