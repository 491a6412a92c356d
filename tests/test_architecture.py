"""A module imports only from rows above its own, and never a neighbour of its row."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROWS = (
    {
        "color",
        "files",
        "errors",
        "openmp",
        "ranks",
        "plots",
        "pace",
        "threads",
        "generators",
        "discriminators",
    },
    {"commands", "images", "losses", "metrics"},
    {"data", "colorizers"},
    {"inference", "training"},
    {"curation", "evaluation", "sweeps", "web"},
    {"train", "pretrain", "prepare", "audit", "evaluate", "colorize", "export", "demo"},
)
ROW_OF = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
MODULES = sorted(path for path in (ROOT / "src").rglob("*.py") if path != ROOT / "src/__init__.py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_up_the_rows_only(path: Path) -> None:
    room = path.relative_to(ROOT / "src").with_suffix("").parts[0]
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "src" and parts[1] != room:
            assert ROW_OF[parts[1]] < ROW_OF[room], f"{path.name} imports {name}"


def test_the_page_shows_the_same_rows() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    shown: list[set[str]] = []
    for number, rooms in re.findall(r"^\| (\d?) ?\| (`[^|]*`) \|", page, flags=re.MULTILINE):
        if number:
            shown.append(set())
        shown[-1] |= set(re.findall(r"`(\w+)`", rooms))
    assert shown == list(ROWS)
