import re
from pathlib import Path
from unittest.mock import Mock

import lightning
import pytest

from src import pace
from src.training.progress import Throughput
from tests.conftest import TINY, run_train


def test_a_log_says_how_far_a_long_epoch_is(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "INTERVAL_S", 0.001)
    few = ("data=folder", f"data.root={photos}", "data.repeat=2")
    printed, _ = run_train(tmp_path, *TINY, "model=cnn", *few)
    lines = re.findall(
        r"^epoch 1/1 \| batch (\d+)/(\d+) \| [\d.]+ images/s \| (.*) left$", printed, re.M
    )
    assert len(lines) > 2
    done = [int(batch) for batch, _, _ in lines]
    assert done == sorted(done)
    assert all(int(total) >= int(batch) for batch, total, _ in lines)
    assert re.fullmatch(r"\d:\d\d:\d\d", lines[-1][2])


def test_the_rate_leaves_out_validation_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("src.training.progress.time.perf_counter", lambda: now[0])
    throughput, rates = Throughput(), []
    trainer, module = Mock(spec=lightning.Trainer, world_size=1), Mock()
    module.log = lambda _, rate, **__: rates.append(rate)
    throughput.on_train_epoch_start(trainer)
    for number in range(4):
        now[0] += 2
        throughput.on_train_batch_end(trainer, module, None, {"name": ["a", "b"]}, number)
        if number == 1:
            throughput.on_validation_start(trainer, module)
            now[0] += 50
            throughput.on_validation_end(trainer, module)
    assert rates == [1.0, 1.0, 1.0, 1.0]


def test_no_more_time_is_left_than_the_trainer_was_given(photos: Path, tmp_path: Path) -> None:
    printed, _ = run_train(
        tmp_path,
        *TINY,
        "model=cnn",
        "data=folder",
        f"data.root={photos}",
        "trainer.max_epochs=100000",
        "trainer.max_time=00:00:00:01",
    )
    left = re.findall(r"^epoch .* \| (.*) left$", printed, re.M)
    assert left
    assert {*left} <= {"0:00:00", "0:00:01"}
