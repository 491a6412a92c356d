from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from src.colorizers.dissection import WINDOW, Dissection

Array = NDArray[np.float64]


def equations(height: int, width: int, fade: float, known: int) -> Array:
    """Weights of WINDOW: each pixel is its neighbours' mean but for those at known ones."""
    random = np.random.default_rng(0)
    weights = random.uniform(0.01, 1, (9, height, width))
    y, x = np.indices((height, width))
    for weight, (down, right) in zip(weights, WINDOW, strict=True):
        inside = (y + down >= 0) & (y + down < height) & (x + right >= 0) & (x + right < width)
        weight *= inside
    weights[0] = 0
    weights /= -np.maximum(weights.sum(axis=0), 1e-9)
    weights[0] = 1 + fade
    places = random.choice(height * width, known, replace=False)
    weights.reshape(9, -1)[1:, places] = 0
    weights.reshape(9, -1)[0, places] = 1
    return weights


def solved_by_scipy(weights: Array, known: Array) -> Any:
    height, width = weights.shape[1:]
    row, column, value = [], [], []
    for weight, (down, right) in zip(weights, WINDOW, strict=True):
        y, x = weight.nonzero()
        row.append(y * width + x)
        column.append((y + down) * width + x + right)
        value.append(weight[y, x])
    entries = np.concatenate(value), (np.concatenate(row), np.concatenate(column))
    found = spsolve(coo_array(entries).tocsc(), known.reshape(len(known), -1).T)
    return found.reshape(height, width, -1).transpose(2, 0, 1)


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 1), (1, 40), (5, 3), (13, 29), (48, 48), (64, 65), (97, 30), (40, 171)]
)
@pytest.mark.parametrize("fade", [0.0, 1e-5, 0.1])
def test_solutions_are_those_of_another_solver(size: tuple[int, int], fade: float) -> None:
    weights = equations(*size, fade, known=1)
    known = np.random.default_rng(1).uniform(-1, 1, (3, *size)) * (weights[1:] == 0).all(axis=0)
    known += fade * np.random.default_rng(2).uniform(-1, 1, (3, *size))
    exact = solved_by_scipy(weights, known)
    np.testing.assert_allclose(Dissection(weights).solve(known), exact, atol=5e-5)


def test_one_picture_s_factors_serve_several_right_sides() -> None:
    weights = equations(30, 50, 1e-3, known=4)
    factors, random = Dissection(weights), np.random.default_rng(1)
    for _ in range(2):
        known = random.uniform(-1, 1, (1, 30, 50))
        np.testing.assert_allclose(
            factors.solve(known), solved_by_scipy(weights, known), rtol=1e-4, atol=1e-4
        )


def test_right_sides_of_nothing_give_nothing() -> None:
    assert not Dissection(equations(9, 14, 0.0, known=2)).solve(np.zeros((2, 9, 14))).any()


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_threads_beside_the_main_one_come_to_an_end() -> None:
    """As those of the page do, where LAPACK's own threads would wait for ever."""
    weights, found = equations(256, 256, 1e-3, known=4), []
    thread = Thread(
        target=lambda: found.append(Dissection(weights).solve(weights[:1])), daemon=True
    )
    thread.start()
    thread.join(timeout=60)
    assert len(found) == 1
