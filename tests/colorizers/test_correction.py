import pytest
import torch
from torch import Tensor

from src.color import AB_RANGE
from src.colorizers.colorizer import Hints
from src.colorizers.correction import Correction
from src.colorizers.scene import Scene


def scene(size: tuple[int, int] = (64, 96)) -> tuple[Tensor, Tensor]:
    """Sky above a dark field, and what a network makes of them: pale blue, pale brown."""
    L = torch.full((1, 1, *size), 0.6)
    L[:, :, size[0] // 2 :] = -0.5
    L += 0.02 * torch.randn(L.shape, generator=torch.Generator().manual_seed(0))
    ab = torch.where(
        L > 0, torch.tensor([-0.02, -0.1])[:, None, None], torch.tensor([0.04, 0.1])[:, None, None]
    )
    return L, ab


def asked(size: tuple[int, int], *points: tuple[int, int, float, float]) -> Hints:
    ab, mask = torch.zeros(1, 2, *size), torch.zeros(1, 1, *size, dtype=torch.bool)
    for y, x, *color in points:
        ab[0, :, y, x] = torch.tensor(color)
        mask[0, 0, y, x] = True
    return Hints(ab, mask)


def test_a_hint_is_met_and_changes_what_is_like_it_more_than_what_is_not() -> None:
    L, ab = scene()
    green = (-0.3, 0.3)
    corrected = Correction(Scene(L), ab)(asked((64, 96), (50, 20, *green)))
    torch.testing.assert_close(corrected[0, :, 50, 20], torch.tensor(green), atol=1e-3, rtol=0)
    moved = (corrected - ab).norm(dim=1)[0]
    assert moved[40:60, 5:40].mean() > 0.25
    assert moved[:28].mean() < 0.5 * moved[36:].mean()


def test_of_a_prediction_that_knew_the_hints_only_their_surface_is_corrected() -> None:
    L, ab = scene()
    hints = asked((64, 96), (50, 20, -0.3, 0.3))
    corrected = Correction(Scene(L), ab, told=True)(hints)
    torch.testing.assert_close(corrected * hints.mask, hints.ab, atol=1e-3, rtol=0)
    surface, sky = (
        (corrected - ab).norm(dim=1)[0, rows].mean() for rows in (slice(40, 60), slice(28))
    )
    assert surface > 5 * sky


@pytest.mark.parametrize("told", [False, True])
def test_a_bold_hint_fills_what_it_touches_and_leaves_the_rest(told: bool) -> None:
    L, ab = torch.full((1, 1, 128, 160), -0.5), torch.zeros(1, 2, 128, 160)
    L += 0.02 * torch.randn(L.shape, generator=torch.Generator().manual_seed(0))
    L[..., 40:90, 50:100] += 0.9
    corrected = Correction(Scene(L), ab, told=told)(asked((128, 160), (65, 75, 0.6, 0.4)))
    moved = corrected.norm(dim=1)[0]
    assert moved[45:85, 55:95].median() > 0.6
    outside = torch.ones_like(moved, dtype=torch.bool)
    outside[36:94, 46:104] = False
    assert moved[outside].mean() < 0.01


def test_without_hints_and_with_hints_that_are_met_nothing_changes() -> None:
    L, ab = scene()
    correct = Correction(Scene(L), ab)
    assert correct(asked((64, 96))).equal(ab)
    assert correct(asked((64, 96), (50, 20, *ab[0, :, 50, 20].tolist()))).equal(ab)


def test_more_strokes_than_marks_are_met_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.colorizers.correction.MARKS", 8)
    L, ab = scene()
    points = [(y, x, x / 200, -y / 200) for y in range(2, 64, 9) for x in range(3, 96, 11)]
    corrected = Correction(Scene(L), ab)(asked((64, 96), *points))
    for y, x, *color in points:
        error = corrected[0, :, y, x] - torch.tensor(color)
        assert error.abs().max() * AB_RANGE < 0.1


def test_large_pictures_are_corrected_at_a_smaller_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.colorizers.scribbles.LARGEST_SIDE", 32)
    L, ab = scene()
    correct = Correction(Scene(L), ab)
    assert correct.scene.size == (32, 48)
    corrected = correct(asked((32, 48), (25, 10, 0.3, 0.3)))
    assert corrected.shape == ab.shape
    torch.testing.assert_close(corrected[0, :, 51, 21], torch.tensor([0.3, 0.3]), atol=0.05, rtol=0)
