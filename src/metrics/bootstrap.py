"""How far figures of other pictures of the kind would scatter: bootstrap intervals over images."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats

RESAMPLES = 2000
CONFIDENCE = 0.95
BLOCK = 2**22  # indices drawn at a time, whatever the number of images


class Interval(NamedTuple):
    """A figure and the ends of its 95 % interval, which a single image does not give."""

    mean: float
    low: float | None
    high: float | None


def means(values: Float[ndarray, "images figures"]) -> list[Interval]:
    """Return the mean of each column with its interval; all columns see the same resamples."""
    count = len(values)
    drawn = np.concatenate([_counts(indices) @ values / count for indices in _resamples(count)])
    return _intervals(values.mean(axis=0), drawn, count)


def of_means(
    values: Float[ndarray, "images columns"],
    figure: Callable[[Float[ndarray, "... columns"]], Float[ndarray, "..."]],
) -> Interval | None:
    """Return a figure of the columns' means with its interval; None where it is not finite."""
    count = len(values)
    point = figure(values.mean(axis=0)[None])
    drawn = [figure(_counts(indices) @ values / count) for indices in _resamples(count)]
    found = np.concatenate(drawn)
    if not np.isfinite(point).all():
        return None
    return _intervals(point, found[np.isfinite(found)][:, None], count)[0]


def quantiles(values: Float[ndarray, " images"], wanted: tuple[float, ...]) -> list[Interval]:
    """Return quantiles over images, each with its interval."""
    drawn = [np.quantile(values[indices], wanted, axis=1).T for indices in _resamples(len(values))]
    return _intervals(np.quantile(values, wanted), np.concatenate(drawn), len(values))


def _resamples(count: int) -> Iterator[Int[ndarray, "resamples images"]]:
    random = np.random.default_rng(0)
    step = max(1, BLOCK // count)
    for done in range(0, RESAMPLES, step):
        yield random.integers(count, size=(min(step, RESAMPLES - done), count))


def _counts(indices: Int[ndarray, "resamples images"]) -> Int[ndarray, "resamples images"]:
    rows, count = indices.shape
    shifted = indices + count * np.arange(rows)[:, None]
    return np.bincount(shifted.ravel(), minlength=rows * count).reshape(rows, count)


def _intervals(
    points: Float[ndarray, " figures"], drawn: Float[ndarray, "resamples figures"], count: int
) -> list[Interval]:
    """Take the percentiles that a t-interval of as many images would reach to.

    Plain percentiles are too narrow for a handful of images: by sqrt((n - 1) / n), and by the
    normal distribution where Student's belongs. Source: the expanded
    percentile interval of Hesterberg 2015, The American Statistician 69, 371-386.
    """
    if count < 2:
        return [Interval(float(point), None, None) for point in points]
    reach = stats.t.ppf((1 - CONFIDENCE) / 2, count - 1) * np.sqrt(count / (count - 1))
    tail = stats.norm.cdf(reach)
    lows, highs = np.quantile(drawn, [tail, 1 - tail], axis=0)
    triples = zip(points, lows, highs, strict=True)
    return [Interval(float(point), float(low), float(high)) for point, low, high in triples]
