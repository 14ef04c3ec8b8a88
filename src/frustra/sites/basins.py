"""Basins of a density on a periodic grid: every point climbs to a maximum by the steepest way.

Maxima may be put together afterwards. Which periodic copy of its maximum a point climbs to is kept, so that
basins may be longer than the cell and may touch copies of themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from frustra.arrays import Array, BoolArray, IntArray

NOWHERE = 1e-9
"""Points with less than this part of the highest density belong to no basin."""

OFFSETS = np.array([o for o in product((-1, 0, 1), repeat=3) if any(o)])
"""(26, 3) steps to the neighbours of a point; each of the first half is the opposite of one of the second."""


@dataclass
class Basins:
    """The basins of a density; `join` changes `root` and `place`, and nothing else."""

    shape: tuple[int, ...]
    """Points of the grid along the three cell vectors."""
    label: IntArray
    """(points,) the number of the maximum that each point climbs to; −1 where there is no density."""
    shift: IntArray
    """(points, 3) cell vectors from the home copy of that maximum to the copy that is climbed to."""
    peaks: IntArray
    """(m,) the point of each maximum."""
    heights: Array
    """(m,) the density there, Å⁻³."""
    root: IntArray
    """(m,) the highest of the maxima that each was put together with."""
    place: IntArray
    """(m, 3) cell vectors from the home copy of that maximum to the one that this one's home copy joined."""

    @property
    def roots(self) -> IntArray:
        """The maxima that are left."""
        return np.flatnonzero(self.root == np.arange(len(self.root)))

    @property
    def fractional(self) -> Array:
        """(m, 3) the maxima in units of the cell vectors."""
        result: Array = np.stack(np.unravel_index(self.peaks, self.shape), axis=1) / np.array(self.shape)
        return result

    def join(self, low: int, high: int, shift: IntArray) -> None:
        """Put a maximum that is left together with another: it joins the copy at `shift` of that one."""
        members = self.root == low
        self.place[members] += shift
        self.root[members] = high

    def of_points(self) -> tuple[IntArray, IntArray]:
        """Return for every point the maximum that is left, or −1, and the shift to the copy climbed to."""
        known = self.label >= 0
        label = np.where(known, self.root[self.label], -1)
        return label, self.shift + np.where(known[:, None], self.place[self.label], 0)


@dataclass(frozen=True)
class Joints:
    """Where basins touch: each pair of copies once, at the highest pass between them."""

    pairs: IntArray
    """(j, 2) numbers of the maxima."""
    shifts: IntArray
    """(j, 3) the second lies that many cell vectors away from its place in the home cell."""
    heights: Array
    """(j,) of the pass, Å⁻³: the highest value of the lower one of two neighbouring points."""

    def __len__(self) -> int:
        """Return the number of passes."""
        return len(self.heights)

    def between(self, basins: Basins) -> "Joints":
        """Return the passes between what is left after maxima were put together."""
        first, second = self.pairs.T
        shifts = basins.place[second] + self.shifts - basins.place[first]
        return highest(basins.root[first], basins.root[second], shifts, self.heights)


def basins_of(density: Array, cell: Array) -> Basins:
    """Let every point climb to the neighbour, of 26, to which the density rises most per distance.

    Equal values are climbed in the order of the points, so that a plateau has a top as well.

    Parameters
    ----------
    density
        (n1, n2, n3) at the points m/n of the cell.
    cell
        (3, 3), Å.
    """
    rank = np.empty(density.size, np.int64)
    rank[np.argsort(density, axis=None, kind="stable")] = np.arange(density.size)
    towards, shift = _next(density, rank.reshape(density.shape), cell)
    while True:  # each point's next becomes the next one's next, until all are maxima
        beyond = towards[towards]
        if (beyond == towards).all():
            break
        shift += shift[towards]
        towards = beyond
    flat = density.ravel()
    some = flat > NOWHERE * flat.max()
    peaks = np.unique(towards[some])
    label = np.where(some, np.searchsorted(peaks, towards), -1)
    count = len(peaks)
    return Basins(
        density.shape, label, shift, peaks, flat[peaks], np.arange(count), np.zeros((count, 3), np.int64)
    )


def _next(density: Array, rank: IntArray, cell: Array) -> tuple[IntArray, IntArray]:
    """Return where every point climbs in one step, itself if it is a maximum, and the cells it crosses."""
    best = np.full(density.shape, -1.0)
    step = np.zeros((*density.shape, 3), np.int64)
    lengths = np.linalg.norm(OFFSETS @ (cell / np.array(density.shape)[:, None]), axis=1)
    for offset, length in zip(OFFSETS, lengths, strict=True):
        back = tuple(-offset)
        gain = (np.roll(density, back, axis=(0, 1, 2)) - density) / length
        better = (np.roll(rank, back, axis=(0, 1, 2)) > rank) & (gain > best)
        best[better] = gain[better]
        step[better] = offset
    target = np.indices(density.shape).reshape(3, -1).T + step.reshape(-1, 3)
    return _wrapped(target, density.shape)


def _wrapped(target: IntArray, shape: tuple[int, ...]) -> tuple[IntArray, IntArray]:
    """Return the numbers of points given by (points, 3) steps along the cell, and the cells they are in."""
    shift = target // np.array(shape)
    home = target - shift * np.array(shape)
    return np.ravel_multi_index(tuple(home.T), shape).astype(np.int64), shift


def joints_of(density: Array, basins: Basins) -> Joints:
    """Return the highest pass between every two basins that touch, in any periodic copy."""
    flat = density.ravel()
    found = [highest(*_seams(flat, basins, offset)) for offset in OFFSETS[:13]]
    pairs, shifts = np.concatenate([j.pairs for j in found]), np.concatenate([j.shifts for j in found])
    return highest(pairs[:, 0], pairs[:, 1], shifts, np.concatenate([j.heights for j in found]))


def _seams(flat: Array, basins: Basins, offset: IntArray) -> tuple[IntArray, IntArray, IntArray, Array]:
    """Return the pairs of neighbouring points, one `offset` away, that belong to different basins."""
    points = np.indices(basins.shape).reshape(3, -1).T
    beyond, cells = _wrapped(points + offset, basins.shape)
    first, second = basins.label, basins.label[beyond]
    shifts = basins.shift[beyond] + cells - basins.shift
    seam = (first >= 0) & (second >= 0) & ((first != second) | shifts.any(axis=1))
    return first[seam], second[seam], shifts[seam], np.minimum(flat, flat[beyond])[seam]


def highest(first: IntArray, second: IntArray, shifts: IntArray, heights: Array) -> Joints:
    """Return every pair of copies once, with the largest of its heights; a copy does not touch itself."""
    turned = (second < first) | ((second == first) & _negative(shifts))
    first, second = np.where(turned, second, first), np.where(turned, first, second)
    shifts = np.where(turned[:, None], -shifts, shifts)
    real = (first != second) | shifts.any(axis=1)
    rows = np.column_stack([first, second, shifts])[real]
    order = np.argsort(-heights[real], kind="stable")
    _, where = np.unique(_keys(rows[order]), return_index=True)
    chosen = order[where]
    return Joints(rows[chosen, :2], rows[chosen, 2:], heights[real][chosen])


def _negative(shifts: IntArray) -> BoolArray:
    """Return whether the first component that is not zero is below zero."""
    result: BoolArray = shifts @ np.array([10**6, 10**3, 1]) < 0
    return result


def _keys(rows: IntArray) -> IntArray:
    """Return one whole number for each row, different for different rows."""
    if len(rows) == 0:
        return np.empty(0, np.int64)
    low = rows.min(axis=0)
    result: IntArray = np.ravel_multi_index(tuple((rows - low).T), tuple(np.ptp(rows, axis=0) + 1))
    return result


def descending(joints: Joints) -> Iterator[tuple[int, int, IntArray, float]]:
    """Give the passes one by one, the highest first."""
    for row in np.argsort(-joints.heights, kind="stable"):
        first, second = joints.pairs[row]
        yield int(first), int(second), joints.shifts[row], float(joints.heights[row])
