"""What a person got wrong, and how a command then ends: one line, and a status."""

import _thread
import argparse
import io
import math
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CodeType
from typing import NoReturn, cast

import torch

ENDING = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
# Their errors too, by name: tools that need neither of them start faster without their import.
EXPECTED_OF = ("hydra.errors", "lightning.fabric.utilities.exceptions", "omegaconf.errors")
# What torch says, in several ways, where loading processes run out of it.
SHARED_MEMORY = re.compile(r"shared memory|</torch_\d|killed by signal: Bus error")
NO_SHARED_MEMORY = (
    "there is too little shared memory (/dev/shm) for what loading processes hand over: "
    "data.num_workers=0 (in train; num_workers=0 elsewhere) needs none, and Docker's --shm-size=1g "
    "gives more"
)
# And where a network halves a picture to one pixel, and a batch is one picture.
ONE_VALUE = "Expected more than 1 value per channel when training"
MORE_VALUES = (
    "batch norm cannot learn from a single pixel, which is what this network makes of one picture "
    "of this size: expected data.batch_size=2 or more, or a larger data.image_size"
)
REPORT = "This is a fault of the program, not of what you typed: please report the lines above."


class UserError(ValueError):
    """What a person can mend; the message is one line: expected, got, and what to do."""


# A full disk, missing memory and unreadable files are no faults of the program either.
EXPECTED = (UserError, OSError, MemoryError, torch.OutOfMemoryError)


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Refuse a setting. Args: name: as a person overrides it, such as data.zoom.

    Raises: UserError: naming the setting, its value, and what was expected.
    """
    if not holds:
        raise UserError(f"{name}={value}: expected {expected}")


def require_whole(name: str, value: object, least: int, most: float = math.inf) -> None:
    """Refuse anything but a whole number in [least, most]. Raises: UserError."""
    holds = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    limit = "" if math.isinf(most) else f" and at most {most:g}"
    require(holds, name, value, f"a whole number of at least {least}{limit}")


def require_number(
    name: str, value: object, low: float, high: float = math.inf, *, open_ends: bool = False
) -> None:
    """Refuse anything but a finite number in [low, high], or (low, high). Raises: UserError."""
    number = value if isinstance(value, int | float) and math.isfinite(value) else math.nan
    holds = low < number < high if open_ends else low <= number <= high
    interval = f"({low:g}, {high:g})" if open_ends else f"[{low:g}, {high:g}]"
    require(holds, name, value, f"a number in {interval}")


def require_one_of(name: str, value: object, known: Sequence[object]) -> None:
    """Refuse anything but one of `known`. Raises: UserError."""
    require(value in known, name, value, f"one of {', '.join(map(str, known))}")


class Parser(argparse.ArgumentParser):
    """A parser of flags, which tells what it cannot read in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message.removeprefix('argument ')} (--help lists all flags)\n")


def whole(text: str) -> int:
    """Read a whole number that was typed. Raises: argparse.ArgumentTypeError."""
    with _told(text, "a whole number"):
        return int(text)


def number(text: str) -> float:
    """Read a number that was typed. Raises: argparse.ArgumentTypeError."""
    with _told(text, "a number"):
        return float(text)


@contextmanager
def _told(text: str, expected: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from None


@contextmanager
def ending_for_people() -> Iterator[None]:
    """End the process with one line and a status where the block fails, is stopped or killed."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be Unicode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with ending_at_sigterm():
            yield
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        if is_expected(error):
            print(f"error: {in_one_line(error)}", file=sys.stderr)
        else:
            traceback.print_exc()
            print(REPORT, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(status_of(signal.SIGINT))


@contextmanager
def ending_at_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, unless a launcher has its own use for it.

    So does SIGHUP, of a terminal that was closed; nohup ignores it, and goes on to.
    """
    numbers = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def end(received: int, _: object) -> None:
        for number in numbers:  # a second one, as timeout sends it, must not end the tidying up
            signal.signal(number, signal.SIG_IGN)
        sys.exit(status_of(received))

    def end_after_all(ignored: "sys.UnraisableHookArgs") -> None:
        # Python drops what a handler raises in a callback of a weak reference or in __del__.
        received = by_status.get(getattr(ignored.exc_value, "code", None))
        if isinstance(ignored.exc_value, KeyboardInterrupt):
            received = signal.SIGINT
        if received is None:
            report(ignored)
            return
        for number in numbers:
            signal.signal(number, end)
        threading.Thread(target=interrupt, args=(received,), daemon=True).start()

    def interrupt(received: signal.Signals) -> None:
        while _is_in_main_thread(hook.__code__):  # whose own exceptions are dropped as well
            time.sleep(0.001)
        _thread.interrupt_main(received)

    by_status: dict[object, signal.Signals] = {status_of(number): number for number in numbers}
    report = sys.unraisablehook
    # Not the function itself, whose code is another's where checks of types are wrapped around it.
    sys.unraisablehook = hook = lambda ignored: end_after_all(ignored)
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        sys.unraisablehook = report
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _is_in_main_thread(code: CodeType) -> bool:
    """Tell whether the main thread runs some code, or what it called."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def status_of(number: int) -> int:
    """Return the exit status that says which signal ended a process, as shells do."""
    return 0x80 + number


def is_expected(error: Exception) -> bool:
    """Tell a person's mistake from one of this program."""
    if type(error).__name__ == "InstantiationException" and error.__cause__ is not None:
        error = cast(Exception, error.__cause__)
        if isinstance(error, TypeError):  # an argument that a class does not take
            return True
    if lacks_shared_memory(error) or lacks_values(error):
        return True
    homes = {kind.__module__ for kind in type(error).__mro__}
    return isinstance(error, EXPECTED) or not homes.isdisjoint(EXPECTED_OF)


def in_one_line(error: BaseException) -> str:
    """Say what is wrong, without where in the code it was found."""
    cause = error.__cause__ if type(error).__name__ == "InstantiationException" else None
    error = cause or error
    if lacks_shared_memory(error):
        return NO_SHARED_MEMORY
    if lacks_values(error):
        return MORE_VALUES
    said = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        said = ": ".join(str(told) for told in (error.filename, error.strerror) if told)
    if "Original Traceback" in said:  # of a loading process: its last line says what happened
        said = re.sub(r"^[\w.]+: (\[Errno \d+\] )?", "", said.strip().splitlines()[-1])
    return " ".join(said.split())


def lacks_shared_memory(error: BaseException) -> bool:
    """Tell whether loading processes had no room in /dev/shm, of which containers have 64 MB."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(one, RuntimeError) and SHARED_MEMORY.search(str(one)) for one in causes)


def lacks_values(error: BaseException) -> bool:
    """Tell whether batch norm had one value of each channel, which has no deviation."""
    return isinstance(error, ValueError) and str(error).startswith(ONE_VALUE)
