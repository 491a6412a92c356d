from pathlib import Path

import pytest

from src.data.crops import Picture
from src.errors import UserError
from src.evaluation.matching import matched


def pictures(*names: str) -> list[Picture]:
    return [Picture(Path("data", name), name) for name in names]


def made(*names: str) -> Path:
    folder = Path("made")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(found: dict[str, Path]) -> dict[str, str]:
    return {picture: path.relative_to("made").as_posix() for picture, path in found.items()}


def test_predictions_stand_at_the_same_path_or_have_the_same_name() -> None:
    folder = made("x/a.png", "y/a.png", "c.webp")
    found = matched(pictures("x/a.jpg", "y/a.jpg", "z/c.jpg"), folder)
    assert names(found) == {"x/a.jpg": "x/a.png", "y/a.jpg": "y/a.png", "z/c.jpg": "c.webp"}


@pytest.mark.parametrize("suffix", ["_siggraph17", "_fake_B", "-colorized", ".out"])
def test_one_suffix_that_fits_all_is_found(suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(f"a{suffix}.png", f"a1{suffix}.png", f"sub/b{suffix}.png", "unrelated.png")
    found = matched(pictures("a.jpg", "a1.jpg", "sub/b.jpg"), folder)
    assert names(found) == {
        "a.jpg": f"a{suffix}.png",
        "a1.jpg": f"a1{suffix}.png",
        "sub/b.jpg": f"sub/b{suffix}.png",
    }
    assert suffix in capsys.readouterr().out


def test_of_several_suffixes_one_is_chosen() -> None:
    folder = made("a_eccv16.png", "a_siggraph17.png", "b_eccv16.png", "b_siggraph17.png")
    with pytest.raises(UserError, match="predictions_suffix=_eccv16 or predictions_suffix=_sigg"):
        matched(pictures("a.jpg", "b.jpg"), folder)
    found = matched(pictures("a.jpg", "b.jpg"), folder, "_siggraph17")
    assert names(found) == {"a.jpg": "a_siggraph17.png", "b.jpg": "b_siggraph17.png"}


def test_a_suffix_leaves_what_lies_beside_it_alone() -> None:
    folder = made("a.png", "a_fake_B.png", "a_real_A.png")
    assert names(matched(pictures("a.jpg"), folder)) == {"a.jpg": "a.png"}
    assert names(matched(pictures("a.jpg"), folder, "_fake_B")) == {"a.jpg": "a_fake_B.png"}


def test_what_does_not_match_is_told_with_the_nearest_name() -> None:
    folder = made("colour_of_photo_17.png", "zzz.png")
    with pytest.raises(UserError, match=r"'photo_17.jpg' .* nearest to it is 'colour_of_photo_17"):
        matched(pictures("photo_17.jpg", "photo_18.jpg"), folder)
    with pytest.raises(UserError, match="and then _none"):
        matched(pictures("photo_17.jpg"), folder, "_none")
