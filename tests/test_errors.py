import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf.errors import MissingMandatoryValue

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
    [UserError("x"), OSError("x"), MemoryError("x"), torch.OutOfMemoryError("x"),
     InstantiationException("x"), MisconfigurationException("x"), MissingMandatoryValue("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_a_person_can_mend_ends_in_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, ending_for_people():
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: x\n"


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
