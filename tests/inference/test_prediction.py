import numpy as np
import pytest
import torch
from torch import Tensor

from src.colorizers.colorizer import Colorizer, Hints
from src.colorizers.scribbles import Scribbles
from src.inference.hints import Strokes
from src.inference.prediction import predict


class Lopsided(Colorizer):
    """Sees red at the left and none at the right, whatever it is shown, and keeps what it saw."""

    image_size = 48

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
        self.seen.append(tuple(L.shape))
        red = torch.linspace(1, 0, L.shape[-1]).expand_as(L)
        return torch.cat([red, torch.full_like(L, L.shape[2] / 100)], dim=1)


SAMPLES = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)


@pytest.mark.parametrize(
    ("views", "seen"),
    [
        (1, [(1, 1, 48, 48)]),
        (2, [(2, 1, 48, 48)]),
        (6, [(2, 1, 40, 40), (2, 1, 48, 48), (2, 1, 64, 64)]),
    ],
)
def test_so_many_views_are_shown(views: int, seen: list[tuple[int, ...]]) -> None:
    colorizer = Lopsided()
    predict(SAMPLES, colorizer, views=views)
    assert colorizer.seen == seen
    colorizer.views = views
    again = predict(SAMPLES, colorizer)
    assert colorizer.seen == 2 * seen
    assert again.L.shape[2:] == again.ab.shape[2:] == seen[-1][2:]


def test_the_mean_of_mirrored_views_has_no_side() -> None:
    one, two = (predict(SAMPLES, Lopsided(), views=views).ab[:, :1] for views in (1, 2))
    assert (one[..., 0] - one[..., -1]).min() == 1
    torch.testing.assert_close(two, torch.full_like(two, 0.5))


def test_the_mean_of_six_views_is_that_of_the_three_sizes() -> None:
    blue = predict(SAMPLES, Lopsided(), views=6).ab[:, 1]
    torch.testing.assert_close(blue, torch.full_like(blue, (40 + 48 + 64) / 300))


def test_missing_memory_is_told_from_a_fault_of_the_program() -> None:
    class Failing(Lopsided):
        def __init__(self, bytes_asked: int) -> None:
            super().__init__()
            self.bytes_asked = bytes_asked

        def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
            torch.empty(self.bytes_asked, dtype=torch.uint8)
            return L.view(7, 7)

    with pytest.raises(MemoryError, match="too little memory to predict 48x48"):
        predict(SAMPLES, Failing(2**48))
    with pytest.raises(RuntimeError, match="invalid for input"):
        predict(SAMPLES, Failing(1))


def test_a_colouriser_that_takes_hints_is_given_them_at_its_own_size() -> None:
    class Obedient(Lopsided):
        takes_hints = True

        def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
            assert isinstance(hints, Hints)
            assert hints.mask.shape == L.shape
            return hints.ab

    rgb, mask = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96), bool)
    rgb[10, 80], mask[10, 80] = (200, 40, 40), True
    strokes = Strokes(rgb, mask, "a test")
    for views in (1, 2):
        prediction = predict(SAMPLES, Obedient(), None, views, strokes)
        assert prediction.told
        ab = prediction.ab
        torch.testing.assert_close(ab, strokes.reduced(*ab.shape[2:])[0].ab)
        assert ab.abs().sum(dim=1).nonzero().tolist() == [[0, 5, 40]]


def test_hints_that_another_chroma_would_change_are_corrected_after_it() -> None:
    class Untold(Lopsided):
        takes_hints, sha256 = True, "a network's"

        def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
            assert hints is None
            return super().__call__(L)

    rgb, mask = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96), bool)
    rgb[10, 80], mask[10, 80] = (200, 40, 40), True
    prediction = predict(SAMPLES, Untold(), strokes=Strokes(rgb, mask, "a test"), saturation=1.5)
    assert not prediction.told
    torch.testing.assert_close(prediction.ab, predict(SAMPLES, Untold()).ab * 1.5)


def test_hints_without_a_network_are_spread_alike_at_every_saturation() -> None:
    rgb, mask = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96), bool)
    rgb[10, 80], mask[10, 80] = (200, 40, 40), True
    strokes = Strokes(rgb, mask, "a test")
    one, strong = (
        predict(SAMPLES, Scribbles(), 48, strokes=strokes, saturation=factor) for factor in (1, 1.5)
    )
    assert strong.told
    assert torch.equal(strong.ab, one.ab)
