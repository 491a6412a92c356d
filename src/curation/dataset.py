"""From a folder of pictures to a data set: examined, rejected, grouped, split, written."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from pathlib import Path

from src import files, images
from src.curation import audit_page, picture_writer, shard_writer
from src.curation.examine import Examiner, Facts, Journal, examined
from src.curation.picture_writer import Writer, file_of
from src.curation.recipe import SUFFIXES, Settings
from src.data import duplicates, manifest, shards, splits
from src.data.manifest import Row
from src.errors import UserError
from src.images import grey

OWN = ".prepare"  # folder of what a data set tells its makers


def prepare(
    source: Path, target: Path, settings: Settings, num_workers: int, shard: int | None = None
) -> list[Row]:
    """Make a data set of the pictures below `source`, or resume making it.

    Nothing is ever written to `source`.

    Args: shard: pictures of a shard at most, where shards are wanted.
    Returns: the manifest.
    Raises: UserError: if the folders or settings do not fit each other, or nothing can be read.
    """
    if not source.is_dir():
        raise UserError(f"source={source}: expected the folder that holds the pictures")
    if source.resolve().is_relative_to(target.resolve()):
        raise UserError(f"target={target} holds the source: choose a folder elsewhere")
    if shard and settings.part != "1/1":
        raise UserError(
            f"shards=true with part={settings.part}: a part's split is not the last "
            "word. Give shards=true beside merge="
        )
    for name in settings.held_out:
        _require_folder(source, name)
    with files.lock(target):
        _claim(target, settings, source)
        journal = Journal(target / OWN / "facts.jsonl")
        listed = images.listing(source)
        if listed.left_out:
            print(f"{source}: {images.in_words(listed.left_out)}", flush=True)
        stamps = {
            name: files.stamp(source / name)
            for name in listed.names
            if not (source / name).resolve().is_relative_to(target.resolve())
        }
        known = {(facts.source, facts.stamp): facts for facts in journal.read()}
        before = manifest.read(target) if (target / manifest.NAME).exists() else []
        links = {row.sha256 for row in before if row.rule == "links"}
        new = [
            name
            for name, own in stamps.items()
            if not _is_done(known.get((name, own)), links, target, settings)
        ]
        limits = grey.Rules(settings.min_size, settings.min_chroma_spread, settings.one_hue)
        examiner = Examiner(
            source, new, limits, writer=Writer(target, settings), part=settings.number_and_count
        )
        if new:
            found = examined(examiner, num_workers)
            journal.add(one for one in found if one != known.get((one.source, one.stamp)))
        facts = _current(journal.read(), stamps, before)
        return _finish(target, settings, source, facts, before, shard)


def _require_folder(source: Path, name: str) -> None:
    if "/" in name or name in ("", ".", "..") or not (source / name).is_dir():
        there = sorted(path.name for path in source.iterdir() if path.is_dir())
        some = ", ".join(there[:8]) + " ..." * (len(there) > 8)
        raise UserError(
            f"held_out names {name!r}: expected folders at the top of {source}: {some or 'none'}"
        )


def merge(parts: Sequence[Path], target: Path, shard: int | None = None) -> list[Row]:
    """Join the parts of a data set that were prepared apart, and group duplicates across them.

    Raises: UserError: if parts are missing, or were made with different settings.
    """
    found = [_settings(part) for part in parts]
    settings = replace(found[0][0], part="1/1")
    for part, (own, _) in zip(parts, found, strict=True):
        _refuse_difference(part, replace(own, part="1/1"), settings)
    count = found[0][0].number_and_count[1]
    expected = {f"{number}/{count}" for number in range(1, count + 1)}
    got = [own.part for own, _ in found]
    if sorted(got) != sorted(expected):
        raise UserError(
            f"merge: expected the parts {', '.join(sorted(expected))}, got {', '.join(sorted(got))}"
        )
    with files.lock(target):
        source = found[0][1]
        _claim(target, settings, source)
        facts = []
        for part in parts:
            facts += Journal(part / OWN / "facts.jsonl").read()
            for picture in sorted(
                (part / picture_writer.FOLDER).rglob(f"*{SUFFIXES[settings.format]}")
            ):
                _link(picture, target / picture.relative_to(part))
        facts = [
            one
            if one.fault or (target / file_of(one.sha256, settings)).exists()
            else replace(one, fault="links: rejected in its part")
            for one in facts
        ]
        before = manifest.read(target) if (target / manifest.NAME).exists() else []
        return _finish(target, settings, source, sorted(facts, key=_order), before, shard)


def _link(picture: Path, place: Path) -> None:
    if place.exists():
        return
    with files.whole(place) as unfinished:
        try:
            os.link(picture, unfinished)
        except OSError:  # another disk
            shutil.copyfile(picture, unfinished)


def _settings(folder: Path) -> tuple[Settings, Path]:
    kept = files.read_json(folder / OWN / "settings.json")
    try:
        return Settings(**kept["settings"]), Path(kept["source"])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder} was not made by src.prepare, or by another version of it: choose another"
        ) from error


def _claim(target: Path, settings: Settings, source: Path) -> None:
    path = target / OWN / "settings.json"
    if path.exists():
        _refuse_difference(target, _settings(target)[0], settings)
        return
    if any(one.name not in (".lock", OWN) for one in target.iterdir()):
        raise UserError(f"target={target} holds other files: choose a new or an empty folder")
    content = {"settings": asdict(settings), "source": str(source.resolve())}
    files.write_text(path, json.dumps(content, indent=1))


def _refuse_difference(folder: Path, made_with: Settings, settings: Settings) -> None:
    for name, value in asdict(settings).items():
        before = asdict(made_with)[name]
        if before != value:
            raise UserError(
                f"{folder} was made with {name}={before}, now {name}={value}: choose another "
                "target, or the same settings"
            )


def _is_done(
    facts: Facts | None, links: AbstractSet[str], target: Path, settings: Settings
) -> bool:
    # What could not be read may be by now: a permission, a package, a disk that came back.
    if facts is None or not facts.readable:
        return False
    rejected = facts.fault or facts.sha256 in links
    return bool(rejected) or (target / file_of(facts.sha256, settings)).exists()


def _current(
    facts: Sequence[Facts], stamps: Mapping[str, tuple[int, int]], before: Sequence[Row]
) -> list[Facts]:
    """Leave out what was said of files that have changed or gone since, unless it was kept."""
    kept = {row.sha256 for row in before if row.kept}
    last_said = {(one.source, one.stamp): one for one in facts}
    latest = {
        (one.source, one.sha256): one
        for one in last_said.values()
        if one.sha256 in kept or stamps.get(one.source) == one.stamp
    }
    return sorted(latest.values(), key=_order)


def _order(facts: Facts) -> tuple[str, str]:
    return facts.source, facts.sha256


def _printable(name: str) -> str:
    """Write a name as the manifest does, whose text is Unicode; those of files need not be."""
    return name.encode("utf-8", "backslashreplace").decode()


def _finish(
    target: Path,
    settings: Settings,
    source: Path,
    facts: list[Facts],
    before: list[Row],
    shard: int | None,
) -> list[Row]:
    if not any(one.readable for one in facts) and settings.part == "1/1":
        count = len(facts)
        raise UserError(
            f"none of {count} picture files in {source} can be read" + f": {facts[0].fault}"
            if count
            else f"no picture files in {source}: expected some of "
            f"{', '.join(sorted(images.EXTENSIONS))}"
        )
    by_key = {(_printable(one.source), one.sha256): one for one in facts}
    page = target / "audit.html"
    rows = before
    seen = {(*key, one.readable) for key, one in by_key.items()}
    told = {(row.source, row.sha256, row.rule != "unreadable") for row in before}
    if seen != told or not page.exists():
        rows = rows_of(facts, before, settings)
        audit_page.write(page, rows, by_key, originals=source, prepared=target)
        wanted = {target / row.file for row in rows if row.kept}
        for path in (target / picture_writer.FOLDER).rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()
        Journal(target / OWN / "facts.jsonl").replace(facts)
        manifest.write(rows, target)
    for folder in (target, target / OWN, target / shards.FOLDER):
        files.remove_partials(folder)
    shard_writer.write(target, rows, shard)
    return rows


def rows_of(facts: Sequence[Facts], before: Sequence[Row], settings: Settings) -> list[Row]:
    """Make the manifest's rows of all facts; what `before` has keeps its place."""
    settled = {row.sha256: splits.Place(row.split, row.group) for row in before if row.kept}
    settled |= {
        row.sha256: splits.Place("", "", row.reason.removeprefix("links: "))
        for row in before
        if row.rule == "links"
    }
    chosen = {row.sha256: row.source for row in before if row.kept}
    # Of equal files, the one that is held out counts.
    for one in sorted(facts, key=lambda one: not settings.holds_out(one.source)):
        if not one.fault:
            chosen.setdefault(one.sha256, _printable(one.source))
    looks = {one.sha256: one.looks for one in facts if one.sha256 in chosen}
    unseen = {sha256 for sha256, source in chosen.items() if settings.holds_out(source)}
    places = duplicates.place_by_looks(looks, settled, settings.shares, unseen)
    return [_row(one, chosen, places, settings) for one in facts]


def _row(
    facts: Facts, chosen: Mapping[str, str], places: Mapping[str, splits.Place], settings: Settings
) -> Row:
    reason = facts.fault
    if not reason and chosen[facts.sha256] != _printable(facts.source):
        reason = f"duplicate: the same file as {chosen[facts.sha256]}"
    place = places.get(facts.sha256, splits.Place("", ""))
    if not reason and place.fault:
        reason = f"links: {place.fault}"
    return Row(
        file="" if reason else file_of(facts.sha256, settings),
        source=_printable(facts.source),
        status="rejected" if reason else "kept",
        reason=reason,
        split="" if reason else place.split,
        group="" if reason else place.group,
        sha256=facts.sha256,
        width=facts.width,
        height=facts.height,
        mean_chroma=facts.colors.mean_chroma if facts.colors else 0.0,
    )
