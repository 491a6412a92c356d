"""Work on several items at once, a core each."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

MOST = 8
Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many items are worked on at once."""
    return min(torch.get_num_threads(), MOST)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results in order, of as many items at once as torch may use threads, each on one.

    Small tensors gain nothing from several threads, which wait for each other wherever the machine
    has other work.
    """
    threads = torch.get_num_threads()
    if threads == 1:  # as within a thread of another call: one more would only cost its memory
        yield from map(work, items)
        return
    at_once = cores()
    torch.set_num_threads(1)
    pending: deque[Future[Result]] = deque()
    try:
        with ThreadPoolExecutor(at_once) as pool:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > at_once:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        torch.set_num_threads(threads)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], weigh: Callable[[Item], float]
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Yield each item and what became of it, in order; a slow one holds up no work on others.

    Close it where it is left early: what has begun is then finished, and nothing else begins.

    Args:
        work: each on one thread, of as many items at once as torch may use threads.
        weigh: an item's share of what is worked on at once; one of over 1 is worked on alone, by
            this thread, with all that torch has, after all before it were yielded.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from ((item, _done(work, item)) for item in items)
        return
    pending: deque[tuple[Item, Future[Result]]] = deque()
    running: dict[Future[Result], float] = {}
    at_once = cores()
    pool = ThreadPoolExecutor(at_once)
    torch.set_num_threads(1)
    try:
        for item in items:
            weight = weigh(item)
            while running and (len(running) > at_once or sum(running.values()) + weight > 1):
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
            while pending and pending[0][1].done():
                yield pending.popleft()
            if weight > 1:
                torch.set_num_threads(threads)
                yield item, _done(work, item)
                torch.set_num_threads(1)
            else:
                future = pool.submit(work, item)
                pending.append((item, future))
                running[future] = weight
        while pending:
            wait([pending[0][1]])
            yield pending.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _done(work: Callable[[Item], Result], item: Item) -> Future[Result]:
    future: Future[Result] = Future()
    try:
        future.set_result(work(item))
    except Exception as error:  # as a pool does, whose interruption ends this too
        future.set_exception(error)
    return future
