"""Prepare a data set: any folder of pictures -> clean, grouped, split, resized, with a manifest.

python -m src.prepare source=DIR target=data/photos image_size=256
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from src import errors, files
from src.commands.command import command, require_given, workers
from src.curation import audit_page, dataset
from src.curation.recipe import Settings
from src.data import shards
from src.data.manifest import SPLITS, UNSEEN, Row
from src.errors import require, require_whole


@command("prepare")
def main(config: DictConfig) -> None:
    with errors.ending_for_people():
        require_given(config, *(("target",) if config.merge else ("source", "target")))
        target = Path(str(config.target)).expanduser()
        try:
            rows = _rows(config, target)
        except OSError as error:
            raise OSError(
                f"{errors.in_one_line(error)}. What is done stays: once {target} can be written "
                "to, the same command resumes"
            ) from error
        print(summary(rows, files.from_here(target.absolute())))


def _rows(config: DictConfig, target: Path) -> list[Row]:
    require(isinstance(config.shards, bool), "shards", config.shards, "true or false")
    require_whole("shard_pictures", config.shard_pictures, 1)
    shard = config.shard_pictures if config.shards else None
    if config.merge:
        return dataset.merge([Path(str(part)) for part in config.merge], target, shard)
    given = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    folders = given["held_out"]
    require(isinstance(folders, list), "held_out", folders, "a list of folders, such as [a,b]")
    given["held_out"] = sorted(map(str, folders))
    settings = Settings(**{field.name: given[field.name] for field in fields(Settings)})
    source = Path(str(config.source)).expanduser()
    return dataset.prepare(source, target, settings, workers(config), shard)


def summary(rows: Sequence[Row], target: Path) -> str:
    """Say what became of the pictures, and what to type next."""
    kept = Counter(row.split for row in rows if row.kept)
    rejected = Counter(row.rule for row in rows if not row.kept)
    shown = (*SPLITS, UNSEEN) if kept[UNSEEN] else SPLITS
    of_splits = ", ".join(f"{kept[split]} {split}" for split in shown)
    lines = [f"{len(rows)} pictures: {kept.total()} kept ({of_splits})"]
    lines += [f"  {count} rejected: {rule}" for rule, count in rejected.most_common()]
    groups = audit_page.near_duplicates(rows)
    lines.append(f"{len(groups)} groups of near-duplicates, {sum(map(len, groups))} pictures")
    if empty := [split for split in SPLITS if not kept[split]]:
        lines.append(f"nothing in {' and '.join(empty)}: more pictures are needed to train")
    else:
        train = ("python", "-m", "src.train")
        lines.append(f"To train: {files.to_paste(*train, 'data=folder', f'data.root={target}')}")
        if (target / shards.FOLDER).is_dir():
            place = target / shards.FOLDER
            from_shards = files.to_paste(*train, "data=shards", f"data.root={place}")
            lines.append(f"or from shards: {from_shards}")
    lines.append(f"What was found: {target}/audit.html")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
