import numpy as np
import pytest

from src.evaluation.judge import Judged
from src.evaluation.results import AT_HALF, by_set, sets_table
from src.metrics.half_colorfulness import FACTORS


def judged() -> Judged:
    """Two pictures of `sky`, one of `sea`; grey errs by 10, the model by 8 and 8, and by 12."""
    curves = [
        np.array([*(10 + (error - 10) * np.array(FACTORS)), *(20 * np.array(FACTORS)), 10, 40])
        for error in (8, 8, 12)
    ]
    return Judged(
        pictures=["a", "b", "c"],
        figures={
            "zero": {"ab_mae": [10.0] * 3, "psnr": [20.0] * 3, "colorfulness": [0.0] * 3},
            "net": {"ab_mae": [8.0, 8.0, 12.0], "psnr": [21.0] * 3, "colorfulness": [20.0] * 3},
        },
        truth={"colorfulness": [40.0] * 3},
        curves={"net": curves},
    )


def test_each_set_is_compared_with_grey_on_its_own_pictures() -> None:
    found = by_set(judged(), {"a": "sky", "b": "sky/blue", "c": "sea"}, ["net"])
    assert [*found] == ["sea", "sky"]
    assert found["sky"]["net"] == pytest.approx(
        {
            "pictures": 2,
            "ab_mae": 8.0,
            "under_zero": 20.0,
            AT_HALF: 20.0,
            "psnr_over_zero": 1.0,
            "colorfulness": 50.0,
        },
        abs=0.2,
    )
    assert found["sea"]["net"]["under_zero"] == pytest.approx(-20)
    [_, head, sea, sky] = sets_table(found).splitlines()
    assert "% under zero at half" in head
    assert sea.startswith("sea, net")
    assert sky.startswith("sky, net")


def test_a_set_without_colours_has_no_share_of_them() -> None:
    own = judged()
    own.truth["colorfulness"][2] = own.figures["zero"]["ab_mae"][2] = 0.0
    found = by_set(own, {"a": "sky", "b": "sky", "c": "bw"}, ["net"])
    assert (found["bw"]["net"]["under_zero"], found["bw"]["net"]["colorfulness"]) == (None, None)
    assert found["sky"]["net"]["colorfulness"] == pytest.approx(50)


def test_pictures_without_folders_make_no_sets() -> None:
    assert by_set(judged(), {}, ["net"]) == {}
    assert sets_table({}) == ""
