"""Periodic geometry that holds for any cell, also a strongly skewed one."""

from dataclasses import dataclass

import numpy as np
from ase.geometry import find_mic
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from frustra.arrays import Array, IntArray


def minimum_image(vectors: ArrayLike, cell: ArrayLike) -> Array:
    """Return the shortest periodic image of each vector (Å), shape (..., 3).

    The cell is Minkowski-reduced first, so that neighbouring images suffice however skewed it is.
    """
    vectors = np.asarray(vectors, dtype=float)
    if vectors.size == 0:
        return vectors.copy()
    shortest, _ = find_mic(vectors.reshape(-1, 3), np.asarray(cell, dtype=float), pbc=True)
    return np.asarray(shortest, dtype=float).reshape(vectors.shape)


def perpendicular_heights(cell: ArrayLike) -> Array:
    """Return the distances between opposite faces of the cell (Å), shape (3,)."""
    heights: Array = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(cell, dtype=float)), axis=0)
    return heights


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


def nearest_neighbours(
    centres: ArrayLike, points: ArrayLike, cell: ArrayLike, k: int
) -> tuple[Array, IntArray]:
    """Return distances (Å) and indices of the `k` nearest points of each centre, both (n, k).

    Periodic images count as points of their own, as they must in a small cell.
    """
    cell, points = np.asarray(cell, dtype=float), np.asarray(points, dtype=float)
    density = len(points) / abs(np.linalg.det(cell))
    margin = 1.6 * (3 * (k + 1) / (4 * np.pi * density)) ** (1 / 3)
    while True:
        cloud = with_images(points, cell, margin)
        if len(cloud.positions) >= k:
            distances, which = cKDTree(cloud.positions).query(wrap(centres, cell), k=k)
            if distances.size == 0 or distances.max() <= margin:
                return distances.reshape(-1, k), cloud.index[which].reshape(-1, k)
        margin *= 1.5
