from pathlib import Path

import pytest
import torch
from PIL import Image

from src.colorize import main
from src.generators.cnn import CNN


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    config = {"_target_": "src.generators.cnn.CNN", "base_channels": 4}
    state = {f"generator.{key}": value for key, value in CNN(4).state_dict().items()}
    state["mean_ab"] = torch.zeros(2)
    content = {"hyper_parameters": {"generator": config, "image_size": 32}, "state_dict": state}
    torch.save(content, tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def colorize(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_what_can_be_read_is_coloured_and_the_rest_is_named(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.effect_noise((30, 20), 50).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("no picture")
    status = colorize(
        tmp_path / "bad.jpg", tmp_path / "good.png", "--checkpoint", checkpoint, "--output", "out"
    )
    printed = capsys.readouterr()
    assert status == 1
    assert printed.err == f"{tmp_path / 'bad.jpg'}: not a picture\n"
    assert [path.name for path in Path("out").iterdir()] == ["good.png"]


def test_nothing_is_overwritten_by_mistake(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "a.jpg"):
        Image.effect_noise((30, 20), 50).save(tmp_path / name)
    before = (tmp_path / "a.png").read_bytes()
    options = ("--checkpoint", checkpoint, "--output")
    assert colorize(tmp_path / "a.png", *options, tmp_path) == 1
    assert "is the photo itself" in capsys.readouterr().err
    assert colorize(tmp_path / "a.png", tmp_path / "a.jpg", *options, "out") == 1
    assert "more than one photo" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before
    assert not Path("out").exists()


def test_a_refused_checkpoint_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.ckpt").write_text("rubbish")
    assert colorize("x.jpg", "--checkpoint", tmp_path / "a.ckpt", "--output", "out") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_output_that_is_a_file_ends_with_one_line(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.effect_noise((30, 20), 50).save(tmp_path / "a.png")
    (tmp_path / "file").touch()
    status = colorize(tmp_path / "a.png", "--checkpoint", checkpoint, "--output", tmp_path / "file")
    assert status == 1
    assert capsys.readouterr().err.startswith("error: ")
