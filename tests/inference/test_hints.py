from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from src import color
from src.colorizers import registry
from src.colorizers.constants import Constant
from src.errors import UserError
from src.inference import hints
from src.inference.painting import paint
from src.inference.prediction import predict
from src.metrics.color_difference import delta_e2000

RED, BLUE = (200, 60, 50), (60, 80, 190)


def photo(size: tuple[int, int] = (300, 200)) -> np.ndarray:
    """A textured photograph in grey with an edge: (h, w)."""
    width, height = size
    noise = np.random.default_rng(0).normal(0, 12, (height, width))
    return np.clip(np.where(np.arange(width) < width / 2, 90, 180) + noise, 0, 255).astype(np.uint8)


def layer(size: tuple[int, int] = (300, 200)) -> Image.Image:
    return Image.new("RGBA", size)


def lab(rgb: np.ndarray | tuple[int, ...]) -> torch.Tensor:
    return color.rgb_to_lab(torch.tensor(np.array(rgb), dtype=torch.float32).view(1, 3, 1, 1) / 255)


def difference(painted: np.ndarray, asked: tuple[int, ...]) -> float:
    """CIEDE2000 of a pixel from the asked ab at its own L, as far as sRGB has that."""
    there = lab(painted)
    L, ab = color.lab_to_L_ab(torch.cat([there[:, :1], lab(asked)[:, 1:]], dim=1))
    wanted, _ = color.L_ab_to_rgb_keeping_L(L, ab)
    return float(delta_e2000(there, color.rgb_to_lab(wanted)))


@pytest.mark.parametrize("method", [None, "scribbles", "zero"])
def test_hints_are_met_at_their_centres(tmp_path: Path, method: str | None) -> None:
    lines = [
        (40, 30, RED),
        (70, 160, BLUE),
        (149, 100, RED),
        (250, 20, (120, 110, 90)),
        (299, 199, BLUE),
    ]
    path = tmp_path / "hints.csv"
    path.write_text("".join(f"{x},{y},#{bytes(rgb).hex()}\n" for x, y, rgb in lines))
    samples = photo()
    strokes = hints.read(path, samples)
    colorizer = registry.load(method, None)
    prediction = predict(samples, colorizer, 96, strokes=strokes).corrected(strokes)
    painted = paint(samples, prediction).samples
    for x, y, rgb in lines:
        assert difference(painted[y, x], rgb) < 2


def test_one_pixel_on_a_huge_photo_is_not_lost(tmp_path: Path) -> None:
    picture = layer((3000, 2000))
    picture.putpixel((2717, 1333), (*RED, 255))
    picture.save(tmp_path / "hints.png")
    samples = photo((3000, 2000))
    strokes = hints.read(tmp_path / "hints.png", samples)
    given, places = strokes.reduced(64, 96)
    assert given.mask.sum() == 1
    assert given.mask[0, 0, 1333 * 64 // 2000, 2717 * 96 // 3000]
    assert places.yx.tolist() == [[1333, 2717]]
    prediction = predict(samples, Constant("sepia", torch.tensor([0.05, 0.1])), 64)
    painted = paint(samples, prediction.corrected(strokes)).samples
    assert difference(painted[1333, 2717], RED) < 2


def test_dots_of_two_colors_that_nearly_touch_color_nothing_wildly(tmp_path: Path) -> None:
    path = tmp_path / "hints.csv"
    path.write_text("1500,1000,#c82828,3\n1510,1000,#2850dc,3\n")
    samples = np.full((2000, 3000), 110, np.uint8)
    strokes = hints.read(path, samples)
    prediction = predict(samples, Constant("grey", torch.zeros(2)), 64).corrected(strokes)
    row = paint(samples, prediction).samples[None, 1000, 1400:1610]
    _, ab = color.uint8_to_L_ab(torch.from_numpy(row).permute(2, 0, 1)[None])
    asked, _ = strokes.reduced(64, 96)
    most = asked.ab.abs().amax(dim=(2, 3), keepdim=True)
    assert (ab.abs() <= 2 * most + 0.02).all()


def test_pixels_of_at_least_half_alpha_are_hints_and_grey_means_grey(tmp_path: Path) -> None:
    picture = layer((30, 20))
    for x, alpha in ((3, 127), (5, 128), (7, 255)):
        picture.putpixel((x, 4), (128, 128, 128, alpha))
    picture.save(tmp_path / "hints.png")
    strokes = hints.read(tmp_path / "hints.png", photo((30, 20)))
    assert np.argwhere(strokes.mask).tolist() == [[4, 5], [4, 7]]
    given, _ = strokes.reduced(20, 30)
    assert given.ab.abs().max() < 1e-3
    assert strokes.count(20) == 2


def test_an_opaque_copy_counts_where_it_differs(tmp_path: Path) -> None:
    samples = photo((30, 20))
    picture = Image.fromarray(np.clip(samples.astype(int) + 8, 0, 255).astype(np.uint8)).convert(
        "RGB"
    )
    ImageDraw.Draw(picture).line([(4, 10), (9, 10)], fill=BLUE)
    picture.save(tmp_path / "hints.png")
    strokes = hints.read(tmp_path / "hints.png", samples)
    assert np.argwhere(strokes.mask).tolist() == [[10, x] for x in range(4, 10)]
    assert strokes.count(20) == 1


def test_a_copy_of_a_photo_with_transparent_parts_counts_where_it_differs(tmp_path: Path) -> None:
    samples = photo((30, 20))
    picture = Image.fromarray(samples).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 30, 5))
    ImageDraw.Draw(picture).line([(4, 10), (9, 10)], fill=BLUE)
    picture.save(tmp_path / "hints.png")
    strokes = hints.read(tmp_path / "hints.png", samples)
    assert np.argwhere(strokes.mask).tolist() == [[10, x] for x in range(4, 10)]


def test_grey_strokes_of_a_layer_may_be_as_light_as_the_photo(tmp_path: Path) -> None:
    picture = layer((30, 20))
    for x in range(4, 10):
        picture.putpixel((x, 10), (*[int(photo((30, 20))[10, x])] * 3, 255))
    picture.save(tmp_path / "hints.png")
    assert hints.read(tmp_path / "hints.png", photo((30, 20))).mask.sum() == 6


def test_strokes_that_touch_in_two_colors_are_two(tmp_path: Path) -> None:
    picture = layer((60, 40))
    pen = ImageDraw.Draw(picture)
    pen.line([(5, 10), (20, 10)], fill=(*RED, 255), width=3)
    pen.line([(20, 10), (20, 30)], fill=(*BLUE, 255), width=3)
    pen.line([(20, 30), (40, 38)], fill=(*BLUE, 255), width=3)
    picture.save(tmp_path / "hints.png")
    assert hints.read(tmp_path / "hints.png", photo((60, 40))).count(40) == 2


@pytest.mark.parametrize("quality", [75, 95])
def test_what_jpeg_does_to_a_copy_is_no_stroke(tmp_path: Path, quality: int) -> None:
    samples = photo()
    picture = Image.fromarray(samples).convert("RGB")
    ImageDraw.Draw(picture).line([(40, 60), (100, 60)], fill=BLUE, width=9)
    picture.save(tmp_path / "hints.jpg", quality=quality)
    strokes = hints.read(tmp_path / "hints.jpg", samples)
    y, x = strokes.mask.nonzero()
    assert (y.min() >= 55, y.max() <= 65, x.min() >= 39, x.max() <= 101) == (True,) * 4
    assert strokes.mask[58:63, 44:97].mean() > 0.9
    assert strokes.count(96) == 1


def test_lines_have_names_a_radius_and_blanks(tmp_path: Path) -> None:
    path = tmp_path / "hints.csv"
    path.write_text("color, y, x, radius\n#ff0000, 5, 10, 2\n\n#00ff00, 15, 20, 0\n")
    strokes = hints.read(path, photo((30, 20)))
    assert strokes.mask[5, 8:13].all()
    assert strokes.mask.sum() == 13 + 1
    assert strokes.rgb[15, 20].tolist() == [0, 255, 0]
    path.write_text("29,19,#0000ff\n0,0,#0000ff,500\n".replace(",500", ",3"))
    assert hints.read(path, photo((30, 20))).mask[19, 29]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,y,colour\n1,1,#ffffff\n", "has the columns x,y,colour: expected x,y,color"),
        ("x,color\n1,#ffffff\n", "expected x,y,color"),
        ("1,1\n", "'1,1': expected x,y,color"),
        ("1,1,#ffffff,2,3\n", "expected x,y,color"),
        ("1,1,red\n", "expected a color such as #8a5a2b, got 'red'"),
        ("1.5,1,#ffffff\n", "expected whole numbers"),
        ("nan,15,#ffffff\n1,1,#ffffff\n", "'nan,15,#ffffff': expected whole numbers for x and y"),
        ("left,top,tint\n1,1,#ffffff\n", "has the columns left,top,tint: expected x,y,color"),
        ("left,top,tint\n", "has the columns left,top,tint: expected x,y,color"),
        ("1,1,#ffffff,wide\n", "expected whole numbers for x and y, a number for radius"),
        ("1,1,#ffffff,nan\n", "expected a radius of 0 to 30"),
        ("30,1,#ffffff\n", "outside the photo, whose x is 0 to 29 and y 0 to 19"),
        ("", "holds no hint"),
        ("x,y,color\n", "holds no hint"),
        ('"' + 200_000 * "a", "field larger than field limit"),
        ("15,10,#ffffff,30\n", "gives colours to 100% of the photo"),
    ],
)
def test_wrong_lines_are_told_in_one(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "hints.csv"
    path.write_text(text)
    with pytest.raises(UserError) as told:
        hints.read(path, photo((30, 20)))
    assert said in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "hints.csv").mkdir()
    with pytest.raises(UserError, match=r"hints\.csv: Is a directory"):
        hints.read(tmp_path / "hints.csv", photo((30, 20)))


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (layer((20, 30)), "is 20x30: expected the upright photo's 30x20"),
        (layer((30, 20)), "holds no hint"),
        (Image.new("RGB", (30, 20), "white"), "gives colours to 100% of the photo"),
        (Image.fromarray(photo((30, 20))), "holds no hint"),
    ],
    ids=["size", "empty", "everywhere", "same"],
)
def test_wrong_pictures_are_told_in_one_line(
    tmp_path: Path, picture: Image.Image, said: str
) -> None:
    path = tmp_path / "hints.png"
    picture.save(path)
    with pytest.raises(UserError) as told:
        hints.read(path, photo((30, 20)))
    assert said in str(told.value)


def test_a_table_that_covers_nearly_all_is_told_of_places_and_radii(tmp_path: Path) -> None:
    path = tmp_path / "hints.csv"
    path.write_text("15,10,#a02020,30\n")
    with pytest.raises(UserError, match="give fewer places or smaller radii"):
        hints.read(path, photo((30, 20)))
