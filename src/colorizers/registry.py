"""All colourisers, by the name of a method or the path of a file."""

from collections.abc import Callable
from pathlib import Path

import torch

from src.colorizers import shipped, trained
from src.colorizers.colorizer import Colorizer
from src.colorizers.constants import Constant
from src.colorizers.scribbles import Scribbles
from src.errors import UserError, require_one_of


def load(method: str | None, path: Path | None) -> Colorizer:
    """Return a method by its name, or else what is in a file.

    Args: path: as for `from_file`; a method may take something of it, as `constant` its colour.
    Raises: UserError: if there is no such method, or the file is refused.
    """
    if method is None:
        return from_file(path)
    require_one_of("method", method, list(METHODS))
    return METHODS[method](path)


def from_file(path: Path | None) -> Colorizer:
    """Load a checkpoint or an exported file; None is the network that ships.

    Raises: UserError: if it is refused.
    """
    if path is None or path.resolve() == shipped.PATH.resolve():
        return shipped.load()
    if path.suffix.lower() == ".onnx":
        from src.colorizers import onnx

        return onnx.load(path)
    return trained.load(path).folded()


def following(colorizer: Colorizer) -> Colorizer:
    """Return a colouriser that looks at references: itself, or a network corrected by them.

    Raises: UserError: if it is neither.
    """
    if colorizer.takes_reference:
        return colorizer
    if not colorizer.sha256:
        raise UserError(
            f"{colorizer.name} looks at no reference: expected a network, or the method exemplar"
        )
    from src.colorizers.referenced import Referenced

    return Referenced(colorizer)


def _constant(path: Path | None) -> Colorizer:
    mean_ab = from_file(path).mean_ab
    assert mean_ab is not None  # no file without it is loaded
    return Constant("constant", mean_ab)


def _exemplar(_: Path | None) -> Colorizer:
    from src.colorizers import exemplar  # brings SciPy

    return exemplar.load()


def _gupta(_: Path | None) -> Colorizer:
    from src.colorizers import exemplar

    return exemplar.by_hand()


CONSTANT = "constant"  # the only one that takes something of a file
# What needs no training of its own. Each is given the file that was named beside it.
METHODS: dict[str, Callable[[Path | None], Colorizer]] = {
    "zero": lambda _: Constant("zero", torch.zeros(2)),
    CONSTANT: _constant,
    "exemplar": _exemplar,
    "gupta": _gupta,
    "scribbles": lambda _: Scribbles(),
}
