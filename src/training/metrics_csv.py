"""metrics.csv: every figure of a run, a row for each time that some were logged."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src import files
from src.errors import UserError


def read(path: Path) -> list[dict[str, str]]:
    """Read the rows, with a text for every column; none where there is no file.

    Raises: UserError: if the file is broken.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="") as file:
            rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(file)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is broken; remove it to resume without it: {error}") from error
    if rows and "epoch" not in rows[0]:
        raise UserError(f"{path} is broken; remove it to resume without it: no column epoch")
    return rows


def add_columns(path: Path, names: Sequence[str]) -> list[str]:
    """Rewrite the file with columns for `names`, too. Returns: all its columns."""
    rows = read(path)
    columns = list(dict.fromkeys([*(rows[0] if rows else ()), *names]))
    files.write_text(path, _csv(columns, rows))
    return columns


def append(path: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Write a row at the end of the file, which has these columns."""
    with path.open("a", newline="") as file:
        csv.DictWriter(file, columns).writerow(row)


def keep_epochs(path: Path, count: int) -> None:
    """Cut what was logged after the first `count` epochs off metrics.csv, half a row included."""
    rows = read(path)
    kept = [row for row in rows if row["epoch"].isdigit() and int(row["epoch"]) < count]
    if len(kept) < len(rows):
        files.write_text(path, _csv(list(rows[0]), kept))


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
