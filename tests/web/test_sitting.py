from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from src.colorizers.constants import Constant
from src.inference.result import Options
from src.web import sitting
from src.web.sitting import Sitting


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sitting:
    """A photo of 300 x 200 whose preview has 150 x 100, painted in a reddish brown."""
    monkeypatch.setattr(sitting, "PREVIEW", 150)
    Image.radial_gradient("L").resize((300, 200)).save(tmp_path / "a.png")
    brown = Constant("brown", torch.tensor([0.15, 0.15]))
    return sitting.begin(tmp_path / "a.png", brown, Options(size=64))


def test_a_hint_is_placed_changed_and_taken_back(begun: Sitting) -> None:
    before = begun.painted()
    assert before.shape == (100, 150, 3)
    spot = begun.clicked(40, 70)
    assert spot.spot == (81, 141)
    blue = spot.hinted((40, 80, 200))
    painted = blue.painted().astype(int)
    assert painted[70, 40, 2] > painted[70, 40, 0] + 30
    grey = blue.hinted((90, 90, 90))
    assert len(grey.lines) == 1
    assert np.ptp(grey.painted()[70, 40].astype(int)) < 8
    assert np.array_equal(grey.undone().painted(), before)
    assert begun.hinted((1, 2, 3)).lines == ()  # nothing was clicked on


def test_hints_are_saved_and_loaded(begun: Sitting, tmp_path: Path) -> None:
    hinted = begun.clicked(40, 70).hinted((40, 80, 200)).clicked(9, 9).hinted((20, 90, 30))
    path = tmp_path / "hints.csv"
    path.write_text(hinted.text())
    assert path.read_text().splitlines()[:2] == ["x,y,color,radius", "81,141,#2850c8,2"]
    assert np.array_equal(begun.loaded(path).painted(), hinted.painted())


def test_the_palette_begins_with_what_the_spot_has_and_offers_others(begun: Sitting) -> None:
    palette = begun.clicked(40, 70).palette()
    own, *others = (np.array(shade, int) for shade in palette)
    assert len(palette) >= 6
    assert abs(own - begun.painted()[70, 40]).max() < 12
    assert all(abs(own - other).max() > 8 for other in others)
