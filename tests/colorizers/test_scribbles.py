import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.color import AB_RANGE
from src.colorizers import registry
from src.colorizers.colorizer import Hints
from src.colorizers.scribbles import Affinity, correlation, gaussian, spread


def hints(*points: tuple[int, int, float, float], size: tuple[int, int]) -> Hints:
    """Return hints of one picture from (y, x, a, b)."""
    ab, mask = torch.zeros(1, 2, *size), torch.zeros(1, 1, *size, dtype=torch.bool)
    for y, x, *color in points:
        ab[0, :, y, x] = torch.tensor(color)
        mask[0, 0, y, x] = True
    return Hints(ab, mask)


def gaussian_weight(own: float, other: float, window: NDArray[np.float64]) -> float:
    nearest = sorted(((window - own) ** 2).ravel())[1]
    variance = max(0.6 * float(window.var()), nearest / -math.log(0.01), 1e-5)
    return math.exp(-((own - other) ** 2) / variance)


def correlation_weight(own: float, other: float, window: NDArray[np.float64]) -> float:
    mean, variance = float(window.mean()), float(window.var()) + 1e-5
    return max(1 + (own - mean) * (other - mean) / variance, 0.01)


def solved_densely(
    L: NDArray[np.float64], given: Hints, weight: Callable[..., float], pull: float
) -> NDArray[Any]:
    """The paper's system, pixel by pixel, solved without any thought of speed."""
    height, width = L.shape
    matrix, known = np.eye(L.size), np.zeros((L.size, 2))
    for y in range(height):
        for x in range(width):
            if given.mask[0, 0, y, x]:
                known[y * width + x] = given.ab[0, :, y, x]
                continue
            rows, columns = slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2)
            around = {
                (i, j): weight(L[y, x], L[i, j], L[rows, columns])
                for i in range(height)[rows]
                for j in range(width)[columns]
                if (i, j) != (y, x)
            }
            for (i, j), own in around.items():
                matrix[y * width + x, i * width + j] = -own / sum(around.values())
            matrix[y * width + x, y * width + x] = 1 + pull
    solved: NDArray[Any] = np.linalg.solve(matrix, known).T.reshape(2, height, width)
    return solved


@pytest.mark.parametrize("pull", [0.0, 1e-3])
@pytest.mark.parametrize(
    ("affinity", "weight"), [(gaussian, gaussian_weight), (correlation, correlation_weight)]
)
def test_colours_are_those_of_the_paper_s_system(
    affinity: Affinity, weight: Callable[..., float], pull: float
) -> None:
    random = np.random.default_rng(0)
    L = random.uniform(-1, 1, (17, 23)).round(2)
    L[:6, :6] = 0.25  # flat, as paper and sky are
    given = hints((2, 3, 0.5, -0.2), (12, 20, -0.4, 0.6), (16, 0, 0.0, 0.0), size=L.shape)
    found = spread(torch.from_numpy(L).float()[None, None], given, affinity, pull)[0].numpy()
    exact = solved_densely(L, given, weight, pull)
    assert np.abs(found - exact).max() * AB_RANGE < 0.01


def two_halves() -> Tensor:
    L = torch.full((1, 1, 40, 60), -0.5)
    L[..., 30:] = 0.5
    return L


def test_a_colour_fills_its_region_and_stops_at_the_edge() -> None:
    given = hints((20, 5, 0.6, 0.3), (3, 50, -0.1, -0.5), size=(40, 60))
    ab = registry.load("scribbles", None)(two_halves(), given)
    torch.testing.assert_close(
        ab[0, :, :, :28].mean((1, 2)), torch.tensor([0.6, 0.3]), atol=0.03, rtol=0
    )
    torch.testing.assert_close(
        ab[0, :, :, 32:].mean((1, 2)), torch.tensor([-0.1, -0.5]), atol=0.03, rtol=0
    )


def test_a_picture_without_hints_is_grey_beside_one_that_has_some() -> None:
    given = hints((20, 5, 0.6, 0.3), size=(40, 60))
    both = Hints(given.ab.repeat(2, 1, 1, 1), torch.cat([given.mask, ~given.mask & given.mask]))
    ab = registry.load("scribbles", None)(two_halves().repeat(2, 1, 1, 1), both)
    torch.testing.assert_close(ab[0, 0], torch.full((40, 60), 0.6), atol=1e-4, rtol=0)
    assert not ab[1].any()
    assert not registry.load("scribbles", None)(two_halves()).any()


def test_what_is_large_is_solved_smaller_and_enlarged(monkeypatch: pytest.MonkeyPatch) -> None:
    given = hints((20, 5, 0.6, 0.3), (3, 50, -0.1, -0.5), size=(40, 60))
    whole = spread(two_halves(), given)
    monkeypatch.setattr("src.colorizers.scribbles.LARGEST_SIDE", 20)
    small = spread(two_halves(), given)
    assert small.shape == whole.shape
    assert (small - whole)[..., [*range(28), *range(32, 60)]].abs().max() < 0.03


def test_a_pull_lets_colours_fade_away_from_hints() -> None:
    given = hints((20, 5, 0.6, 0.0), size=(40, 60))
    red = spread(torch.zeros(1, 1, 40, 60), given, pull=0.01)[0, 0, 20]
    assert red[5] == pytest.approx(0.6)
    assert red[5] > red[10] > red[20] > red[59] > 0


def test_hints_that_may_give_way_meet_the_pull_halfway() -> None:
    L = torch.rand(2, 1, 12, 17, generator=torch.Generator().manual_seed(0)) * 2 - 1
    everywhere = Hints(torch.full((2, 2, 12, 17), 0.4), torch.ones(2, 1, 12, 17).bool())
    firmness = torch.full((2, 1, 12, 17), 0.03)
    found = spread(L, everywhere, pull=0.01, firmness=firmness)
    assert torch.allclose(found, torch.tensor(0.4 * 0.03 / 0.04), atol=1e-4)
    between = Hints(everywhere.ab.clone(), everywhere.mask)
    between.ab[..., 8:] = 0
    found = spread(L, between, firmness=firmness)
    assert 0.05 < found[..., 7].mean() - found[..., 8].mean() < 0.2  # of 0.4 between the hints
