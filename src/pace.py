"""How far long work is: a bar on a terminal, a line every half minute in a log."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from tqdm import tqdm

INTERVAL_S = 30.0
DELAY_S = 1.0  # of the bar, so that short work shows none

T = TypeVar("T")


@contextmanager
def shown(said: str, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show how far the work in the block is.

    Args: said: what is being done. unit: plural, of what the work is counted in.
    Yields: what is to be called with the number of units that were done since the last call.
    """
    if total < 2:  # there is no saying how far one unit is
        yield lambda _: None
        return
    if sys.stderr is not None and sys.stderr.isatty():
        with tqdm(desc=said, total=total, unit=f" {unit}", delay=DELAY_S, leave=False) as bar:
            yield bar.update
        return
    start, done = time.monotonic(), 0
    ended = threading.Event()

    def advance(count: int) -> None:
        nonlocal done
        done += count

    def tell() -> None:
        while not ended.wait(INTERVAL_S):
            line = in_words(said, done, total, unit, time.monotonic() - start)
            print(line, file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        ended.set()
        thread.join()


def each(items: Iterable[T], said: str, total: int, unit: str) -> Iterator[T]:
    """Yield the items, and show how many are done. Args: as for `shown`."""
    with shown(said, total, unit) as advance:
        for item in items:
            yield item
            advance(1)


def in_words(said: str, done: int, total: int, unit: str, seconds: float) -> str:
    """Say how far work is: done, total, rate and the time that is left."""
    rate = done / seconds
    left = str(timedelta(seconds=round((total - done) / rate))) if rate else "?"
    return f"{said}: {done} of {total} {unit}, {rate:.3g} a second, {left} left"
