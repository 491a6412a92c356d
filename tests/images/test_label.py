import numpy as np
import pytest

from src.images.label import LABEL, draw_label


@pytest.mark.parametrize("shape", [(1, 1), (7, 200), (200, 7), (300, 400), (3000, 200)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_label_is_in_the_lower_right_and_fits(shape: tuple[int, int], kind: type) -> None:
    samples: np.ndarray = np.full((*shape, 3), np.iinfo(kind).max // 2, kind)
    before = samples.copy()
    draw_label(samples)
    changed = (samples != before).any(axis=2)
    assert changed[-1, -1]
    if shape == (300, 400):
        assert LABEL
        assert changed.mean() < 0.1
        assert not changed[:150].any()
        assert not changed[:, :150].any()
        assert (samples > np.iinfo(kind).max * 0.9).any()
