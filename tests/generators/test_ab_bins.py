import math

import pytest
import torch
from torch import Tensor

from src.generators.ab_bins import AxisBins, Bins, JointBins

STEPS = JointBins.STEPS
GREY, RED = JointBins.count // 2, (STEPS - 1) * STEPS + STEPS // 2  # ab = (0, 0), and (1, 0)


def logits_of(shares: dict[int, float], count: int = JointBins.count) -> Tensor:
    probabilities = torch.full((1, count, 1, 1), 1e-12)
    for one, share in shares.items():
        probabilities[:, one] = share
    return probabilities.log()


def test_the_mean_of_all_colors_lies_between_them() -> None:
    mean = JointBins(temperature=1).ab(logits_of({GREY: 0.75, RED: 0.25}))
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.25, 0.0]))


def test_a_low_temperature_takes_the_likelier_color() -> None:
    logits = logits_of({GREY: 0.4, RED: 0.6})
    sharp = JointBins(temperature=0.05).ab(logits)
    assert sharp[0, 0].item() > 0.99
    assert 0.6 < JointBins(temperature=0.5).ab(logits)[0, 0].item() < sharp[0, 0].item()


def test_a_histograms_colour_is_its_median() -> None:
    grey, vivid, half = AxisBins.STEPS // 2, AxisBins.STEPS - 1, AxisBins.count // 2
    asked = {grey: 0.6, vivid: 0.4, half + grey: 0.4, half + vivid: 0.6}
    a, b = AxisBins().ab(logits_of(asked, AxisBins.count)).flatten().tolist()
    assert abs(a) < 0.01  # of a mean it would be 0.4
    assert b > 0.9


@pytest.mark.parametrize("bins", [JointBins(temperature=1), AxisBins()], ids=["joint", "axis"])
@pytest.mark.parametrize("color", [(0.0, 0.0), (0.31, -0.17), (1.0, -1.0), (-0.98, 0.9)])
def test_the_cross_entropy_is_least_at_the_true_color(
    bins: Bins, color: tuple[float, float]
) -> None:
    real = torch.tensor(color).view(1, 2, 1, 1)
    logits = torch.zeros(1, bins.count, 1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        bins.cross_entropy(logits, real).backward()
        optimizer.step()
    # A bin of a histogram is up to 0.18 wide, far from grey.
    torch.testing.assert_close(bins.ab(logits.detach()), real, atol=0.02, rtol=0.1)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 28)])
def test_a_logit_stands_for_the_mean_of_its_own_pixels(height: int, width: int) -> None:
    real = torch.zeros(1, 2, height, width)
    real[:, 0, ::4, ::4] = 8.0  # of each sixteen pixels one: half red on average
    step = (STEPS - 1) * 3 // 4
    half_red = logits_of({s * STEPS + STEPS // 2: 0.5 for s in (step, step + 1)})
    logits = half_red.expand(-1, -1, height // 4, width // 4)
    loss = JointBins(temperature=1).cross_entropy(logits, real)
    torch.testing.assert_close(loss, torch.tensor(2.0).log())


def test_shares_count_the_pixels_of_each_picture() -> None:
    ab = torch.zeros(2, 2, 4, 4)
    ab[1, 0, :2] = 0.98  # nearer to 1 than to the bin before
    shares = JointBins(temperature=1).shares(ab)
    assert shares[0, GREY].item() == 1
    assert (shares[1, GREY].item(), shares[1, RED].item()) == (0.5, 0.5)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))


def test_rare_colors_weigh_more_and_all_colors_together_as_before() -> None:
    bins, other = JointBins(temperature=1), GREY + 5
    shares = torch.zeros(bins.count)
    shares[GREY], shares[other] = 0.9, 0.1
    torch.testing.assert_close(bins.rarity(shares, 0), torch.ones(bins.count))
    inverse = bins.rarity(shares, 1)
    assert (inverse[other] / inverse[GREY]).item() == pytest.approx(9)
    # Of the Gaussian's weights for four neighbours at 220/18, and four at sqrt(2) times that.
    x = math.exp(-((220 / 18 / 5) ** 2) / 2)
    kept = 1 / (1 + 4 * x + 4 * x**2)
    half = bins.rarity(shares, 0.5)
    expected = (0.9 * kept + 1 / bins.count) / (0.1 * kept + 1 / bins.count)
    assert (half[other] / half[GREY]).item() == pytest.approx(expected, rel=1e-3)
    assert half[GREY + 2] > half[other]


def test_weights_are_those_of_the_true_colors() -> None:
    bins, real, logits = (
        JointBins(temperature=1),
        torch.zeros(1, 2, 2, 2),
        torch.zeros(1, 361, 2, 2),
    )
    real[:, 0, :, 0] = 1
    weights = torch.ones(bins.count)
    weights[RED] = 3
    entropy = bins.cross_entropy(logits, real, weights).item()
    assert entropy == pytest.approx(2 * math.log(bins.count))


@pytest.mark.parametrize("bins", [JointBins(temperature=1), AxisBins()], ids=["joint", "axis"])
def test_likelihoods_have_the_spread_of_what_they_are_likelihoods_of(bins: Bins) -> None:
    logits = torch.randn(bins.count, 2, generator=torch.Generator().manual_seed(0))
    colors, shares = bins.likelihoods(logits)
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(2))
    mean = shares.T @ colors
    variance = (shares * (colors[:, None] - mean).square().sum(dim=2)).sum(dim=0)
    spread = bins.spread(logits.T[..., None, None]).flatten()
    torch.testing.assert_close(variance.sqrt(), spread, rtol=1e-3, atol=1e-3)
