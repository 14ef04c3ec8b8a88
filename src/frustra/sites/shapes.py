"""Polyhedra in numbers and words: triangles, volume, distortion, kind and shape."""

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.sites.delaunay import Tetrahedra
from frustra.sites.merge import Polyhedra
from frustra.sites.record import Tiling

OPPOSITE = 140.0
"""Degrees: a vertex of an octahedron has another one this far around the centre; of a prism it has none."""

SHAPES = {4: "tetrahedron", 5: "five-fold", 8: "eight-fold", 12: "cuboctahedron"}
"""Names by the number of vertices; six are told apart by what lies opposite to each."""


def tiling_of(
    tetrahedra: Tetrahedra, polyhedra: Polyhedra, anions: IntArray, points: Array, cell: Array
) -> tuple[Tiling, list[IntArray]]:
    """Return the polyhedra as triangles, each home copy with its centre in the home cell, and their vertices.

    Parameters
    ----------
    anions
        (a,) indices of the points among the atoms.
    points, cell
        (a, 3) and (3, 3), Å.

    Returns
    -------
    tuple
        The tiling, and for each polyhedron its vertices (v, 4): rows of the anions, and the cell vectors
        added to each.
    """
    group, beyond = polyhedra.group, tetrahedra.neighbours
    tables = [np.array(v, dtype=np.int64) for v in polyhedra.vertices]
    middles = np.array([(points[t[:, 0]] + t[:, 1:] @ cell).mean(axis=0) for t in tables])
    # a little into the next cell is still home: rounding shall not decide
    home = np.floor(middles @ np.linalg.inv(cell) + 1e-6).astype(np.int64)
    for table, shift in zip(tables, home, strict=True):
        table[:, 1:] -= shift
    place = polyhedra.shifts - home[group]
    step = place[:, None] + tetrahedra.steps - place[beyond]
    outer = (group[beyond] != group[:, None]) | (step != 0).any(axis=2)
    t, k = np.nonzero(outer)
    keep = np.array([[j for j in range(4) if j != k] for k in range(4)])[k]
    corners = tetrahedra.corners[t[:, None], keep]
    shifts = tetrahedra.shifts[t[:, None], keep] + place[t][:, None]
    # by the points as they were moved: flat tetrahedra, on the square faces of cubes, have no other side
    inward = tetrahedra.sign[t] * np.array([-1, 1, -1, 1])[k] > 0
    corners[inward], shifts[inward] = corners[inward][:, ::-1], shifts[inward][:, ::-1]
    order = np.argsort(group[t], kind="stable")
    count = np.bincount(group[t], minlength=len(polyhedra))
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    column = np.minimum(np.arange(count.max()), count[:, None] - 1)
    rows = order[first[:, None] + column]
    beyond_face, where = group[beyond[t, k]][rows], step[t, k][rows]
    tiling = Tiling(anions, points, corners[rows], shifts[rows], beyond_face, where, count)
    return tiling, tables


def volumes_of(tiling: Tiling, centres: Array, cell: Array) -> Array:
    """Return the volume of every polyhedron, (n,), Å³: that of the cones from its centre to its triangles."""
    triangles = tiling.reference[tiling.corners] + tiling.shifts @ cell - centres[:, None, None]
    real = np.arange(triangles.shape[1]) < tiling.triangles[:, None]
    volumes: Array = (np.linalg.det(triangles) * real).sum(axis=1) / 6
    return volumes


class Shape:
    """One polyhedron, measured about the mean of its vertices."""

    def __init__(self, positions: Array) -> None:
        """Take the positions of the vertices, (v, 3), Å."""
        self.centre = positions.mean(axis=0)
        """(3,) Å."""
        self._bonds = positions - self.centre

    @property
    def distortion(self) -> float:
        """Baur's index: mean of abs(l − mean l)/mean l over the distances l from centre to vertices."""
        lengths = np.linalg.norm(self._bonds, axis=1)
        return float(np.abs(lengths / lengths.mean() - 1).mean())

    @property
    def shape(self) -> str:
        """The polyhedron in words."""
        count = len(self._bonds)
        if count != 6:
            return SHAPES.get(count, f"{count}-fold")
        unit = self._bonds / np.linalg.norm(self._bonds, axis=1, keepdims=True)
        widest = np.degrees(np.arccos(np.clip((unit @ unit.T).min(axis=1), -1, 1)))
        return "octahedron" if widest.min() > OPPOSITE else "trigonal prism"

    @property
    def kind(self) -> str:
        """One of `SITE_KINDS`."""
        return {"octahedron": "oct", "tetrahedron": "tet"}.get(self.shape, "other")
