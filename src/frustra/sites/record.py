"""The record of a crystal's sites: what they are, how they tile space, and which of them touch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import Array, BoolArray, IntArray

SITE_KINDS = ("oct", "tet", "other")
"""Octahedral (six anions), tetrahedral (four) or anything else."""


@dataclass(frozen=True)
class Links:
    """Pairs of sites that touch, each pair once; a graph on the torus of the cell."""

    pairs: IntArray
    """(m, 2) the two sites."""
    shifts: IntArray
    """(m, 3) the second lies that many cell vectors away from its place in the home cell."""
    shared: IntArray
    """(m,) vertices that the two polyhedra have in common: 2 an edge, 3 or more a face."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def select(self, rows: BoolArray | IntArray) -> "Links":
        """Return some of the pairs."""
        return Links(self.pairs[rows], self.shifts[rows], self.shared[rows])

    @property
    def faces(self) -> "Links":
        """The pairs that share a face."""
        return self.select(self.shared > 2)


@dataclass(frozen=True)
class Tiling:
    """Polyhedra of neighbouring anions that fill the cell without gap or overlap, bounded by triangles.

    Their vertices are atoms, so that the tiling follows them: with other positions of the same anions the
    same polyhedra fill space again, as long as none turns inside out. Polyhedra with fewer triangles than
    the one with most have their last ones repeated.
    """

    anions: IntArray
    """(a,) indices of the anions among the atoms of the crystal."""
    reference: Array
    """(a, 3) their positions in the crystal that the sites were made of, Å."""
    corners: IntArray
    """(n, f, 3) triangles of each site, as rows of `anions`, anticlockwise as seen from outside."""
    shifts: IntArray
    """(n, f, 3, 3) each corner is the anion's position plus that many cell vectors."""
    neighbours: IntArray
    """(n, f) the site beyond each triangle."""
    steps: IntArray
    """(n, f, 3) where it is: cell vectors from that site's home copy."""
    triangles: IntArray
    """(n,) triangles of each site."""


@dataclass(frozen=True)
class Sites:
    """The interstitial sites of a crystal.

    All are polyhedra of anions that fill space together, or, where `tiling` is None, maxima of the density of
    the mobile ion, to which ions belong by the shortest distance.
    """

    positions: Array
    """(n, 3), Å, in the home cell: mean positions of the vertices."""
    cell: Array
    """(3, 3), Å."""
    kind: NDArray[np.str_]
    """(n,) one of `SITE_KINDS`."""
    coordination: IntArray
    """(n,) anions around the site."""
    shape: NDArray[np.str_]
    """(n,) the polyhedron in words: octahedron, tetrahedron, cube, trigonal prism, …"""
    volume: Array
    """(n,) of the polyhedron, Å³; NaN where there is none."""
    distortion: Array
    """(n,) Baur's index: mean of abs(l − mean l)/mean l over distances l from site to vertex."""
    vertices: Sequence[IntArray]
    """For each site the indices of its anions among the atoms, ascending."""
    held: NDArray[np.str_]
    """(n,) the framework cation that the site holds, such as Y; empty where none."""
    label: NDArray[np.str_]
    """(n,) name of its class: kind, anions, and what tells it from others of this kind."""
    orbit: IntArray
    """(n,) number of its class under the symmetry of the framework."""
    wyckoff: NDArray[np.str_]
    """(n,) multiplicity and letter, such as 6g; empty where there is no symmetry to speak of."""
    layer: IntArray
    """(n,) number of its layer along `layer_axis`; −1 where the crystal has no layers."""
    layer_axis: int
    """0, 1 or 2 for the cell vector along which layers are stacked; −1 where there are none."""
    links: Links
    """Sites that share a face or an edge."""
    tiling: Tiling | None
    """The tetrahedra of which the sites are made; None for maxima of a density."""

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.positions)

    @property
    def open(self) -> BoolArray:
        """(n,) whether the site may take a mobile ion: it holds no framework cation."""
        free: BoolArray = self.held == ""
        return free
