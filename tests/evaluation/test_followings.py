import csv
import json
import sys
from pathlib import Path

import pytest
import skimage.data
import torch
from PIL import Image

from src import evaluate
from src.data.crops import Picture
from src.errors import UserError
from src.evaluation import followings
from tests.evaluation.test_evaluation import _make_quick as judge_quickly

SCENES = Path(skimage.data.__file__).parent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Parts of two scenes, and one of them twice."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for scene, x in (("chelsea", 0), ("chelsea", 150), ("coffee", 0), ("coffee", 200)):
        with Image.open(SCENES / f"{scene}.png") as image:
            part = image.crop((x, 20, x + 220, 240))
            part.save(folder / f"{scene}{x}.png")
            part.resize((160, 160)).save(folder / f"{scene}{x}_again.jpg", quality=60)
    return folder


def pictures(root: Path) -> list[Picture]:
    return [Picture(path, path.name) for path in sorted(root.iterdir())]


def test_the_nearest_is_of_the_same_scene_and_no_near_duplicate(root: Path) -> None:
    found = followings.nearest(pictures(root), torch.device("cpu"))
    for name, reference in found.items():
        assert reference.name[:5] == name[:5]
        assert reference.stem.removesuffix("_again") != Path(name).stem.removesuffix("_again")
    assert len(found) == 8


def test_broken_and_grey_pictures_are_nobodys_reference(root: Path) -> None:
    with Image.open(root / "coffee0.png") as image:
        image.convert("L").save(root / "coffee_grey.png")
    (root / "broken.png").write_bytes(b"no picture")
    found = followings.nearest(pictures(root), torch.device("cpu"))
    assert found.pop("broken.png") == root / "broken.png"  # so that judging tells it
    assert len(found) == 9
    assert not {path.name for path in found.values()} & {"broken.png", "coffee_grey.png"}


def test_pairs_are_read_by_paths_below_the_folder_or_whole_ones(root: Path, tmp_path: Path) -> None:
    whole = root / "coffee0.png"
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        f"reference,picture\ncoffee200.png,coffee0.png\n{whole},chelsea0.png\n,chelsea150.png\n"
    )
    found = followings.listed(pairs, pictures(root))
    assert found == {"coffee0.png": root / "coffee200.png", "chelsea0.png": whole}
    pairs.write_text(f"picture,reference\n{whole},coffee200.png\n")
    below = [Picture(path.relative_to(Path.cwd()), path.name) for path in sorted(root.iterdir())]
    assert followings.listed(pairs, below) == {
        "coffee0.png": below[0].path.parent / "coffee200.png"
    }
    followings.write(tmp_path / "again.csv", found)
    assert followings.listed(tmp_path / "again.csv", pictures(root)) == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"picture,other\na,b\n", "expected the columns picture,reference, got picture,other"),
        (b"picture,reference\nabsent.png,coffee0.png\n", "names none of the judged pictures"),
        (b"\xff\xfe\x00", "no CSV in UTF-8"),
        (None, "No such file"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(
    root: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(UserError, match=said):
        followings.listed(tmp_path / "pairs.csv", pictures(root))


def test_colorizers_are_judged_with_and_without_their_references(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_quickly(monkeypatch)
    (tmp_path / "pairs.csv").write_text("picture,reference\ncoffee0.png,coffee0_again.jpg\n")
    typed = ["num_workers=0", "methods=[exemplar]", "reference=pairs.csv", f"data.root={root}"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *typed, "hydra.run.dir=run"])
    evaluate.main()
    content = json.loads(Path("run/metrics.json").read_text())
    network, exemplar, followed = content["models"]
    assert (exemplar, followed) == ("exemplar", f"{network} + reference")
    error = {name: own["ab_mae"]["mean"] for name, own in content["colorizers"].items()}
    assert error[followed] < 0.5 * error[network]
    assert error[exemplar] < 0.5 * error["zero"]
    assert content["data"]["pictures"] == 1
    with Path("run/references.csv").open() as file:
        assert [row["picture"] for row in csv.DictReader(file)] == ["coffee0.png"]


def test_what_follows_a_reference_is_not_judged_without(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["num_workers=0", "methods=[exemplar]", f"data.root={root}"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *typed])
    with pytest.raises(SystemExit, match="1"):
        evaluate.main()
    assert "methods=exemplar: expected reference=nearest" in capsys.readouterr().err
