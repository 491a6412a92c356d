"""Which split a picture stands in: by content, groups of near-duplicates together, for good."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from src.data.manifest import UNSEEN

GROUP_DIGITS = 16


def by_hash(hashes: Iterable[str], shares: Mapping[str, float]) -> dict[str, str]:
    """Assign hexadecimal hashes to subsets by nothing but their value.

    With a handful of hashes chance may leave a subset empty: each gets at least one where there
    are enough of them.
    """
    ordered = sorted(set(hashes))
    at_least = 1 if len(ordered) >= len(shares) else 0
    assigned: dict[str, str] = {}
    start, upper = 0, 0.0
    for rank, (subset, share) in enumerate(shares.items(), start=1):
        upper += share
        end = sum(int(one[:16], 16) < upper * 2**64 for one in ordered)
        if at_least:
            end = min(max(end, start + 1), len(ordered) - len(shares) + rank)
        elif rank == len(shares):
            end = len(ordered)
        assigned |= dict.fromkeys(ordered[start:end], subset)
        start = end
    return assigned


@dataclass(frozen=True)
class Place:
    """Where a picture stands: its split and its group, or why it can stand nowhere."""

    split: str
    group: str
    fault: str = ""


def place_apart(
    contents: Sequence[str],
    near: Sequence[tuple[int, int]],
    settled: Mapping[str, Place],
    shares: Mapping[str, float],
    unseen: AbstractSet[str],
) -> dict[str, Place]:
    """Place contents as `place` does, but those in `unseen` in the split of that name.

    Nothing that looks like one of them may stand in another split: what does is at fault, and so is
    one of them that looks like what an earlier run has placed elsewhere.
    """
    before = {content: one for content, one in settled.items() if one.split == UNSEEN}
    own = [content for content in contents if content in unseen or content in before]
    number = {content: i for i, content in enumerate(own)}
    linked = [(contents[i], contents[j]) for i, j in near]
    among = [(number[a], number[b]) for a, b in linked if a in number and b in number]
    fresh = place(own, among, before, {UNSEEN: 1.0})
    fresh = {content: one for content, one in fresh.items() if content not in settled}
    elsewhere = {c for c, one in settled.items() if one.split not in ("", UNSEEN)}
    seen = {a for pair in linked for a, b in (pair, pair[::-1]) if b in elsewhere} & fresh.keys()
    fresh |= dict.fromkeys(seen, Place("", "", "a near-duplicate of pictures that were prepared"))
    places = place(contents, near, {**settled, **fresh}, shares)
    fault = Place("", "", "a near-duplicate of pictures that are held out")
    return {
        content: fault if one.split == UNSEEN and content not in number else one
        for content, one in places.items()
    }


def place(
    contents: Sequence[str],
    near: Iterable[tuple[int, int]],
    settled: Mapping[str, Place],
    shares: Mapping[str, float],
) -> dict[str, Place]:
    """Give every content its place; settled ones keep theirs.

    Args:
        contents: sha256 of each picture, all different.
        near: pairs of indices of near-duplicates.
        settled: the places that an earlier run has given, by sha256.
        shares: of the groups, by split; their sum is 1.
    Returns: a place for each content. One that would link two splits has none, but a fault.
    """
    neighbours: dict[str, set[str]] = defaultdict(set)
    for i, j in near:
        neighbours[contents[i]].add(contents[j])
        neighbours[contents[j]].add(contents[i])
    places = {content: settled[content] for content in contents if content in settled}
    fresh: dict[str, str] = {}  # group of each content that touches nothing settled
    for members in _components(contents, neighbours, settled):
        touched = {places[n] for m in members for n in neighbours[m] if n in settled}
        touched = {one for one in touched if not one.fault}
        if not touched:
            fresh |= dict.fromkeys(members, members[0][:GROUP_DIGITS])
        elif len({one.split for one in touched}) == 1:
            first = min(touched, key=lambda one: one.group)
            places |= dict.fromkeys(members, Place(first.split, first.group))
        else:
            places |= _between_splits(members, neighbours, places, shares)
    rehashed = {group: _rehashed(group) for group in fresh.values()}
    if places:
        splits = {one: _split_of(one, shares) for one in rehashed.values()}
    else:
        splits = by_hash(rehashed.values(), shares)
    return places | {c: Place(splits[rehashed[group]], group) for c, group in fresh.items()}


def _rehashed(group: str) -> str:
    # The least hash of a large group is small: hashed once more, groups of all sizes spread alike.
    return hashlib.sha256(group.encode()).hexdigest()


def _split_of(sha256: str, shares: Mapping[str, float]) -> str:
    upper = 0.0
    for split, share in shares.items():
        upper += share
        if int(sha256[:16], 16) < upper * 2**64:
            return split
    return [*shares][-1]


def _components(
    contents: Sequence[str], neighbours: Mapping[str, set[str]], settled: Mapping[str, Place]
) -> Iterator[list[str]]:
    """Yield the contents that near-duplicates link, without going through settled ones."""
    seen: set[str] = set(settled)
    for start in sorted(contents):
        if start in seen:
            continue
        seen.add(start)
        members, queue = [start], [start]
        while queue:
            linked = sorted(neighbours.get(queue.pop(), set()) - seen)
            seen.update(linked)
            members += linked
            queue += linked
        yield sorted(members)


def _between_splits(
    members: Sequence[str],
    neighbours: Mapping[str, set[str]],
    settled: Mapping[str, Place],
    shares: Mapping[str, float],
) -> dict[str, Place]:
    """Place what touches several splits, from them inwards; what would link two is rejected."""
    places = dict(settled)
    left = list(members)
    while left:
        content = next((m for m in left if _standing(neighbours[m], places)), left[0])
        left.remove(content)
        around = _standing(neighbours[content], places)
        splits = sorted({one.split for one in around})
        if len(splits) > 1:
            fault = f"would link {' and '.join(splits)}: a near-duplicate of pictures in both"
            places[content] = Place("", "", fault)
        elif around:
            places[content] = min(around, key=lambda one: one.group)
        else:  # it touched nothing but what has just been rejected
            group = content[:GROUP_DIGITS]
            places[content] = Place(_split_of(_rehashed(group), shares), group)
    return {member: places[member] for member in members}


def _standing(contents: Iterable[str], places: Mapping[str, Place]) -> list[Place]:
    return [places[one] for one in contents if one in places and not places[one].fault]


def keep_some(contents: Mapping[str, str], max_images: int | None) -> dict[str, str]:
    """Keep the `max_images` pictures that come first by a part of the hash that no split uses."""
    names = sorted(contents, key=lambda name: (contents[name][16:32], name))
    return {name: contents[name] for name in names[:max_images]}
