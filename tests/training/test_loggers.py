import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from lightning.pytorch.utilities import rank_zero_only

from src.training import loggers, metrics_csv


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A user without a key, a settings file or a run in progress."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    wandb.finish()


def start(folder: Path, name: str = "") -> None:
    logger = loggers.wandb_logger(project="tests", name=name, folder=str(folder), mode=None)
    assert logger is not None


def test_without_a_key_the_run_is_offline_and_says_how_to_upload_it(tmp_path: Path) -> None:
    start(tmp_path / "unet_gan" / "today")
    assert wandb.run is not None
    assert wandb.run.settings.mode == "offline"
    upload = loggers.finish(failed=False)
    assert upload is not None
    assert upload.startswith("wandb sync unet_gan/today/wandb/offline-run-")
    assert Path(upload.removeprefix("wandb sync ")).is_dir()
    assert loggers.finish(failed=False) is None


def test_runs_are_named_by_overrides_and_grouped_by_sweep(tmp_path: Path) -> None:
    start(tmp_path / "multirun" / "2026-01-01" / "seed-1", name="seed-1")
    assert wandb.run is not None
    assert (wandb.run.name, wandb.run.group) == ("seed-1", "2026-01-01")


def test_the_environment_may_switch_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    start(tmp_path)
    assert loggers.finish(failed=False) is None


@pytest.mark.parametrize("failed", [True, False])
def test_the_dashboard_learns_how_a_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: bool
) -> None:
    start(tmp_path)
    codes: list[int | None] = []
    end = wandb.Run.finish

    def watched(run: wandb.Run, exit_code: int | None = None) -> None:
        codes.append(exit_code)
        end(run, exit_code)

    monkeypatch.setattr(wandb.Run, "finish", watched)
    loggers.finish(failed=failed)
    assert codes[0] == int(failed)


def test_other_ranks_log_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert loggers.wandb_logger(project="t", name="", folder=str(tmp_path), mode=None) is None


OFFLINE = """
import wandb
from src.training import loggers
loggers.INIT_TIMEOUT_S = 3
assert loggers.wandb_logger(project="tests", name="", folder="run", mode={mode!r}) is not None
assert wandb.run.settings.mode == "offline", wandb.run.settings.mode
wandb.run.log({{"train/g_loss": 1.0}})
print(loggers.finish(failed=False))
"""


@pytest.mark.parametrize(
    ("network", "mode"),
    [
        # Each waits for W&B's own time-outs.
        pytest.param("refused", None, marks=pytest.mark.slow),
        pytest.param("silent", None, marks=pytest.mark.slow),
        pytest.param("refused", "online", marks=pytest.mark.slow),
        pytest.param("silent", "online", marks=pytest.mark.slow),
    ],
)
def test_a_key_without_a_network_ends_up_offline_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, mode: str | None
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if network == "silent":
            silent.listen()
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("PYTHONPATH", str(Path(loggers.__file__).parents[2]))
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", OFFLINE.format(mode=mode)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "W&B: offline, since" in done.stdout
    assert "wandb sync run/wandb/offline-run-" in done.stdout
    assert time.monotonic() - began < 100


def test_a_resumed_run_goes_on_online_as_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def init(**options: Any) -> wandb.Run:
        asked.append(options)
        return begin(mode="disabled")

    begin = wandb.init
    monkeypatch.setattr(wandb, "init", init)
    for mode in ("online", "online", "offline"):
        loggers.wandb_logger(project="t", name="", folder=str(tmp_path / "run"), mode=mode)
    first, second, offline = asked
    assert first["id"] == second["id"] == (tmp_path / "run/wandb/run_id.txt").read_text()
    assert first["resume"] == second["resume"] == "allow"
    assert offline["id"] != first["id"]
    assert first["group"] == offline["group"]


def test_metrics_csv_has_each_row_at_once_and_grows_columns(tmp_path: Path) -> None:
    logger = loggers.MetricsCsv(str(tmp_path))
    logger.log_metrics({"epoch": 0, "a": 1.0}, step=0)
    assert metrics_csv.read(logger.path) == [{"a": "1.0", "epoch": "0", "step": "0"}]
    logger.log_metrics({"epoch": 1, "b": 2.0}, step=1)
    # Another process goes on in the same file.
    loggers.MetricsCsv(str(tmp_path)).log_metrics({"epoch": 1, "a": 3.0}, step=2)
    rows = metrics_csv.read(logger.path)
    assert [row["a"] for row in rows] == ["1.0", "", "3.0"]
    assert [row["b"] for row in rows] == ["", "2.0", ""]


def test_epochs_that_were_not_completed_are_cut_off(tmp_path: Path) -> None:
    logger = loggers.MetricsCsv(str(tmp_path))
    for epoch in range(4):
        logger.log_metrics({"epoch": epoch, "a": 1.5}, step=epoch)
    with logger.path.open("a") as file:
        file.write("1")  # half a row
    metrics_csv.keep_epochs(logger.path, 2)
    assert [row["epoch"] for row in metrics_csv.read(logger.path)] == ["0", "1"]


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"epoch\xff\n"])
def test_a_broken_file_of_figures_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics.csv is broken; remove it"):
        metrics_csv.keep_epochs(tmp_path / "metrics.csv", 1)
