import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from src.metrics.frechet import Gaussian, distance


def of(features: torch.Tensor, batch: int = 7) -> Gaussian:
    gaussian = Gaussian()
    for part in features.split(batch):
        gaussian.add(part)
    return gaussian


def test_it_agrees_with_torchmetrics_and_does_not_depend_on_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(60, 12, generator=generator).double() for _ in range(2))
    other = other @ torch.randn(12, 12, generator=generator).double() + 1
    expected = _compute_fid(one.mean(0), one.T.cov(), other.mean(0), other.T.cov()).item()
    assert distance(of(one), of(other)) == pytest.approx(expected, rel=1e-6)
    assert distance(of(other, 60), of(one, 60)) == pytest.approx(expected, rel=1e-6)


def test_it_is_the_closed_form_for_independent_features() -> None:
    one, other = Gaussian(), Gaussian()
    spread = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 3], [0, 0, -3]])
    one.add(spread)
    other.add(2 * spread + torch.tensor([3.0, 4, 0]))
    variances = one.covariance.diagonal()
    expected = 25 + np.square(np.sqrt(variances) - 2 * np.sqrt(variances)).sum()
    assert distance(one, other) == pytest.approx(expected)


def test_fewer_pictures_than_features_give_a_real_distance() -> None:
    features = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    assert distance(of(features), of(features)) == pytest.approx(0, abs=1e-6)
    assert distance(of(features), of(features + 1)) == pytest.approx(40, rel=1e-5)
