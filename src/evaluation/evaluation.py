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

from src import color, files, ranks
from src.colorizers import shipped
from src.colorizers.checkpoint import TrainedGenerator
from src.data.crops import Picture
from src.errors import UserError, require, require_number, require_one_of, require_whole
from src.evaluation import contestants, examples, pretrained, report, results
from src.evaluation.judge import Judge, Judged
from src.evaluation.protocols import PREDICTED, PROTOCOLS
from src.images.grey import Rules
from src.metrics import frechet
from src.metrics.bootstrap import Interval

PAGE, FIGURES, ROWS, LEFT_OUT = "report.html", "metrics.json", "per_image.csv", "left_out.csv"
PACKAGES = ("colorization", "torch", "kornia", "numpy", "scipy", "pillow")


@dataclass(frozen=True)
class Verdict:
    """What an evaluation says, and what could not be used."""

    text: str
    faults: list[str]


@dataclass(frozen=True)
class Judges:
    """What is judged, by name: checkpoints with their networks, and other programs' pictures."""

    paths: dict[str, Path]
    trained: dict[str, TrainedGenerator]
    predictions: dict[str, dict[str, Path]]

    @property
    def models(self) -> list[str]:
        return [*self.trained, *self.predictions]


def evaluate(config: DictConfig, folder: Path, typed: Sequence[str]) -> Verdict:
    """Judge, and leave metrics.json, per_image.csv and report.html in `folder`.

    Args: typed: the overrides, for the command that repeats it.
    Raises: UserError: if there is nothing to judge, or settings make no sense.
    """
    workers = ranks.default_workers() if config.num_workers is None else config.num_workers
    require_whole("num_workers", workers, 0)
    _require_sense(config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = examples.choose(Path(str(config.data.root)).expanduser())
    judges, faults = _contestants(config, chosen.pictures, device)
    features, distances, missing = pretrained.asked(config, device)
    faults += missing
    _tell(faults)
    limits = None if config.keep_grey else Rules(1, config.min_chroma_spread, config.one_hue)
    shown = examples.Examples(
        chosen.pictures, config.protocol, judges.predictions, limits
    )  # fmt: skip
    judge = Judge(_colorers(judges), features, distances, device)
    judged = judge.judge(shown, workers)
    if judged.left_out or judged.grey:
        results.write_left_out(folder / LEFT_OUT, judged)
    bad = [f"{name}: {reason}" for name, reason in judged.left_out.items()]
    _tell(bad)
    if not judged.pictures:
        raise UserError(_nothing(judged, folder))
    found = results.totals(judged)
    content = _content(config, typed, chosen, judges, judged, found) | {"left_out": faults}
    results.write_json(folder / FIGURES, content)
    results.write_rows(folder / ROWS, judged, chosen.classes)
    report.write(folder / PAGE, content, judged, judge, shown, judges.paths)
    title = (f"{len(judged.pictures)} pictures ({chosen.said}), {config.protocol}; 95 % intervals "
             "over images")  # fmt: skip
    text = results.table(found, judges.models, title)
    return Verdict("\n".join([text, *content["notes"]]), faults + bad)


def _require_sense(config: DictConfig) -> None:
    require_one_of("protocol", config.protocol, list(PROTOCOLS))
    for name in ("keep_grey", "fid", "lpips"):
        require(isinstance(config[name], bool), name, config[name], "true or false")
    require_number("min_chroma_spread", config.min_chroma_spread, 0)
    require_number("one_hue", config.one_hue, 0, 1)


def _contestants(
    config: DictConfig, judged: Sequence[Picture], device: torch.device
) -> tuple[Judges, list[str]]:
    asked = [Path(path).expanduser() for path in _list(config.checkpoints)]
    folders = [Path(path).expanduser() for path in _list(config.predictions)]
    if not asked and not folders:
        asked = [shipped.PATH]
    trained, faults = contestants.load(asked)
    names = dict(zip([*trained, *folders], contestants.names([*trained, *folders]), strict=True))
    predictions = {}
    for folder in folders:
        try:
            predictions[names[folder]] = examples.matched(judged, folder)
        except ValueError as error:
            faults.append(str(error))
    if not trained and not predictions:
        raise UserError("; ".join(faults))
    for own in trained.values():
        own.network.to(device)
    return Judges(
        {names[path]: path for path in [*trained, *folders] if names[path]},
        {names[path]: own for path, own in trained.items()}, predictions,
    ), faults  # fmt: skip


def _list(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    several = isinstance(given, ListConfig)
    return list(dict.fromkeys(str(one) for one in (given if several else [given])))


def _colorers(judges: Judges) -> dict[str, contestants.Colorer]:
    networks = {name: contestants.network(own) for name, own in judges.trained.items()}
    others = {name: contestants.Prediction(name) for name in judges.predictions}
    return {**networks, **others, **contestants.references(judges.trained)}


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
    config: DictConfig, typed: Sequence[str], chosen: examples.Chosen, judges: Judges,
    judged: Judged, found: Mapping[str, Mapping[str, Interval]],
) -> dict[str, Any]:  # fmt: skip
    checkpoints = {
        name: {"path": str(judges.paths[name]), "sha256": own.sha256,
               "image_size": own.image_size,
               "mean_ab": [round(x, 4) for x in (own.mean_ab * color.AB_RANGE).tolist()]}
        for name, own in judges.trained.items()
    }  # fmt: skip
    return {
        "protocol": {"name": config.protocol,
                     "definition": f"{PROTOCOLS[config.protocol]}. {PREDICTED}"},
        "created": f"{datetime.now():%Y-%m-%d %H:%M}",
        "command": ["python", "-m", "src.evaluate", *typed],
        "settings": OmegaConf.to_container(config, resolve=True),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "checkpoints": checkpoints,
        "predictions": {name: str(judges.paths[name]) for name in judges.predictions},
        "data": {
            "root": str(config.data.root), "which": chosen.said, "pictures": len(judged.pictures),
            "grey_left_out": len(judged.grey), "others_left_out": len(judged.left_out),
            "sha256": judged.sha256,
        },
        "meaning": results.MEANING,
        "notes": _notes(config, judges, judged),
        "models": judges.models,
        "colorizers": found,
        "frechet_images": len(judged.pictures),
        "differences": results.differences(judged, judges.models),
        "where": results.where(judged),
        "classes": results.by_class(judged, chosen.classes),
    }  # fmt: skip


def _notes(config: DictConfig, judges: Judges, judged: Judged) -> list[str]:
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
        notes.append(f"The Frechet distances rest on {count} pictures, fewer than "
                     f"{frechet.ENOUGH_PICTURES}: they rank nothing")  # fmt: skip
    if not judges.trained:
        notes.append("No checkpoint is given, so there is no training set's mean ab to compare "
                     "with")  # fmt: skip
    root = Path(str(config.data.root)).expanduser()
    if (root / "train").is_dir() and not (root / "test").is_dir():
        notes.append("The folder has train/ and no test/, so pictures that a checkpoint was "
                     "trained on may be among these")  # fmt: skip
    return notes
