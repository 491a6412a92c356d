"""Which other picture's colours each judged picture may follow."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.sparse.csgraph import connected_components

from src import files, pace
from src.data.crops import Picture
from src.data.duplicates import fingerprints, near_pairs
from src.errors import UserError
from src.evaluation import pretrained
from src.evaluation.examples import Chosen
from src.images import UnreadableImageError, grey
from src.inference import references

NEAREST = "nearest"
COLUMNS = ("picture", "reference")


def of(asked: str | None, chosen: Chosen, device: torch.device) -> dict[str, Path]:
    """Return the reference of each picture that has one, by the picture's name.

    Args: asked: NEAREST, a CSV with COLUMNS, or None for no references.
    Raises: UserError: if the file is none, or names none of the pictures.
    """
    if asked is None:
        return {}
    if asked == NEAREST:
        return nearest(chosen.pictures, device)
    return listed(Path(asked).expanduser(), chosen.pictures)


def listed(path: Path, pictures: Sequence[Picture]) -> dict[str, Path]:
    """Read who follows whom. Both names are paths below the judged folder, or whole ones."""
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        head = rows.fieldnames or []
        if not set(COLUMNS) <= set(head):
            raise UserError(
                f"reference={path}: expected the columns {','.join(COLUMNS)}, got {','.join(head)}"
            )
        pairs = {row[COLUMNS[0]]: row[COLUMNS[1]] or "" for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "no CSV in UTF-8"
        raise UserError(f"reference={path}: {why}: expected {NEAREST}, or a CSV") from None
    found = {}
    for picture in pictures:
        root = Path(str(picture.path).removesuffix(picture.name))
        own = picture.name, str(picture.path), str(picture.path.absolute())
        named = next(filter(None, map(pairs.get, own)), "")
        if named:
            found[picture.name] = root / named
    if not found:
        raise UserError(
            f"reference={path} names none of the judged pictures, such as {pictures[0].name}"
        )
    return found


@torch.inference_mode()
def nearest(pictures: Sequence[Picture], device: torch.device) -> dict[str, Path]:
    """Find for each picture the one that looks most like it in grey, of other groups of duplicates.

    What has no colours is nobody's; one that cannot be read has itself, so that judging tells it.
    Likeness is the cosine of EfficientNet-Lite0's pooled features, standardised over the pictures.
    """
    network = pretrained.lite0(device)
    unread: dict[str, Path] = {}
    names: list[Picture] = []
    colorless: list[int] = []
    features: list[torch.Tensor] = []
    looks: list[tuple[bytes, bytes]] = []
    for picture in pace.each(pictures, "looking for references", len(pictures), "pictures"):
        try:
            image = picture.read(pretrained.LITE0_SIDE)
        except UnreadableImageError:  # as judging will tell
            unread[picture.name] = picture.path
            continue
        if grey.measure(image).mean_chroma < references.LEAST_CHROMA:
            colorless.append(len(names))
        names.append(picture)
        looks.append(fingerprints(image))
        features.append(network(_in_grey(image).to(device)).cpu())
    if len(names) < 2:
        raise UserError(f"reference={NEAREST} needs two pictures: give more, or a CSV of pairs")
    each = torch.cat(features)
    standard = F.normalize((each - each.mean(dim=0)) / (each.std(dim=0) + 1e-4), dim=1)
    alike = standard @ standard.T
    alike[:, colorless] = -torch.inf
    near = np.zeros(alike.shape, bool)
    for i, j in near_pairs(*zip(*looks, strict=True)):
        near[i, j] = True
    groups = connected_components(near, directed=False)[1]
    alike[torch.from_numpy(groups[:, None] == groups)] = -torch.inf
    best, chosen = alike.max(dim=1)
    rows = zip(names, best.tolist(), chosen.tolist(), strict=True)
    return unread | {one.name: names[other].path for one, likeness, other in rows if likeness > -1}


def write(path: Path, followed: Mapping[str, Path]) -> None:
    """Write who followed whom, as reference= takes it again."""
    text = io.StringIO(newline="")
    rows = [COLUMNS, *((name, str(file.absolute())) for name, file in followed.items())]
    csv.writer(text, lineterminator="\n").writerows(rows)
    files.write_text(path, text.getvalue())


def _in_grey(image: Image.Image) -> torch.Tensor:
    levels = torch.from_numpy(np.array(image.convert("L"))) / 255
    return levels.expand(1, 3, -1, -1)
