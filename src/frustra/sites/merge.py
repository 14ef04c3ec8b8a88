"""Tetrahedra merged into the polyhedra that a chemist sees: an octahedron is four or five of them."""

from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.sites.delaunay import Tetrahedra

CLOSE = 0.4
"""Centres of two tetrahedra this close, in units of their radius, may be of one polyhedron: 0 in a perfect
octahedron or cube, 0.63 between the tetrahedra of a bcc lattice, 0.67 between those of an hcp lattice."""

ROUND = 1.3
"""Largest ratio of the distances from a polyhedron's centre to its vertices: 1 in a regular one, 1.41 for two
tetrahedra that share a face, and for the octahedra of a bcc lattice."""

FIVE = 1.2
"""The same for five vertices: two tetrahedra of a disordered lattice are not yet a five-fold site."""

Vertex = tuple[int, int, int, int]
"""A point, and the cell vectors added to it."""


@dataclass(frozen=True)
class Polyhedra:
    """Groups of tetrahedra."""

    group: IntArray
    """(t,) polyhedron of each tetrahedron."""
    shifts: IntArray
    """(t, 3) cell vectors by which to move the tetrahedron into the home copy of its polyhedron."""
    vertices: list[list[Vertex]]
    """Vertices of the home copy of each polyhedron, ascending."""

    def __len__(self) -> int:
        """Return the number of polyhedra."""
        return len(self.vertices)


class _Group:
    """A polyhedron while it grows."""

    def __init__(self, tetrahedron: int, vertices: set[Vertex]) -> None:
        self.members = {tetrahedron: np.zeros(3, dtype=np.int64)}
        self.vertices = vertices


def merged(tetrahedra: Tetrahedra, points: Array, cell: Array) -> Polyhedra:
    """Merge tetrahedra with nearly the same circumscribed sphere, the most alike first.

    Two are merged if their centres are close (`CLOSE`) and the vertices of both together still lie near one
    sphere (`ROUND`). So the octahedra of close packings, the cubes of a simple cubic lattice, trigonal prisms
    and cuboctahedra come out whole, while tetrahedra that merely share a face stay what they are.

    Parameters
    ----------
    points
        (n, 3), Å, as the tetrahedra were made of.
    cell
        (3, 3), Å.
    """
    home = {t: _alone(t, tetrahedra) for t in range(len(tetrahedra))}
    for one, corner in _close_faces(tetrahedra, cell):
        other = int(tetrahedra.neighbours[one, corner])
        first, second = home[one], home[other]
        # where the other's group lies beside this one's
        step = first.members[one] + tetrahedra.steps[one, corner] - second.members[other]
        if first is second:
            continue
        beside = _moved(second.vertices, step)
        together = first.vertices | beside
        if _roundness(together, points, cell) > ROUND:
            continue
        first.vertices = together
        for t, placed in second.members.items():
            first.members[t] = placed + step
            home[t] = first
    _take_apart(home, tetrahedra, points, cell)
    _absorb(home, tetrahedra)
    return _record(home, len(tetrahedra))


def _alone(t: int, tetrahedra: Tetrahedra) -> _Group:
    pairs = zip(tetrahedra.corners[t].tolist(), tetrahedra.shifts[t].tolist(), strict=True)
    return _Group(t, {(corner, a, b, c) for corner, (a, b, c) in pairs})


def _moved(vertices: set[Vertex], step: IntArray) -> set[Vertex]:
    """Return the vertices, so many cell vectors on."""
    x, y, z = step.tolist()
    return {(corner, a + x, b + y, c + z) for corner, a, b, c in vertices}


def _take_apart(home: dict[int, _Group], tetrahedra: Tetrahedra, points: Array, cell: Array) -> None:
    """Give up polyhedra of five vertices that are not round enough."""
    for t in range(len(tetrahedra)):
        group = home[t]
        if len(group.vertices) == 5 and _roundness(group.vertices, points, cell) > FIVE:
            home.update({m: _alone(m, tetrahedra) for m in group.members})


def _absorb(home: dict[int, _Group], tetrahedra: Tetrahedra) -> None:
    """Give a tetrahedron between four vertices of its neighbour to it: one of no volume, on a square face."""
    for t in range(len(tetrahedra)):
        alone = home[t]
        for other, step in zip(tetrahedra.neighbours[t], tetrahedra.steps[t], strict=True):
            around = home[int(other)]
            if len(alone.members) > 1 or around is alone:
                continue
            # where this tetrahedron lies in the frame of the other's group
            back = around.members[int(other)] - step
            if _moved(alone.vertices, back) <= around.vertices:
                around.members[t] = back
                home[t] = around
                break


def _close_faces(tetrahedra: Tetrahedra, cell: Array) -> list[tuple[int, int]]:
    """Return faces, as tetrahedron and opposite corner, between close centres, the closest first."""
    beyond = tetrahedra.centres[tetrahedra.neighbours] + tetrahedra.steps @ cell
    distance = np.linalg.norm(beyond - tetrahedra.centres[:, None], axis=2)
    size = (tetrahedra.radii[tetrahedra.neighbours] + tetrahedra.radii[:, None]) / 2
    ratio = distance / size
    rows, corners = np.nonzero(ratio < CLOSE)
    order = np.argsort(ratio[rows, corners], kind="stable")
    return [(int(rows[i]), int(corners[i])) for i in order]


def _roundness(vertices: set[Vertex], points: Array, cell: Array) -> float:
    """Return the ratio of the largest to the smallest distance from the centre of the best sphere."""
    table = np.array(sorted(vertices))
    corners = points[table[:, 0]] + table[:, 1:] @ cell
    distances = np.linalg.norm(corners - sphere_centre(corners), axis=1)
    return float(distances.max() / max(distances.min(), 1e-9))


def sphere_centre(corners: Array) -> Array:
    """Return the centre of the sphere that fits points best, Å: least squares on |r|² = 2 c·r + k."""
    middle = corners.mean(axis=0)
    offsets = corners - middle
    design = np.column_stack([2 * offsets, np.ones(len(offsets))])
    solution = np.linalg.lstsq(design, (offsets**2).sum(axis=1), rcond=1e-6)[0]
    centre: Array = middle + solution[:3]
    return centre


def _record(home: dict[int, _Group], count: int) -> Polyhedra:
    numbers: dict[int, int] = {}
    group = np.zeros(count, dtype=np.int64)
    shifts = np.zeros((count, 3), dtype=np.int64)
    vertices = []
    for t in range(count):
        mine = home[t]
        if id(mine) not in numbers:
            numbers[id(mine)] = len(numbers)
            vertices.append(sorted(mine.vertices))
        group[t], shifts[t] = numbers[id(mine)], mine.members[t]
    return Polyhedra(group, shifts, vertices)
