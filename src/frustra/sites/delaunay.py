"""The periodic Delaunay tetrahedra of a set of points: they fill the cell without gap or overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import Delaunay

from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import StructureError
from frustra.geometry import minkowski, perpendicular_heights

JITTER = 1e-5
"""Points are moved by this much of their mean distance, images alike, and space is strained by as much,
before they are triangulated.

In a perfect lattice many points lie on one sphere, and which of the possible tetrahedra are found would
differ from image to image. The positions themselves stay as they are."""

FULL = 1e-6
"""Relative error of the volume that the tetrahedra must fill."""


@dataclass(frozen=True)
class Tetrahedra:
    """Tetrahedra, one of each class of periodic images."""

    corners: IntArray
    """(t, 4) rows of the points."""
    shifts: IntArray
    """(t, 4, 3) cell vectors added to each point's own position."""
    neighbours: IntArray
    """(t, 4) the tetrahedron beyond the face opposite to each corner."""
    steps: IntArray
    """(t, 4, 3) cell vectors to add to that neighbour's own shifts, so that it lies beyond the face."""
    centres: Array
    """(t, 3) of the sphere through the corners, Å."""
    radii: Array
    """(t,) of that sphere, Å."""
    sign: IntArray
    """(t,) of the volume that edges from the first corner span, 1 or −1, of the points as they were moved."""

    def __len__(self) -> int:
        """Return the number of tetrahedra."""
        return len(self.corners)


def tetrahedra_of(points: ArrayLike, cell: ArrayLike) -> Tetrahedra:
    """Return the Delaunay tetrahedra of points under periodic boundaries.

    Parameters
    ----------
    points
        (n, 3), Å, anywhere.
    cell
        (3, 3), Å, however skewed.

    Raises
    ------
    StructureError
        No points, or several at one place.
    """
    points, cell = np.asarray(points, dtype=float), np.asarray(cell, dtype=float)
    if len(points) == 0:
        raise StructureError("no anions", "at least one in the cell")
    volume = abs(np.linalg.det(cell))
    spacing = (volume / len(points)) ** (1 / 3)
    rng = np.random.default_rng(0)
    strain = np.eye(3) + JITTER * rng.normal(size=(3, 3))
    moved = points @ strain + JITTER * spacing * rng.normal(size=points.shape)
    reach = 2.5 * spacing
    for _ in range(8):
        corners, shifts = _triangulated(moved, cell @ strain, reach)
        solid = points[corners] + shifts @ cell
        filled = np.abs(np.linalg.det(solid[:, 1:] - solid[:, :1])).sum() / 6
        if abs(filled - volume) < FULL * volume + 10 * JITTER * volume:
            # of the moved points: the sphere of a flat tetrahedron is then where its neighbours' are
            solid = moved[corners] + shifts @ cell @ strain
            centres = _spheres(solid)
            radii = np.linalg.norm(centres - solid[:, 0], axis=1)
            sign = np.sign(np.linalg.det(solid[:, 1:] - solid[:, :1])).astype(np.int64)
            return Tetrahedra(corners, shifts, *_joined(corners, shifts), centres, radii, sign)
        reach *= 1.5  # an empty sphere was larger than the rim of images
    raise StructureError(
        f"anions whose tetrahedra fill {filled:.4g} Å³ of a cell of {volume:.4g} Å³",
        "distinct anions",
        "check the structure for atoms at one place",
    )


def _triangulated(points: Array, cell: Array, reach: float) -> tuple[IntArray, IntArray]:
    """Return corners and shifts of the tetrahedra that touch the home cell, one of each class."""
    reduced, basis = minkowski(cell)
    fractional = points @ np.linalg.inv(reduced)
    home = np.floor(fractional).astype(np.int64)
    index, shift = _images(fractional - home, reach / perpendicular_heights(reduced))
    cloud = (fractional[index] - home[index] + shift) @ reduced
    simplices = Delaunay(cloud).simplices.astype(np.int64)
    simplices = simplices[(shift[simplices] == 0).all(axis=2).any(axis=1)]
    # shifts relative to the points' own positions, in vectors of the cell as it was given
    own = (shift - home[index]) @ basis
    return _one_of_each(index[simplices], own[simplices])


def _images(fractional: Array, reach: Array) -> tuple[IntArray, IntArray]:
    ranges = [np.arange(-int(np.ceil(r)), int(np.ceil(r)) + 1) for r in reach]
    shifts = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = fractional[None] + shifts[:, None]
    near = np.all((moved > -reach) & (moved < 1 + reach), axis=2)
    which, index = np.nonzero(near)
    return index.astype(np.int64), shifts[which].astype(np.int64)


def _one_of_each(corners: IntArray, shifts: IntArray) -> tuple[IntArray, IntArray]:
    """Keep one of each class of sets of corners that differ by a translation; corners come out sorted."""
    corners, shifts, _ = canonical(corners, shifts)
    keys = np.concatenate([corners, shifts.reshape(len(shifts), -1)], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return corners[first], shifts[first]


def canonical(corners: IntArray, shifts: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return sets of points in an order and a translation that all periodic images of a set have in common.

    Parameters
    ----------
    corners, shifts
        (m, k) points and (m, k, 3) the cell vectors added to each.

    Returns
    -------
    tuple
        Corners and shifts, sorted, one shift of the lowest point zero; and (m, 3) the translation that was
        taken off.
    """
    count, size = corners.shape
    best = np.zeros((count, 4 * size), dtype=np.int64)
    taken = np.zeros((count, 3), dtype=np.int64)
    lowest = corners.min(axis=1)
    for k in range(size):  # any copy of the lowest point may be the origin; the smallest outcome decides
        relative = shifts - shifts[:, k : k + 1]
        order = np.lexsort((relative[..., 2], relative[..., 1], relative[..., 0], corners), axis=1)
        first = np.take_along_axis(corners, order, axis=1)
        second = np.take_along_axis(relative, order[..., None], axis=1)
        keys = np.concatenate([first, second.reshape(count, -1)], axis=1)
        better = (corners[:, k] == lowest) & ((k == 0) | ~_chosen(corners, lowest, k) | _less(keys, best))
        best[better], taken[better] = keys[better], shifts[better, k]
    return best[:, :size], best[:, size:].reshape(count, size, 3), taken


def _chosen(corners: IntArray, lowest: IntArray, k: int) -> BoolArray:
    """Return whether one of the first k corners was a candidate."""
    found: BoolArray = (corners[:, :k] == lowest[:, None]).any(axis=1)
    return found


def _less(one: IntArray, other: IntArray) -> BoolArray:
    """Return, row by row, whether one comes before the other."""
    differ = one != other
    where = differ.argmax(axis=1)
    rows = np.arange(len(one))
    less: BoolArray = differ.any(axis=1) & (one[rows, where] < other[rows, where])
    return less


def _spheres(corners: Array) -> Array:
    """Return the centres of the spheres through four points each, (t, 3)."""
    edges = corners[:, 1:] - corners[:, :1]
    offsets = np.linalg.solve(2 * edges, (edges**2).sum(axis=2)[..., None])[..., 0]
    centres: Array = corners[:, 0] + offsets
    return centres


def _joined(corners: IntArray, shifts: IntArray) -> tuple[IntArray, IntArray]:
    """Find the neighbour across every face, and where it lies."""
    count = len(corners)
    keep = np.array([[j for j in range(4) if j != k] for k in range(4)])
    faces, placed, taken = canonical(corners[:, keep].reshape(-1, 3), shifts[:, keep].reshape(-1, 3, 3))
    keys = np.concatenate([faces, placed.reshape(len(placed), -1)], axis=1)
    _, group, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    if (size != 2).any():
        raise StructureError("anions that cannot be triangulated", remedy="check the structure")
    one, other = np.argsort(group.ravel(), kind="stable").reshape(-1, 2).T
    partner = np.empty(4 * count, dtype=np.int64)
    partner[one], partner[other] = other, one
    steps = taken - taken[partner]
    return (partner // 4).reshape(count, 4), steps.reshape(count, 4, 3)
