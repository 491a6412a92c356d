import numpy as np
import pytest

from src import plots


def test_a_grid_shows_every_picture() -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [np.full((16, 16, 3), color, np.uint8) for color in colors]
    grid = plots.picture_grid({"up": pictures, "down": pictures[::-1]}, ["x", "x", "y"], "title")
    for color in colors:
        assert (grid == color).all(axis=2).sum() > 2 * 50 * 50


@pytest.mark.parametrize(("count", "half"), [(1, 4), (3, 2), (12, 2)])
def test_the_title_stands_above_the_names_of_columns(count: int, half: int) -> None:
    white = np.full((16, 16, 3), 255, np.uint8)
    rows = {f"row {i}": [white] * 2 * half for i in range(count)}
    grid = plots.picture_grid(rows, ["training"] * half + ["held out"] * half, "epoch 3")
    has_text = (grid[:, 60:] < 128).any(axis=(1, 2))  # without the names of rows
    lines = np.flatnonzero(np.diff(np.append(0, has_text)) == 1)
    assert len(lines) == 2


def test_curves_without_a_discriminator_are_one_panel() -> None:
    curve = [(float(x), 1 / (x + 1)) for x in range(100)]
    one, three = (plots.loss_curves(curve, judged, {"L1": curve}) for judged in ([], curve))
    assert three.shape[1] > 2.5 * one.shape[1]


def test_a_single_point_is_drawn() -> None:
    point, nothing = (
        plots.loss_curves([(0, y)], [], {"L1": [(0, y)]}) for y in (1.0, float("nan"))
    )
    blue = [((f[..., 2] > 150) & (f[..., 0] < 100)).sum() for f in (point, nothing)]
    assert blue[0] > blue[1] == 0
