"""One picture from standard input to standard output."""

import shutil
import sys
import tempfile
from pathlib import Path

from src import images
from src.colorizers.colorizer import Colorizer
from src.errors import UserError
from src.inference.result import Options, colorize_file


def require(photos: list[Path], output: Path | None) -> None:
    """Refuse what cannot be piped. Raises: UserError."""
    if len(photos) > 1 or output is not None:
        raise UserError("- is standard input, coloured to standard output: name it alone")
    if sys.stdin is None or sys.stdout is None:
        raise UserError("- needs standard input and output, of which one is closed")
    if sys.stdout.isatty():
        raise UserError("standard output is a terminal: send the picture to a file or a pipe")


def run(colorizer: Colorizer, options: Options, hints: Path | None = None) -> None:
    """Colour the picture that comes in at standard input. Raises: UserError: if it is none."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "standard input"), Path(folder, "coloured")
        with source.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            notes = colorize_file(images.Photo(source), target, colorizer, options, hints)
        except UserError as error:
            raise UserError(f"standard input: {error}") from error
        for note in notes:
            print(f"standard input: {note}", file=sys.stderr)
        try:
            with target.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except OSError as error:
            error.filename = "standard output"
            raise
