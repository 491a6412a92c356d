from pathlib import Path

import numpy as np
from PIL import Image

from src import plots


def test_a_grid_shows_every_picture() -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [np.full((16, 16, 3), color, np.uint8) for color in colors]
    grid = plots.picture_grid({"up": pictures, "down": pictures[::-1]}, ["x", "x", "y"], "title")
    for color in colors:
        assert (grid == color).all(axis=2).sum() > 2 * 50 * 50


def test_curves_without_a_discriminator_are_one_panel(tmp_path: Path) -> None:
    curve = [(float(x), 1 / (x + 1)) for x in range(100)]
    plots.loss_curves(curve, [], curve, tmp_path / "one.png")
    plots.loss_curves(curve, curve, curve, tmp_path / "three.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "three.png") as three:
        assert three.width > 2.5 * one.width
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "three.png"}


def test_a_single_point_is_drawn(tmp_path: Path) -> None:
    plots.loss_curves([(0, 1)], [(0, 1)], [(0, 1)], tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()
