import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from src import colorize
from src.colorizers import registry
from src.colorizers.checkpoint import load
from src.data import sample
from src.data.crops import EpochShuffle
from src.data.folder import FolderData
from src.data.sample import FOLDER
from src.train import main
from src.training.experiment import train
from src.training.module import ColorizationModule
from src.training.run_folder import folder_name
from tests.conftest import ROOT, SMALL, TINY, run_train

Configure = Callable[..., DictConfig]
JUDGED = (
    "ab_mae",
    "psnr",
    "ssim",
    "delta_e2000",
    "accuracy_2",
    "accuracy_5",
    "colorfulness",
    "colorfulness_true",
    "ab_mae_zero",
    "ab_mae_constant",
)
CONTRACT = {
    "train/d_loss_real",
    "train/d_loss_fake",
    "train/g_loss_adversarial",
    "train/g_loss_l1",
    "train/lr_g",
    "train/lr_d",
    "train/images_per_s",
    *(f"{subset}/{name}" for subset in ("val", "test") for name in JUDGED),
}


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def values(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row[name]]


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "src.train", *TINY, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_runs_folder_holds_what_it_should(gan_run: Path) -> None:
    wanted = [
        ".hydra/config.yaml",
        "metrics.csv",
        "curves.png",
        "wandb",
        "panels/epoch_0002.png",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
    ]
    assert [name for name in wanted if not (gan_run / name).exists()] == []
    assert len(list((gan_run / "checkpoints").iterdir())) == 2


def test_every_metric_of_the_contract_is_logged_and_finite(gan_run: Path) -> None:
    rows = metrics(gan_run)
    assert rows[0].keys() >= CONTRACT
    for name in CONTRACT:
        assert values(rows, name), name
        assert np.isfinite(values(rows, name)).all(), name


def test_steps_count_batches_and_not_optimizer_steps(gan_run: Path) -> None:
    rows = metrics(gan_run)
    batches = [int(row["step"]) for row in rows if row["train/g_loss_l1"]]
    pictures = [int(row["epoch"]) for row in rows if row["train/g_loss_l1"]]
    per_epoch = pictures.count(0)
    assert batches == list(range(2 * per_epoch))


def test_best_is_the_epoch_with_the_lowest_val_ab_mae(gan_run: Path) -> None:
    errors = values(metrics(gan_run), "val/ab_mae")
    best, last = (load(gan_run / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert best["epoch"] == int(np.argmin(errors))
    assert last["epoch"] == len(errors) - 1


def test_the_output_ends_with_a_table_and_the_place(gan_run: Path) -> None:
    lines = (gan_run / "printed.txt").read_text().splitlines()
    assert lines[-1] == f"Everything is in outputs/unet_gan/{gan_run.name}"
    text = "\n".join(lines)
    for said in (
        "unet_gan, best.ckpt",
        "ab = 0 (grey)",
        "training set's mean ab",
        "centre crop, 32x32",
        "wandb sync outputs/unet_gan",
        "epoch 2/2",
    ):
        assert said in text
    error = values(metrics(gan_run), "test/ab_mae")[-1]
    row = next(line for line in lines if line.startswith("unet_gan, best.ckpt"))
    assert f"{error:.2f}" in row
    assert f"{error / 128:.4f}" in row


def test_the_dashboard_shows_what_metrics_csv_holds(gan_run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", "wandb"],
        cwd=gan_run,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = json.loads(done.stdout)
    rows = metrics(gan_run)
    for name in CONTRACT:
        assert shown["summary"][name] == pytest.approx(values(rows, name)[-1], rel=1e-5), name
    assert shown["summary"]["panel"]["path"].endswith(".png")
    assert shown["config"]["model"]["ema_decay"] == 0.9


def test_panels_and_curves_are_pictures_of_some_size(gan_run: Path) -> None:
    for name in ("panels/epoch_0002.png", "curves.png"):
        with Image.open(gan_run / name) as image:
            assert min(image.size) > 200
            assert np.asarray(image.convert("L")).std() > 10


def test_maps_of_attention_stand_below_the_panels_pictures(
    configure: Configure, photos: Path, gan_run: Path
) -> None:
    config = configure(
        "model=attention_unet", "callbacks.attention=true", "data=folder", f"data.root={photos}"
    )
    train(config)
    with Image.open(gan_run / "panels/epoch_0001.png") as image:
        three_rows = image.height
    with Image.open(Path(config.run.folder) / "panels/epoch_0001.png") as image:
        assert image.height > 1.8 * three_rows


def test_the_checkpoint_carries_the_training_sets_mean_ab(gan_run: Path, photos: Path) -> None:
    data = FolderData(root=str(photos), report_dir="x", image_size=32, batch_size=4, num_workers=0)
    data.setup("fit")
    stored = load(gan_run / "checkpoints" / "best.ckpt")["state_dict"]["mean_ab"]
    torch.testing.assert_close(stored, data.mean_ab(torch.device("cpu")))


def test_a_checkpoint_alone_colourises_a_photo_at_full_size(
    gan_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "elsewhere" / "a.ckpt"
    alone.parent.mkdir()
    alone.write_bytes((gan_run / "checkpoints" / "best.ckpt").read_bytes())
    Image.effect_noise((151, 97), 60).save(tmp_path / "old photo [1].jpg")
    with pytest.raises(SystemExit) as ended:
        colorize.main(["old photo [1].jpg", "--checkpoint", str(alone), "--output", "out"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("old photo [1].jpg -> out/old photo [1].jpg\n")
    with Image.open(tmp_path / "out" / "old photo [1].jpg") as image:
        assert image.size == (151, 97)
        assert np.ptp(np.asarray(image).astype(int), axis=2).max() > 0


def test_two_runs_with_one_seed_are_the_same(configure: Configure, photos: Path) -> None:
    states = []
    for folder in ("one", "other"):
        config = configure("model=unet_gan", "data=folder", f"data.root={photos}")
        config.run.folder = folder
        train(config)
        states.append(load(Path(folder) / "checkpoints" / "last.ckpt")["state_dict"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_every_epoch_is_shuffled_anew(
    configure: Configure, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[list[tuple[int, int]]] = []
    shuffle = EpochShuffle.__iter__

    def watched(self: EpochShuffle) -> Iterator[tuple[int, int]]:
        orders.append(list(shuffle(self)))
        return iter(orders[-1])

    monkeypatch.setattr(EpochShuffle, "__iter__", watched)
    train(configure("data=folder", f"data.root={photos}", "trainer.max_epochs=3"))
    assert len({tuple(order) for order in orders}) == len(orders) == 3


@pytest.mark.parametrize("model", ["cnn", "unet"])
@pytest.mark.parametrize("size", [33, 47])
def test_regression_runs_at_odd_sizes(
    configure: Configure, photos: Path, model: str, size: int
) -> None:
    config = configure(
        f"model={model}", "data=folder", f"data.root={photos}", f"size.image_size={size}"
    )
    figures = train(config)
    assert figures["test/ab_mae"] > 0
    rows = metrics(Path(config.run.folder))
    assert "train/d_loss_real" not in rows[0]
    assert (
        registry.from_file(Path(config.run.folder) / "checkpoints" / "best.ckpt").image_size == size
    )


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
    configure: Configure, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.training.module import ColorizationModule, NonFiniteLossError

    step = ColorizationModule.training_step

    def poisoned(self: ColorizationModule, batch: Any, batch_idx: int) -> None:
        if self.current_epoch == 1:
            batch["L"] = batch["L"] * torch.nan
        step(self, batch, batch_idx)

    monkeypatch.setattr(ColorizationModule, "training_step", poisoned)
    config = configure(
        "data=folder",
        f"data.root={photos}",
        "trainer.max_epochs=3",
        "trainer.log_every_n_steps=1",
        tiny=SMALL,
    )
    with pytest.raises(NonFiniteLossError, match=r"is nan in epoch 2, .*\.jpg, "):
        train(config)
    folder = Path(config.run.folder)
    assert load(folder / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert (folder / "curves.png").is_file()
    registry.from_file(folder / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["data=folder"], "data.root is not given"),
        (["data=folder", "data.root=nowhere"], "data.root=nowhere is no folder"),
        (["data.image_size=20"], "data.image_size=20: expected a whole number of at least 32"),
        (["model.los.l1=1"], "los"),
        (["monitor=val/mae"], "monitor=val/mae: expected one of"),
        (["monitor=val/psnr"], "monitor=val/psnr mode=min: expected one of max"),
        (["mode=lowest"], "mode=lowest: expected one of min"),
        (["trainer.sync_batchnorm=true"], "sync_batchnorm=True: expected false on the CPU"),
        (["trainer.precision=16-mixed"], "expected one of 32-true, bf16-mixed"),
        (["trainer.max_epochs=0"], "no best.ckpt"),
        (["callbacks.panels.count=0"], "at least 1"),
        (["model=attention_unet", "callbacks.attention=1"], "attention=1: expected true or"),
        (["callbacks.attention=true"], "with attention maps, such as model=attention_unet"),
        (["data.max_images=1", "data=folder", "data.root=."], "data.max_images=1: expected"),
        (["~callbacks.throughput"], "callbacks.throughput cannot be left out"),
        (["~logger.csv"], "logger.csv cannot be left out"),
        (["model.init_generator=none.ckpt"], "no checkpoint at none.ckpt"),
        (["model.generator._target_=os.system"], "not allowed"),
    ],
)
def test_mistakes_end_with_one_line_and_a_status(
    overrides: list[str],
    fault: str,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sample, "FOLDER", photos)
    monkeypatch.setattr(sys, "argv", ["train", *TINY, *overrides])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert fault in printed
    assert "Traceback" not in printed


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_said_in_one_line() -> None:
    done = command("trainer=gpu")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_short_run_leaves_its_losses_and_curves(configure: Configure, photos: Path) -> None:
    rarely = "trainer.log_every_n_steps=1000"
    config = configure("data=folder", f"data.root={photos}", rarely, tiny=SMALL)
    train(config)
    folder = Path(config.run.folder)
    assert values(metrics(folder), "train/g_loss_l1")
    assert (folder / "curves.png").is_file()


def test_a_folder_with_a_run_is_not_written_over(configure: Configure, photos: Path) -> None:
    config = configure("model=cnn", "data=folder", f"data.root={photos}")
    train(config)
    before = (Path(config.run.folder) / "metrics.csv").read_bytes()
    with pytest.raises(ValueError, match="holds another run"):
        train(config)
    assert (Path(config.run.folder) / "metrics.csv").read_bytes() == before


def test_bfloat16_trains_and_the_test_can_be_left_out(
    configure: Configure, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(
        "data=folder",
        f"data.root={photos}",
        "trainer.precision=bf16-mixed",
        "trainer.limit_test_batches=0",
        "trainer.num_sanity_val_steps=1",
    )
    assert train(config) == {}
    assert np.isfinite(values(metrics(Path(config.run.folder)), "val/ab_mae")).all()
    assert "Everything is in" in capsys.readouterr().out


def test_what_training_draws_does_not_depend_on_where_a_run_was_resumed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = ColorizationModule.training_step
    drawn: list[tuple[int, int, float]] = []

    def drawing(self: ColorizationModule, batch: Any, batch_idx: int) -> None:
        drawn.append((self.current_epoch, batch_idx, torch.rand(1).item()))  # as dropout does
        step(self, batch, batch_idx)

    monkeypatch.setattr(ColorizationModule, "training_step", drawing)
    given = (*TINY, "model=cnn", "data=folder", f"data.root={photos}")
    run_train(tmp_path, *given, "trainer.max_epochs=2", "hydra.run.dir=whole")
    whole, drawn[:] = [*drawn], []
    run_train(tmp_path, *given, "hydra.run.dir=run")
    run_train(tmp_path, "resume=run", "trainer.max_epochs=2")
    assert drawn == whole
    assert len({number for _, _, number in drawn}) == len(drawn)


def assert_tells_how_to_resume(printed: str) -> None:
    assert "What it made is in outputs/unet_gan/" in printed
    [folder] = Path("outputs/unet_gan").iterdir()
    assert f"python -m src.train resume=outputs/unet_gan/{folder.name}\n" in printed
    registry.from_file(folder / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_say_where_the_run_is_and_how_to_resume_it(
    photos: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = ColorizationModule.training_step

    def interrupted(self: ColorizationModule, batch: Any, batch_idx: int) -> None:
        if self.current_epoch == 1:
            signal.raise_signal(number)
        step(self, batch, batch_idx)

    monkeypatch.setattr(ColorizationModule, "training_step", interrupted)
    typed = ["data=folder", f"data.root={photos}", "trainer.max_epochs=3"]
    monkeypatch.setattr(sys, "argv", ["train", *TINY, *typed])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 128 + number
    assert_tells_how_to_resume(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_told_to_stop_does(photos: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "src.train",
            *TINY,
            "data=folder",
            f"data.root={photos}",
            "trainer.max_epochs=10000",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "epoch 2/" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 128 + number
    assert_tells_how_to_resume(rest)


def test_names_of_sweep_folders_are_flat_short_and_different() -> None:
    assert folder_name("model-unet_seed-1") == "model-unet_seed-1"
    assert folder_name("model/loss-lsgan").startswith("model_loss-lsgan_")
    assert not set("=,/[] ") & set(folder_name("betas=[0.5,0.9] root-/a b"))
    long = [folder_name("data.root-" + "x" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) < 100


def test_real_photographs_are_learned_from_better_than_grey(
    configure: Configure, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(FOLDER.glob("*.webp"))[:40]:
        shutil.copy(path, few)
    config = configure(
        "model=unet_gan",
        "data=folder",
        f"data.root={few}",
        "size.generator_channels=16",
        "data.repeat=10",
        "model.generator_optimizer.lr=2e-3",
        "model.decay_share=1.0",
        "data.zoom=1.0",
        "trainer.max_epochs=2",
    )
    train(config)
    last = metrics(Path(config.run.folder))
    assert values(last, "fit/ab_mae")[-1] < values(last, "fit/ab_mae_zero")[-1]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("model", "better"), [("unet_gan", 0.02), ("lite0_unet", 0.08)])
def test_the_default_command_colours_held_out_photographs_better_than_one_constant(
    tmp_path: Path, model: str, better: float
) -> None:
    """What `make train` runs."""
    subprocess.run(
        [sys.executable, "-m", "src.train", f"model={model}", "logger=csv"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    [folder] = (tmp_path / "outputs" / model).iterdir()
    rows = metrics(folder)
    error, constant = (values(rows, f"test/ab_mae{name}")[-1] for name in ("", "_constant"))
    assert error < (1 - better) * constant
    photo = next(FOLDER.glob("*.webp"))
    with pytest.raises(SystemExit) as ended:
        colorize.main([str(photo), "--checkpoint", f"{folder}/checkpoints/best.ckpt", "-o", "out"])
    assert ended.value.code == 0
