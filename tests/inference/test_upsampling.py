import pytest
import torch
import torch.nn.functional as F

from src.inference.upsampling import (
    FLAT,
    RADIUS,
    guided_lines,
    level_lines,
    upsampled_rows,
)


def test_level_lines_are_plain_bilinear_enlarging() -> None:
    ab, L = torch.rand(2, 2, 7, 9), torch.rand(2, 1, 50, 40)
    expected = F.interpolate(ab, (50, 40), mode="bilinear")
    torch.testing.assert_close(upsampled_rows(level_lines(ab), L, 0, 50), expected)


def test_strips_are_parts_of_the_whole() -> None:
    small_L, ab, L = torch.rand(1, 1, 7, 9), torch.rand(1, 2, 7, 9), torch.rand(1, 1, 50, 40)
    lines = guided_lines(small_L, ab)
    whole = upsampled_rows(lines, L, 0, 50)
    strips = [upsampled_rows(lines, L[:, :, y : y + 13], y, 50) for y in range(0, 50, 13)]
    torch.testing.assert_close(torch.cat(strips, dim=2), whole)


def test_at_the_networks_size_nothing_that_was_predicted_is_lost() -> None:
    L, ab = torch.rand(1, 1, 20, 30), torch.rand(1, 2, 20, 30)
    torch.testing.assert_close(upsampled_rows(guided_lines(L, ab), L, 0, 20), ab)


def test_slopes_are_the_guided_filters() -> None:
    """Against the definition: regularised least squares in each window, then their mean."""
    L = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    ab = torch.rand(1, 2, 9, 9, dtype=torch.float64)
    size = 2 * RADIUS + 1

    def slope(y: int, x: int) -> float:
        window = (slice(y - RADIUS, y + RADIUS + 1), slice(x - RADIUS, x + RADIUS + 1))
        guide, b = L[0, 0][window].flatten(), ab[0, 1][window].flatten()
        covariance = (guide * b).mean() - guide.mean() * b.mean()
        return float(covariance / (guide.var(correction=0) + FLAT))

    around = range(4 - RADIUS, 4 + RADIUS + 1)
    expected = sum(slope(y, x) for y in around for x in around) / size**2
    assert float(guided_lines(L, ab)[0, 1, 4, 4]) == pytest.approx(expected)
