"""Linear systems in which each pixel is tied to its eight neighbours, solved directly.

Sources: George 1973, Nested dissection of a regular finite element mesh; Duff and Reid 1983, The
multifrontal solution of indefinite sparse symmetric linear equations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

# The 3x3 window around a pixel, itself first, as (down, right).
WINDOW = ((0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
SIDES = 3, 6  # of the smallest cells, in pixels: smaller and larger ones take longer
SMALL = 16  # blocks that LAPACK inverts
# What pixels of a cell have to do with each other at least, beside a diagonal of about 1: else it
# fades over distance to what single precision holds at a hundredth of the speed.
LEAST = 1e-12
STEPS = 20  # of refinement at most; two are the rule
ENOUGH = 1e-5
Place = tuple[int, int]


class Dissection:
    """The factors of one picture's system.

    The picture is cut into small cells that share the lines between them. All pixels of a cell but
    those on its border are eliminated; then cells are joined four by four, and what lies inside
    now is eliminated, until one cell is left. All cells of one depth have one shape, so that they
    are worked on at once. Factors are in single precision, which halves the time, and refinement
    makes up for it. Diagonals have to be dominant: no pivots come from other cells.

    Args: weights: of WINDOW's pixels in each pixel's equation; 0 outside the picture.
    """

    def __init__(self, weights: Float[ndarray, "9 h w"]) -> None:
        self._weights = weights
        self._cells, self._joins, self._last = _plan(*weights.shape[1:])
        front, inside = self._cells.front(weights), self._cells.inside
        self._eliminated = []
        for join in self._joins:
            eliminated = _eliminate(front, inside)
            self._eliminated.append(eliminated)
            front, inside = join.front(eliminated.border), join.inside
        self._factors = torch.linalg.lu_factor(front[0, self._last][:, self._last])

    def solve(self, known: Float[ndarray, "c h w"]) -> Float[ndarray, "c h w"]:
        """Return the values of which the equations give what is known, exact to ENOUGH."""
        found, rest, before = np.zeros(known.shape), known, 1.0
        for _ in range(STEPS):
            step = self._solve(rest)
            applied = self._applied(step)
            # As far along it as serves most: where few pixels are known of many, far is too far.
            length = (rest * applied).sum((1, 2)) / np.maximum((applied**2).sum((1, 2)), 1e-30)
            step = step * length[:, None, None]
            found, rest = found + step, rest - applied * length[:, None, None]
            size = float(np.abs(step).max())
            if size * size <= ENOUGH * before:
                break
            before = size
        return found

    def _solve(self, known: Float[ndarray, "c h w"]) -> Float[ndarray, "c h w"]:
        right, inside = self._cells.right(known), self._cells.inside
        passed = []
        for join, eliminated in zip(self._joins, self._eliminated, strict=True):
            own = eliminated.inverse @ right[:, :inside]
            passed.append((join, eliminated, own))
            right = join.right(right[:, inside:].baddbmm(eliminated.below, own, alpha=-1))
            inside = join.inside
        found = torch.zeros_like(right)
        found[0, self._last] = torch.linalg.lu_solve(*self._factors, right[0, self._last])
        for join, eliminated, own in reversed(passed):
            border = join.borders(found)
            found = torch.cat([own.baddbmm(eliminated.across, border, alpha=-1), border], dim=1)
        return self._cells.picture(found)

    def _applied(self, values: Float[ndarray, "c h w"]) -> Float[ndarray, "c h w"]:
        height, width = values.shape[1:]
        padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
        found = np.zeros(values.shape)
        for weight, (y, x) in zip(self._weights, WINDOW, strict=True):
            found += weight * padded[:, 1 + y : 1 + y + height, 1 + x : 1 + x + width]
        return found


@dataclass(frozen=True)
class _Eliminated:
    """Cells whose i pixels inside are eliminated.

    Attributes:
        inverse: of the inside's own block.
        across: the inside's equations of the border, solved.
        below: the border's equations of the inside.
        border: the border's own block.
    """

    inverse: Float[Tensor, "cells i i"]
    across: Float[Tensor, "cells i r"]
    below: Float[Tensor, "cells r i"]
    border: Float[Tensor, "cells r r"]


def _eliminate(front: Float[Tensor, "cells n n"], inside: int) -> _Eliminated:
    inverse = _inverse(front[:, :inside, :inside])
    across = inverse @ front[:, :inside, inside:]
    below = front[:, inside:, :inside]
    border = front[:, inside:, inside:].baddbmm(below, across, alpha=-1)
    return _Eliminated(inverse, across, below, border)


def _inverse(blocks: Float[Tensor, "cells i i"]) -> Float[Tensor, "cells i i"]:
    """Invert by halves, without pivots.

    LAPACK is kept to what is small: for larger blocks MKL starts threads of its own within torch's,
    which outside the main thread wait for each other for ever.
    """
    size = blocks.shape[1]
    if size <= SMALL:
        return torch.linalg.inv_ex(blocks).inverse
    first, last = slice(size // 2), slice(size // 2, None)
    own = _inverse(blocks[:, first, first])
    across = own @ blocks[:, first, last]
    below = blocks[:, last, first] @ own
    rest = _inverse(blocks[:, last, last].baddbmm(blocks[:, last, first], across, alpha=-1))
    inverse = torch.empty_like(blocks, memory_format=torch.contiguous_format)
    inverse[:, last, last] = rest
    inverse[:, last, first] = lower = -rest @ below
    inverse[:, first, last] = -across @ rest
    inverse[:, first, first] = own.baddbmm(across, lower, alpha=-1)
    return inverse


class _Cells:
    """The smallest cells: down x across of them, of height x width pixels and the lines around.

    A line that two cells share belongs to the one below or right of it; the last lines lie outside
    the picture, where values are 0.

    Attributes:
        places: (y, x) of a cell's pixels: first those inside, then those on its border.
        inside: how many lie inside.
    """

    def __init__(self, shape: Place, down: int, across: int) -> None:
        self.shape, self.down, self.across = shape, down, across
        self.height, self.width = height, width = -(-shape[0] // down), -(-shape[1] // across)
        inside = [*product(range(1, height), range(1, width))]
        self.inside, self.places = len(inside), inside + _border(height, width)
        number = {place: number for number, place in enumerate(self.places)}
        self._entries = torch.tensor(
            [
                (number[y, x], number[y + i, x + j], neighbor, y, x)
                for (y, x), (neighbor, (i, j)) in product(self.places, enumerate(WINDOW))
                if (y + i, x + j) in number and min(y, y + i) < height and min(x, x + j) < width
            ]
        ).T
        self._owned = torch.tensor(
            [(number[y, x], y, x) for y, x in self.places if y < height and x < width]
        ).T

    def front(self, weights: Float[ndarray, "9 h w"]) -> Float[Tensor, "cells n n"]:
        """Return each cell's own equations."""
        padded = self._padded(weights)
        padded[0, self.shape[0] :] = padded[0, :, self.shape[1] :] = 1
        row, column, neighbor, y, x = self._entries
        size = len(self.places)
        front = torch.full((size, size, self.down * self.across), -LEAST)
        front[row, column] = self._cut(padded)[neighbor, y, x].flatten(1)
        return front.permute(2, 0, 1).contiguous()

    def right(self, known: Float[ndarray, "c h w"]) -> Float[Tensor, "cells n c"]:
        """Return each cell's own right sides."""
        number, y, x = self._owned
        right = torch.zeros(len(known), len(self.places), self.down * self.across)
        right[:, number] = self._cut(self._padded(known))[:, y, x].flatten(2)
        return right.permute(2, 1, 0).contiguous()

    def picture(self, found: Float[Tensor, "cells n c"]) -> Float[ndarray, "c h w"]:
        """Put the cells' values together."""
        number, y, x = self._owned
        grid = found[:, number].unflatten(0, (self.down, self.across))
        picture = torch.empty(found.shape[2], self.down, self.height, self.across, self.width)
        picture[:, :, y, :, x] = grid.permute(2, 3, 0, 1)
        return picture.flatten(3).flatten(1, 2)[:, : self.shape[0], : self.shape[1]].numpy()

    def _padded(self, values: Float[ndarray, "c h w"]) -> Float[Tensor, "c i j"]:
        down, right = self.height * self.down + 1, self.width * self.across + 1
        padded = torch.zeros(len(values), down, right)
        padded[:, : self.shape[0], : self.shape[1]] = torch.from_numpy(values)
        return padded

    def _cut(self, padded: Float[Tensor, "c i j"]) -> Float[Tensor, "c y x down across"]:
        """Return the pixels at each place of all cells."""
        cells = padded.unfold(1, self.height + 1, self.height)
        return cells.unfold(2, self.width + 1, self.width).permute(0, 3, 4, 1, 2)


class _Join:
    """Cells that become one: down x across of them, each at most 3, of height x width pixels.

    Args: grid: rows and columns of cells that there are then.
    Attributes: places, inside: of the new cells, as of _Cells.
    """

    def __init__(self, height: int, width: int, down: int, across: int, grid: Place) -> None:
        self._grid = grid
        whole = height * down, width * across
        between = [(height * i, x) for i in range(1, down) for x in range(1, whole[1])]
        between += [(y, width * j) for j in range(1, across) for y in range(1, whole[0])]
        inside = list(dict.fromkeys(between))  # where two lines cross, once
        self.inside, self.places = len(inside), inside + _border(*whole)
        number = {place: number for number, place in enumerate(self.places)}
        own = _border(height, width)
        # Of each of the cells that meet: where it is, and where its border comes to lie.
        self._parts = [
            (
                (slice(i, None, down), slice(j, None, across)),
                _runs(number[y + i * height, x + j * width] for y, x in own),
            )
            for i, j in product(range(down), range(across))
        ]
        self._cells = grid[0] * down, grid[1] * across

    def front(self, borders: Float[Tensor, "cells r r"]) -> Float[Tensor, "joined n n"]:
        """Add up the equations of the cells that meet."""
        given = borders.unflatten(0, self._cells).numpy()  # whose slices take a fifth of torch's
        size = len(self.places)
        front = np.full((*self._grid, size, size), -LEAST, np.float32)
        for cells, runs in self._parts:
            for (row, new_row), (column, new_column) in product(runs, repeat=2):
                front[:, :, new_row, new_column] += given[*cells, row, column]
        return torch.from_numpy(front).flatten(0, 1)

    def right(self, borders: Float[Tensor, "cells r c"]) -> Float[Tensor, "joined n c"]:
        """Add up the right sides of the cells that meet."""
        given = borders.unflatten(0, self._cells)
        right = torch.zeros(*self._grid, len(self.places), borders.shape[2])
        for cells, runs in self._parts:
            for own, new in runs:
                right[:, :, new] += given[*cells, own]
        return right.flatten(0, 1)

    def borders(self, found: Float[Tensor, "joined n c"]) -> Float[Tensor, "cells r c"]:
        """Return what was found on the borders of the cells that met."""
        whole = found.unflatten(0, self._grid)
        border = sum(own.stop - own.start for own, _ in self._parts[0][1])
        borders = torch.empty(*self._cells, border, found.shape[2])
        for cells, runs in self._parts:
            for own, new in runs:
                borders[*cells, own] = whole[:, :, new]
        return borders.flatten(0, 1)


def _border(height: int, width: int) -> list[Place]:
    rows = [(y, x) for y in (0, height) for x in range(width + 1)]
    return rows + [(y, x) for x in (0, width) for y in range(1, height)]


def _runs(numbers: Iterable[int]) -> Sequence[tuple[slice, slice]]:
    """Cut 0, 1, 2, ... where the numbers do not follow one another: slices of both."""
    runs: list[tuple[slice, slice]] = []
    for place, number in enumerate(numbers):
        if runs and runs[-1][1].stop == number:
            own, new = runs.pop()
            runs.append((slice(own.start, place + 1), slice(new.start, number + 1)))
        else:
            runs.append((slice(place, place + 1), slice(number, number + 1)))
    return runs


@lru_cache(maxsize=4)
def _plan(height: int, width: int) -> tuple[_Cells, Sequence[_Join], Int[Tensor, " k"]]:
    """Return the smallest cells, how they are joined, and what of the last lies in the picture."""
    down, across = _count(height), _count(width)
    cells = _Cells((height, width), down, across)
    own_height, own_width, places = cells.height, cells.width, cells.places
    joins = []
    while down * across > 1:
        few, beside = (count if count <= 3 else 2 for count in (down, across))
        down, across = down // few, across // beside
        join = _Join(own_height, own_width, few, beside, (down, across))
        joins.append(join)
        own_height, own_width, places = own_height * few, own_width * beside, join.places
    inside = [number for number, (y, x) in enumerate(places) if y < height and x < width]
    return cells, joins, torch.tensor(inside)


def _count(side: int) -> int:
    """Choose into how many a side is cut, 2^k or 3 * 2^k, so that little is left over."""
    counts = [few * 2**doubled for few in (1, 3) for doubled in range(side.bit_length())]
    fitting = [count for count in counts if side / SIDES[1] <= count <= side / SIDES[0]]
    return min(fitting, key=lambda count: (-(-side // count) * count, -count), default=1)
