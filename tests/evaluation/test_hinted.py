import numpy as np
import skimage.data

from src.evaluation.hinted import drawn


def test_hints_are_the_truths_colours_at_the_same_places_each_time() -> None:
    truth = skimage.data.astronaut()[:256, :256].copy()
    none, few, many = drawn(truth, [0, 3, 20])
    assert not none.mask.any()
    assert list(many.centers[:3]) == list(few.centers)
    assert len(many.centers) == many.count(256) == 20
    again = drawn(truth, [20])[0]
    assert np.array_equal(again.rgb, many.rgb)
    for y, x in many.centers:
        around = truth[max(0, y - 6) : y + 7, max(0, x - 6) : x + 7].reshape(-1, 3).astype(int)
        assert abs(around - many.rgb[y, x]).sum(axis=1).min() < 40  # a colour that is there
    truth[0, 0] ^= 1
    assert list(drawn(truth, [3])[0].centers) != list(few.centers)
