import numpy as np
import pytest
from scipy import stats

from src.metrics import bootstrap


@pytest.mark.parametrize("count", [12, 60])
def test_intervals_cover_the_true_mean_about_95_percent_of_the_time(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)
    random = np.random.default_rng(1)
    # Columns are independent samples; errors of pictures are as skewed as this.
    values = random.gamma(4.0, 2.5, size=(count, 2000))
    covered = [own.low <= 10 <= own.high for own in bootstrap.means(values)]  # type: ignore[operator]
    assert 0.925 <= np.mean(covered) <= 0.97


def test_they_agree_with_scipys_on_many_images() -> None:
    values = np.random.default_rng(0).gamma(4.0, 2.5, size=2000)
    expected = stats.bootstrap((values,), np.mean, method="percentile", rng=1).confidence_interval
    (own,) = bootstrap.means(values[:, None])
    assert own.mean == pytest.approx(values.mean())
    assert (own.low, own.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_quantiles_are_those_of_the_images() -> None:
    values = np.random.default_rng(0).normal(size=401)
    median, upper = bootstrap.quantiles(values, (0.5, 0.95))
    assert median.mean == pytest.approx(np.median(values))
    assert median.low < median.mean < median.high < upper.low  # type: ignore[operator]


def test_one_image_has_a_figure_and_no_interval() -> None:
    assert bootstrap.means(np.array([[3.0]])) == [(3.0, None, None)]


def test_the_resamples_do_not_depend_on_how_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    together = bootstrap.means(values)
    monkeypatch.setattr(bootstrap, "BLOCK", 700)
    assert bootstrap.means(values) == together
