"""Which picture of another program shows which judged one, by their names."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from src import images
from src.data.crops import Picture
from src.errors import UserError


def matched(
    pictures: Sequence[Picture], folder: Path, suffix: str | None = None
) -> dict[str, Path]:
    """Find the prediction of each picture: at the same path, or of the same name, in any format.

    Args: suffix: what the program adds to names, such as _siggraph17; None finds one by itself, if
        no name matches without, and one fits all pictures.
    Raises: UserError: if there is no such folder, or no name matches.
    """
    if not folder.is_dir():
        raise UserError(f"predictions={folder} is no folder: give the folder of colour pictures")
    names = images.find(folder)
    found = _namesakes(pictures, names, suffix or "")
    fitting = _suffixes(pictures, names) if not found and suffix is None else []
    if len(fitting) == 1:
        print(f"{folder}: taken by their names without {fitting[0]}")
        found = _namesakes(pictures, names, fitting[0])
    if not found:
        raise UserError(_no_match(pictures[0].name, names, folder, suffix, fitting))
    return {picture: folder / name for picture, name in found.items()}


def _namesakes(pictures: Sequence[Picture], names: Sequence[str], suffix: str) -> dict[str, str]:
    """Return the only prediction of each picture that has one, of those that end in `suffix`."""
    by_path: dict[str, list[str]] = defaultdict(list)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in names:
        path = str(PurePosixPath(name).with_suffix(""))
        if path.endswith(suffix):
            by_path[path.removesuffix(suffix)].append(name)
            by_stem[PurePosixPath(name).stem.removesuffix(suffix)].append(name)
    counts = Counter(_stem(picture) for picture in pictures)
    found = {}
    for picture in pictures:
        own = by_path.get(str(PurePosixPath(picture.name).with_suffix("")), [])
        if not own and counts[_stem(picture)] == 1:
            own = by_stem.get(_stem(picture), [])
        if len(own) == 1:
            found[picture.name] = own[0]
    return found


def _suffixes(pictures: Sequence[Picture], names: Sequence[str]) -> list[str]:
    """Return what could follow the names of all pictures."""
    stems = {_stem(picture) for picture in pictures}
    before: dict[str, set[str]] = defaultdict(set)
    for name in names:
        stem = PurePosixPath(name).stem
        for end in range(1, len(stem)):
            if stem[:end] in stems:
                before[stem[end:]].add(stem[:end])
    return sorted(suffix for suffix, own in before.items() if own == stems)


def _stem(picture: Picture) -> str:
    return PurePosixPath(picture.name).stem


def _no_match(
    picture: str, names: Sequence[str], folder: Path, suffix: str | None, fitting: Sequence[str]
) -> str:
    said = f"no picture in predictions={folder} has the name of a judged one"
    said += f" and then {suffix}" if suffix else ""
    if fitting:
        choices = " or ".join(f"predictions_suffix={one}" for one in fitting)
        return f"{said}, but several end alike: choose {choices}"
    near = difflib.get_close_matches(picture, names, n=1, cutoff=0.0)
    nearest = f"; the nearest to it is {near[0]!r}" if near else ""
    return (
        f"{said}, such as {picture!r} (whose ending may differ){nearest}. "
        "predictions_suffix=TEXT says what a program has added to names"
    )
