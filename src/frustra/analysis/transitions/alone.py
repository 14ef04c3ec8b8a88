"""Hops alone: the frame before a hop with nothing moved but the ion that hops.

Where many ions hop within the time of one hop, no two frames differ by a single hop. What one hop costs is
then found from the frame before it with the ion put to where it is after it.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from frustra.analysis.hops import Hops
from frustra.analysis.transitions.choice import ChosenHops
from frustra.arrays import Array, BoolArray, IntArray
from frustra.geometry import minimum_image
from frustra.snapshots import Snapshots
from frustra.visits import Visits

CLOSE = 1.2
"""Å: nearer to another atom an ion is not put, as a potential may know nothing of it."""


@dataclass(frozen=True)
class Ends:
    """Of chosen hops, the rows of the relaxed frames, and where the ion is in them."""

    before: IntArray
    """(k,) row of the relaxed frame before."""
    after: IntArray
    """(k,) row of that after."""
    ion: IntArray
    """(k,) index of the atom."""
    column: IntArray
    """(k,) its column in `Visits`."""
    in_origin: BoolArray
    """(k,) whether it is in the origin before."""
    in_target: BoolArray
    """(k,) whether it is in the target after, as far from the origin as in the hop."""


def ends_of(chosen: ChosenHops, hops: Hops, places: Visits) -> Ends:
    """Return where the ions of chosen hops are in the relaxed frames `chosen.frames`."""
    rows = chosen.rows
    before, after = (np.searchsorted(chosen.frames, f) for f in (chosen.before, chosen.after))
    column = hops.stays.row[hops.stay[rows]]
    in_origin = places.site[before, column] == hops.origin[rows]
    across = places.image[after, column].astype(int) - places.image[before, column]
    in_target = places.site[after, column] == hops.target[rows]
    in_target &= ~in_origin | (across == hops.shift[rows]).all(axis=1)
    return Ends(before, after, hops.ion[rows], column, in_origin, in_target)


def companions_of(places: Visits, one: IntArray, other: IntArray, column: IntArray) -> IntArray:
    """Return how many ions but that of a column are on another site, or copy of it, in the other frame."""
    moved = places.site[one] != places.site[other]
    moved |= (places.image[one] != places.image[other]).any(axis=2)
    moved[np.arange(len(column)), column] = False
    return np.asarray(moved.sum(axis=1), dtype=np.int64)


def displacements(relaxed: Snapshots, mobile: IntArray, ends: Ends) -> Array:
    """Return the way of the ion from before to after, relative to the framework's mean, (k, 3), Å."""
    moved = relaxed.positions[ends.after] - relaxed.positions[ends.before]
    fixed = np.setdiff1d(np.arange(len(relaxed.numbers)), mobile)
    drift = moved[:, fixed].mean(axis=1) if len(fixed) else np.zeros((len(moved), 3))
    way: Array = moved[np.arange(len(ends.ion)), ends.ion] - drift
    return way


def moved_alone(ends: Ends, relaxed: Snapshots, places: Visits) -> tuple[IntArray, list[Atoms]]:
    """Return for which hops the ion can be moved alone, (m,), and those frames, to be relaxed.

    Both relaxed ends of the hop must be sound, other ions have moved between them, and the place be free:
    the target without another ion, and no atom nearer than `CLOSE`.
    """
    sound = relaxed.converged[ends.before] & relaxed.converged[ends.after] & ends.in_origin & ends.in_target
    together = companions_of(places, ends.before, ends.after, ends.column) > 0
    way = displacements(relaxed, places.ions, ends)
    rows, frames = [], []
    for k in np.flatnonzero(sound & together & ~_taken(ends, places)):
        frame = relaxed.atoms(int(ends.before[k]))
        frame.positions[ends.ion[k]] += way[k]
        apart = np.linalg.norm(
            minimum_image(frame.positions - frame.positions[ends.ion[k]], relaxed.cell), axis=1
        )
        apart[ends.ion[k]] = np.inf
        if apart.min() > CLOSE:
            rows.append(k)
            frames.append(frame)
    return np.array(rows, dtype=np.int64), frames


def _taken(ends: Ends, places: Visits) -> BoolArray:
    """Return of which hops another ion is in the target before, (k,)."""
    target = places.site[ends.after, ends.column]
    others = places.site[ends.before].astype(np.int64)
    others[np.arange(len(target)), ends.column] = -1
    taken: BoolArray = (others == target[:, None]).any(axis=1)
    return taken
