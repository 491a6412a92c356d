"""How much hints help: colours of the truth at random places, and what becomes of the rest."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from skimage.segmentation import slic

from src import color, files, metrics, pace
from src.colorizers.colorizer import Colorizer
from src.colorizers.correction import Correction
from src.colorizers.scene import Scene
from src.evaluation.examples import Example, Examples
from src.evaluation.judge import Judge, read
from src.inference.hints import RADIUS, Strokes
from src.inference.painting import paint
from src.inference.prediction import predict
from src.metrics import bootstrap
from src.metrics.bootstrap import Interval
from src.threads import side_by_side

SUPERPIXELS, COMPACTNESS = 400, 10.0
MOST = 200  # hints, for which so many superpixels have room
TRUTH = "the truth"
FIGURES = ("psnr", "delta_e2000")
Figures = dict[str, dict[int, dict[str, Interval]]]  # of each colouriser, by number of hints


@dataclass
class Hinted:
    """What became of pictures. Attributes: values: by colouriser, number of hints and figure."""

    pictures: list[str] = field(default_factory=list)
    values: dict[str, dict[int, dict[str, list[float]]]] = field(default_factory=dict)

    def totals(self) -> Figures:
        """Return the means over pictures, with their intervals."""
        return {
            name: {
                count: dict(zip(own, bootstrap.means(np.array([*own.values()]).T), strict=True))
                for count, own in by_count.items()
            }
            for name, by_count in self.values.items()
        }

    def write(self, path: Path) -> None:
        """Write a row for each picture, colouriser and number of hints."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["picture", "colorizer", "hints", *FIGURES])
        for i, picture in enumerate(self.pictures):
            for name, by_count in self.values.items():
                for count, own in by_count.items():
                    writer.writerow([picture, name, count, *(f"{own[f][i]:.6g}" for f in FIGURES)])
        files.write_text(path, text.getvalue())


def judge_hinted(
    colorizers: Mapping[str, Colorizer],
    counts: Sequence[int],
    examples: Examples,
    judge: Judge,
    num_workers: int,
) -> Hinted:
    """Colour every judged picture with so many hints each."""

    @torch.inference_mode()
    def measure(example: Example) -> tuple[str, dict[str, list[dict[str, float]]]]:
        if example.fault:
            return "", {}
        truth = judge.seen(example.samples)
        strokes = drawn(example.samples, counts)
        found: dict[str, list[dict[str, float]]] = {}
        for name, colorizer in colorizers.items():
            found[name] = []
            for painted in _painted(example.samples, colorizer, strokes):
                coloring = judge.seen(painted)
                difference = metrics.color_difference(coloring, truth)
                psnr = metrics.psnr(coloring.rgb, truth.rgb).item()
                found[name].append({"psnr": psnr, "delta_e2000": difference.mean().item()})
        return example.name, found

    hinted = Hinted()
    hinted.values = {
        name: {count: {figure: [] for figure in FIGURES} for count in counts} for name in colorizers
    }
    measured = side_by_side(measure, read(examples, num_workers))
    for picture, found in pace.each(measured, "judging hints", len(examples), "pictures"):
        if picture:
            hinted.pictures.append(picture)
        for name, rows in found.items():
            for count, row in zip(counts, rows, strict=True):
                for figure, value in row.items():
                    hinted.values[name][count][figure].append(value)
    return hinted


def drawn(samples: UInt8[ndarray, "h w 3"], counts: Sequence[int]) -> list[Strokes]:
    """Draw so many hints each from the truth; fewer are the first ones of more.

    A random pixel tells the mean Lab of its superpixel, which is painted on the pixels of that
    superpixel within a hundredth of the picture's short side; pixels whose superpixel has told its
    own already are passed over. Superpixels are SLIC's (Achanta et al. 2012), and the order is
    seeded by the picture's content.
    """
    height, width = samples.shape[:2]
    parts = slic(samples, SUPERPIXELS, COMPACTNESS, start_label=0)
    seed = int.from_bytes(hashlib.sha256(samples.tobytes()).digest()[:8])
    order = np.random.default_rng(seed).permutation(height * width)
    _, first = np.unique(parts.ravel()[order], return_index=True)
    radius = max(1, int(RADIUS * min(height, width)))
    rgb, mask, centers = np.zeros_like(samples), np.zeros((height, width), bool), []
    found = {0: Strokes(rgb, mask, TRUTH)}
    for count, place in enumerate(order[np.sort(first)[: max(counts)]], start=1):
        y, x = divmod(int(place), width)
        part = parts[y, x]
        around = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        own = parts[around] == part
        rgb, mask = rgb.copy(), mask.copy()
        mask[around] |= own
        rgb[around][own] = _mean(samples[parts == part])
        centers.append((y, x))
        found[count] = Strokes(rgb, mask, TRUTH, [*centers])
    return [found[min(count, len(centers))] for count in counts]


def _mean(pixels: UInt8[ndarray, "n 3"]) -> UInt8[ndarray, "3"]:
    L, ab = color.uint8_to_L_ab(torch.from_numpy(pixels.T.copy())[None, :, None])
    means = (one.mean(dim=3, keepdim=True) for one in (L, ab))
    return color.L_ab_to_uint8(*means)[0, :, 0, 0].numpy()


def _painted(
    samples: UInt8[ndarray, "h w 3"], colorizer: Colorizer, strokes: Sequence[Strokes]
) -> list[UInt8[ndarray, "h w 3"]]:
    """Colour a picture as src.colorize does, once for each of the hints."""
    found = []
    prediction = correction = scene = None
    for own in strokes:
        if prediction is None or colorizer.takes_hints:
            prediction = predict(samples, colorizer, strokes=own)
            scene = scene or Scene(prediction.L)
            correction = Correction(scene, prediction.ab, told=prediction.told)
        hinted = prediction.corrected(own, correction) if own.mask.any() else prediction
        found.append(paint(samples, hinted).samples)
    return found
