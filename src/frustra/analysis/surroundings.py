"""The places of everything around one ion of a relaxed frame, as a figure of its configuration needs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.assignment import visits_of
from frustra.analysis.environment import corners_of, placed_anions
from frustra.analysis.sampling import relaxed_frames
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.geometry import minimum_image
from frustra.sites import Sites
from frustra.snapshots import Snapshots
from frustra.trajectory import Trajectory


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
    visits, tiling = visits_of(run, sites, run.symbols[ion]), sites.tiling
    place = visits.site[0].astype(np.int64)
    home = int(place[visits.ions == ion][0])
    if tiling is None or home < 0:
        raise AnalysisError("an ion without a polyhedron around it", "sites made of anions")
    beside, shifts = _neighbours(sites, home)
    corners = corners_of(tiling, np.append(beside, home))
    places, who = placed_anions(run, sites, tiling)
    vertices = (places[0, corners.rows] + corners.shifts) @ snapshots.cell
    middles = np.array([v[m].mean(axis=0) for v, m in zip(vertices, corners.member, strict=True)])
    # from the ion to the copy of its polyhedron that it is in, and from there to all others
    inside = minimum_image(middles[-1] - snapshots.positions[frame, ion], snapshots.cell)
    around = middles[:-1] + shifts @ snapshots.cell - middles[-1] + inside
    full = sites.held[beside] != ""
    row, guest = np.nonzero(place[None] == beside[:, None])
    empty = ~full & ~np.isin(np.arange(len(beside)), row)
    own = corners.member[-1]

    def seen(atoms: IntArray, near: Array) -> Array:
        """Return where the images of atoms are that are nearest to places."""
        away = snapshots.positions[frame, atoms] - snapshots.positions[frame, ion]
        return near + minimum_image(away - near, snapshots.cell)

    cations = _nearest(snapshots, frame, _cations(run, tiling.anions, ion), around[full], ion)
    return Surroundings(
        kind=str(sites.kind[home]),
        vertices=vertices[-1, own] - middles[-1] + inside,
        vertex_numbers=run.numbers[who[0, corners.rows[-1, own]]],
        ions=seen(visits.ions[guest], around[row]),
        ion_kinds=sites.kind[beside[row]],
        vacancies=around[empty],
        vacancy_kinds=sites.kind[beside[empty]],
        cations=seen(cations, around[full]),
        cation_numbers=run.numbers[cations],
    )


def _neighbours(sites: Sites, home: int) -> tuple[IntArray, IntArray]:
    """Return the sites that share a face or an edge with one, (m,), and the cell vectors to them, (m, 3)."""
    (first, second), shifts = sites.links.pairs.T, sites.links.shifts
    beside = np.concatenate([second[first == home], first[second == home]])
    return beside, np.concatenate([shifts[first == home], -shifts[second == home]])


def _cations(run: Trajectory, anions: IntArray, ion: int) -> IntArray:
    """Return the atoms that are neither mobile nor anions nor hydrogen."""
    others = {1, int(run.numbers[ion]), *run.numbers[anions].tolist()}
    return np.flatnonzero(~np.isin(run.numbers, list(others)))


def _nearest(snapshots: Snapshots, frame: int, atoms: IntArray, places: Array, ion: int) -> IntArray:
    """Return which atom is nearest to each place; places are relative to an ion."""
    away = snapshots.positions[frame, atoms] - snapshots.positions[frame, ion]
    gaps = minimum_image(away[None] - places[:, None], snapshots.cell)
    chosen = (gaps**2).sum(axis=2).argmin(axis=1) if len(places) else np.zeros(0, dtype=np.int64)
    found: IntArray = atoms[chosen]
    return found
