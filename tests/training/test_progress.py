import re
from pathlib import Path

import pytest

from src import pace
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
