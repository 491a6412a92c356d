import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from src.threads import in_order


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_slow_item_holds_up_no_other_and_keeps_its_place() -> None:
    last_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert last_is_done.wait(10)
        if number == 9:
            last_is_done.set()
        return torch.get_num_threads()

    done = [(number, future.result()) for number, future in in_order(work, range(10), lambda _: 0)]
    assert done == [(number, 1) for number in range(10)]
    assert torch.get_num_threads() == 2


def test_what_is_heavy_waits_for_the_others_and_has_all_threads() -> None:
    begun: list[int] = []

    def work(number: int) -> tuple[list[int], int]:
        begun.append(number)
        if number == 3:
            raise ValueError(number)
        return sorted(begun), torch.get_num_threads()

    made = [one for _, one in in_order(work, range(5), lambda number: 2 if number == 2 else 0.4)]
    assert made[2].result() == ([0, 1, 2], 2)
    assert isinstance(made[3].exception(), ValueError)
    assert made[4].result()[1] == 1


def test_nothing_begins_after_it_was_left() -> None:
    begun: list[int] = []
    with closing(in_order(begun.append, iter(range(100)), lambda _: 0)) as done:
        next(done)
    assert len(begun) < 10
    assert torch.get_num_threads() == 2
