"""Work on several items at once, a core each."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

MOST = 8
Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results in order, of as many items at once as torch may use threads, each on one.

    Small tensors gain nothing from several threads, which wait for each other wherever the machine
    has other work.
    """
    threads = torch.get_num_threads()
    if threads == 1:  # as within a thread of another call: one more would only cost its memory
        yield from map(work, items)
        return
    torch.set_num_threads(1)
    cores = min(threads, MOST)
    pending: deque[Future[Result]] = deque()
    try:
        with ThreadPoolExecutor(cores) as pool:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > cores:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        torch.set_num_threads(threads)
