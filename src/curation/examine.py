"""Examining pictures, once each: what they are, what they look like, and whether they are kept."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import DataLoader, Dataset

from src import files, pace
from src.curation.picture_writer import Writer
from src.data import duplicates
from src.images import UnreadableImageError, grey, read_rgb_and_size, require_regular

# Large JPEGs are decoded at a reduced size with at least this many times the pixels that are used.
OVERSAMPLING = 2
AT_ONCE = 16  # pictures that are judged, and told of, in one go
MEASURED_SIDE = 96  # pixels that measures need of the short side


@dataclass(frozen=True)
class Facts:
    """All that later steps need to know of a file, which need not read it again.

    Attributes:
        source: its path below the source's folder.
        stamp: size in bytes and modification time in ns, by which a changed file is known.
        sha256: of its bytes; empty where they cannot be read.
        fault: why it is rejected for itself; empty where it is not.
        width, height: upright, in pixels.
        colors: None where it cannot be read.
        looks: fingerprints of the picture and of its mirror image, hexadecimal.
    """

    source: str
    stamp: tuple[int, int]
    sha256: str = ""
    fault: str = ""
    width: int = 0
    height: int = 0
    colors: grey.ChromaStatistics | None = None
    looks: tuple[str, str] = ("", "")

    @property
    def readable(self) -> bool:
        return bool(self.looks[0])


@dataclass(frozen=True)
class Seen:
    """A picture that can be read and is not yet judged: `small` to measure, `shrunk` to keep."""

    facts: Facts
    small: Image.Image
    shrunk: Image.Image | None


class Examiner(Dataset[Seen | Facts | None]):
    """Looks at files, and then judges several at once.

    Args:
        root, names: the files.
        limits: the rules.
        writer: of those that are kept.
        part: (number, count), of which only the share `number` of all contents is examined.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        limits: grey.Rules,
        *,
        writer: Writer | None = None,
        part: tuple[int, int] = (1, 1),
    ) -> None:
        self.root = root
        self.names = names
        self.limits = limits
        self.writer = writer
        needed = OVERSAMPLING * writer.settings.image_size if writer else 0
        self.short_side = max(needed, MEASURED_SIDE)
        self.part = part

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Seen | Facts | None:
        """Look at a file: only facts where it cannot be read, None where it is another part's."""
        name = self.names[index]
        path = self.root / name
        found: dict[str, Any] = {"source": name, "stamp": files.stamp(path)}
        try:
            require_regular(path)
            found["sha256"] = files.sha256(path)
            if not self._is_own(found["sha256"]):
                return None
            image, (width, height) = read_rgb_and_size(path, self.short_side)
            shrunk = None
            if self.writer and min(width, height) >= self.limits.min_size:
                shrunk = self.writer.shrink(image)
        except (UnreadableImageError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else error
            unreadable = Facts(**found, fault=f"unreadable: {said}")
            # Where there is no content to go by, the name says whose file it is.
            digest = unreadable.sha256 or hashlib.sha256(name.encode(errors="replace")).hexdigest()
            return unreadable if self._is_own(digest) else None
        small = image.reduce(max(1, min(image.size) // MEASURED_SIDE))
        own, mirrored = duplicates.fingerprints(small)
        facts = Facts(**found, width=width, height=height, looks=(own.hex(), mirrored.hex()))
        return Seen(facts, small, shrunk)

    def judge(self, several: Sequence[Seen | Facts | None]) -> list[Facts]:
        """Measure and judge what was looked at, and hand on what is kept."""
        seen = [one for one in several if isinstance(one, Seen)]
        measured = iter(grey.measure_each([one.small for one in seen]) if seen else [])
        known = [one for one in several if one is not None]
        return [
            self._judged(one, next(measured)) if isinstance(one, Seen) else one for one in known
        ]

    def _judged(self, seen: Seen, colors: grey.ChromaStatistics) -> Facts:
        facts = seen.facts
        fault = self.limits.fault(facts.width, facts.height, colors)
        if not fault and self.writer and seen.shrunk:
            self.writer.write(seen.shrunk, facts.sha256)
        return replace(facts, fault=fault, colors=colors)

    def _is_own(self, digest: str) -> bool:
        number, count = self.part
        return int(digest[16:32], 16) % count == number - 1


def examined(examiner: Examiner, num_workers: int) -> Iterator[Facts]:
    """Examine all files in several processes, in their order, with a progress bar."""
    count = len(examiner)
    loader = DataLoader(
        examiner, batch_size=AT_ONCE, collate_fn=examiner.judge, num_workers=min(num_workers, count)
    )
    with pace.shown("examining", count, "pictures") as advance:
        for several in loader:
            yield from several
            advance(len(several))


class Journal:
    """Facts on the disk as soon as they are known, a line each, for the run that resumes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Facts]:
        """Read what earlier runs have found; a line that was cut off is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="ascii", errors="replace").splitlines()
        return [facts for line in lines if (facts := _parsed(line)) is not None]

    def replace(self, facts: Sequence[Facts]) -> None:
        """Keep only these facts."""
        files.write_text(self.path, "".join(_line(one) for one in facts))

    def add(self, new: Iterator[Facts]) -> None:
        """Append facts as they come."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="ascii") as file:
            for facts in new:
                file.write(_line(facts))
                file.flush()


def _line(facts: Facts) -> str:
    # The break stands first: it ends a line that was cut off.
    return "\n" + json.dumps(vars(facts), default=vars)


def _parsed(line: str) -> Facts | None:
    try:
        content = json.loads(line)
        content["colors"] = content["colors"] and grey.ChromaStatistics(**content["colors"])
        content["stamp"], content["looks"] = tuple(content["stamp"]), tuple(content["looks"])
        return Facts(**content)
    except (KeyError, TypeError, ValueError):
        return None
