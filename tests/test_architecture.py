import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A module imports only from rows above its own, and never a sibling outside its own folder.
ROWS = (
    {"files", "errors", "cores", "plugins", "batch_norm", "lite0", "quantization"},
    {"ranks"},
    {"color", "images", "provenance", "plots", "settings"},
    {
        "generators",
        "discriminators",
        "losses",
        "metrics",
        "optimization",
        "classical",
        "curation",
        "checkpoint",
        "upsampling",
    },
    {
        "data",
        "colorizer",
        "inference",
        "onnx_generator",
        "report",
        "run_folder",
        "saving",
        "weights",
    },
    {"tracking", "ranking", "coloring"},
    {"callbacks", "sweep", "page", "evaluation"},
    {"experiment"},
    {"train", "prepare", "audit", "evaluate", "colorize", "export", "demo"},
)
ROW_OF = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
MODULES = sorted((ROOT / "src").rglob("*.py"))
PER_ROOM_LIMIT = 250


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "src").with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_up_the_rows_only(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "src" and parts[1] != room:
            assert ROW_OF[parts[1]] < ROW_OF[room], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_color_knows_kornias_colors_and_the_scales(path: Path) -> None:
    if room_of(path) == "color":
        return
    assert not any(name.startswith("kornia") for name in imported(path))
    if room_of(path) == "errors":
        return  # 128 there is where a shell's statuses of signals begin
    constants = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
    assert not any(n.value in (110, 128) for n in constants if isinstance(n.value, int | float))


def test_networks_import_torch_and_blocks_alone() -> None:
    for path in [*(ROOT / "src/generators").glob("*.py"), ROOT / "src/discriminators.py"]:
        for name in imported(path):
            assert name.split(".")[0] in {"torch", "jaxtyping", "collections", "typing"} or (
                name.startswith(
                    ("src.generators.blocks", "src.generators.lite0", "src.generators.ab_bins")
                )
            ), f"{path.name} imports {name}"


def test_the_module_and_inference_import_no_network() -> None:
    for room in ("colorizer", "inference"):
        for name in imported(ROOT / "src" / f"{room}.py"):
            assert not name.startswith(("src.generators", "src.discriminators"))


def test_no_room_outgrows_its_walls() -> None:
    for path in MODULES:
        assert len(path.read_text().splitlines()) <= PER_ROOM_LIMIT, path
        assert path.stem not in {"utils", "helpers", "common", "manager"}
