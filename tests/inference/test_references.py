from pathlib import Path

import pytest
import skimage.data
from PIL import Image, ImageOps

from src import files
from src.colorize import main
from src.images import Photo
from src.inference import references

SCENES = Path(skimage.data.__file__).parent


def colorize(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--output", "out"])
    return int(ended.value.code or 0)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """The left view of a scene, in grey."""
    with Image.open(SCENES / "motorcycle_left.png") as image:
        image.convert("L").resize((240, 160)).save(tmp_path / "left.png")
    return tmp_path / "left.png"


def colors(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB").resize((24, 16), Image.Resampling.BOX)


def apart(one: Image.Image, other: Image.Image) -> float:
    pairs = zip(one.tobytes(), other.tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / (24 * 16 * 3)


def test_a_photo_takes_the_colors_of_another_view_and_says_so(photo: Path) -> None:
    right = Path("views", "right.png")
    right.parent.mkdir()
    right.write_bytes((SCENES / "motorcycle_right.png").read_bytes())
    true = colors(SCENES / "motorcycle_left.png")
    assert colorize(photo) == 0
    without = apart(colors(Path("out/left.png")), true)
    for words in ((), ("--method", "exemplar"), ("--method", "gupta")):
        assert colorize(photo, "--overwrite", "--reference", right, *words) == 0
        assert apart(colors(Path("out/left.png")), true) < 0.7 * without
        [page] = Photo(Path("out/left.png")).pages()
        assert page.metadata.xmp is not None
        said = page.metadata.xmp.decode()
        assert f"reference=right.png sha256:{files.sha256(right)}" in said
        assert "views/" not in said


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: Image.new("RGB", (64, 64), "grey").save(path), "it is grey"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_text("no picture"), "not a picture"),
        (lambda _: None, "no such file"),
        (lambda path: path.write_bytes((SCENES / "multipage_rgb.tif").read_bytes()), "2 pages"),
        (
            lambda path: path.write_bytes((SCENES / "no_time_for_that_tiny.gif").read_bytes()),
            "an animation",
        ),
    ],
)
def test_what_has_no_colors_to_give_is_refused_in_one_line(
    photo: Path, make: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Path("given.png")
    make(given)  # type: ignore[operator]
    assert colorize(photo, "--reference", SCENES / "coffee.png", given) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: reference given.png: ")
    assert said in line
    assert not Path("out").exists()


def test_a_toned_reference_is_told_of(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(SCENES / "coffee.png") as image:
        ImageOps.colorize(image.convert("L"), "#1a0f05", "#f7e6c4").save("sepia.jpg")
    assert colorize(photo, "--reference", SCENES / "coffee.png", "sepia.jpg") == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("reference sepia.jpg looks like a toned black-and-white photo")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "zero", "--reference", SCENES / "coffee.png"), "zero looks at no reference"),
        (("--method", "exemplar"), "name a --reference PICTURE"),
    ],
)
def test_a_reference_goes_with_what_looks_at_one(
    photo: Path, words: tuple[object, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert colorize(photo, *words) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_references_are_shrunk_in_their_own_shape(tmp_path: Path) -> None:
    with Image.open(SCENES / "coffee.png") as image:
        image.resize((1200, 300)).save(tmp_path / "wide.jpg")
    [(L, ab)] = references.read([tmp_path / "wide.jpg"]).reference.pictures
    assert L.shape == (1, 1, 192, 768)
    assert ab.shape == (1, 2, 192, 768)
    assert ab.abs().mean() > 0.05
