from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from src.colorizers import registry
from src.colorizers.constants import Constant
from src.errors import UserError
from src.generators.lite0 import Lite0
from src.inference.hints import Line
from src.inference.result import Options
from src.web import sitting
from src.web.sitting import Sitting
from tests.colorizers.test_proposals import save_unsure


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sitting:
    """A photo of 300 x 200 whose preview has 150 x 100, painted in a reddish brown."""
    monkeypatch.setattr(sitting, "PREVIEW", 150)
    Image.radial_gradient("L").resize((300, 200)).save(tmp_path / "a.png")
    brown = Constant("brown", torch.tensor([0.15, 0.15]))
    return sitting.begin(tmp_path / "a.png", brown, Options(size=64))


SCENE = Path(skimage.data.__file__).parent / "coffee.png"
BLUE, GREY = (40, 80, 200), (90, 90, 90)
SPOT, STROKE = [(0.27, 0.705)], [(0.1, 0.5), (0.3, 0.5), (0.3, 0.9)]


def test_a_dab_is_placed_colored_changed_and_taken_back(begun: Sitting) -> None:
    assert begun.painted.shape == (100, 150, 3)
    pending = begun.stroked(SPOT, 0.02, keep=False)
    assert pending.painted is begun.painted  # nothing is to be solved before a colour is chosen
    blue = pending.colored(BLUE)
    assert blue.drawing.lines() == [Line(81, 141, BLUE, 4)]
    red, _, blueness = blue.painted.astype(int)[70, 40]
    assert blueness > red + 30
    grey = blue.colored(GREY)
    assert len(grey.drawing.lines()) == 1
    assert np.ptp(grey.painted[70, 40].astype(int)) < 8
    assert np.array_equal(grey.undone().painted, blue.painted)
    assert np.array_equal(grey.undone().undone().painted, begun.painted)
    assert not grey.undone().undone().undone().past


@pytest.mark.parametrize("saturation", [1.0, 0.5])
def test_the_network_runs_once_a_photo_whatever_hints_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saturation: float
) -> None:
    Image.radial_gradient("L").resize((300, 200)).save(tmp_path / "a.png")
    runs, forward = [], Lite0.forward

    def counted(encoder: Lite0, x: Tensor, *first: Any) -> list[Tensor]:
        runs.append(x.shape)
        return forward(encoder, x, *first)

    monkeypatch.setattr(Lite0, "forward", counted)
    options = Options(size=64, saturation=saturation)
    begun = sitting.begin(tmp_path / "a.png", registry.from_file(None), options)
    blue = begun.stroked(SPOT, 0.02, keep=False).colored(BLUE)
    assert runs
    runs.clear()
    two = blue.colored(GREY).stroked(STROKE, 0.02, keep=True)
    assert not np.array_equal(two.painted, blue.painted)
    assert not runs


def test_what_is_painted_looks_as_the_whole_photo_will(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    Image.open(SCENE).convert("RGB").save(photo)
    begun = sitting.begin(photo, registry.from_file(None), Options())
    assert begun.network.views == 6
    red = begun.stroked(SPOT, 0.02, keep=False).colored((150, 30, 30))
    whole, _ = red.whole(tmp_path)
    with Image.open(whole) as image:
        apart = color_difference(red.painted, np.asarray(image.resize(red.painted.shape[1::-1])))
    changed = color_difference(red.painted, begun.painted)
    assert changed.mean() > 3
    assert apart.mean() < 1.5


def color_difference(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray(deltaE_ciede2000(rgb2lab(ones), rgb2lab(others)))


def test_a_color_can_be_chosen_before_strokes_and_kept_for_several(begun: Sitting) -> None:
    one = begun.colored(BLUE).stroked(SPOT, 0.02, keep=False)
    assert [stroke.rgb for stroke in one.drawing.strokes] == [BLUE]
    two = one.stroked([(0.9, 0.1)], 0.02, keep=False)
    assert two.drawing.strokes[-1].rgb is None
    moved = two.stroked([(0.8, 0.1)], 0.02, keep=False)  # instead of the one without a colour
    assert len(moved.drawing.strokes) == 2
    kept = one.stroked([(0.9, 0.1)], 0.02, keep=True).colored(GREY, keep=True)
    assert [stroke.rgb for stroke in kept.drawing.strokes] == [BLUE, BLUE]
    assert kept.stroked([(0.5, 0.5)], 0.02, keep=True).drawing.strokes[-1].rgb == GREY


def test_strokes_that_leave_nothing_to_the_network_are_refused(begun: Sitting) -> None:
    at = begun
    for y in (0.05, 0.25, 0.45, 0.65):
        at = at.stroked([(0, y), (1, y)], 0.1, keep=False).colored(BLUE)
    with pytest.raises(UserError, match="nearly all"):
        at.stroked([(0, 0.85), (1, 0.85)], 0.1, keep=False)


def test_a_stroke_is_covered_by_discs_and_saved_as_lines(begun: Sitting, tmp_path: Path) -> None:
    hinted = begun.stroked(STROKE, 0.02, keep=False).colored(BLUE)
    lines = hinted.drawing.lines()
    assert (lines[0].x, lines[0].y) == (30, 100)
    assert (lines[-1].x, lines[-1].y) == (90, 180)
    assert max(abs(a.x - b.x) + abs(a.y - b.y) for a, b in pairwise(lines)) <= 3
    path = hinted.drawing.saved(tmp_path, "a", hinted.size)
    assert path.read_text().splitlines()[:2] == ["x,y,color,radius", "30,100,#2850c8,4"]
    again = begun.loaded(path, tmp_path)
    assert np.array_equal(again.painted, hinted.painted)
    assert np.array_equal(again.undone().painted, begun.painted)
    with pytest.raises(UserError, match="full"):
        begun.stroked([(i % 2, i % 2) for i in range(3000)], 0.001, keep=False)


def test_marks_show_where_strokes_are_in_which_color(begun: Sitting) -> None:
    assert np.array_equal(np.asarray(begun.marked()), begun.painted)
    line = begun.stroked([(0.1, 0.5), (0.6, 0.5)], 0.02, keep=False)
    assert line.marked().getpixel((50, 50)) == (255, 255, 255)  # its colour is yet to be chosen
    blue = line.colored(BLUE).stroked([(0.8, 0.2)], 0.02, keep=False).colored(GREY)
    marked = blue.marked()
    assert (marked.getpixel((50, 50)), marked.getpixel((120, 20))) == (BLUE, GREY)
    changed = (np.asarray(marked) != blue.painted).any(axis=2)
    assert not changed[60:].any()
    assert not changed[45:56, 100:].any()


def test_hints_that_are_saved_and_loaded_are_the_same_strokes(
    begun: Sitting, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    at = begun
    for i in range(12):
        walk = np.cumsum(random.normal(0, 0.04, (random.integers(1, 9), 2)), axis=0)
        path = [(float(x), float(y)) for x, y in (0.5 + walk).clip(0, 1)]
        at = at.stroked(path, [0.004, 0.01, 0.025, 0.06][i % 4], keep=False)
        at = at.colored((int(random.integers(256)), 90, 200))
    drawn = at.drawing
    first = begun.loaded(drawn.saved(tmp_path, "a", at.size), tmp_path)
    again = begun.loaded(first.drawing.saved(tmp_path, "b", at.size), tmp_path)
    for one in (first, again):
        assert one.drawing.lines() == drawn.lines()
        assert len(one.drawing.strokes) == 12
        assert np.array_equal(one.painted, at.painted)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    assert not again.undone().drawing


def test_a_file_of_several_pages_takes_no_hints_and_says_why(tmp_path: Path) -> None:
    pages = [Image.radial_gradient("L").resize((60, 40))] * 3
    pages[0].save(tmp_path / "album.tif", save_all=True, append_images=pages[1:])
    at = sitting.begin(tmp_path / "album.tif", Constant("brown", torch.zeros(2)), Options(size=32))
    (tmp_path / "h.csv").write_text("1,1,#2030e0\n")
    for touch in (
        lambda: at.stroked(SPOT, 0.02, keep=False),
        lambda: at.loaded(tmp_path / "h.csv", tmp_path),
    ):
        with pytest.raises(UserError, match=r"3 pages, .* photo of one page only"):
            touch()


def test_a_layer_of_a_paint_program_is_loaded_painted_over_and_saved(
    begun: Sitting, tmp_path: Path
) -> None:
    layer = np.zeros((200, 300, 4), np.uint8)
    layer[130:150, 60:100] = (*BLUE, 255)
    Image.fromarray(layer).save(tmp_path / "layer.png")
    loaded = begun.loaded(tmp_path / "layer.png", tmp_path)
    assert loaded.in_use() == loaded.undone().undone().in_use() | {tmp_path / "layer.png"}
    red, _, blueness = loaded.painted.astype(int)[70, 40]
    assert blueness > red + 30
    over = loaded.stroked([(0.8, 0.2)], 0.05, keep=False).colored(GREY)
    saved = over.drawing.saved(tmp_path, "saved", over.size)
    with Image.open(saved) as image:
        assert image.getpixel((80, 140)) == (*BLUE, 255)
        assert image.getpixel((240, 40)) == (*GREY, 255)
        assert image.getchannel("A").getpixel((20, 20)) == 0
    painted, _ = over.whole(tmp_path)
    with Image.open(painted) as image:
        assert b"hints=2 by a person, from a.png" in image.info["xmp"]
    (tmp_path / "all.csv").write_text("150,100,#ffffff,300\n")
    with pytest.raises(UserError, match="gives colours to 100% of the photo"):
        begun.loaded(tmp_path / "all.csv", tmp_path)
    Image.new("RGBA", (30, 20)).save(tmp_path / "small.png")
    with pytest.raises(UserError, match="expected the upright photo's 300x200"):
        begun.loaded(tmp_path / "small.png", tmp_path)


def test_hints_stay_with_their_photo(begun: Sitting, tmp_path: Path) -> None:
    hinted = begun.stroked(SPOT, 0.02, keep=False).colored(BLUE)
    options = Options(size=64, saturation=0.5)
    again = sitting.begin(begun.photo, begun.colorizer, options).following(hinted)
    assert again.drawing is hinted.drawing
    assert np.array_equal(again.undone().painted, begun_at(begun, options).painted)
    Image.new("L", (90, 80), 99).save(tmp_path / "b.png")
    other = sitting.begin(tmp_path / "b.png", begun.colorizer, options).following(again)
    assert not other.drawing
    back = begun_at(begun, options).following(other)
    assert back.drawing is hinted.drawing
    assert not back.undone().drawing
    held = other.colored(GREY)  # for the next stroke, on whatever photo
    pending = begun_at(begun, options).following(held).stroked(SPOT, 0.02, keep=False)
    assert pending.drawing.strokes[-1].rgb == GREY
    forgotten = begun_at(begun, options).following(back.stroked(SPOT, 0.02, keep=False))
    assert [one.rgb for one in forgotten.drawing.strokes] == [BLUE]


def test_a_photo_whose_preview_has_not_quite_its_shape_takes_strokes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitting, "PREVIEW", 150)
    Image.radial_gradient("L").resize((152, 111)).save(tmp_path / "a.png")
    network = registry.from_file(None)
    begun = sitting.begin(tmp_path / "a.png", network, Options(size=64, views=1))
    assert round(64 * 150 / begun.samples.shape[0]) != begun.preview.prediction.L.shape[3]
    blue = begun.stroked(SPOT, 0.02, keep=False).colored(BLUE)
    red, _, blueness = blue.painted.astype(int)[77, 40]
    assert blueness > red + 30


def begun_at(begun: Sitting, options: Options) -> Sitting:
    return sitting.begin(begun.photo, begun.colorizer, options)


def test_the_palette_begins_with_what_the_spot_has_and_offers_others(begun: Sitting) -> None:
    assert begun.palette() == ([], [])
    likely, others = begun.stroked(SPOT, 0.02, keep=False).palette()
    assert abs(np.array(likely[0]) - begun.painted[70, 40]).max() < 12
    assert len(others) >= 5
    assert all(abs(np.array(likely[0]) - other).max() > 8 for other in others)


def test_variants_are_corrected_by_hints_and_painted_at_full_size(
    begun: Sitting, tmp_path: Path
) -> None:
    unsure = registry.from_file(save_unsure(tmp_path / "unsure.ckpt"))
    first = sitting.begin(begun.photo, unsure, Options(views=2))
    own, other, _ = first.variants(3)
    assert np.array_equal(own.painted, first.painted)
    assert np.ptp(other.painted.astype(int) - own.painted, axis=2).mean() > 4
    corner = [(0.95, 0.95)]
    likely = first.stroked(corner, 0.02, keep=False).palette()
    assert other.stroked(corner, 0.02, keep=False).palette() == likely
    hinted = other.stroked(SPOT, 0.02, keep=False).colored(BLUE)
    assert np.array_equal(first.variants(3)[1].following(hinted).painted, hinted.painted)
    painted, _ = hinted.whole(tmp_path)
    with Image.open(painted) as image:
        assert b"proposal=2 of 3" in image.info["xmp"]
        small = np.asarray(image.convert("RGB").resize((150, 100), Image.Resampling.BOX))
    assert abs(small.astype(int) - hinted.painted).mean() < 3
    with pytest.raises(UserError, match="nothing of others"):
        begun.variants(3)


def test_doubts_lie_over_the_photo_and_are_written_at_full_size(
    begun: Sitting, tmp_path: Path
) -> None:
    unsure = registry.from_file(save_unsure(tmp_path / "unsure.ckpt"))
    over, written = sitting.begin(begun.photo, unsure, Options()).doubted(tmp_path)
    assert written.name == "a_uncertainty.png"
    with Image.open(written) as image:
        assert image.size == (300, 200)
        assert np.asarray(image).mean() > 20
    red, _, blue = np.asarray(over).reshape(-1, 3).mean(axis=0)
    assert red > blue + 10
