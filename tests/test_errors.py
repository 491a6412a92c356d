import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf.errors import MissingMandatoryValue

from src import colorize, demo, export
from src.errors import (
    UserError,
    ending_for_people,
    require_number,
    require_one_of,
    require_whole,
)
from tests.conftest import ROOT


@pytest.mark.parametrize(
    "error",
    [
        UserError("x"),
        OSError("x"),
        MemoryError("x"),
        torch.OutOfMemoryError("x"),
        InstantiationException("x"),
        MisconfigurationException("x"),
        MissingMandatoryValue("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_person_can_mend_ends_in_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, ending_for_people():
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: x\n"


def test_too_small_a_batch_for_batch_norm_is_told_what_to_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), ending_for_people():
        torch.nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))
    said = capsys.readouterr().err
    assert "expected data.batch_size=2 or more, or a larger data.image_size" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("x"), TypeError("x"), KeyError("x")])
def test_a_fault_of_the_program_ends_with_its_traceback_and_asks_for_a_report(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, ending_for_people():
        raise error
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Traceback")
    assert "please report" in said[-1]


@pytest.mark.parametrize(
    "said",
    [
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your shared memory "
        "limit.",
        "unable to allocate shared memory(shm) for file </torch_7_1_0>: "
        "No space left on device (28)",
        "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback ...\n"
        "RuntimeError: unable to write to file </torch_7_1_0>: No space left on device (28)",
    ],
)
def test_too_little_shared_memory_is_told_with_what_helps(
    said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
    with pytest.raises(SystemExit), ending_for_people():
        raise error from RuntimeError(said)
    printed = capsys.readouterr().err
    assert "data.num_workers=0" in printed
    assert printed.count("\n") == 1


LOADING = """
import torch
from torch.utils.data import DataLoader
from src import errors

with errors.ending_for_people():
    loader = DataLoader(torch.zeros(32, 3, 512, 512), batch_size=8, num_workers=1)
    print(sum(len(batch) for batch in loader))
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare to limit /dev/shm")
def test_a_small_dev_shm_ends_loading_in_one_line() -> None:
    own = 'mount -t tmpfs -o size=4m tmpfs /dev/shm && exec "$@"'
    script = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", own, "sh"]
    if subprocess.run([*script, "true"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    command = [*script, sys.executable, "-c", LOADING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is too little shared memory")
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), ending_for_people():
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "out/a.png")
    assert capsys.readouterr().err == "error: out/a.png: Read-only file system\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_or_a_closed_terminal_ends_with_what_is_to_be_tidied(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)  # whatever started the tests
    tidied = []

    @contextmanager
    def tidying() -> Iterator[None]:
        try:
            yield
        finally:
            os.kill(os.getpid(), number)  # timeout sends two
            tidied.append("up")

    with pytest.raises(SystemExit) as ended, ending_for_people(), tidying():
        os.kill(os.getpid(), number)
    assert tidied == ["up"]
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("delay_s", [0, 0.1])  # of threads: the machine may be busy
def test_a_signal_that_reaches_a_weak_reference_s_callback_is_not_lost(
    number: int, delay_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def start_slowly(thread: threading.Thread) -> None:
        start(thread)
        time.sleep(delay_s)

    monkeypatch.setattr(threading.Thread, "start", start_slowly)
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    signal.signal(number, usual)

    def work() -> None:
        module = torch.nn.Identity()
        reference = weakref.ref(module, lambda _: os.kill(os.getpid(), number))
        del module
        assert reference() is None  # and what the handler raised is lost
        for _ in range(1000):
            time.sleep(0.01)

    with pytest.raises(SystemExit) as ended, ending_for_people():
        work()
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is usual


def test_what_ignores_a_closed_terminal_goes_on() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with ending_for_people():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_errors_need_neither_hydra_nor_lightning() -> None:
    code = "import sys, src.errors; print({'hydra', 'lightning', 'omegaconf'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_numbers_in_a_closed_interval_pass(value: float) -> None:
    require_number("a.b", value, 0, 1)


@pytest.mark.parametrize("value", [0, 1, -1, float("nan"), float("inf"), "0.5", None])
def test_anything_else_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=rf"^a\.b={value}: expected a number in \(0, 1\)$"):
        require_number("a.b", value, 0, 1, open_ends=True)


@pytest.mark.parametrize("value", [1, 1.0, True, "2", None])
def test_whole_numbers_are_whole(value: object) -> None:
    require_whole("a.b", 2, 2)
    with pytest.raises(ValueError, match=rf"^a\.b={value}: expected a whole number of at least 2$"):
        require_whole("a.b", value, 2)


def test_choices_are_listed() -> None:
    require_one_of("a.b", "x", ["x", "y"])
    with pytest.raises(ValueError, match=r"^a\.b=z: expected one of x, y$"):
        require_one_of("a.b", "z", ["x", "y"])


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        (colorize, "a.jpg --proposals x", "--proposals: expected a whole number, got 'x'"),
        (colorize, "a.jpg --saturation much", "--saturation: expected a number, got 'much'"),
        (colorize, "a.jpg --method zeo", "--method: invalid choice: 'zeo'"),
        (colorize, "", "PHOTO"),
        (colorize, "a.jpg --hnts h.png", "unrecognized arguments: --hnts h.png"),
        (export, "a.ckpt", "the following arguments are required: --output"),
        (demo, "--port http", "--port: expected a whole number, got 'http'"),
    ],
)
def test_flags_that_cannot_be_read_are_told_in_one_line(
    command: Any, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words.split())
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert "--help" in line
