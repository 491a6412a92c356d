"""Leaving out of an evaluation what a judged checkpoint was trained or selected on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from src.colorizers import checkpoint
from src.data.picture_list import TrainedOn, short
from src.data.splits import keep_some
from src.errors import UserError, require_whole
from src.evaluation.examples import Chosen

LAST = 64 * "~"  # after every hash


@dataclass(frozen=True)
class HeldOut:
    """The pictures that may be judged.

    Attributes:
        known: names of pictures that a judged checkpoint was trained or selected on; with
            subset=all they are among the chosen ones.
        count: of the pictures that there were.
        unsure: names of those that do not say what they were trained on.
    """

    chosen: Chosen
    known: frozenset[str]
    count: int
    unsure: list[str]
    everything: bool

    @property
    def seen(self) -> int:
        """How many that were seen in training are left out, or with subset=all judged."""
        if not self.everything:
            return len(self.known)
        return sum(one.name in self.known for one in self.chosen.pictures)

    @property
    def notes(self) -> list[str]:
        """What a reader has to know of it."""
        notes = []
        if self.seen and not self.everything:
            notes.append(
                f"Left out, since a judged checkpoint was trained or selected on them: {self.seen} "
                f"of {self.count} pictures"
            )
        if self.unsure:
            notes.append(
                "No file says which pictures trained "
                f"{', '.join(self.unsure)}: some of them may be among these"
            )
        return notes

    @property
    def warnings(self) -> list[str]:
        """What makes the figures worthless where a reader overlooks it."""
        if not self.everything or not self.seen:
            return []
        return [
            f"subset=all: a judged checkpoint was trained or selected on {self.seen} of these "
            f"{len(self.chosen.pictures)} pictures, so these figures say nothing of new ones"
        ]

    def only(self, names: Collection[str]) -> "HeldOut":
        """Return the same with no other pictures than these."""
        pictures = [one for one in self.chosen.pictures if one.name in names]
        return replace(self, chosen=replace(self.chosen, pictures=pictures))

    def some(self, count: int | None) -> "HeldOut":
        """Return a stable subset of so many pictures; None keeps all. Raises: UserError."""
        if count is None:
            return self
        require_whole("data.max_images", count, 1)
        hashes = self.chosen.hashes
        names = keep_some(
            # What cannot be read has no hash, and comes last.
            {one.name: [*hashes[one.name], LAST][0] for one in self.chosen.pictures},
            count,
        )
        kept = self.only(names)
        return replace(
            kept, chosen=replace(kept.chosen, said=f"{self.chosen.said}, a stable subset")
        )


def held_out(chosen: Chosen, judged: Mapping[str, Path], *, everything: bool) -> HeldOut:
    """Leave out every picture whose content, or whose original's, a judged checkpoint has seen.

    Args:
        judged: checkpoints and exported files by name.
        everything: keep them, and only count.
    Raises: UserError: if nothing is left.
    """
    known: set[int] = set()
    unsure = []
    for name, path in judged.items():
        trained_on = TrainedOn.of(None)
        if path.suffix == ".ckpt":
            trained_on = TrainedOn.read(checkpoint.load(path))
        known.update(trained_on.pictures.tolist())
        if not trained_on.is_complete:
            unsure.append(name)
    new = [picture for picture in chosen.pictures if not _seen(chosen.hashes[picture.name], known)]
    count = len(chosen.pictures)
    old = frozenset(one.name for one in chosen.pictures) - {one.name for one in new}
    if not everything:
        if not new:
            raise UserError(
                f"judged checkpoints were trained or selected on all {count} pictures "
                f"({chosen.said}): give others, or judge these all the same with subset=all"
            )
        chosen = replace(chosen, pictures=new)
    return HeldOut(chosen, old, count, unsure, everything)


def _seen(hashes: Iterable[str], known: set[int]) -> bool:
    return any(short(sha256) in known for sha256 in hashes)
