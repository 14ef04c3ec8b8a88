"""In which polyhedron of a tiling a point lies when the anions have moved, for many frames at once."""

from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array, BoolArray, IntArray
from frustra.sites.record import Tiling

STEPS = 40
"""Polyhedra that a walk may pass before the search is given up."""

ROWS = 16384
"""Points looked at together: their triangles stay in the processor's cache."""

EDGE = 1e-9
"""Å³: a point this little outside a face counts as inside, so that it lies in one of the two for sure."""


@dataclass(frozen=True)
class Points:
    """Points, each in the frame of a moving tiling."""

    positions: Array
    """(p, 3), Å."""
    frame: IntArray
    """(p,) row of `anions` and `cells`."""
    anions: Array
    """(frames, a, 3), Å: positions of the tiling's anions."""
    cells: Array
    """(frames, 3, 3), Å."""

    def take(self, rows: IntArray) -> "Points":
        """Return some of the points."""
        return Points(self.positions[rows], self.frame[rows], self.anions, self.cells)


def walked(tiling: Tiling, points: Points, site: IntArray, image: IntArray) -> BoolArray:
    """Walk from site to site, across the face through which each point is seen, until the point is inside.

    Parameters
    ----------
    points
        p of them.
    site, image
        (p,) and (p, 3): where to begin; where the point is, on return.

    Returns
    -------
    ndarray
        (p,) whether the walk ended; if not, the polyhedra on its way are turned inside out.
    """
    ended = np.zeros(len(site), dtype=bool)
    for first in range(0, len(site), ROWS):
        rows = np.arange(first, min(first + ROWS, len(site)))
        for _ in range(STEPS):
            outside, face = _left(tiling, points.take(rows), site[rows], image[rows])
            ended[rows[~outside]] = True
            rows, face = rows[outside], face[outside]
            if len(rows) == 0:
                break
            image[rows] += tiling.steps[site[rows], face]
            site[rows] = tiling.neighbours[site[rows], face]
    return ended


def depth(tiling: Tiling, points: Points, site: IntArray, image: IntArray) -> Array:
    """Return how deep (Å) each point is inside a site: the distance to the nearest of its faces."""
    triangles = _triangles(tiling, points, site, image)
    first, second, third = triangles[:, :, 0], triangles[:, :, 1], triangles[:, :, 2]
    areas = np.linalg.norm(np.cross(second - first, third - first), axis=2)
    found: Array = (_volume(first, second, third) / np.maximum(areas, 1e-9)).min(axis=1)
    return found


def _left(tiling: Tiling, points: Points, site: IntArray, image: IntArray) -> tuple[BoolArray, IntArray]:
    """Return which points are outside their site, and through which triangle they left it."""
    triangles = _triangles(tiling, points, site, image)
    volumes = _volume(triangles[:, :, 0], triangles[:, :, 1], triangles[:, :, 2])
    outside: BoolArray = np.any(volumes < -EDGE, axis=1)
    face = np.zeros(len(site), dtype=np.int64)
    rows = np.flatnonzero(outside)
    if len(rows):
        # the faces of cubes and prisms are not flat: what counts is the triangle in whose cone the point is
        face[rows] = seen = _cone(triangles[rows], tiling.triangles[site[rows]])
        outside[rows] = volumes[rows, seen] < -EDGE
    return outside, face


def _triangles(tiling: Tiling, points: Points, site: IntArray, image: IntArray) -> Array:
    """Return the corners of the triangles of each point's site, relative to the point, (p, f, 3, 3), Å."""
    most = int(tiling.triangles[site].max(initial=1))
    corners, shifts = tiling.corners[site, :most], tiling.shifts[site, :most]
    vectors = points.anions[points.frame[:, None, None], corners] - points.positions[:, None, None]
    moved = shifts + image[:, None, None]
    rows = np.flatnonzero(moved.any(axis=(1, 2, 3)))
    vectors[rows] += np.einsum("pfki,pij->pfkj", moved[rows].astype(float), points.cells[points.frame[rows]])
    return vectors


def _volume(a: Array, b: Array, c: Array) -> Array:
    """Return a · (b × c)."""
    volume: Array = (
        a[..., 0] * (b[..., 1] * c[..., 2] - b[..., 2] * c[..., 1])
        + a[..., 1] * (b[..., 2] * c[..., 0] - b[..., 0] * c[..., 2])
        + a[..., 2] * (b[..., 0] * c[..., 1] - b[..., 1] * c[..., 0])
    )
    return volume


def _cone(triangles: Array, count: IntArray) -> IntArray:
    """Return the triangle through which each point is seen from the middle of its site."""
    real = np.arange(triangles.shape[1]) < count[:, None]
    # a vertex of the polyhedron belongs to several triangles: the mean over triangles is inside all the same
    middle = (triangles.mean(axis=2) * real[..., None]).sum(axis=1) / count[:, None]
    corners = triangles - middle[:, None, None]
    ray = np.broadcast_to(-middle[:, None], (*corners.shape[:2], 3))
    a, b, c = corners[:, :, 0], corners[:, :, 1], corners[:, :, 2]
    weights = np.stack([_volume(ray, b, c), _volume(a, ray, c), _volume(a, b, ray)], axis=-1)
    whole = np.maximum(_volume(a, b, c), 1e-9)
    inner = np.where(real, weights.min(axis=2) / whole, -np.inf)
    seen: IntArray = inner.argmax(axis=1)
    return seen
