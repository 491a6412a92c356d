import csv
import logging
import sys
from pathlib import Path

import pytest

from src import train
from tests.conftest import TINY, run_train


@pytest.fixture
def debugging(photos: Path) -> tuple[str, ...]:
    return (*TINY, "data=folder", f"data.root={photos}", "model=cnn")


def only_run() -> Path:
    [folder] = Path("outputs/cnn").iterdir()
    return folder


def rows() -> list[dict[str, str]]:
    with (only_run() / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_batch_can_be_learnt_by_heart(tmp_path: Path, debugging: tuple[str, ...]) -> None:
    run_train(
        tmp_path,
        *debugging,
        "+trainer.overfit_batches=1",
        "trainer.max_epochs=3",
        "trainer.log_every_n_steps=1",
    )
    losses = [float(row["train/g_loss_l1"]) for row in rows() if row["train/g_loss_l1"]]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)


def test_a_fast_run_keeps_nothing(tmp_path: Path, debugging: tuple[str, ...]) -> None:
    printed, _ = run_train(tmp_path, *debugging, "trainer.fast_dev_run=true")
    assert printed.splitlines()[-1].endswith("No figures or checkpoints stay")
    assert not [one for kind in ("*.ckpt", "*.png") for one in Path("outputs").rglob(kind)]
    assert not list(Path("outputs").rglob("metrics.csv"))


def test_few_batches_for_a_short_time_can_be_watched(
    tmp_path: Path, debugging: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("lightning.pytorch.profilers").addHandler(caplog.handler)
    asked = (
        "limit_train_batches=2",
        "max_time=00:00:10:00",
        "profiler=simple",
        "min_epochs=1",
        "detect_anomaly=true",
        "reload_dataloaders_every_n_epochs=1",
    )
    # Some with a plus, as they are often typed.
    flags = [f"{'+' * (i % 2)}trainer.{one}" for i, one in enumerate(asked)]
    printed, _ = run_train(tmp_path, *debugging, *flags)
    assert "Everything is in" in printed
    assert "FIT Profiler Report" in caplog.text


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("trainer.accumulate_grad_batches=2", "data.batch_size"),
        ("+trainer.max_steps=10", "trainer.max_epochs"),
        ("trainer.gradient_clip_val=1", "model.clip_grad_norm"),
        ("+trainer.enable_checkpointing=false", "best.ckpt"),
        ("+trainer.logger=false", "logger=csv"),
        ("trainer.barebones=true", "fast_dev_run"),
        ("trainer.max_epoch=2", "is trainer.max_epochs meant?"),
        ("+trainer.nonsense=1", "has no trainer.nonsense"),
        ("+trainer.overfit_batches=-1", "expected a number of batches"),
        ("trainer.overfit_batches=1.5", "[0.0, 1.0]"),
        ("trainer.max_time=1", "days:hours:minutes:seconds"),
        ("trainer.detect_anomaly=foo", "expected true or false"),
        ("trainer.accelerator=foo", "invalid accelerator name"),
    ],
)
def test_what_lightning_would_do_otherwise_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    debugging: tuple[str, ...],
    asked: str,
    reason: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *debugging, asked])
    with pytest.raises(SystemExit):
        train.main()
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
    assert not list(Path("outputs").rglob("metrics.csv"))


def test_defaults_may_be_said(tmp_path: Path, debugging: tuple[str, ...]) -> None:
    defaults = ("+trainer.accumulate_grad_batches=1", "trainer.gradient_clip_val=null")
    printed, _ = run_train(tmp_path, *debugging, "experiment=debug", *defaults)
    assert "Everything is in" in printed


def test_more_batches_between_validations_than_there_are_end_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    debugging: tuple[str, ...],
) -> None:
    asked = "trainer.val_check_interval=100"
    monkeypatch.setattr(sys, "argv", ["train", *debugging, asked])
    with pytest.raises(SystemExit):
        train.main()
    said = capsys.readouterr().err
    assert "val_check_interval" in said
    assert said.count("\n") == 1
