import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from src import colorize, pretrain
from src.colorizers.checkpoint import load
from src.data.picture_list import TrainedOn
from src.training.autoencoders import StackedAutoencoders
from tests.conftest import TINY, read_by_shell, run_train

OWN = tuple(one for one in TINY if not one.startswith(("logger", "callbacks")))


@pytest.fixture
def grey(photos: Path, tmp_path: Path) -> Path:
    """The photographs as scans of black-and-white prints: files of one channel."""
    folder = tmp_path / "grey"
    folder.mkdir()
    for path in photos.iterdir():
        with Image.open(path) as image:
            image.convert("L").save(folder / path.name)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pretrain", *OWN, *arguments])
    try:
        pretrain.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("generator", "layers", "filled"),
    [("cnn", 3, "encoder.0, encoder.3, encoder.6\n"), ("unet", 10, "stem.0, stem.1, stem.3, stem")],
)
def test_grey_pictures_teach_an_encoder_from_which_training_starts(
    grey: Path,
    generator: str,
    layers: int,
    filled: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = (f"model/generator={generator}", "data=folder", f"data.root={grey}")
    assert run(monkeypatch, *given) == 0
    printed = capsys.readouterr().out.splitlines()
    folder = Path(printed[-1].removeprefix("Everything is in "))
    assert {"encoder.ckpt", "panel.png", "metrics.csv", "pictures.csv"} <= {
        path.name for path in folder.iterdir()
    }
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["layer", *map(str, range(1, layers + 1))]
    with Image.open(folder / "panel.png") as image:
        assert image.height > 100 * (layers + 1)
        assert np.asarray(image).std() > 10
    content = load(folder / "encoder.ckpt")
    assert TrainedOn.read(content).is_complete

    [command] = [line for line in printed if line.startswith("To train from it: ")]
    words = read_by_shell(command.removeprefix("To train from it: "))
    still = ["model.generator_optimizer.lr=0", *TINY, f"data.root={grey}"]
    said, _ = run_train(Path(), *words[3:], *still)
    assert f"The encoder starts from {folder / 'encoder.ckpt'}: {filled}" in said
    [trained] = Path(f"outputs/{generator}").iterdir()
    state = load(trained / "checkpoints" / "last.ckpt")["state_dict"]
    for key, weight in content["state_dict"].items():
        if "running" not in key and "num_batches" not in key:
            assert torch.equal(state[key.replace("encoder.", "generator.", 1)], weight), key


def test_an_interrupted_pretraining_leaves_nothing_half_done(
    grey: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = StackedAutoencoders.training_step

    def interrupted(self: StackedAutoencoders, batch: Any, batch_idx: int) -> Any:
        if self.number == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(StackedAutoencoders, "training_step", interrupted)
    place = ("data=folder", f"data.root={grey}", "hydra.run.dir=run")
    assert run(monkeypatch, *place) == 130
    assert "leaves no encoder, and does not resume" in capsys.readouterr().out
    assert not [
        path for path in Path("run").rglob("*") if path.suffix in (".ckpt", ".part", ".png")
    ]
    monkeypatch.setattr(StackedAutoencoders, "training_step", step)
    assert run(monkeypatch, *place) == 0
    assert run(monkeypatch, *place) == 1
    assert "run holds another encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["data=folder"], "data.root is not given"),
        (["model/generator=lite0_unet"], "Lite0UNet has no encoder of convolutions and max-pool"),
        (["noise=1"], "noise=1: expected a number in [0, 0.9]"),
        (["lr=0"], "lr=0: expected a number in (0, inf)"),
        (["lr=1e30"], "has no finite error: lower lr=1e+30"),
        (["trainer.max_epochs=0"], "trainer.max_epochs=0: expected a whole number of at least 1"),
        (["trainer.fast_dev_run=true"], "trainer.fast_dev_run=True: expected false"),
        (["trainer=ddp"], "trainer.strategy=ddp: expected auto: src.pretrain has one process"),
        (
            ["trainer.max_time=00:00:00:00"],
            "training ended in layer 1 of 3: raise trainer.max_time",
        ),
    ],
)
def test_mistakes_end_with_one_line(
    overrides: list[str],
    fault: str,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = [] if overrides == ["data=folder"] else ["data=folder", f"data.root={photos}"]
    assert run(monkeypatch, *data, *overrides) == 1
    said = capsys.readouterr().err
    assert fault in said
    assert "Traceback" not in said


def test_an_encoder_that_does_not_fit_is_refused(
    grey: Path, gan_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "data=folder", f"data.root={grey}", "hydra.run.dir=run")
    encoder, other = Path("run/encoder.ckpt"), gan_run / "checkpoints" / "best.ckpt"
    for arguments, fault in (
        (["model=unet", f"model.init_encoder={encoder}"], "does not match UNet: missing: downs.0."),
        (["model=unet", f"model.init_encoder={encoder}"], "src.pretrain model/generator=unet"),
        (["model=lite0_unet", f"model.init_encoder={encoder}"], "Lite0UNet has no encoder that"),
        (["model=cnn", "model.init_encoder=no/encoder.ckpt"], "hydra.run.dir=no makes an encoder"),
        (["model=unet", f"model.init_encoder={other}"], "holds no encoder: expected what src.pret"),
        (["model=cnn", f"model.init_generator={encoder}"], "holds only an encoder of src.pretrain"),
        (
            ["model=cnn", f"model.init_generator={other}", f"model.init_encoder={encoder}"],
            "expected null beside model.init_generator",
        ),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit, match=r"^1$"):
            run_train_loudly(*TINY, *arguments, "data=folder", f"data.root={grey}")
        assert fault in capsys.readouterr().err
    Image.effect_noise((40, 30), 50).save("photo.png")
    with pytest.raises(SystemExit):
        colorize.main(["photo.png", "--checkpoint", str(encoder), "--output", "out"])
    assert "holds only an encoder of src.pretrain" in capsys.readouterr().err


def run_train_loudly(*arguments: str) -> None:
    from src import train

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        train.main()
