"""A sample of the states to be looked at one by one, in which rare ones are present."""

from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.states import StateTable


@dataclass(frozen=True)
class Sample:
    """Rows of a state table, chosen so that every kind of state is there."""

    rows: IntArray
    """(n,) of the table, ascending."""
    width: float
    """Of the bins of energy within which states count as alike, eV."""
    most: int
    """So many states at most of each cell of temperature, site and bin; of cells with fewer, all."""
    cells: int
    """Occupied cells; each of them has a state in the sample."""


def stratified(states: StateTable, most: int, width: float, zero: float, by: str = "site") -> Sample:
    """Choose at most `most` states: some of every occupied cell of temperature, site and bin of energy.

    With n_c states in cell c, min(n_c, q) of each are taken, with the largest q that keeps their sum within
    `most`: all states of thin cells, such as tails and seldom sites, and as many of all others. The lowest
    and the highest state of every temperature and site are always among them, the others of a cell are taken
    at random, the same in every call. Where there are more cells than `most`, the bins are doubled until
    there are not.

    Parameters
    ----------
    states
        Of one material and one element.
    most
        States of the sample; at least two for each temperature and site.
    width, zero
        Of the bins, eV; an edge of them, eV.
    by
        Column of the table that tells the sites apart.

    Raises
    ------
    AnalysisError
        No states, bins without width, or more pairs of temperature and site than half of `most`.
    """
    if not len(states):
        raise AnalysisError("no states to choose from", "at least one")
    if width <= 0:
        raise AnalysisError(f"bins of {width:g} eV", "a positive width")
    energy = states["energy"] - zero
    group = _numbered(states["temperature"], states[by])
    groups = int(group.max()) + 1
    if 2 * groups > most:
        raise AnalysisError(
            f"{groups} pairs of temperature and {by} in a sample of {most} states",
            "at least two states for each",
            "allow more states, or resolve by another column",
        )
    while True:
        cell = _numbered(group, np.floor(energy / width))
        counts = np.bincount(cell)
        if len(counts) <= most:
            break
        width *= 2
    quota = _quota(counts, most)
    return Sample(_taken(cell, _extreme(energy, group), quota), float(width), quota, len(counts))


def _numbered(*columns: Array | IntArray) -> IntArray:
    """Return for every row the number of its combination of values."""
    numbers = [np.unique(c, return_inverse=True)[1].reshape(-1) for c in columns]
    found = np.unique(np.stack(numbers, axis=1), axis=0, return_inverse=True)[1]
    return found.reshape(-1).astype(np.int64)


def _quota(counts: IntArray, most: int) -> int:
    """Return the largest q with Σ min(n, q) ≤ most, at least one; Σ n if all states fit."""
    ascending = np.sort(counts)
    left = len(ascending) - np.arange(len(ascending))
    below = np.concatenate([[0], np.cumsum(ascending)[:-1]])
    # q lies at or above the k-th count for as long as all before it and k's own share for the rest fit
    fits = below + ascending * left <= most
    k = int(fits.sum())
    if k == len(ascending):
        return int(ascending[-1])
    return max(1, int((most - below[k]) // left[k]))


def _extreme(energy: Array, group: IntArray) -> IntArray:
    """Return the rows of the lowest and the highest state of every group."""
    order = np.lexsort((energy, group))
    edges = np.flatnonzero(np.diff(group[order]))
    ends = np.concatenate([[0], edges, edges + 1, [len(order) - 1]])
    found: IntArray = np.unique(order[ends])
    return found


def _taken(cell: IntArray, first: IntArray, quota: int) -> IntArray:
    """Return so many rows of every cell: at first the given ones, then others at random."""
    rank = np.random.default_rng(0).random(len(cell))
    rank[first] -= 1
    order = np.lexsort((rank, cell))
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell))])
    place = np.arange(len(cell)) - starts[cell[order]]
    found: IntArray = np.sort(order[place < quota])
    return found
