"""What is around single ions of relaxed frames, cut out of the crystal: atoms, their sites, empty sites."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from frustra.analysis.environment import Corners, corners_of, placed_anions
from frustra.analysis.sampling import relaxed_frames
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.geometry import minimum_image, with_images
from frustra.sites import Sites
from frustra.snapshots import Snapshots

_NONE: IntArray = np.zeros(0, dtype=np.int64)

SAME = 0.05
"""Å within which a vertex of a polyhedron and an atom are one."""


@dataclass(frozen=True)
class Cluster:
    """The atoms around one ion; places are relative to it, Å, in the orientation of the cell."""

    atoms: IntArray
    """(n,) their indices in the cell: the ion itself, the vertices of its polyhedron, and all others by their
    distance. Of a small cell an index may come more than once: its images."""
    places: Array
    """(n, 3) where they are; the ion at the origin."""
    corners: int
    """How many atoms after the first are vertices of the ion's polyhedron."""
    vacancies: IntArray
    """(v,) rows of `Sites`: the empty sites that share a face or an edge with the ion's, nearest first."""
    middles: Array
    """(v, 3) mean places of their vertices."""


def clusters_of(
    snapshots: Snapshots, sites: Sites, place: IntArray, chosen: IntArray, reach: float, most: int
) -> Iterator[Cluster]:
    """Cut out what is around chosen ions of relaxed frames.

    Parameters
    ----------
    snapshots, sites
        Of the same atoms.
    place
        (frames, atoms) row of the site that every mobile ion is in; −1 for an ion in none, and for all other
        atoms.
    chosen
        (m, 2) frame and index of the atom; those of one frame one after another.
    reach
        Å; atoms farther from the ion are left out. Images count as atoms of their own.
    most
        Atoms of a cluster, and empty sites: the nearest.

    Yields
    ------
    Cluster
        One for each of the chosen, in their order.

    Raises
    ------
    DataError
        Places of another number of atoms.
    """
    if place.shape != snapshots.positions.shape[:2]:
        raise DataError(f"sites of ions of shape {place.shape}", f"{snapshots.positions.shape[:2]}")
    if reach <= 0 or most < 1:
        raise AnalysisError(f"{most} atoms within {reach:g} Å of an ion", "at least the ion itself")
    around = _Around(sites, most)
    starts = np.flatnonzero(np.diff(chosen[:, 0], prepend=-1))
    for rows in np.split(chosen, starts[1:]) if len(chosen) else []:
        frame = int(rows[0, 0])
        part = snapshots.select(slice(frame, frame + 1))
        crystal = around.polyhedra(part)
        homes = place[frame, rows[:, 1]]
        # from every ion to the copy of its polyhedron that it is in
        gaps = crystal.middles[homes] - part.positions[0, rows[:, 1]]
        inside = minimum_image(gaps, part.cell)
        cloud = with_images(part.positions[0], part.cell, reach)
        tree = cKDTree(cloud.positions)
        for ion, home, middle in zip(rows[:, 1].tolist(), homes.tolist(), inside, strict=True):
            centre = cloud.positions[ion]
            near = np.array(tree.query_ball_point(centre, reach))
            away = cloud.positions[near] - centre
            order = np.argsort(np.linalg.norm(away, axis=1), kind="stable")[:most]
            bare = Cluster(cloud.index[near[order]], away[order], 0, _NONE, np.zeros((0, 3)))
            known = sites.tiling is not None and home >= 0
            yield around.told(bare, crystal, place[frame], home, middle) if known else bare


@dataclass(frozen=True)
class _Polyhedra:
    """The polyhedra of one frame."""

    vertices: Array
    """(sites, k, 3) Å; of home copies."""
    middles: Array
    """(sites, 3) Å, means of the vertices."""
    cell: Array
    """(3, 3) Å, of the frame."""


class _Around:
    """What a crystal's sites tell of the surroundings of an ion in one of them."""

    def __init__(self, sites: Sites, most: int) -> None:
        self.sites, self.most = sites, most
        self.corners: Corners | None = None if sites.tiling is None else corners_of(sites.tiling)
        first, second = sites.links.pairs.T
        owner = np.concatenate([first, second])
        order = np.argsort(owner, kind="stable")
        self.start = np.searchsorted(owner[order], np.arange(len(sites) + 1))
        self.beside = np.concatenate([second, first])[order]
        self.shifts = np.concatenate([sites.links.shifts, -sites.links.shifts])[order]

    def polyhedra(self, part: Snapshots) -> _Polyhedra:
        """Return where the vertices of all sites are in one frame; of sites without polyhedra, no vertex."""
        tiling, corners = self.sites.tiling, self.corners
        if tiling is None or corners is None:
            return _Polyhedra(np.zeros((len(self.sites), 0, 3)), self.sites.positions, part.cell)
        places, _ = placed_anions(relaxed_frames(part), self.sites, tiling)
        vertices = (places[0, corners.rows] + corners.shifts) @ part.cell
        weights = corners.member / corners.member.sum(axis=1, keepdims=True)
        return _Polyhedra(vertices, np.einsum("sk,skc->sc", weights, vertices), part.cell)

    def told(self, bare: Cluster, crystal: _Polyhedra, place: IntArray, home: int, inside: Array) -> Cluster:
        """Return a cluster with the ion's polyhedron and the empty sites that touch it.

        Parameters
        ----------
        bare
            Its atoms, nearest first.
        place
            (atoms,) row of the site that every mobile ion is in.
        home, inside
            The ion's site; from the ion to the middle of it, Å.
        """
        own = crystal.vertices[home] - crystal.middles[home] + inside
        if self.corners is not None:
            own = own[self.corners.member[home]]
        gaps = np.linalg.norm(own[:, None] - bare.places[None], axis=2)
        vertex = np.unique(gaps.argmin(axis=1)[gaps.min(axis=1) < SAME])
        rest = np.setdiff1d(np.arange(1, len(bare.atoms)), vertex)
        order = np.concatenate([[0], vertex, rest]).astype(np.int64)
        links = slice(self.start[home], self.start[home + 1])
        beside = self.beside[links]
        middles = crystal.middles[beside] + self.shifts[links] @ crystal.cell
        middles += inside - crystal.middles[home]
        empty = self.sites.open[beside] & ~np.isin(beside, place)
        beside, middles = beside[empty], middles[empty]
        kept = np.argsort(np.linalg.norm(middles, axis=1), kind="stable")[: self.most]
        return Cluster(bare.atoms[order], bare.places[order], len(vertex), beside[kept], middles[kept])
