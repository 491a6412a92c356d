"""Colours that a person gives at places of a photograph: read from a file, and made smaller."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from src import color, images
from src.colorizers.colorizer import Hints
from src.errors import UserError
from src.images import eight_bit

CSV = ".csv"
COLUMNS = ("x", "y", "color", "radius")
RADIUS = 0.01  # of the photo's short side, where a line gives none
OPAQUE = 0.5  # of full alpha, from which a pixel is a hint
DIFFERENT = 8  # of 255, beyond which a pixel of an opaque picture is one
LOSSY = ("JPEG", "WEBP")  # formats that change pixels that nobody painted: noise is no stroke
DIFFERENT_LOSSY, WITHIN_LOSSY = 32, np.ones((3, 3))  # of 255; the pixels around that differ too
DIFFERENT_STROKES = 64  # of 255, between strokes that touch
NEARLY_ALL = 0.9  # of the photo: rather another picture than strokes
ROWS = 256  # that are looked at at once
DRAW = "draw strokes of colour on a transparent layer, or on a copy of the photo"


@dataclass(frozen=True)
class Places:
    """Where a picture must have a colour, at its full size. Attributes: yx: pixels; ab: there."""

    yx: Int64[Tensor, "n 2"]
    ab: Float[Tensor, "n 2"]


@dataclass(frozen=True)
class Strokes:
    """Colours at some pixels of an upright photograph.

    Attributes:
        rgb: 8-bit sRGB of the photo's size, of which only a* and b* count.
        mask: where it means something.
        source: what the hints were read from, in a word or two.
        centers: (y, x) of single hints, which are met there to the pixel.
    """

    rgb: UInt8[ndarray, "h w 3"]
    mask: Bool[ndarray, "h w"]
    source: str
    centers: Sequence[tuple[int, int]] = ()

    def reduced(self, height: int, width: int) -> tuple[Hints, Places]:
        """Return them at a network's size: each of its pixels has the mean of its own, if any.

        Returns: hints, and places in the photo that show them.
        """
        full_height, full_width = self.mask.shape
        sums = np.zeros((5, height * width))  # a, b, y, x, 1
        for top in range(0, full_height, ROWS):
            y, x = self.mask[top : top + ROWS].nonzero()
            if not len(y):
                continue
            y += top
            ab = self._ab(y, x)
            cells = (y * height // full_height) * width + x * width // full_width
            values = (*ab.T.numpy(), y, x, np.ones(len(y)))
            for own, value in zip(sums, values, strict=True):
                own += np.bincount(cells, value, height * width)
        mask = sums[4] > 0
        means = torch.from_numpy(sums[:4, mask] / sums[4, mask]).float()
        ab = torch.zeros(1, 2, height, width)
        ab.view(2, -1)[:, torch.from_numpy(mask)] = means[:2]
        yx, centers = means[2:].T.round().long(), torch.tensor(self.centers).view(-1, 2).long()
        of_centers = self._ab(*centers.T.numpy())
        places = Places(torch.cat([yx, centers]), torch.cat([means[:2].T, of_centers]))
        return Hints(ab, torch.from_numpy(mask).view(1, 1, height, width)), places

    def _ab(self, y: Int64[ndarray, " n"], x: Int64[ndarray, " n"]) -> Float[Tensor, "n 2"]:
        rgb = torch.from_numpy(self.rgb[y, x].T.copy())
        return color.uint8_to_L_ab(rgb[None, :, None])[1][0, :, 0].T

    def count(self, image_size: int) -> int:
        """Return how many separate strokes there are, seen at so many pixels' short side.

        Those that touch are two where their colours differ clearly.
        """
        from scipy.sparse.csgraph import connected_components
        from skimage.graph import pixel_graph

        step = max(1, min(self.mask.shape) // image_size)
        rows, columns = (np.arange(0, side, step) for side in self.mask.shape)
        seen = np.logical_or.reduceat(np.logical_or.reduceat(self.mask, rows), columns, axis=1)
        painted = (
            (self.rgb[top : top + step] * self.mask[top : top + step, :, None]).max(axis=0)
            for top in rows
        )
        most = np.stack([np.maximum.reduceat(row, columns) for row in painted]).astype(int)
        colors = most.reshape(-1, 3)
        places = np.arange(seen.size).reshape(seen.shape)

        def alike(ones: ndarray, others: ndarray, _: ndarray) -> ndarray:
            return np.abs(colors[ones] - colors[others]).max(axis=1) <= DIFFERENT_STROKES

        graph, _ = pixel_graph(places, mask=seen, edge_function=alike, connectivity=2)
        graph.eliminate_zeros()
        return int(connected_components(graph, directed=False)[0])


class Line(NamedTuple):
    """A disc of colour. Attributes: x, y: of its centre; rgb: 8 bits; radius: in pixels."""

    x: int
    y: int
    rgb: tuple[int, int, int]
    radius: float


def read(path: Path, samples: ndarray) -> Strokes:
    """Read hints on a photo. Args: samples: the photo's own, upright.

    Raises: UserError: if the file is no hints, or not for this photo.
    """
    height, width = samples.shape[:2]
    table = path.suffix.lower() == CSV
    if table:
        strokes = drawn(lines(path, height, width), height, width, path.name)
    else:
        strokes = _of_picture(path, samples)
    share = strokes.mask.mean()
    if not share:
        how = f"write lines of {_columns()}" if table else DRAW
        raise UserError(f"{path} holds no hint: {how}")
    if share > NEARLY_ALL:
        how = "give fewer places or smaller radii" if table else DRAW
        raise UserError(
            f"{path} gives colours to {share:.0%} of the photo: expected strokes; {how}"
        )
    return strokes


class ByName:
    """Hints for several photographs: files of a folder that have the photos' names.

    Args: folder: searched recursively.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[Path, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in {CSV, *images.EXTENSIONS}:
                self._found[path.relative_to(folder).with_suffix("")].append(path)

    def of(self, photo: Path) -> Path | None:
        """Return a photo's hints, or None. Args: photo: its path below the folder that was named.

        Raises: UserError: if there are several.
        """
        found = self._found.get(photo.with_suffix(""), [])
        if len(found) > 1:
            names = " and ".join(str(one) for one in found)
            raise UserError(f"{names} are both hints for {photo.name}: leave one there")
        return found[0] if found else None

    def require_some(self, photos: Sequence[Path]) -> None:
        """Refuse a folder without hints for any of these. Raises: UserError."""
        if not any(photo.with_suffix("") in self._found for photo in photos):
            raise UserError(
                f"--hints {self._folder}: expected files with the photos' names, such as "
                f"{photos[0].with_suffix('.png')} or {photos[0].with_suffix(CSV)}; there is none"
            )


def _of_picture(path: Path, photo: ndarray) -> Strokes:
    try:
        picture = images.Photo(path)
        page = next(picture.pages())
    except images.UnreadableImageError as error:
        raise UserError(f"the hints {path}: {error}") from None
    if page.samples.shape[:2] != photo.shape[:2]:
        (height, width), (own_height, own_width) = photo.shape[:2], page.samples.shape[:2]
        raise UserError(
            f"{path} is {own_width}x{own_height}: expected the upright photo's {width}x{height}"
        )
    rgb = eight_bit(page.samples)
    rgb = rgb if rgb.ndim == 3 else np.broadcast_to(rgb[..., None], (*rgb.shape, 3))
    lossy = picture.format in LOSSY
    different = DIFFERENT_LOSSY if lossy else DIFFERENT
    mask = np.empty(rgb.shape[:2], bool)
    for top in range(0, len(rgb), ROWS):
        strip = eight_bit(photo[top : top + ROWS]).astype(np.int16)
        strip = strip if strip.ndim == 3 else strip[..., None]
        mask[top : top + ROWS] = (abs(rgb[top : top + ROWS] - strip) > different).any(axis=2)
    if lossy:
        from scipy import ndimage

        mask = ndimage.binary_erosion(mask, WITHIN_LOSSY)
    if page.alpha is None or page.alpha.min() == np.iinfo(page.alpha.dtype).max:
        return Strokes(rgb, mask, path.name)
    opaque = page.alpha >= np.iinfo(page.alpha.dtype).max * OPAQUE
    # Of a photo with transparent parts, a copy that was painted on has them too; a layer may have
    # strokes as grey as the photo, but is transparent nearly everywhere.
    is_copy = opaque.mean() > 0.5 and 2 * (mask & opaque).sum() < opaque.sum()
    return Strokes(rgb, mask & opaque if is_copy else opaque, path.name)


def lines(path: Path, height: int, width: int) -> list[Line]:
    """Read hints of a .csv. Args: height, width: of the photo, upright.

    Raises: UserError: if a line is none, or lies outside the photo.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text: expected lines of {_columns()}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UserError(f"{path}: {error}: expected lines of {_columns()}") from None
    names: Sequence[str] = COLUMNS
    first = tuple(cell.strip().lower() for cell in rows[0]) if rows else ()
    is_data = any(re.match(r"#|[+-]?\.?\d", cell) for cell in first)
    if first and (not is_data or not set(first).isdisjoint(COLUMNS)):  # a header
        names = first
        unknown = [name for name in names if name not in COLUMNS]
        if unknown or len(set(names)) < len(names) or not {"x", "y", "color"} <= set(names):
            raise UserError(f"{path} has the columns {','.join(names)}: expected {_columns()}")
        rows = rows[1:]
    return [_line(path, row, names, height, width) for row in rows]


def as_text(given: Sequence[Line]) -> str:
    """Return lines as `lines` reads them."""
    rows = [f"{one.x},{one.y},#{bytes(one.rgb).hex()},{one.radius:g}" for one in given]
    return "\n".join([",".join(COLUMNS), *rows, ""])


def drawn(given: Sequence[Line], height: int, width: int, source: str) -> Strokes:
    """Draw lines as discs; later ones cover earlier ones."""
    # Untouched pages of zeros take no memory, however large the photo.
    rgb, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    for one in given:
        reach = int(one.radius)
        part = np.s_[
            max(0, one.y - reach) : one.y + reach + 1, max(0, one.x - reach) : one.x + reach + 1
        ]
        y, x = np.ogrid[: mask[part].shape[0], : mask[part].shape[1]]
        y, x = y + part[0].start - one.y, x + part[1].start - one.x
        disc = y**2 + x**2 <= one.radius**2
        mask[part] |= disc
        rgb[part][disc] = one.rgb
    return Strokes(rgb, mask, source, [(one.y, one.x) for one in given])


def _line(path: Path, row: Sequence[str], names: Sequence[str], height: int, width: int) -> Line:
    said = f"{path}: {','.join(row)!r}"
    cells = dict(zip(names, (cell.strip() for cell in row), strict=False))
    if len(row) > len(names) or not {"x", "y", "color"} <= cells.keys():
        raise UserError(f"{said}: expected {_columns()}")
    if not re.fullmatch("#[0-9A-Fa-f]{6}", cells["color"]):
        raise UserError(f"{said}: expected a color such as #8a5a2b, got {cells['color']!r}")
    try:
        x, y = int(cells["x"]), int(cells["y"])
        radius = float(cells.get("radius") or max(1, RADIUS * min(height, width)))
    except ValueError:
        raise UserError(
            f"{said}: expected whole numbers for x and y, a number for radius"
        ) from None
    if not (0 <= x < width and 0 <= y < height):
        raise UserError(
            f"{said}: outside the photo, whose x is 0 to {width - 1} and y 0 to {height - 1}"
        )
    if not 0 <= radius <= max(height, width):
        raise UserError(f"{said}: expected a radius of 0 to {max(height, width)} pixels")
    red, green, blue = bytes.fromhex(cells["color"][1:])
    return Line(x, y, (red, green, blue), radius)


def _columns() -> str:
    return "x,y,color[,radius]"
