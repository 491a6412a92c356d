"""Judging a data set that somebody else has split, without changing it."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from src.curation import audit_page
from src.curation.examine import Examiner, examined
from src.data import duplicates, manifest
from src.data.collection import Collection
from src.data.manifest import SPLITS, UNSEEN, Row
from src.errors import UserError
from src.images.grey import Rules


@dataclass(frozen=True)
class Verdict:
    """What an audit says: in words, and how many groups stand in more than one split."""

    text: str
    leaks: int


def audit(root: Path, limits: Rules, page: Path, num_workers: int) -> Verdict:
    """Examine every picture of a split data set and write the page about it.

    Args:
        root: holds train/, val/ and test/, two of them at least, or a manifest of src.prepare.
        page: where the page goes.
    Raises: UserError: if there is no split to judge.
    """
    collection = _split_collection(root)
    facts = list(examined(Examiner(root, collection.names(), limits), num_workers))
    splits = collection.splits({one.source: one.sha256 for one in facts})
    looks = {one.sha256: one.looks for one in facts if one.readable}
    places = duplicates.place_by_looks(looks, {}, {"train": 1.0})
    rows = [
        Row(
            file=one.source,
            source=one.source,
            status="kept" if one.readable else "rejected",
            reason=one.fault,
            split=splits[one.source],
            group=places[one.sha256].group if one.readable else "",
            sha256=one.sha256,
            width=one.width,
            height=one.height,
            mean_chroma=one.colors.mean_chroma if one.colors else 0.0,
        )
        for one in facts
    ]
    # What prepare would reject is listed as such, but its leaks count: it is in use here.
    listed = [replace(row, status="rejected" if row.reason else "kept") for row in rows]
    leaks = manifest.leaks(rows)
    audit_page.write(
        page,
        listed,
        {(one.source, one.sha256): one for one in facts},
        originals=root,
        prepared=root,
        leaks=leaks,
        judged=True,
    )
    return Verdict(_in_words(listed, leaks), len(leaks))


def _split_collection(root: Path) -> Collection:
    collection = Collection(root)
    if collection.rows is None and len(collection.folders) < 2:
        raise UserError(
            f"{root} has no split to judge: expected train/, val/ and test/ in it, or a "
            f"{manifest.NAME} of src.prepare"
        )
    return collection


def _in_words(rows: list[Row], leaks: list[list[Row]]) -> str:
    counts = Counter(row.split for row in rows)
    shown = (*SPLITS, UNSEEN) if counts[UNSEEN] else SPLITS
    lines = [f"{len(rows)} pictures: " + ", ".join(f"{counts[s]} {s}" for s in shown)]
    rules = Counter(row.rule for row in rows if row.reason)
    lines += [f"  {count} {rule} ({count / len(rows):.1%})" for rule, count in rules.most_common()]
    if leaks:
        some = ", ".join(f"{row.source}" for row in leaks[0][:3])
        lines.append(
            f"LEAKS: {len(leaks)} groups of near-duplicates stand in more than one split, "
            f"such as {some}"
        )
    else:
        lines.append("no near-duplicates stand in more than one split")
    return "\n".join(lines)
