import pytest
import torch
from torch import Tensor

from src.generators import marks
from src.generators.marks import Marks, boldness, cosines, reached

SIZE = (24, 32)  # cells


def halves() -> tuple[Tensor, Tensor]:
    """Features of two things, left and right, and their equal lightness."""
    features = torch.randn(1, 16, *SIZE, generator=torch.Generator().manual_seed(0)) * 0.1
    features[:, :8, :, :16] += 1
    features[:, 8:, :, 16:] += 1
    return features, torch.zeros(1, 1, *SIZE)


def touched(*at: tuple[int, int]) -> Marks:
    share = torch.zeros(1, 1, *SIZE)
    for y, x in at:
        share[0, 0, y, x] = 1
    return Marks(torch.zeros(1, 2, *SIZE), torch.zeros(1, 1, *SIZE), share)


def test_small_differences_are_mild_and_large_ones_bold() -> None:
    lengths = torch.tensor([0.0, 0.2, 0.5, 1.0]).view(1, 1, 1, 4)
    difference = torch.cat([torch.zeros_like(lengths), -lengths], dim=1)
    assert boldness(difference).flatten().tolist() == [0, 0, 1, 1]


def test_a_bold_hint_reaches_the_thing_that_it_touches() -> None:
    share = reached(*halves(), touched((12, 8)))[0, 0]
    assert share[8:16, 4:14].min() > 0.9
    assert share[:, 16:].max() < 0.1


def test_it_stays_in_its_lightness() -> None:
    features, L = halves()
    L[..., 12:, :] = 0.9
    share = reached(features, L, touched((4, 8)))[0, 0]
    assert share[4, 8] == 1
    assert share[13:].max() < 0.1


def test_it_stays_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "NEAR", 0.1)
    share = reached(*halves(), touched((4, 8)))[0, 0]
    assert share[4, 8] == 1
    assert share[16:].max() == 0


def test_no_hint_reaches_nothing() -> None:
    assert reached(*halves(), touched()).eq(0).all()


def test_the_edge_of_a_stroke_that_lies_on_other_cells_tells_nothing() -> None:
    features, _ = halves()
    share = torch.zeros(1, *SIZE)
    share[0, 10:14, 14:16] = 1
    share[0, 10:14, 16] = 0.2
    share[0, 2, 28] = 1 / 16  # a dot of one pixel
    _, at = cosines(features[0], share)
    assert at.tolist() == [[2, 28], *([y, x] for y in range(10, 14) for x in (14, 15))]


def test_of_many_cells_some_are_taken_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MOST_COMPARED", 10)
    features, _ = halves()
    _, at = cosines(features[0], torch.ones(1, *SIZE))
    assert len(at) <= 10
    assert at[:, 0].min() < 4
    assert at[:, 0].max() > 19
