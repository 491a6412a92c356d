import math

import pytest
import torch

from src.color import HUES
from src.metrics.regions import BINS, Regions


def lab_of(*pixels: tuple[float, float, float]) -> torch.Tensor:
    """Make a picture of L*, chroma and hue angle of each pixel."""
    lab = [(L, c * math.cos(math.radians(h)), c * math.sin(math.radians(h))) for L, c, h in pixels]
    return torch.tensor(lab).T[None, :, None]


def test_red_that_became_a_dull_orange_is_found() -> None:
    red, blue = (45.0, 60.0, 35.0), (45.0, 60.0, 275.0)
    regions = Regions()
    truth, seen = lab_of(red, red, red, blue), lab_of((45, 15, 65), (45, 15, 65), red, blue)
    regions.add(seen, truth, torch.tensor([[[20.0, 20, 0, 0]]]))
    found = regions.by_hue()
    assert found["red"].pixels == 0.75
    assert found["red"].delta_e2000 == pytest.approx(40 / 3)
    assert found["red"].chroma_ratio == pytest.approx((15 + 15 + 60) / 180)
    assert found["blue"].delta_e2000 == 0
    assert found["green"].delta_e2000 is None
    row = dict(zip(BINS, regions.confusion()[BINS.index("red")], strict=True))
    assert row["orange"] == pytest.approx(2 / 3)
    assert row["red"] == pytest.approx(1 / 3)


def test_every_hue_is_in_the_bin_around_it_and_greys_in_none() -> None:
    angles = [30.0 * i + offset for i in range(len(HUES)) for offset in (-14, 14)]
    regions = Regions()
    picture = lab_of(*((50.0, 20.0, angle) for angle in angles), (50, 4.9, 80), (50, 0, 0))
    regions.add(picture, picture, torch.zeros(1, 1, 26))
    found = regions.by_hue()
    assert {name: round(26 * own.pixels) for name, own in found.items()} == dict.fromkeys(BINS, 2)
    assert all(regions.confusion()[i, i] == 1 for i in range(len(BINS)))


def test_skin_is_told_apart_by_lightness_and_pictures_are_counted() -> None:
    light, dark, sky = (75.0, 20.0, 55.0), (32.0, 18.0, 50.0), (70.0, 25.0, 260.0)
    regions = Regions()
    for picture in ((light, dark, sky, sky), (light, sky, sky, sky)):
        lab = lab_of(*picture)
        own = Regions()
        own.add(lab, lab, torch.tensor([[[1.0, 9.0, 5.0, 5.0]]]))
        regions.join(own)
    found = {name: own for name, own in regions.skin_by_lightness().items() if own.pixels}
    assert {name: (own.pictures, own.delta_e2000) for name, own in found.items()} == {
        "L* 30-40": (1, 9.0),
        "L* 70-80": (2, 1.0),
    }
    assert sum(own.pixels for own in regions.by_lightness().values()) == pytest.approx(1)
