"""The audit page: what was rejected and why, what looks alike, how colours differ."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from src import color, files, images, plots
from src.curation.examine import Facts
from src.data import manifest
from src.data.manifest import Row
from src.images import grey

SHOWN, SHOWN_GROUPS, SHOWN_OF_GROUP = 24, 40, 7  # thumbnails of a rule, groups, pictures of each
THUMBNAIL = 120
SAMPLED, SHUFFLES = 4000, 200  # pictures and shuffles by which a difference is judged
Key = tuple[str, str]  # source and sha256
Facing = Callable[[Row], Path]  # where the picture of a row lies


@dataclass(frozen=True)
class Shown:
    """A picture on the page."""

    row: Row
    thumbnail: str  # a data URI; empty where it cannot be read


def write(
    path: Path,
    rows: Sequence[Row],
    facts: Mapping[Key, Facts],
    *,
    originals: Path,
    prepared: Path,
    leaks: Sequence[Sequence[Row]] = (),
    judged: bool = False,
) -> None:
    """Write the page of a data set, with everything that it shows inside it.

    Args:
        originals, prepared: where the pictures of rejected and of kept rows lie.
        judged: nothing was rejected, the page says what would be.
    """

    def place(row: Row) -> Path:
        return prepared / row.file if row.kept else originals / facts[_key(row)].source

    rejected = defaultdict(list)
    for row in rows:
        if not row.kept:
            rejected[row.rule].append(row)
    groups = near_duplicates(rows)
    shares = _distributions(rows, facts)
    text = plots.page(
        Path(__file__).with_name("audit_page.html"),
        rows=rows,
        judged=judged,
        counts=Counter(row.split for row in rows if row.kept),
        rejected={rule: (len(own), _shown(own[:SHOWN], place)) for rule, own in rejected.items()},
        groups=[(len(own), _shown(own[:SHOWN_OF_GROUP], place)) for own in groups[:SHOWN_GROUPS]],
        group_count=len(groups),
        leaks=[_shown(own[:SHOWN_OF_GROUP], place) for own in leaks[:SHOWN_GROUPS]],
        leak_count=len(leaks),
        differences=differences(rows, facts),
        chart=plots.data_uri(Image.fromarray(plots.hues(shares)), "PNG") if shares else "",
        greys={split: f"{1 - own.sum():.0%}" for split, own in shares.items()},
        grey=round(color.NEUTRAL),
        strong=[*map(round, grey.STRONG)],
    )
    files.write_text(path, text)


def _key(row: Row) -> Key:
    return row.source, row.sha256


def near_duplicates(rows: Sequence[Row]) -> list[list[Row]]:
    """List the groups of more than one kept picture, the largest first."""
    groups = defaultdict(list)
    for row in rows:
        if row.kept:
            groups[row.group].append(row)
    several = [own for own in groups.values() if len(own) > 1]
    return sorted(several, key=lambda own: (-len(own), own[0].group))


def differences(rows: Sequence[Row], facts: Mapping[Key, Facts]) -> list[str]:
    """Name the splits whose colours differ from all splits' more than chance would have it.

    Half the sum of absolute differences between a split's shares of hues and those of everything is
    compared with what shuffled splits give: a warning needs more than all of 200 shuffles.
    """
    # Sets that are held out are meant to be others.
    own = [row for row in rows if row.kept and row.split != manifest.UNSEEN]
    kept = [row for row in own if facts[_key(row)].colors]
    kept = kept[:: max(1, len(kept) // SAMPLED)]
    if not kept:
        return []
    hues = np.array([_hues(facts[_key(row)]) for row in kept], float)
    hues /= grey.SIDE**2
    groups = np.unique([row.group for row in kept], return_inverse=True)[1]
    random = np.random.default_rng(0)
    warnings = []
    for split in sorted({row.split for row in kept}):
        inside = np.array([row.split == split for row in kept])
        if inside.all():
            continue

        def distance(chosen: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float:
            return float(np.abs(hues[chosen].mean(0) - hues.mean(0)).sum() / 2)

        # Whole groups are shuffled: the pictures of one are alike in every split.
        whole = np.isin(groups, groups[inside])
        share = len(np.unique(groups[whole])) / len(np.unique(groups))
        shuffled = []
        for _ in range(SHUFFLES):
            chosen = (random.random(groups.max() + 1) < share)[groups]
            if chosen.any():
                shuffled.append(distance(chosen))
        if shuffled and distance(inside) > max(shuffled):
            warnings.append(
                f"{split}: {distance(inside):.1%} of its pixels would have to change hue or chroma "
                f"to match all splits together; chance gives at most {max(shuffled):.1%}"
            )
    return warnings


def _hues(facts: Facts) -> list[int]:
    assert facts.colors is not None
    return facts.colors.hue_counts


def _distributions(
    rows: Sequence[Row], facts: Mapping[Key, Facts]
) -> dict[str, "np.ndarray[tuple[int, int], np.dtype[np.float64]]"]:
    """Mean share of each hue (rows) and chroma (columns) in the pictures of each split."""
    sums: dict[str, list[list[int]]] = defaultdict(list)
    for row in rows:
        own = facts[_key(row)]
        if row.kept and own.colors:
            sums[row.split].append(own.colors.hue_counts)
    return {
        split: (np.mean(sums[split], axis=0)[1:] / grey.SIDE**2).reshape(-1, 3)
        for split in manifest.SPLITS
        if split in sums
    }


def _shown(rows: Sequence[Row], place: Facing) -> list[Shown]:
    return [Shown(row, _thumbnail(place(row))) for row in rows]


def _thumbnail(path: Path) -> str:
    try:
        image = images.read_rgb(path, THUMBNAIL)
    except images.UnreadableImageError:
        return ""
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return plots.data_uri(image, "JPEG")
