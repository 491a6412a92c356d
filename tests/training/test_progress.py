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
