"""Clusters of a graph on the torus of a cell: how large they are, and in which directions they have no end.

Union-find with wrap vectors: every node carries the cell vectors from the root of its cluster to itself. A
link within a cluster closes a loop; the cell vectors around the loop are zero, or lead to another copy of the
same node: then whoever follows the cluster comes as far as he likes. The rank of these vectors is the
dimension of the cluster, 0 to 3. (Newman and Ziff, Phys. Rev. E 64, 016706 (2001), for lattices; here for any
graph, also with links of a node to its own copies and with several links between two nodes.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import ArrayLike

from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError
from frustra.sites import Links

Vector = tuple[int, int, int]
"""Cell vectors."""

BITS = 32
"""A cell vector (x, y, z) is kept as the one integer x + 2³² y + 2⁶⁴ z: sums of them are sums of integers."""


@dataclass(frozen=True)
class Growth:
    """What happens to a graph whose links appear one after the other."""

    thresholds: Array
    """(3,) value at which some cluster first has at least 1, 2, 3 dimensions; infinite where none has."""
    loops: tuple[Sequence[Vector], Sequence[Vector], Sequence[Vector]]
    """Independent wrap vectors of each of these clusters; none where there is none."""
    axes: Array
    """(3,) value at which some cluster first leads on along a, b, c, whatever it does along the others."""
    closing: IntArray
    """(3,) the link by which the dimension was reached; −1 where it never is."""
    values: Array
    """(links that appeared,) their values, ascending."""
    largest: IntArray
    """(links that appeared,) nodes of the largest cluster once each is there."""

    @property
    def dimension(self) -> int:
        """Dimension of the graph with all links, 0 to 3."""
        return int(np.isfinite(self.thresholds).sum())

    def direction(self, dimension: int) -> IntArray:
        """Return cell vectors, (at least `dimension`, 3), that span what that cluster leads along: `reduced`.

        They are empty where there is none.
        """
        return reduced(self.loops[dimension - 1])

    def largest_at(self, levels: Array) -> Array:
        """Return the nodes of the largest cluster of those with links, at each level; 0 below the first."""
        sizes: Array = np.concatenate([[0.0], self.largest])
        return sizes[np.searchsorted(self.values, levels, side="right")]


@dataclass(frozen=True)
class Clusters:
    """The clusters of a graph."""

    label: IntArray
    """(n,) number of each node's cluster; −1 where the node is switched off."""
    size: IntArray
    """(clusters,) nodes."""
    dimension: IntArray
    """(clusters,) 0 to 3: in how many directions it has no end."""


class _Forest:
    """Disjoint sets of nodes that know their cell vectors, and the loops around the torus within each."""

    def __init__(self, nodes: int) -> None:
        self.parent = list(range(nodes))
        self.offset = [0] * nodes  # cell vectors from the parent to the node, as one integer
        self.size = [1] * nodes
        self.loops: dict[int, list[Vector]] = {}  # root → independent wrap vectors

    def find(self, node: int) -> tuple[int, int]:
        """Return the root of a node and the cell vectors from there to the node."""
        parent, offset, total = self.parent, self.offset, 0
        while parent[node] != node:
            up = parent[node]
            offset[node] += offset[up]  # a root has none
            parent[node] = parent[up]
            total += offset[node]
            node = parent[node]
        return node, total

    def join(self, first: int, second: int, shift: int) -> tuple[int, bool]:
        """Add a link; return the root, and whether the wrap vectors of its cluster are others than before."""
        (a, to_first), (b, to_second) = self.find(first), self.find(second)
        step = to_first + shift - to_second
        if a == b:
            return a, step != 0 and self._wrap(a, [_decoded(step)])
        if self.size[a] < self.size[b]:
            a, b, step = b, a, -step
        self.parent[b], self.offset[b] = a, step
        self.size[a] += self.size[b]
        return a, self._wrap(a, self.loops.pop(b, ()))

    def _wrap(self, root: int, vectors: Sequence[Vector]) -> bool:
        """Keep those of the wrap vectors that are independent of the cluster's own."""
        if not vectors:
            return False
        known = self.loops.setdefault(root, [])
        before = len(known)
        for vector in vectors:
            if _independent(known, vector):
                known.append(vector)
        return len(known) > before


def grow(nodes: int, links: Links, at: ArrayLike, whole: bool = True) -> Growth:
    """Add links in the order of their values and return when clusters get 1, 2 and 3 dimensions.

    Exact, in O(m log m) for m links. Links of equal value appear together.

    Parameters
    ----------
    nodes
        How many there are.
    links
        The graph.
    at
        (m,) value at which each link appears; it never does where the value is not finite.
    whole
        Whether to go on when three dimensions are reached, for `largest`.

    Raises
    ------
    DataError
        A link of a node that there is not, or values that do not fit the links.
    """
    at = _checked(nodes, links, np.asarray(at, dtype=float))
    order = np.argsort(at, kind="stable")
    order = order[np.isfinite(at[order])]
    forest, codes = _Forest(nodes), _coded(links.shifts[order])
    thresholds, axes, closing = np.full(3, np.inf), np.full(3, np.inf), np.full(3, -1)
    around: list[list[Vector]] = [[], [], []]
    rank, most, largest = 0, 1, []
    for k, (first, second), code in zip(order.tolist(), links.pairs[order].tolist(), codes, strict=True):
        root, wrapped = forest.join(first, second, code)
        most = max(most, forest.size[root])
        largest.append(most)
        if not wrapped:
            continue
        loops = forest.loops[root]
        axes = np.where(np.any(loops, axis=0), np.minimum(axes, at[k]), axes)
        if len(loops) > rank:
            thresholds[rank : len(loops)], closing[rank : len(loops)] = at[k], k
            around[rank : len(loops)] = [list(loops)] * (len(loops) - rank)
            rank = len(loops)
            if rank == 3 and not whole:
                break
    sizes = np.array(largest, dtype=np.int64)
    return Growth(
        thresholds, (around[0], around[1], around[2]), axes, closing, at[order][: len(sizes)], sizes
    )


def clusters_of(on: BoolArray, links: Links) -> Clusters:
    """Return the clusters of the nodes that are switched on, with their dimensions.

    Parameters
    ----------
    on
        (n,) which nodes there are.
    links
        The graph; links of a node that is off do not count.
    """
    on = np.asarray(on, dtype=bool)
    kept = links.select(on[links.pairs[:, 0]] & on[links.pairs[:, 1]])
    forest = _Forest(len(on))
    for (first, second), code in zip(kept.pairs.tolist(), _coded(kept.shifts), strict=True):
        forest.join(first, second, code)
    roots = np.array([forest.find(i)[0] for i in np.flatnonzero(on).tolist()], dtype=np.int64)
    unique, which = np.unique(roots, return_inverse=True)
    label = np.full(len(on), -1)
    label[on] = which
    dimension = np.array([len(forest.loops.get(r, ())) for r in unique.tolist()], dtype=np.int64)
    return Clusters(label, np.bincount(which, minlength=len(unique)).astype(np.int64), dimension)


def reduced(vectors: Sequence[Vector]) -> IntArray:
    """Return integer vectors of the same span in reduced echelon form, each without a common factor.

    They depend on the span alone: (1, 1, 0) and (1, −1, 0) become (1, 0, 0) and (0, 1, 0).
    """
    rows = [[Fraction(x) for x in v] for v in vectors]
    done = 0
    for column in range(3):
        pivot = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        rows[done] = [x / rows[done][column] for x in rows[done]]
        for i in range(len(rows)):
            if i != done:
                rows[i] = [x - rows[i][column] * y for x, y in zip(rows[i], rows[done], strict=True)]
        done += 1
    whole = [[int(x * lcm(*(y.denominator for y in row))) for x in row] for row in rows[:done]]
    return np.array([[x // gcd(*row) for x in row] for row in whole], dtype=np.int64).reshape(-1, 3)


def _checked(nodes: int, links: Links, at: Array) -> Array:
    if at.shape != (len(links),):
        raise DataError(f"{at.size} values for {len(links)} links", "one for each")
    if len(links) and not 0 <= links.pairs.min() <= links.pairs.max() < nodes:
        raise DataError(f"links of nodes {links.pairs.min()} to {links.pairs.max()}", f"0 to {nodes - 1}")
    return at


def _coded(shifts: IntArray) -> list[int]:
    """Return cell vectors (m, 3) as one integer each."""
    return [x + (y << BITS) + (z << 2 * BITS) for x, y, z in shifts.tolist()]


def _decoded(code: int) -> Vector:
    half, rest, found = 1 << (BITS - 1), code, []
    for _ in range(3):
        low = (rest + half) % (2 * half) - half
        found.append(low)
        rest = (rest - low) >> BITS
    return found[0], found[1], found[2]


def _independent(known: Sequence[Vector], new: Vector) -> bool:
    """Return whether a vector that is not zero lies outside the span of up to three independent ones."""
    if not known:
        return True
    if len(known) > 2:
        return False
    (a, b, c), (x, y, z) = known[0], new
    cross = (b * z - c * y, c * x - a * z, a * y - b * x)
    if len(known) == 1:
        return any(cross)
    return sum(p * q for p, q in zip(cross, known[1], strict=True)) != 0
