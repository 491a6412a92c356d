import hashlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.splits import Place, by_hash, place

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


def contents(count: int) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)]


def test_shares_are_met_and_every_split_gets_something() -> None:
    assigned = by_hash(contents(3000), SHARES)
    counts = [list(assigned.values()).count(split) / 3000 for split in SHARES]
    assert [abs(count - share) < 0.03 for count, share in zip(counts, SHARES.values(), strict=True)]
    for count in range(3, 12):
        assert set(by_hash(contents(count), SHARES).values()) == set(SHARES)
    assert by_hash([], SHARES) == {}
    assert len(by_hash(contents(2), SHARES)) == 2


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.data())
def test_near_duplicates_share_group_and_split(count: int, data: st.DataObject) -> None:
    own = contents(count)
    index = st.integers(0, count - 1)
    near = data.draw(st.lists(st.tuples(index, index).filter(lambda p: p[0] != p[1]), max_size=20))
    places = place(own, near, {}, SHARES)
    assert set(places) == set(own)
    for i, j in near:
        assert places[own[i]] == places[own[j]]
    order = list(range(count))
    random.Random(count).shuffle(order)
    where = {old: new for new, old in enumerate(order)}
    shuffled = place([own[i] for i in order], [(where[i], where[j]) for i, j in near], {}, SHARES)
    assert shuffled == places


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 25), st.data())
def test_what_is_settled_stays_and_no_pair_leaks(count: int, data: st.DataObject) -> None:
    own = contents(count)
    old = own[: data.draw(st.integers(1, count - 1))]
    before = place(old, [], {}, SHARES)
    index = st.integers(0, count - 1)
    near = data.draw(st.lists(st.tuples(index, index).filter(lambda p: p[0] != p[1]), max_size=30))
    near = [pair for pair in near if not {own[pair[0]], own[pair[1]]} <= set(old)]
    places = place(own, near, before, SHARES)
    assert set(places) == set(own)
    assert all(places[content] == before[content] for content in old)
    for i, j in near:
        one, two = places[own[i]], places[own[j]]
        assert one.fault or two.fault or one.split == two.split


def test_a_picture_between_two_splits_is_rejected_and_told_why() -> None:
    a, b, between, beside = contents(4)
    before = {a: Place("train", "g"), b: Place("val", "h")}
    places = place([a, b, between, beside], [(0, 2), (1, 2), (0, 3)], before, SHARES)
    assert places[between].fault == "would link train and val: a near-duplicate of pictures in both"
    assert places[beside] == Place("train", "g")
