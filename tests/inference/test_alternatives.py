from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from src.colorize import main
from src.colorizers import registry, shipped
from src.images import Photo
from src.inference import alternatives
from src.inference.alternatives import MARGIN, uncertainty
from tests.colorizers.test_proposals import save_unsure

SCENES = Path(skimage.data.__file__).parent


def colorize(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--output", "out"])
    return int(ended.value.code or 0)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    with Image.open(SCENES / "chelsea.png") as image:
        image.convert("L").resize((90, 60)).save(folder / "cat.png")
    save_unsure(tmp_path / "unsure.ckpt")
    return folder


def test_a_sheet_shows_proposals_and_a_number_keeps_one(album: Path) -> None:
    words = (album / "cat.png", "--checkpoint", "unsure.ckpt", "--proposals", 3, "--uncertainty")
    assert colorize(*words) == 0
    made = sorted(path.name for path in Path("out").iterdir())
    assert made == ["cat.png", "cat_proposals.jpg", "cat_uncertainty.png"]
    [sheet] = Photo(Path("out/cat_proposals.jpg")).pages()
    assert sheet.samples.shape[1] > 2 * 90
    assert b"proposal=1 to 3" in (sheet.metadata.xmp or b"")
    with Image.open("out/cat_uncertainty.png") as image:
        assert (image.size, image.mode) == ((90, 60), "L")
    own, guessed = (Path("out", name).read_bytes() for name in (made[0], made[2]))
    assert colorize(*words, "--proposal", 2, "--overwrite") == 0
    assert Path("out", made[2]).read_bytes() == guessed  # it is the network's
    kept = Path("out/cat.png").read_bytes()
    assert kept != own
    [page] = Photo(Path("out/cat.png")).pages()
    assert b"proposal=2 of 3" in (page.metadata.xmp or b"")
    # What lies in the folder now is no photo of it.
    (album / "cat_proposals.jpg").write_bytes(Path("out/cat_proposals.jpg").read_bytes())
    (album / "cat_uncertainty.png").write_bytes(Path("out/cat_uncertainty.png").read_bytes())
    (album / "dog_proposals.jpg").write_bytes(Path("out/cat_proposals.jpg").read_bytes())
    assert colorize(album, "--method", "zero") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [*made, "dog_proposals.jpg"]


def test_what_a_result_lacks_beside_it_is_made_and_the_result_stays(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (album / "cat.png", "--checkpoint", "unsure.ckpt")
    assert colorize(*words) == 0
    kept = Path("out/cat.png")
    kept.write_bytes(b"retouched by hand")
    sheet, guesses = Path("out/cat_proposals.jpg"), Path("out/cat_uncertainty.png")
    capsys.readouterr()
    assert colorize(*words, "--proposals", 3) == 0
    assert f"{album / 'cat.png'} -> {sheet}" in capsys.readouterr().out
    sheet.write_bytes(b"annotated")
    assert colorize(*words, "--proposals", 3, "--uncertainty") == 0
    assert "cat_proposals" not in capsys.readouterr().out
    assert guesses.stat().st_size > 100
    assert (kept.read_bytes(), sheet.read_bytes()) == (b"retouched by hand", b"annotated")
    assert colorize(*words, "--proposals", 3, "--format", "jpeg") == 0
    assert sheet.read_bytes() == b"annotated"  # although cat.jpg is new
    assert colorize(*words, "--proposals", 3, "--overwrite") == 0
    assert min(kept.stat().st_size, sheet.stat().st_size) > 100


def test_a_photo_that_stays_as_it_is_has_nothing_beside_it(album: Path) -> None:
    (album / "chelsea.png").write_bytes((SCENES / "chelsea.png").read_bytes())
    words = (album, "--checkpoint", "unsure.ckpt", "--uncertainty", "--keep-color")
    assert colorize(*words) == 0
    made = sorted(path.name for path in Path("out").iterdir())
    assert made == ["cat.png", "cat_uncertainty.png", "chelsea.png"]


def test_a_photo_is_never_replaced_by_what_goes_beside_another(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (album / "mine").mkdir()
    own = album / "mine" / "cat_uncertainty.png"
    own.write_bytes((album / "cat.png").read_bytes())
    words = (album / "cat.png", own, "--checkpoint", "unsure.ckpt", "--uncertainty", "--overwrite")
    with pytest.raises(SystemExit):
        main([*map(str, words), "--output", str(album / "mine")])
    assert own.read_bytes() == (album / "cat.png").read_bytes()
    assert f"{own} is a photo itself" in capsys.readouterr().err


def of_sheet(number: int, size: tuple[int, int]) -> np.ndarray:
    """A picture of the two columns of a sheet, less the corner in which its number is."""
    with Image.open("out/cat_proposals.jpg") as image:
        width, height = ((side - MARGIN) // 2 for side in image.size)
        row, column = divmod(number - 1, 2)
        left, top = column * width + MARGIN, row * height + MARGIN
        box = (left, top, left + width - MARGIN, top + height - MARGIN)
        return np.asarray(image.crop(box).resize(size)).astype(int)[:, size[0] // 4 :]


@pytest.mark.parametrize("asked", ["plain", "hints", "reference"])
def test_what_is_kept_is_what_the_sheet_shows(
    album: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternatives, "SIDE", 240)  # less than the photo's
    with Image.open(SCENES / "chelsea.png") as image:
        image.convert("L").resize((360, 240)).save(album / "cat.png")
    Path("h.csv").write_text("288,120,#2030e0,22\n")
    others = {
        "plain": (),
        "hints": ("--hints", "h.csv"),
        "reference": ("--reference", SCENES / "chelsea.png"),
    }
    words = (album / "cat.png", "--checkpoint", "unsure.ckpt", *others[asked])
    for number in (1, 3):
        both = ("--proposals", 4, "--proposal", number, "--overwrite")
        assert colorize(*words, *both) == 0
        with Image.open("out/cat.png") as image:
            kept = np.asarray(image.resize((120, 80))).astype(int)[:, 30:]
            xmp = image.info["xmp"]
        shown = [of_sheet(each, (120, 80)) for each in (1, 2, 3, 4)]
        apart = [abs(one - kept).mean() for one in shown]
        assert int(np.argmin(apart)) == number - 1
        assert apart[number - 1] < 2
        assert (b"hints=1 by a person" in xmp) == (asked == "hints")
        assert (b"reference=chelsea.png" in xmp) == (asked == "reference")
        if asked == "hints":  # each of the proposals has them
            assert all(one[40, 66, 2] > one[40, 66, 0] + 30 for one in shown)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--proposals", 1), "--proposals=1: expected a whole number of at least 2"),
        (("--proposal", 5), "--proposal=5: expected a whole number of at least 1 and at most 4"),
        (("--proposals", 4, "--method", "zero"), "zero knows one colour a place"),
        (("--uncertainty", "--method", "zero"), "zero tells nothing of where its colours"),
    ],
)
def test_what_cannot_be_proposed_is_said_in_one_line(
    album: Path, words: tuple[object, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = () if "--method" in words else ("--checkpoint", "unsure.ckpt")
    assert colorize(album, *trained, *words) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_network_without_probabilities_is_unsure_where_it_disagrees_with_itself() -> None:
    with Image.open(SCENES / "coffee.png") as image:
        samples = np.array(image.convert("RGB").resize((96, 64)))
    found = uncertainty(samples, shipped.load(), 64)
    assert found.shape == (64, 96)
    assert found.min() >= 0
    assert 0.3 < found.mean() < 30
    assert torch.equal(uncertainty(samples, registry.load("zero", None), 64), torch.zeros(64, 96))
