"""What the density of mobile ions is relative to: mean framework and drift of each run, laid upon each other.

Unlike in `framework`, every frame counts, and atoms keep their names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from frustra.analysis.displacement import BLOCK, FEWEST
from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.trajectory import Frames

SAME_CELL = 0.05
"""Runs whose mean cells differ by more than this part of an edge are not of the same crystal."""

ASTRAY = 1.0
"""Å: framework atoms that move farther about their mean place (rms) do not stay in place."""


@dataclass(frozen=True)
class Framework:
    """All atoms but the mobile ions, in fractional coordinates free of drift."""

    cell: Array
    """(3, 3), Å, mean of all frames."""
    places: Array
    """(atoms, 3) mean places in cell vectors, not wrapped; none where all atoms are mobile."""
    numbers: IntArray
    """(atoms,) atomic numbers."""
    spread: Array
    """(atoms,) root mean square of the distance from the mean place, Å."""
    drift: Array
    """(frames, 3) in cell vectors: how far the centre of mass has moved since the first frame."""
    frames: int
    """That are a mean of."""


def framework_of(run: Frames, specie: str) -> Framework:
    """Find the mean places of all atoms but the mobile ions, in each frame's own cell.

    The drift is that of their centre of mass; where all atoms are mobile, of all atoms. It is taken in
    fractional coordinates, so that a cell that breathes makes none.

    Raises
    ------
    DataError
        The element is absent, or there are no frames.
    """
    if len(run) == 0:
        raise DataError("a trajectory without frames")
    mobile = run.indices_of(specie)
    atoms = np.setdiff1d(np.arange(len(run.numbers)), mobile)
    reference = atoms if len(atoms) else mobile
    weights = run.masses[reference] / run.masses[reference].sum()
    first = run.read(slice(1), reference)
    edges, start = first.cells[0], first.positions[0] @ np.linalg.inv(first.cells[0])
    cells, drift = np.zeros((3, 3)), []
    total, squares = np.zeros((len(reference), 3)), np.zeros(len(reference))
    for part in run.chunks(max(FEWEST[0], BLOCK // len(reference)), reference):
        moved = part.positions @ np.linalg.inv(part.cells) - start
        drift.append(np.einsum("fai,a->fi", moved, weights))
        moved -= drift[-1][:, None]
        total += moved.sum(axis=0)
        squares += ((moved @ edges) ** 2).sum(axis=(0, 2))
        cells += part.cells.sum(axis=0)
    mean = total / len(run)
    spread = np.sqrt(np.maximum(squares / len(run) - ((mean @ edges) ** 2).sum(axis=1), 0))
    kept = slice(None) if len(atoms) else slice(0)
    numbers = run.numbers[reference][kept]
    return Framework(
        cells / len(run), (start + mean)[kept], numbers, spread[kept], np.concatenate(drift), len(run)
    )


def aligned(frameworks: Sequence[Framework]) -> tuple[Framework, list[Array], list[str]]:
    """Lay the frameworks of several runs upon the first one.

    Returns
    -------
    tuple
        The mean framework at the place of the first; for each run (frames, 3) in cell vectors, what is to be
        taken off positions: drift, and how far the run lies from the first; and what is doubtful.

    Raises
    ------
    DataError
        Other atoms, or another cell.
    """
    first = frameworks[0]
    offsets, places, cell, notes = [], np.zeros_like(first.places), np.zeros((3, 3)), []
    for number, other in enumerate(frameworks, start=1):
        _check(first, other, number)
        whole, gap = _gap(first, other)
        far = float(np.linalg.norm(gap @ first.cell, axis=1).max(initial=0.0))
        if far > ASTRAY:
            notes.append(
                f"a framework atom of run {number} has its mean place {far:.1f} Å from that in run 1"
            )
        offsets.append(other.drift + whole)
        places += other.frames * (first.places + gap)
        cell += other.frames * other.cell
    frames = sum(f.frames for f in frameworks)
    squares = np.array([f.frames * f.spread**2 for f in frameworks])
    spread = np.sqrt(squares.sum(axis=0) / frames)
    notes += _doubts(spread, len(frameworks))
    mean = replace(first, cell=cell / frames, places=places / frames, spread=spread, frames=frames)
    return mean, offsets, notes


def _check(first: Framework, other: Framework, number: int) -> None:
    if not np.array_equal(first.numbers, other.numbers):
        raise DataError(
            f"run {number} has other framework atoms than the first, or in another order",
            "runs of one crystal",
            "analyse them one by one",
        )
    edges = np.linalg.norm(first.cell, axis=1)
    if (np.linalg.norm(other.cell - first.cell, axis=1) > SAME_CELL * edges).any():
        raise DataError(
            f"the cell of run {number} differs from that of the first by more than {SAME_CELL:.0%}",
            "runs of one crystal in one cell",
            "analyse them one by one",
        )


def _gap(first: Framework, other: Framework) -> tuple[Array, Array]:
    """Return how far one framework lies from another as a whole, and what is left of each atom, (atoms, 3).

    The whole is the median of the atoms: one that is on another site does not count.
    """
    if len(first.places) == 0:
        return np.zeros(3), np.zeros((0, 3))
    gap = other.places - first.places
    whole = gap[0] + np.median(_nearest(gap - gap[0]), axis=0)
    left = _nearest(gap - whole)
    centre = np.median(left, axis=0)
    return whole + centre, left - centre


def _nearest(gap: Array) -> Array:
    result: Array = gap - np.rint(gap)
    return result


def _doubts(spread: Array, runs: int) -> list[str]:
    if len(spread) == 0:
        doubts = ["no framework: the density is relative to the centre of mass of the mobile ions"]
        return doubts + ["without a framework, several runs cannot be laid upon each other"] * (runs > 1)
    astray = int((spread > ASTRAY).sum())
    if astray:
        return [f"{astray} of {len(spread)} framework atoms do not stay in place (rms above {ASTRAY:g} Å)"]
    return []
