"""The places of everything around one ion of a relaxed frame, as a figure of its configuration needs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.assignment import visits_of
from frustra.analysis.environment import corners_of, placed_anions
from frustra.analysis.rdf_resolved import relaxed_frames
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.geometry import minimum_image
from frustra.sites import Sites
from frustra.snapshots import Snapshots


@dataclass(frozen=True)
class Surroundings:
    """What is around one ion; places are relative to it, Å, in the orientation of the cell."""

    kind: str
    """Of the ion's site, one of `SITE_KINDS`."""
    vertices: Array
    """(v, 3) the anions of its polyhedron."""
    vertex_numbers: IntArray
    """(v,) their atomic numbers."""
    ions: Array
    """(i, 3) mobile ions in sites that share a face or an edge."""
    ion_kinds: NDArray[np.str_]
    """(i,) of their sites."""
    vacancies: Array
    """(e, 3) middles of the empty sites that share a face or an edge."""
    vacancy_kinds: NDArray[np.str_]
    """(e,) of these sites."""
    cations: Array
    """(c, 3) framework cations in sites that share a face or an edge."""
    cation_numbers: IntArray
    """(c,) their atomic numbers."""


def surroundings_of(snapshots: Snapshots, frame: int, ion: int, sites: Sites) -> Surroundings:
    """Return what is around one mobile ion of a relaxed frame.

    Parameters
    ----------
    snapshots, frame
        The frames, and which of them.
    ion
        Index of the atom.
    sites
        Of this crystal.

    Raises
    ------
    AnalysisError
        Sites without polyhedra, or an ion in none of them.
    DataError
        Sites of another crystal.
    """
    run = relaxed_frames(snapshots.select(slice(frame, frame + 1)))
    visits = visits_of(run, sites, run.symbols[ion])
    place = visits.site[0].astype(np.int64)
    home = int(place[np.flatnonzero(visits.ions == ion)[0]])
    if sites.tiling is None or home < 0:
        raise AnalysisError("an ion without a polyhedron around it", "sites made of anions")
    polyhedra = _Polyhedra(snapshots, frame, sites)
    vertices, numbers = polyhedra.vertices(home)
    # the copy of the polyhedron that the ion is in begins the count of all others
    here = vertices.mean(axis=0)
    here = here + minimum_image(snapshots.positions[frame, ion] - here, snapshots.cell)
    beside, shifts = _neighbours(sites, home)
    middles = np.array([polyhedra.vertices(int(j))[0].mean(axis=0) for j in beside]).reshape(-1, 3)
    middles = middles + shifts @ snapshots.cell - here
    held = sites.held[beside] != ""
    which, ions = np.nonzero(place[None] == beside[:, None])
    empty = ~held & ~np.isin(np.arange(len(beside)), which)
    cations = polyhedra.nearest_cations(middles[held] + here)
    return Surroundings(
        kind=str(sites.kind[home]),
        vertices=vertices - here,
        vertex_numbers=numbers,
        ions=polyhedra.beside(visits.ions[ions], middles[which], here),
        ion_kinds=sites.kind[beside[which]],
        vacancies=middles[empty],
        vacancy_kinds=sites.kind[beside[empty]],
        cations=polyhedra.beside(cations, middles[held], here),
        cation_numbers=snapshots.numbers[cations],
    )


def _neighbours(sites: Sites, home: int) -> tuple[IntArray, IntArray]:
    """Return the sites that share a face or an edge with one, (m,), and the cell vectors to them, (m, 3)."""
    (first, second), shifts = sites.links.pairs.T, sites.links.shifts
    beside = np.concatenate([second[first == home], first[second == home]])
    return beside, np.concatenate([shifts[first == home], -shifts[second == home]])


class _Polyhedra:
    """The polyhedra of one frame, their home copies."""

    def __init__(self, snapshots: Snapshots, frame: int, sites: Sites) -> None:
        assert sites.tiling is not None
        self._corners = corners_of(sites.tiling)
        run = relaxed_frames(snapshots.select(slice(frame, frame + 1)))
        places, who = placed_anions(run, sites, sites.tiling)
        self._places, self._who, self._numbers = places[0], who[0], run.numbers
        self._positions, self._cell = snapshots.positions[frame], snapshots.cell
        mobile_or_anion = set(run.numbers[sites.tiling.anions].tolist())
        self._anions = mobile_or_anion

    def vertices(self, site: int) -> tuple[Array, IntArray]:
        """Return the vertices of a site, (v, 3), Å, and their atomic numbers."""
        member = self._corners.member[site]
        rows, shifts = self._corners.rows[site, member], self._corners.shifts[site, member]
        return (self._places[rows] + shifts) @ self._cell, self._numbers[self._who[rows]]
