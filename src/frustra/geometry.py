"""Periodic geometry that holds for any cell, also a strongly skewed one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.geometry import cell_to_cellpar, cellpar_to_cell, find_mic, minkowski_reduce
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from frustra.arrays import Array, IntArray

RIGID = 1e-4
"""Cell lengths (relative) and cosines of angles closer than this count as equal by symmetry."""

LatticeType = Literal["isotropic", "uniaxial", "orthogonal", "general"]


def minimum_image(vectors: ArrayLike, cell: ArrayLike) -> Array:
    """Return the shortest periodic image of each vector (Å), shape (..., 3).

    The cell is Minkowski-reduced first, so that neighbouring images suffice however skewed it is.
    """
    vectors = np.asarray(vectors, dtype=float)
    if vectors.size == 0:
        return vectors.copy()
    # reduced here: find_mic leaves a cell as it is when the vectors are short against its edges
    reduced, _ = minkowski_reduce(np.asarray(cell, dtype=float))
    shortest, _ = find_mic(vectors.reshape(-1, 3), reduced, pbc=True)
    return np.asarray(shortest, dtype=float).reshape(vectors.shape)


def minkowski(cell: ArrayLike) -> tuple[Array, IntArray]:
    """Return the Minkowski-reduced cell (Å), and the integers M, (3, 3), with reduced = M · cell."""
    reduced, steps = minkowski_reduce(np.asarray(cell, dtype=float))
    return np.asarray(reduced, dtype=float), np.asarray(steps, dtype=np.int64)


def perpendicular_heights(cell: ArrayLike) -> Array:
    """Return the distances between opposite faces of the cell (Å), shape (3,)."""
    heights: Array = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(cell, dtype=float)), axis=0)
    return heights


def lattice_type(cell: ArrayLike) -> LatticeType:
    """Return what symmetry the cell's shape has.

    `isotropic`: three equal edges and angles (cubic, rhombohedral); `uniaxial`: two equal edges at right
    angles to the third (hexagonal, tetragonal); `orthogonal`: right angles; `general`: anything else.
    """
    cell = np.asarray(cell, dtype=float)
    lengths = np.linalg.norm(cell, axis=1)
    unit = cell / lengths[:, None]
    cosines = np.array([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
    ab = abs(lengths[0] / lengths[1] - 1) < RIGID
    bc = abs(lengths[1] / lengths[2] - 1) < RIGID
    if ab and bc and np.ptp(cosines) < RIGID:
        return "isotropic"
    if ab and np.abs(cosines[:2]).max() < RIGID:
        return "uniaxial"
    return "orthogonal" if np.abs(cosines).max() < RIGID else "general"


def with_lattice_type(cell: ArrayLike, like: ArrayLike) -> Array:
    """Return the cell nearest to `cell` with the lattice type of `like`, in LAMMPS' orientation (Å)."""
    lengths, angles = np.split(np.asarray(cell_to_cellpar(np.asarray(cell, dtype=float))), 2)
    kind = lattice_type(like)
    if kind != "general":
        angles = np.asarray(cell_to_cellpar(np.asarray(like, dtype=float)))[3:]
    if kind == "isotropic":
        lengths = np.full(3, np.prod(lengths) ** (1 / 3))
    if kind == "uniaxial":
        lengths = np.array([*[np.sqrt(lengths[0] * lengths[1])] * 2, lengths[2]])
    standard: Array = np.asarray(cellpar_to_cell([*lengths, *angles]), dtype=float)
    return standard


@dataclass(frozen=True)
class PeriodicPoints:
    """Points and those periodic images of them that lie in or near the home cell."""

    positions: Array
    """(n, 3), Å; the home points come first."""
    index: IntArray
    """(n,), which home point each is an image of."""


def wrap(points: ArrayLike, cell: ArrayLike) -> Array:
    """Return the points moved into the home cell (Å), shape (..., 3)."""
    cell = np.asarray(cell, dtype=float)
    fractional = np.asarray(points, dtype=float) @ np.linalg.inv(cell)
    wrapped: Array = (fractional - np.floor(fractional)) @ cell
    return wrapped


def with_images(points: ArrayLike, cell: ArrayLike, margin: float) -> PeriodicPoints:
    """Wrap `points` into the cell and add every image within `margin` (Å) of the cell's faces."""
    cell = np.asarray(cell, dtype=float)
    home = wrap(points, cell)
    reach = margin / perpendicular_heights(cell)
    ranges = [np.arange(-int(np.ceil(r)), int(np.ceil(r)) + 1) for r in reach]
    shifts = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    shifts = shifts[np.argsort(np.any(shifts != 0, axis=1), kind="stable")]
    fractional = (home @ np.linalg.inv(cell))[None] + shifts[:, None]
    keep = np.all((fractional > -reach) & (fractional < 1 + reach), axis=2)
    keep[0] = True
    index = np.broadcast_to(np.arange(len(home)), keep.shape)[keep]
    return PeriodicPoints(fractional[keep] @ cell, index)


@dataclass(frozen=True)
class Neighbours:
    """The nearest points of every centre, nearest first."""

    distances: Array
    """(n, k), Å."""
    index: IntArray
    """(n, k), which point each is an image of."""
    vectors: Array
    """(n, k, 3), Å, from the centre to that image."""


def nearest_neighbours(centres: ArrayLike, points: ArrayLike, cell: ArrayLike, k: int) -> Neighbours:
    """Return the `k` nearest points of each centre; images count as points of their own.

    Parameters
    ----------
    centres, points
        (n, 3) and (m, 3), Å, anywhere.
    """
    cell, points, home = np.asarray(cell, dtype=float), np.asarray(points, dtype=float), wrap(centres, cell)
    density = len(points) / abs(np.linalg.det(cell))
    margin = 1.6 * (3 * (k + 1) / (4 * np.pi * density)) ** (1 / 3)
    while True:
        cloud = with_images(points, cell, margin)
        if len(cloud.positions) >= k:
            found, which = cKDTree(cloud.positions).query(home, k=np.arange(1, k + 1))
            if found.size == 0 or found.max() <= margin:
                return Neighbours(found, cloud.index[which], cloud.positions[which] - home[:, None])
        margin *= 1.5


def clusters(points: ArrayLike, cell: ArrayLike, distance: float) -> tuple[IntArray, Array]:
    """Group points that are linked by steps of at most `distance` (Å), under periodic boundaries.

    Returns
    -------
    tuple
        The number of each point's group (n,), and the mean position of every group (groups, 3), Å, in
        the home cell.
    """
    home = wrap(points, cell)
    cloud = with_images(home, cell, distance)
    pairs = cKDTree(cloud.positions).query_pairs(distance, output_type="ndarray")
    i, j = cloud.index[pairs].T
    links = coo_array((np.ones(len(i)), (i, j)), shape=(len(home), len(home)))
    _, label = connected_components(links, directed=False)
    firsts = home[np.unique(label, return_index=True)[1]]
    offsets = minimum_image(home - firsts[label], cell)
    sums = np.stack([np.bincount(label, offsets[:, axis]) for axis in range(3)], axis=1)
    return label.astype(np.int64), wrap(firsts + sums / np.bincount(label)[:, None], cell)
