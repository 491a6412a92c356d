from pathlib import Path

import pytest
import skimage.data
import torch

from src import color, colorize, metrics
from src.colorizers import shipped, trained
from src.colorizers.colorizer import Hints
from src.data.crops import EvalPictures, Picture
from src.inference.painting import paint
from src.inference.prediction import predict

SCENES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


def test_the_shipped_network_is_small_and_its_figures_are_those_that_were_measured() -> None:
    colorizer = shipped.load()
    assert shipped.PATH.stat().st_size < 12e6
    folder = Path(skimage.data.__file__).parent
    pictures = EvalPictures([Picture(folder / name, name) for name in SCENES], 256, "stretch")
    rgb = torch.stack([pictures[i]["rgb"] for i in range(len(pictures))])
    L, true_ab = color.uint8_to_L_ab(rgb)
    painted = []
    for picture in rgb.permute(0, 2, 3, 1).numpy():
        samples = paint(picture, predict(picture, colorizer)).samples
        painted.append(torch.from_numpy(samples).permute(2, 0, 1))
    _, ab = color.uint8_to_L_ab(torch.stack(painted))
    truth, coloured = metrics.LabPicture(L, true_ab), metrics.LabPicture(L, ab)
    difference = metrics.color_difference(coloured, truth)
    means = {k: float(v.mean()) for k, v in metrics.figures(coloured, truth, difference).items()}
    zero = metrics.ab_mae(torch.zeros_like(ab), true_ab).mean().item()
    # Another processor's convolutions differ in the last bits, and so by far less than this.
    assert zero == pytest.approx(16.24, abs=0.02)
    assert means["ab_mae"] == pytest.approx(10.04, abs=0.05)
    assert means["psnr"] == pytest.approx(22.61, abs=0.05)
    assert means["colorfulness"] == pytest.approx(29.7, abs=0.3)


@pytest.mark.parametrize("file", ["PATH", "HINTS_PATH"])
def test_a_damaged_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    content = bytearray(getattr(shipped, file).read_bytes())
    content[-1] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    monkeypatch.setattr(shipped, file, damaged)
    for wrong in (bytes(content), None):
        if wrong is not None:
            damaged.write_bytes(wrong)
        else:
            damaged.unlink()
        with pytest.raises(ValueError, match=r"damaged\.safetensors is not the file that ships"):
            shipped.load()


def test_without_hints_its_branch_changes_nothing_and_with_hints_it_meets_them_nearly() -> None:
    L = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    colorizer, bare = shipped.load(), trained.load(shipped.PATH).folded()
    assert colorizer.takes_hints
    assert shipped.HINTS_PATH.stat().st_size < 4e6
    expected = bare(L)
    ab, mask = torch.full((1, 2, 64, 96), 0.3), torch.zeros(1, 1, 64, 96, dtype=torch.bool)
    assert torch.equal(colorizer(L), expected)
    assert torch.equal(colorizer(L, Hints(ab, mask)), expected)
    mask[..., 30:34, 40:44] = True
    missing = ((colorizer(L, Hints(ab, mask)) - ab) * mask).abs().sum()
    assert missing < 0.5 * ((expected - ab) * mask).abs().sum()


def test_a_photo_is_coloured_without_naming_a_model(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        colorize.main([str(photos / "chelsea0.jpg"), "--output", str(tmp_path)])
    assert ended.value.code == 0, capsys.readouterr().err
    assert (tmp_path / "chelsea0.jpg").is_file()
