from collections.abc import Iterator
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from src.colorizers.dissection import NEIGHBORS, Dissection
from src.colorizers.scribbles import interpolated

Array = NDArray[np.float64]


def equations(height: int, width: int, fade: float, known: int) -> tuple[Array, Array]:
    """Weights of NEIGHBORS and excess: all but known pixels are nearly their neighbours' mean."""
    random = np.random.default_rng(0)
    weights = random.uniform(0.01, 1, (8, height, width)) ** 3
    y, x = np.indices((height, width))
    for weight, (down, right) in zip(weights, NEIGHBORS, strict=True):
        inside = (y + down >= 0) & (y + down < height) & (x + right >= 0) & (x + right < width)
        weight *= inside
    weights /= np.maximum(weights.sum(axis=0), 1e-9)
    excess = np.full((height, width), fade)
    places = random.choice(height * width, known, replace=False)
    weights.reshape(8, -1)[:, places] = 0
    excess.ravel()[places] = 1
    return weights, excess


def solved_by_scipy(weights: Array, excess: Array, known: Array) -> Any:
    height, width = excess.shape
    y, x = np.indices(excess.shape)
    place = y * width + x
    row, column = [place.ravel()], [place.ravel()]
    value = [(excess + weights.sum(axis=0)).ravel()]
    for weight, (down, right) in zip(weights, NEIGHBORS, strict=True):
        y, x = weight.nonzero()
        row.append(y * width + x)
        column.append((y + down) * width + x + right)
        value.append(-weight[y, x])
    entries = np.concatenate(value), (np.concatenate(row), np.concatenate(column))
    found = spsolve(coo_array(entries).tocsc(), known.reshape(len(known), -1).T)
    return found.reshape(height, width, -1).transpose(2, 0, 1)


SIZES = [(1, 1), (2, 1), (1, 40), (5, 3), (13, 29), (48, 48), (64, 65), (97, 30), (40, 171)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fade", [0.0, 1e-5, 0.1])
def test_solutions_are_those_of_another_solver(size: tuple[int, int], fade: float) -> None:
    weights, excess = equations(*size, fade, known=1)
    known = np.random.default_rng(1).uniform(-1, 1, (3, *size)) * excess
    exact = solved_by_scipy(weights, excess, known)
    np.testing.assert_allclose(Dissection(weights, excess).solve(known), exact, atol=5e-5)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_what_is_hardly_tied_to_a_known_pixel_takes_its_value(side: int) -> None:
    L = np.ones((70, 90))
    L[30 : 30 + side, 40 : 40 + side] = -1  # ink on paper
    known = np.zeros((1, 70, 90))
    known[0, 30, 40] = 0.5
    mask = torch.from_numpy(known[None] > 0)
    found = interpolated(torch.from_numpy(L)[None, None], torch.from_numpy(known)[None], mask)
    np.testing.assert_allclose(found, 0.5, atol=1e-3)


def test_one_picture_s_factors_serve_several_right_sides() -> None:
    weights, excess = equations(30, 50, 1e-3, known=4)
    factors, random = Dissection(weights, excess), np.random.default_rng(1)
    for _ in range(2):
        known = random.uniform(-1, 1, (1, 30, 50))
        exact = solved_by_scipy(weights, excess, known)
        np.testing.assert_allclose(factors.solve(known), exact, rtol=1e-4, atol=1e-3)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_threads_beside_the_main_one_come_to_an_end() -> None:
    """As those of the page do, where LAPACK's own threads would wait for ever."""
    weights, excess = equations(256, 256, 1e-3, known=4)
    found = []

    def solve() -> None:
        found.append(Dissection(weights, excess).solve(excess[None]))

    thread = Thread(target=solve, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert len(found) == 1
