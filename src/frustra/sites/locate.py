"""In which polyhedron of a tiling a point lies when the anions have moved, for many frames at once."""

from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array, BoolArray, IntArray
from frustra.sites.record import Tiling

STEPS = 40
"""Polyhedra that a walk may pass before the search is given up."""

ROWS = 8192
"""Points looked at together: their triangles stay in the processor's cache."""

EDGE = 1e-9
"""Å³: a point this little outside a face counts as inside, so that it lies in one of the two for sure."""


@dataclass(frozen=True)
class Moved:
    """The polyhedra of a tiling in frames in which their anions have moved."""

    tiling: Tiling
    corners: IntArray
    """(n, f, 3) corners of the triangles of each site's home copy, as columns of `vertices` of one frame."""
    vertices: tuple[Array, Array, Array]
    """x, y and z, each (frames · v,), Å, of the anions and their images that home copies have as corners."""
    cells: Array
    """(frames, 3, 3), Å."""

    @property
    def stride(self) -> int:
        """Return v, the vertices of one frame."""
        return len(self.vertices[0]) // len(self.cells)


class Mover:
    """A tiling with the vertices of all its home copies listed once, to be moved with the anions."""

    def __init__(self, tiling: Tiling) -> None:
        keys = np.concatenate([tiling.corners[..., None], tiling.shifts], axis=-1)
        table, corners = np.unique(keys.reshape(-1, 4), axis=0, return_inverse=True)
        self._tiling, self._corners = tiling, corners.reshape(tiling.corners.shape).astype(np.int64)
        self._anion, self._shift = table[:, 0], table[:, 1:].astype(float)

    def to(self, anions: Array, cells: Array) -> Moved:
        """Return the tiling with its anions elsewhere.

        Parameters
        ----------
        anions
            (frames, a, 3), Å, in the same images as the tiling's reference.
        cells
            (frames, 3, 3), Å.
        """
        placed = anions[:, self._anion] + self._shift @ cells
        x, y, z = np.moveaxis(placed.reshape(-1, 3), 1, 0).copy()
        return Moved(self._tiling, self._corners, (x, y, z), cells)


def walked(moved: Moved, points: Array, frame: IntArray, site: IntArray, image: IntArray) -> BoolArray:
    """Walk from site to site, across the face through which each point is seen, until the point is inside.

    Parameters
    ----------
    points, frame
        (p, 3), Å, and (p,) the frame that each is in.
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
            outside, face = _left(moved, _Seen.of(moved, points[rows], frame[rows], site[rows], image[rows]))
            ended[rows[~outside]] = True
            rows, face = rows[outside], face[outside]
            if len(rows) == 0:
                break
            image[rows] += moved.tiling.steps[site[rows], face]
            site[rows] = moved.tiling.neighbours[site[rows], face]
    return ended


def depth(moved: Moved, points: Array, frame: IntArray, site: IntArray, image: IntArray) -> Array:
    """Return how deep (Å) each point is inside a site: the distance to the nearest of its faces."""
    seen = _Seen.of(moved, points, frame, site, image)
    first, second, third = (np.stack([c[..., k] for c in seen.corners], axis=-1) for k in range(3))
    areas = np.linalg.norm(np.cross(second - first, third - first), axis=-1)
    found: Array = (seen.volumes / np.maximum(areas, 1e-9)).min(axis=1)
    return found


@dataclass(frozen=True)
class _Seen:
    """The triangles of each point's site, as seen from the point."""

    corners: tuple[Array, Array, Array]
    """x, y and z, each (p, f, 3), Å."""
    site: IntArray

    @classmethod
    def of(cls, moved: Moved, points: Array, frame: IntArray, site: IntArray, image: IntArray) -> "_Seen":
        home = points - np.einsum("pi,pij->pj", image, moved.cells[frame])
        most = int(moved.tiling.triangles[site].max(initial=1))
        column = moved.corners[site, :most] + (frame * moved.stride)[:, None, None]
        x, y, z = (v.take(column) - home[:, k, None, None] for k, v in enumerate(moved.vertices))
        return cls((x, y, z), site)

    @property
    def volumes(self) -> Array:
        """(p, f) six times the volume between point and triangle, Å³: negative beyond it."""
        x, y, z = self.corners
        a, b, c = ((x[..., k], y[..., k], z[..., k]) for k in range(3))
        return _volume(a, b, c)

    def take(self, rows: IntArray) -> "_Seen":
        x, y, z = (c[rows] for c in self.corners)
        return _Seen((x, y, z), self.site[rows])


def _left(moved: Moved, seen: _Seen) -> tuple[BoolArray, IntArray]:
    """Return which points are outside their site, and through which triangle they left it."""
    volumes = seen.volumes
    outside: BoolArray = np.any(volumes < -EDGE, axis=1)
    face = np.zeros(len(outside), dtype=np.int64)
    rows = np.flatnonzero(outside)
    if len(rows):
        # the faces of cubes and prisms are not flat: what counts is the triangle in whose cone the point is
        face[rows] = crossed = _cone(seen.take(rows), moved.tiling.triangles[seen.site[rows]])
        outside[rows] = volumes[rows, crossed] < -EDGE
    return outside, face


Vector = tuple[Array, Array, Array]


def _volume(a: Vector, b: Vector, c: Vector) -> Array:
    """Return a · (b × c)."""
    volume: Array = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        + a[1] * (b[2] * c[0] - b[0] * c[2])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return volume


def _cone(seen: _Seen, count: IntArray) -> IntArray:
    """Return the triangle through which each point is seen from the middle of its site."""
    real = np.arange(seen.corners[0].shape[1]) < count[:, None]
    # a vertex of the polyhedron belongs to several triangles: the mean over triangles is inside all the same
    middle = [(c.mean(axis=2) * real).sum(axis=1) / count for c in seen.corners]
    moved = [c - m[:, None, None] for c, m in zip(seen.corners, middle, strict=True)]
    a, b, c = ((moved[0][..., k], moved[1][..., k], moved[2][..., k]) for k in range(3))
    ray = (-middle[0][:, None], -middle[1][:, None], -middle[2][:, None])
    weights = np.minimum(np.minimum(_volume(ray, b, c), _volume(a, ray, c)), _volume(a, b, ray))
    inner = np.where(real, weights / np.maximum(_volume(a, b, c), 1e-9), -np.inf)
    crossed: IntArray = inner.argmax(axis=1)
    return crossed
