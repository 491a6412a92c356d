import io
import re
import sys
import time

import pytest

from src import pace


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(count: int, seconds: float) -> list[int]:
    done = []
    for number in pace.each(range(count), "reading", count, "files"):
        time.sleep(seconds)
        done.append(number)
    return done


def test_a_log_gets_a_line_every_interval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pace, "INTERVAL_S", 0.1)
    began = time.monotonic()
    assert work(5, 0.1) == [0, 1, 2, 3, 4]
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= (time.monotonic() - began) / 0.1  # which beside other work is more
    for line in lines:
        assert re.fullmatch(r"reading: \d of 5 files, [\d.]+ a second, (\?|0:00:\d\d) left", line)


def test_a_line_comes_while_one_item_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pace, "INTERVAL_S", 0.02)
    work(2, 0.25)
    assert "reading: 0 of 2 files, 0 a second, ? left" in capsys.readouterr().err


def test_short_work_and_single_items_say_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work(5, 0)
    monkeypatch.setattr(pace, "INTERVAL_S", 0.01)
    work(1, 0.05)
    work(0, 0)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(pace, "DELAY_S", 0.0)
    work(3, 0.15)
    assert "reading:  33%" in terminal.getvalue()


def test_what_fails_in_between_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError), pace.shown("reading", 3, "files"):
        _ = 1 / 0


def test_the_words_say_done_total_rate_and_time_left() -> None:
    said = pace.in_words("examining", 1200, 40000, "pictures", 60.0)
    assert said == "examining: 1200 of 40000 pictures, 20 a second, 0:32:20 left"
