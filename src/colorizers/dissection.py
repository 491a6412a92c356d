"""Linear systems in which each pixel is tied to its eight neighbours, solved directly.

Sources: George 1973, Nested dissection of a regular finite element mesh; Duff and Reid 1983, The
multifrontal solution of indefinite sparse symmetric linear equations; Grassmann, Taksar and Heyman
1985, Regenerative analysis and steady state distributions for Markov chains.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

# The 3x3 window around a pixel without itself, as (down, right).
NEIGHBORS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
SIDES = 3, 6  # of the smallest cells, in pixels: smaller and larger ones take longer
SMALL, FEW = 16, 16  # pixels of blocks that LAPACK inverts together; blocks that it does one by one
# Weight that any two pixels of a cell have at least, and every right side: what fades with distance
# would become too small for single precision, and such numbers take processors many times as long.
LEAST, LEAST_KNOWN = 1e-15, 1e-20
Place = tuple[int, int]


class Dissection:
    """The factors of one picture's system: own weight x value - sum of weight x neighbour = known.

    The picture is cut into small cells that share the lines between them. All pixels of a cell but
    those on its border are eliminated; then cells are joined, two or three both ways, and what lies
    inside now is eliminated, until nothing is left. All cells of one depth have one shape, so that
    they are worked on at once.

    Instead of a pixel's own weight its excess over the others' is kept, so that nothing is ever
    subtracted: single precision is enough, however weakly a region is tied to what is known.

    Args:
        weights: of NEIGHBORS, at least 0; 0 for those outside the picture.
        excess: of the own weight over theirs together, at least 0, and more somewhere.
    """

    def __init__(self, weights: Float[ndarray, "8 h w"], excess: Float[ndarray, "h w"]) -> None:
        self._cells, self._joins = _plan(*excess.shape)
        ties, free = self._cells.ties(weights), self._cells.sides(excess[None])
        done, ties, free = _eliminate(ties, free, self._cells.inside)
        self._eliminated = [done]
        for join in self._joins:
            done, ties, free = _eliminate(join.ties(ties), join.sides(free), join.inside)
            self._eliminated.append(done)

    def solve(self, known: Float[ndarray, "c h w"]) -> Float[ndarray, "c h w"]:
        """Return the values."""
        own, sides = self._eliminated[0].split(self._cells.sides(known))
        passed = [own]
        for join, done in zip(self._joins, self._eliminated[1:], strict=True):
            own, sides = done.split(join.sides(sides))
            passed.append(own)
        found = passed[-1]
        for join, done, own in reversed(
            [*zip(self._joins, self._eliminated, passed, strict=False)]
        ):
            border = join.borders(found)
            found = torch.cat([own.baddbmm(done.across, border), border], dim=1)
        return self._cells.picture(found)


@dataclass(frozen=True)
class _Eliminated:
    """Cells whose i pixels inside are eliminated; r are on their border.

    Attributes:
        inverse: of the inside's own block.
        across: what values on the border add to those inside.
        below: weights of pixels inside in the border's equations.
    """

    inverse: Float[Tensor, "cells i i"]
    across: Float[Tensor, "cells i r"]
    below: Float[Tensor, "cells r i"]

    def split(
        self, sides: Float[Tensor, "cells n c"]
    ) -> tuple[Float[Tensor, "cells i c"], Float[Tensor, "cells r c"]]:
        """Return what right sides give inside, and the border's when that is eliminated."""
        inside = self.inverse.shape[1]
        own = self.inverse @ sides[:, :inside]
        return own, sides[:, inside:].baddbmm(self.below, own)


def _eliminate(
    ties: Float[Tensor, "cells n n"], free: Float[Tensor, "cells n 1"], inside: int
) -> tuple[_Eliminated, Float[Tensor, "cells r r"], Float[Tensor, "cells r 1"]]:
    """Eliminate the first pixels. Args: ties: weights; free: excess. Returns: the border's, too."""
    outward = ties[:, :inside, inside:]
    inverse = _inverse(ties[:, :inside, :inside], free[:, :inside] + outward.sum(2, keepdim=True))
    done = _Eliminated(inverse, inverse @ outward, ties[:, inside:, :inside].contiguous())
    return done, ties[:, inside:, inside:].baddbmm(done.below, done.across), done.split(free)[1]


def _inverse(
    ties: Float[Tensor, "cells i i"], excess: Float[Tensor, "cells i 1"]
) -> Float[Tensor, "cells i i"]:
    """Invert blocks; what ties has on its diagonal does not count.

    Small ones by LAPACK together, few ones by LAPACK one by one, others by halves: of many larger
    blocks MKL starts threads of its own within torch's, which take ten times as long where threads
    sleep while they wait, and outside the main thread wait for each other for ever.
    """
    count, size = ties.shape[:2]
    if 1 < count <= FEW:
        each = zip(ties.split(1), excess.split(1), strict=True)
        return torch.cat([_inverse(*one) for one in each])
    if count == 1 or size <= SMALL:
        others = ties.double() * (1 - torch.eye(size))
        own = torch.diag_embed((others.sum(2, keepdim=True) + excess)[..., 0])
        return torch.linalg.inv_ex(own - others).inverse.float()
    first, last = slice(size // 2), slice(size // 2, None)
    outward, inward = ties[:, first, last], ties[:, last, first]
    above = _inverse(ties[:, first, first], excess[:, first] + outward.sum(2, keepdim=True))
    across, below = above @ outward, inward @ above
    rest = _inverse(
        ties[:, last, last].baddbmm(inward, across),
        excess[:, last].baddbmm(below, excess[:, first]),
    )
    inverse = torch.empty_like(ties, memory_format=torch.contiguous_format)
    inverse[:, last, last] = rest
    inverse[:, last, first] = lower = rest @ below
    inverse[:, first, last] = across @ rest
    inverse[:, first, first] = above.baddbmm(across, lower)
    return inverse


class _Cells:
    """The smallest cells: down x across of them, of height x width pixels and the lines around.

    A line that two cells share belongs to the one below or right of it. The outermost lines lie
    outside the picture, where values are 0, and are left out.

    Attributes:
        places: (y, x) of a cell's pixels: first those inside, then those on its border.
        inside: how many lie inside.
    """

    def __init__(self, shape: Place, down: int, across: int) -> None:
        self.shape, self.down, self.across = shape, down, across
        self.height, self.width = (
            side // count + 1 for side, count in zip(shape, (down, across), strict=True)
        )
        inside = [*product(range(1, self.height), range(1, self.width))]
        self.inside = len(inside)
        self.places = inside + _border(self.height, self.width, (down, across))
        number = {place: number for number, place in enumerate(self.places)}
        ties = [
            (number[y, x], number[y + i, x + j], neighbor, y, x)
            for (y, x), (neighbor, (i, j)) in product(self.places, enumerate(NEIGHBORS))
            if (y + i, x + j) in number and self._owns(min(y, y + i), min(x, x + j))
        ]
        owned = [(number[y, x], y, x) for y, x in self.places if self._owns(y, x)]
        self._ties = torch.tensor(ties, dtype=torch.long).view(-1, 5).T
        self._owned = torch.tensor(owned).T

    def _owns(self, y: int, x: int) -> bool:
        return y < self.height and x < self.width

    def ties(self, weights: Float[ndarray, "8 h w"]) -> Float[Tensor, "cells n n"]:
        """Return the weights in each cell's own equations."""
        row, column, neighbor, y, x = self._ties
        size = len(self.places)
        ties = torch.full((size, size, self.down * self.across), LEAST)
        ties[row, column] += self._cut(weights)[neighbor, y, x].flatten(1)
        return ties.permute(2, 0, 1).contiguous()

    def sides(self, known: Float[ndarray, "c h w"]) -> Float[Tensor, "cells n c"]:
        """Return what each cell has of its equations' right sides, or of other values of pixels."""
        number, y, x = self._owned
        sides = torch.full((len(known), len(self.places), self.down * self.across), LEAST_KNOWN)
        sides[:, number] += self._cut(known)[:, y, x].flatten(2)
        return sides.permute(2, 1, 0).contiguous()

    def picture(self, found: Float[Tensor, "cells n c"]) -> Float[ndarray, "c h w"]:
        """Put the cells' values together."""
        number, y, x = self._owned
        grid = found[:, number].unflatten(0, (self.down, self.across))
        picture = torch.zeros(found.shape[2], self.down, self.height, self.across, self.width)
        picture[:, :, y, :, x] = grid.permute(2, 3, 0, 1)
        height, width = self.shape
        return picture.flatten(3).flatten(1, 2)[:, 1 : 1 + height, 1 : 1 + width].numpy()

    def _cut(self, values: Float[ndarray, "c h w"]) -> Float[Tensor, "c y x down across"]:
        """Return the values at each place of all cells."""
        height, width = self.height * self.down, self.width * self.across
        padded = torch.zeros(len(values), height + 1, width + 1)
        padded[:, 1 : 1 + self.shape[0], 1 : 1 + self.shape[1]] = torch.from_numpy(values)
        cells = padded.unfold(1, self.height + 1, self.height)
        return cells.unfold(2, self.width + 1, self.width).permute(0, 3, 4, 1, 2)


class _Join:
    """Cells that become one: down x across of them, each at most 3, of height x width pixels.

    Args: grid: rows and columns of cells that there are then.
    Attributes: places, inside: of the new cells, as of _Cells.
    """

    def __init__(self, height: int, width: int, down: int, across: int, grid: Place) -> None:
        self._grid, self._cells = grid, (grid[0] * down, grid[1] * across)
        whole = height * down, width * across
        between = [(height * i, x) for i in range(1, down) for x in range(1, whole[1])]
        between += [(y, width * j) for j in range(1, across) for y in range(1, whole[0])]
        inside = list(dict.fromkeys(between))  # where two lines cross, once
        self.inside, self.places = len(inside), inside + _border(*whole, grid)
        number = {place: number for number, place in enumerate(self.places)}
        own = _border(height, width, self._cells)
        # Of each of the cells that meet: where it is, and where its border comes to lie.
        self._parts = [
            (
                (slice(i, None, down), slice(j, None, across)),
                _runs(number.get((y + i * height, x + j * width)) for y, x in own),
            )
            for i, j in product(range(down), range(across))
        ]
        self._border = len(own)

    def ties(self, borders: Float[Tensor, "cells r r"]) -> Float[Tensor, "joined n n"]:
        """Add up the weights of the cells that meet."""
        given = borders.unflatten(0, self._cells).numpy()  # whose slices take a fifth of torch's
        ties = np.full((*self._grid, len(self.places), len(self.places)), LEAST, np.float32)
        for cells, runs in self._parts:
            for (row, new_row), (column, new_column) in product(runs, repeat=2):
                ties[:, :, new_row, new_column] += given[*cells, row, column]
        return torch.from_numpy(ties).flatten(0, 1)

    def sides(self, borders: Float[Tensor, "cells r c"]) -> Float[Tensor, "joined n c"]:
        """Add up the right sides of the cells that meet."""
        given = borders.unflatten(0, self._cells)
        sides = torch.zeros(*self._grid, len(self.places), borders.shape[2])
        for cells, runs in self._parts:
            for own, new in runs:
                sides[:, :, new] += given[*cells, own]
        return sides.flatten(0, 1)

    def borders(self, found: Float[Tensor, "joined n c"]) -> Float[Tensor, "cells r c"]:
        """Return what was found on the borders of the cells that met, 0 outside the picture."""
        whole = found.unflatten(0, self._grid)
        borders = torch.zeros(*self._cells, self._border, found.shape[2])
        for cells, runs in self._parts:
            for own, new in runs:
                borders[*cells, own] = whole[:, :, new]
        return borders.flatten(0, 1)


def _border(height: int, width: int, grid: Place) -> list[Place]:
    """Return the pixels on the lines around cells, but for lines that are outermost for all."""
    rows = range(height + 1) if grid[0] > 1 else range(1, height)
    columns = range(width + 1) if grid[1] > 1 else range(1, width)
    above_and_below = [(y, x) for y in (0, height) if y in rows for x in columns]
    return above_and_below + [(y, x) for x in (0, width) if x in columns for y in range(1, height)]


def _runs(numbers: Iterable[int | None]) -> Sequence[tuple[slice, slice]]:
    """Cut 0, 1, 2, ... where the numbers do not follow one another: slices of both."""
    runs: list[tuple[slice, slice]] = []
    for place, number in enumerate(numbers):
        if number is None:
            continue
        if runs and (runs[-1][0].stop, runs[-1][1].stop) == (place, number):
            own, new = runs.pop()
            runs.append((slice(own.start, place + 1), slice(new.start, number + 1)))
        else:
            runs.append((slice(place, place + 1), slice(number, number + 1)))
    return runs


@lru_cache(maxsize=4)
def _plan(height: int, width: int) -> tuple[_Cells, Sequence[_Join]]:
    """Return the smallest cells of pictures of a size, and how they are joined."""
    down, across = _count(height), _count(width)
    cells = _Cells((height, width), down, across)
    own_height, own_width, joins = cells.height, cells.width, []
    while down * across > 1:
        few, beside = (3 if count % 3 == 0 else min(count, 2) for count in (down, across))
        down, across = down // few, across // beside
        joins.append(_Join(own_height, own_width, few, beside, (down, across)))
        own_height, own_width = own_height * few, own_width * beside
    return cells, joins


def _count(side: int) -> int:
    """Choose into how many a side is cut, 2^k or 3 * 2^k, so that little is left over."""
    counts = [few * 2**doubled for few in (1, 3) for doubled in range(side.bit_length())]
    sides = {count: side // count + 1 for count in counts}
    fitting = [count for count, own in sides.items() if SIDES[0] <= own <= SIDES[1]]
    return min(fitting, key=lambda count: (sides[count] * count, -count), default=1)
