import os
import subprocess
import sys
from pathlib import Path

import pytest

from src import openmp
from tests.conftest import ROOT


@pytest.fixture
def before_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("before_torch")
@pytest.mark.parametrize(
    ("busy", "setting"), [(True, "OMP_WAIT_POLICY"), (False, "GOMP_SPINCOUNT")]
)
def test_threads_wait_as_suits_the_machine(
    busy: bool, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openmp, "has_other_work", lambda: busy)
    environment = {"HOME": "/root"}
    openmp.settle(environment)
    assert environment.keys() == {"HOME", setting}


@pytest.mark.usefixtures("before_torch")
@pytest.mark.parametrize("own", ["OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_a_persons_own_setting_stays_alone(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "has_other_work", lambda: True)
    environment = {own: "2"}
    openmp.settle(environment)
    assert environment == {own: "2"}


def test_other_work_is_what_leaves_no_core_to_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    loadavg = tmp_path / "loadavg"
    loadavg.write_text("9.00 9.00 9.00 1/300 4711\n")  # what was is no matter
    assert not openmp.has_other_work(loadavg)
    loadavg.write_text("0.00 0.00 0.00 2/300 4711\n")
    assert openmp.has_other_work(loadavg)
    assert not openmp.has_other_work(tmp_path / "as on macOS")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' defaults stay")
def test_it_is_settled_before_torch_is_there() -> None:
    code = "import os, sys, src; print('torch' in sys.modules, *os.environ)"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    has_torch, *names = done.stdout.split()
    assert has_torch == "False"
    assert {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & {*names}
