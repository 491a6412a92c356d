"""One evaluation from its configuration to its folder."""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor

from src import color, files
from src.colorizers import registry, shipped
from src.colorizers.colorizer import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, VIEWS, Colorizer
from src.commands.command import workers
from src.data.crops import Picture
from src.errors import UserError, require, require_number, require_one_of, require_whole
from src.evaluation import contestants, examples, followings, matching, pretrained, report, results
from src.evaluation.guesses import judge_guesses
from src.evaluation.held_out import HeldOut, held_out
from src.evaluation.hinted import MOST, Hinted, judge_hinted
from src.evaluation.judge import Judge, Judged
from src.evaluation.protocols import PREDICTED, PROTOCOLS
from src.images.grey import Rules
from src.metrics import frechet
from src.metrics.bootstrap import Interval

PAGE, FIGURES, ROWS, LEFT_OUT = "report.html", "metrics.json", "per_image.csv", "left_out.csv"
HINTED = "hints.csv"
LEVIN, ALONE = "scribbles", "zero (Levin alone)"  # what `zero` is once it is given hints
REFERENCES = "references.csv"
SUBSETS = ("test", "unseen", "all")
PACKAGES = ("colorization", "torch", "kornia", "numpy", "scipy", "pillow")


@dataclass(frozen=True)
class Verdict:
    """What an evaluation says, and what could not be used."""

    text: str
    faults: list[str]


@dataclass(frozen=True)
class Field:
    """What is judged, by name.

    Attributes:
        paths: of checkpoints and of folders of predictions.
        checkpoints: what is in those files.
        methods: colourisers that need none.
        followers: those that look at each picture's reference.
        predictions: other programs' pictures, by the judged pictures' names.
    """

    paths: dict[str, Path]
    checkpoints: dict[str, Colorizer]
    methods: dict[str, Colorizer]
    followers: dict[str, Colorizer]
    predictions: dict[str, dict[str, Path]]

    @property
    def models(self) -> list[str]:
        return [*self.checkpoints, *self.methods, *self.followers, *self.predictions]

    def contestants(self) -> dict[str, contestants.Contestant]:
        """Return them all, and the references beside them."""
        colorizers = {**self.checkpoints, **self.methods}
        found = {name: contestants.blind(own) for name, own in colorizers.items()}
        found |= {name: contestants.following(own) for name, own in self.followers.items()}
        found |= {name: contestants.OtherProgram(name) for name in self.predictions}
        return found | contestants.references(self.checkpoints)


def evaluate(config: DictConfig, folder: Path, typed: Sequence[str]) -> Verdict:
    """Judge, and leave metrics.json, per_image.csv and report.html in `folder`.

    Args: typed: the overrides, for the command that repeats it.
    Raises: UserError: if there is nothing to judge, or settings make no sense.
    """
    num_workers = workers(config)
    _require_sense(config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    everything = config.subset == "all"
    chosen = examples.choose(Path(str(config.data.root)).expanduser(), config.subset)
    field, faults = _field(config, chosen.pictures, device)
    guard = held_out(
        chosen, {name: field.paths[name] for name in field.checkpoints}, everything=everything
    )
    guard = guard.some(config.data.max_images)
    followed = followings.of(config.reference, guard.chosen, device)
    if followed:
        guard = guard.only(followed)
        followings.write(folder / REFERENCES, followed)
    chosen = guard.chosen
    features, distances, missing = pretrained.asked(config, device)
    faults += missing
    _tell(faults)
    limits = None if config.keep_grey else Rules(1, config.min_chroma_spread, config.one_hue)
    shown = examples.Examples(chosen.pictures, config.protocol, field.predictions, limits, followed)
    judge = Judge(field.contestants(), features, distances, device)
    judged = judge.judge(shown, num_workers)
    if judged.left_out or judged.grey:
        results.write_left_out(folder / LEFT_OUT, judged)
    bad = [f"{name}: {reason}" for name, reason in judged.left_out.items()]
    _tell(bad)
    if not judged.pictures:
        raise UserError(_nothing(judged, folder))
    found = results.totals(judged)
    good = {*judged.pictures}
    shown.pictures = [one for one in shown.pictures if one.name in good]
    hinted = _hinted(config, field, shown, judge, num_workers, folder)
    content = _content(config, typed, guard, field, judged, found)
    if config.uncertainty and field.checkpoints:
        content["uncertainty"] = judge_guesses(field.checkpoints, shown, num_workers)
        content["notes"] += [
            f"{name}: rank correlation of uncertainty and error "
            f"{results.said(own['within_pictures'], 2)} within pictures, "
            f"{results.said(own['over_pictures'], 2)} over pictures"
            for name, own in content["uncertainty"].items()
        ]
    content |= {"left_out": faults, "hints": {} if hinted is None else hinted.totals()}
    results.write_json(folder / FIGURES, content)
    results.write_rows(folder / ROWS, judged, chosen.classes)
    report.write(folder / PAGE, content, judged, judge, shown, field.paths)
    title = (
        f"{len(judged.pictures)} pictures ({chosen.said}), {config.protocol}; 95 % intervals "
        "over images"
    )
    text = results.table(found, field.models, title) + results.sets_table(content["sets"])
    text += results.hints_table(content["hints"])
    return Verdict("\n".join([text, *content["warnings"], *content["notes"]]), faults + bad)


def _hinted(
    config: DictConfig,
    field: Field,
    shown: examples.Examples,
    judge: Judge,
    num_workers: int,
    folder: Path,
) -> Hinted | None:
    counts = _counts(config.hints)
    if not counts:
        return None
    own = {name: one for name, one in field.methods.items() if one.takes_hints and name != LEVIN}
    colorizers = {**field.checkpoints, **own, ALONE: registry.load(LEVIN, None)}
    hinted = judge_hinted(colorizers, counts, shown, judge, num_workers)
    hinted.write(folder / HINTED)
    return hinted


def _counts(given: Any) -> list[int]:
    counts = [*given] if isinstance(given, ListConfig) else [] if given is None else [given]
    for count in counts:
        require_whole("hints", count, 0, MOST)
    return sorted(set(counts))


def _require_sense(config: DictConfig) -> None:
    _counts(config.hints)
    require_one_of("protocol", config.protocol, list(PROTOCOLS))
    require_one_of("subset", config.subset, SUBSETS)
    for name in ("keep_grey", "fid", "lpips", "uncertainty"):
        require(isinstance(config[name], bool), name, config[name], "true or false")
    for name in _list(config.methods):
        require_one_of("methods", name, list(registry.METHODS))
    if config.image_size is not None:
        require_whole("image_size", config.image_size, MIN_IMAGE_SIZE, MAX_IMAGE_SIZE)
    if config.views is not None:
        require_one_of("views", config.views, VIEWS)
    require_number("min_chroma_spread", config.min_chroma_spread, 0)
    require_number("one_hue", config.one_hue, 0, 1)


def _field(
    config: DictConfig, judged: Sequence[Picture], device: torch.device
) -> tuple[Field, list[str]]:
    asked = [Path(path).expanduser() for path in _list(config.checkpoints)]
    folders = [Path(path).expanduser() for path in _list(config.predictions)]
    methods = _list(config.methods)
    if not asked and not folders and (not methods or config.reference is not None):
        asked = [shipped.PATH]
    loaded, faults = contestants.load(asked)
    for colorizer in loaded.values():
        colorizer.image_size = config.image_size or colorizer.image_size
        colorizer.views = config.views or colorizer.views
    names = dict(zip([*loaded, *folders], contestants.names([*loaded, *folders]), strict=True))
    predictions = {}
    suffix = None if config.predictions_suffix is None else str(config.predictions_suffix)
    for folder in folders:
        try:
            predictions[names[folder]] = matching.matched(judged, folder, suffix)
        except UserError as error:
            faults.append(str(error))
    if not loaded and not predictions and not methods:
        raise UserError("; ".join(faults))
    first = next(iter(loaded), None)
    named = {names[path]: own.to(device) for path, own in loaded.items()}
    asked_methods = {name: registry.load(name, first).to(device) for name in methods}
    followers = {name: own for name, own in asked_methods.items() if own.takes_reference}
    if config.reference is not None:
        followers |= {f"{name} + reference": registry.following(own) for name, own in named.items()}
    elif followers:
        said = f"methods={next(iter(followers))}: expected reference=nearest, or a CSV of pairs"
        raise UserError(f"{said}, beside what takes its colours of other pictures")
    field = Field(
        {name: path for path, name in names.items()},
        named,
        {name: own for name, own in asked_methods.items() if name not in followers},
        followers,
        predictions,
    )
    return field, faults


def _list(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    several = isinstance(given, ListConfig)
    return list(dict.fromkeys(str(one) for one in (given if several else [given])))


def _tell(faults: Sequence[str]) -> None:
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)


def _nothing(judged: Judged, folder: Path) -> str:
    grey = f"{len(judged.grey)} are grey or toned, which keep_grey=true keeps"
    bad = f"{len(judged.left_out)} cannot be judged"
    reasons = [said for own, said in ((judged.grey, grey), (judged.left_out, bad)) if own]
    listed = files.from_here(folder / LEFT_OUT)
    return f"no picture is left to judge: {' and '.join(reasons)}; see {listed}"


def _content(
    config: DictConfig,
    typed: Sequence[str],
    guard: HeldOut,
    field: Field,
    judged: Judged,
    found: Mapping[str, Mapping[str, Interval]],
) -> dict[str, Any]:
    checkpoints = {
        name: {
            "path": str(field.paths[name]),
            "sha256": own.sha256,
            "image_size": own.image_size,
            "views": own.views,
            "mean_ab": _in_lab_units(own.mean_ab),
        }
        for name, own in field.checkpoints.items()
    }
    return {
        "protocol": {
            "name": config.protocol,
            "definition": f"{PROTOCOLS[config.protocol]}. {PREDICTED}",
        },
        "created": f"{datetime.now():%Y-%m-%d %H:%M}",
        "command": ["python", "-m", "src.evaluate", *typed],
        "settings": OmegaConf.to_container(config, resolve=True),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "checkpoints": checkpoints,
        "predictions": {name: str(field.paths[name]) for name in field.predictions},
        "data": {
            "root": str(config.data.root),
            "which": guard.chosen.said,
            "pictures": len(judged.pictures),
            "seen_in_training": guard.seen,
            "grey_left_out": len(judged.grey),
            "others_left_out": len(judged.left_out),
            "sha256": judged.sha256,
        },
        "meaning": results.MEANING,
        "warnings": guard.warnings,
        "notes": guard.notes + _notes(judged),
        "models": field.models,
        "colorizers": found,
        "frechet_images": len(judged.pictures),
        "by_saturation": results.by_saturation(judged),
        "differences": results.differences(judged, field.models),
        "where": results.where(judged),
        "sets": results.by_set(judged, guard.chosen.classes, field.models),
        "classes": results.by_class(judged, guard.chosen.classes),
    }


def _in_lab_units(ab: Tensor | None) -> list[float] | None:
    return None if ab is None else [round(x, 4) for x in (ab * color.AB_RANGE).tolist()]


def _notes(judged: Judged) -> list[str]:
    count = len(judged.pictures)
    notes = []
    if judged.grey:
        notes.append(f"Left out as grey or toned: {len(judged.grey)} (keep_grey=true keeps them)")
    if judged.left_out:
        notes.append(
            f"Left out for every colouriser, since they cannot be judged: {len(judged.left_out)}, "
            f"which {LEFT_OUT} lists"
        )
    if count < frechet.ENOUGH_PICTURES:
        notes.append(
            f"The Frechet distances rest on {count} pictures, fewer than "
            f"{frechet.ENOUGH_PICTURES}: they rank nothing"
        )
    return notes
