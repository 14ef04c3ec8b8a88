"""The mean framework of runs, and its atoms named anew where they changed places."""

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from scipy.optimize import linear_sum_assignment

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.geometry import minimum_image, nearest_neighbours
from frustra.trajectory import Frames, Trajectory

LOOKED_AT = 400
"""Frames of all runs together from which the mean is taken."""

READ = 50
"""Frames held at once."""

STRAYED = 0.5
"""Of the distance of an anion from its nearest: one that is further from its place may have another's."""

BLURRED = 0.35
"""Of that distance: a root-mean-square fluctuation above it leaves no lattice to speak of."""


def rigid_shift(fractional: Array, reference: Array) -> Array:
    """Return by how much one structure lies beside another, in fractions of the cell, (..., 3).

    It is the mean of the atoms' differences on the torus: arg ⟨exp 2πi (f − r)⟩ / 2π, which an atom that
    is in another cell does not disturb.

    Parameters
    ----------
    fractional, reference
        (..., n, 3).
    """
    turned = np.exp(2j * np.pi * (fractional - reference)).mean(axis=-2)
    shift: Array = np.angle(turned) / (2 * np.pi)
    return shift


def places_left(fractional: Array, reference: Array, cell: Array, reach: float) -> Array:
    """Return (fractional) positions in the order of a reference, each in the image nearest its place.

    Atoms that are further than `reach` from their place have it taken by whichever of them is nearest to it
    (the assignment of least total squared distance): after a polyatomic anion has turned, its atoms are
    named anew.

    Parameters
    ----------
    fractional
        (n, 3) of one frame, the rigid shift taken off.
    reference
        (n, 3).
    reach
        Å.
    """
    away = minimum_image((fractional - reference) @ cell, cell)
    lost = np.flatnonzero((away**2).sum(axis=1) > reach**2)
    vectors = (fractional[lost][None] - reference[lost][:, None]) @ cell
    shortest = minimum_image(vectors, cell)
    place, taken = linear_sum_assignment((shortest**2).sum(axis=2))
    away[lost[place]] = shortest[place, taken]
    ordered: Array = reference + away @ np.linalg.inv(cell)
    return ordered


def mean_framework(runs: Sequence[Frames], specie: str, anions: Sequence[str]) -> Atoms:
    """Return the mean structure of one or several runs of the same atoms, for `sites_of`.

    Positions are means of fractional coordinates in each frame's own cell, its rigid shift taken off,
    in the mean cell. Anions that changed places are taken for each other. The mobile ions are where they are
    in the first frame.

    Parameters
    ----------
    runs
        Of one temperature, with the same atoms in the same order.
    specie, anions
        The mobile element, and those whose mean places must be clear.

    Raises
    ------
    AnalysisError
        Anions without places of their own: a liquid, or a sublattice that moves.
    """
    numbers = runs[0].numbers
    symbols = np.array(runs[0].symbols)
    fixed = np.flatnonzero(symbols != specie)
    vertex = np.isin(symbols[fixed], anions)
    first = runs[0].read([0])
    cell = np.mean([c for part in _parts(runs, []) for c in part.cells], axis=0)
    start = first.positions[0] @ np.linalg.inv(first.cells[0])
    reference = start[fixed]
    spacing = _nearest(reference[vertex] @ cell, cell)
    sums, squares, frames = np.zeros((len(fixed), 3)), np.zeros(len(fixed)), 0
    for part in _parts(runs, fixed):
        inverse = np.linalg.inv(part.cells)
        for fractional in part.positions @ inverse:
            moved = fractional - rigid_shift(fractional, reference)
            ordered = moved.copy()
            ordered[vertex] = places_left(moved[vertex], reference[vertex], cell, STRAYED * spacing)
            offset = ordered - reference
            offset -= np.round(offset)
            sums += offset
            squares += ((offset @ cell) ** 2).sum(axis=1)
            frames += 1
    mean = sums / frames
    blur = np.sqrt(np.maximum(squares / frames - ((mean @ cell) ** 2).sum(axis=1), 0))[vertex]
    if blur.max() > BLURRED * spacing:
        raise AnalysisError(
            f"{int((blur > BLURRED * spacing).sum())} of {len(blur)} {', '.join(anions)} without a place of "
            f"their own (they fluctuate by up to {blur.max():.1f} Å)",
            f"less than {BLURRED * spacing:.1f} Å",
            "name a crystal with clear places (--structure), or other anions",
        )
    start[fixed] += mean
    return Atoms(numbers=numbers, positions=start @ cell, cell=cell, pbc=True)


def _parts(runs: Sequence[Frames], atoms: Sequence[int] | IntArray) -> Iterator[Trajectory]:
    """Give some of the frames of all runs, a few at a time."""
    stride = max(1, sum(len(r) for r in runs) // LOOKED_AT)
    for run in runs:
        for begin in range(0, len(run), stride * READ):
            yield run.read(slice(begin, min(begin + stride * READ, len(run)), stride), atoms)


def _nearest(points: Array, cell: Array) -> float:
    """Return the median distance of points to their nearest."""
    return float(np.median(nearest_neighbours(points, points, cell, 2).distances[:, 1]))
