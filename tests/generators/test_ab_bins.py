import pytest
import torch

from src.generators.ab_bins import BINS, STEPS, annealed_mean, cross_entropy

GREY, RED = BINS // 2, (STEPS - 1) * STEPS + STEPS // 2  # ab = (0, 0), and a = 1 with b = 0


def logits_of(shares: dict[int, float]) -> torch.Tensor:
    probabilities = torch.full((1, BINS, 1, 1), 1e-12)
    for one, share in shares.items():
        probabilities[:, one] = share
    return probabilities.log()


def test_the_mean_of_all_colors_lies_between_them() -> None:
    mean = annealed_mean(logits_of({GREY: 0.75, RED: 0.25}), temperature=1)
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.25, 0.0]))


def test_a_low_temperature_takes_the_likelier_color() -> None:
    sharp = annealed_mean(logits_of({GREY: 0.4, RED: 0.6}), temperature=0.05)
    assert sharp[0, 0].item() > 0.99
    warm = annealed_mean(logits_of({GREY: 0.4, RED: 0.6}), temperature=0.5)
    assert 0.6 < warm[0, 0].item() < sharp[0, 0].item()


@pytest.mark.parametrize("color", [(0.0, 0.0), (0.31, -0.17), (1.0, -1.0), (-0.98, 0.9)])
def test_the_cross_entropy_is_least_at_the_true_color(color: tuple[float, float]) -> None:
    real = torch.tensor(color).view(1, 2, 1, 1)
    logits = torch.zeros(1, BINS, 1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        cross_entropy(logits, real).backward()
        optimizer.step()
    torch.testing.assert_close(annealed_mean(logits.detach(), 1), real, atol=0.02, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (18, 17), (1, 3)])
def test_a_logit_stands_for_its_own_pixels_at_half_size(height: int, width: int) -> None:
    real = torch.zeros(1, 2, height, width)
    real[:, 0, ::4, ::4] = 0.5
    real[:, 0, 1::4, ::4] = 0.5
    real[:, 0, ::4, 1::4] = 0.5
    real[:, 0, 1::4, 1::4] = 0.5
    half_red = logits_of(
        {
            (STEPS - 1) * 3 // 4 * STEPS + STEPS // 2: 0.5,
            ((STEPS - 1) * 3 // 4 + 1) * STEPS + STEPS // 2: 0.5,
        }
    )
    logits = half_red.expand(-1, -1, (height + 3) // 4, (width + 3) // 4)
    torch.testing.assert_close(cross_entropy(logits, real), torch.tensor(2.0).log())
