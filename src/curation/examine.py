"""Examining pictures, once each: what they are, what they look like, and whether they are kept."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from src import files
from src.curation import duplicates, rules
from src.images import UnreadableImageError, read_rgb, require_regular, upright_size

# Large JPEGs are decoded at a reduced size with at least this many times the pixels that are used.
OVERSAMPLING = 2
MEASURED_SIDE = 192


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
    colors: rules.Colors | None = None
    looks: tuple[str, str] = ("", "")


Keep = Callable[[Image.Image, str], None]  # is given a picture that is kept, and its sha256


class Examiner(Dataset[Facts | None]):
    """Examines files and hands those that are kept on; None for what is another part's.

    Args:
        root, names: the files.
        limits: the rules.
        short_side: pixels that `keep` needs.
        part: (number, count), of which only the share `number` of all contents is examined.
    """

    def __init__(
        self, root: Path, names: Sequence[str], limits: rules.Rules, *,
        keep: Keep | None = None, short_side: int = 0, part: tuple[int, int] = (1, 1),
    ) -> None:  # fmt: skip
        self.root = root
        self.names = names
        self.limits = limits
        self.keep = keep
        self.short_side = max(OVERSAMPLING * short_side, MEASURED_SIDE)
        self.part = part

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Facts | None:
        name = self.names[index]
        path = self.root / name
        found: dict[str, Any] = {"source": name, "stamp": stamp(path)}
        try:
            require_regular(path)
            with path.open("rb") as file:
                found["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            if not self._is_own(found["sha256"]):
                return None
            image = read_rgb(path, self.short_side)
            width, height = upright_size(path)
        except (UnreadableImageError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else error
            unreadable = Facts(**found, fault=f"unreadable: {said}")
            # Where there is no content to go by, the name says whose file it is.
            digest = unreadable.sha256 or hashlib.sha256(name.encode(errors="replace")).hexdigest()
            return unreadable if self._is_own(digest) else None
        # Once for all measures, which take a whole part of it.
        small = image.resize((MEASURED_SIDE, MEASURED_SIDE), Image.Resampling.BOX)
        colors = rules.measure(small)
        fault = self.limits.fault(width, height, colors)
        looks = duplicates.fingerprints(small)
        if not fault and self.keep is not None:
            self.keep(image, found["sha256"])
        return Facts(
            **found, fault=fault, width=width, height=height, colors=colors,
            looks=(looks[0].hex(), looks[1].hex()),
        )  # fmt: skip

    def _is_own(self, digest: str) -> bool:
        number, count = self.part
        return int(digest[16:32], 16) % count == number - 1


def stamp(path: Path) -> tuple[int, int]:
    """Return size and modification time, by which a changed file is known."""
    try:
        status = path.stat()
    except OSError:  # a dangling link: the reader will say so
        return -1, -1
    return status.st_size, status.st_mtime_ns


def examined(examiner: Examiner, num_workers: int) -> Iterator[Facts]:
    """Examine all files in several processes, in their order, with a progress bar."""
    count = len(examiner)
    # Several at once: what processes tell each other takes time by the message.
    loader = DataLoader(
        examiner, batch_size=16, collate_fn=list, num_workers=min(num_workers, count)
    )
    with tqdm(desc="pictures", unit=" pictures", total=count, disable=None) as bar:
        for several in loader:
            bar.update(len(several))
            yield from (facts for facts in several if facts is not None)


class Journal:
    """Facts on the disk as soon as they are known, a line each, for whoever goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Facts]:
        """Read what earlier runs have found; a line that was cut off is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="ascii", errors="replace").splitlines()
        return [facts for line in lines if (facts := _parsed(line)) is not None]

    def replace(self, facts: Sequence[Facts]) -> None:
        """Keep these facts alone."""
        files.write_text(self.path, "".join(json.dumps(asdict(one)) + "\n" for one in facts))

    def add(self, new: Iterator[Facts]) -> None:
        """Append facts as they come."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="ascii") as file:
            if file.tell():
                file.write("\n")  # ends a line that was cut off
            for facts in new:
                file.write(json.dumps(asdict(facts)) + "\n")
                file.flush()


def _parsed(line: str) -> Facts | None:
    try:
        content = json.loads(line)
        content["colors"] = content["colors"] and rules.Colors(**content["colors"])
        content["stamp"], content["looks"] = tuple(content["stamp"]), tuple(content["looks"])
        return Facts(**content)
    except (KeyError, TypeError, ValueError):
        return None
