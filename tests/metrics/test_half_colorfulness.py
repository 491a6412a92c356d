import numpy as np
import pytest
import torch

from src.metrics.half_colorfulness import FACTORS, curve, error_under_zero
from src.metrics.lab_picture import LabPicture


@pytest.fixture
def truth() -> LabPicture:
    """Pale pictures, so that no factor up to 4 takes them out of sRGB."""
    torch.manual_seed(0)
    L = torch.rand(6, 1, 40, 50) * 0.4 - 0.2
    coarse = torch.randn(6, 2, 4, 5) * 0.03
    return LabPicture(L, torch.nn.functional.interpolate(coarse, (40, 50), mode="bilinear"))


def figure(picture: LabPicture, truth: LabPicture) -> float:
    means = [one.double().mean(dim=0).numpy() for one in curve(picture, truth)]
    return float(error_under_zero(*means))


def test_the_truth_at_half_its_colors_is_half_way(truth: LabPicture) -> None:
    assert figure(truth, truth) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("factor", [0.3, 0.8, 1.7])
def test_the_figure_does_not_change_with_saturation(truth: LabPicture, factor: float) -> None:
    torch.manual_seed(1)
    guess = truth.ab + 0.02 * torch.randn(truth.ab.shape)
    plain = figure(LabPicture(truth.L, guess), truth)
    assert 0.1 < plain < 0.5
    scaled = LabPicture(truth.L, guess * factor)
    assert figure(scaled, truth) == pytest.approx(plain, abs=0.004)


def test_wrong_colors_are_worse_than_none(truth: LabPicture) -> None:
    assert figure(LabPicture(truth.L, -truth.ab), truth) == pytest.approx(-0.5, abs=0.02)


def test_grey_has_no_such_figure(truth: LabPicture) -> None:
    assert np.isnan(figure(LabPicture(truth.L, torch.zeros_like(truth.ab)), truth))


def test_the_factor_between_two_that_were_tried_is_found() -> None:
    factors = np.array(FACTORS)
    error = 10 - 4 * factors + 2 * factors**2  # of which 0.6 gives 8.32
    found = error_under_zero(error, factors * 25, np.array(10.0), np.array(30.0))
    assert float(found) == pytest.approx(1 - 0.832, abs=0.001)
