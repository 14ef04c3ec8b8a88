"""What is around every mobile ion of relaxed frames: its polyhedron, other ions, vacancies and cations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frustra.analysis.framework import STRAYED, places_left, rigid_shift
from frustra.arrays import Array, BoolArray, IntArray
from frustra.geometry import minimum_image, nearest_neighbours, perpendicular_heights
from frustra.sites import SITE_KINDS, Sites, Tiling
from frustra.trajectory import Frames, Trajectory
from frustra.visits import Visits

AT_ONCE = 1_000_000
"""Numbers of one kind that are held at once: corners of polyhedra, or sites times frames."""


def environment_of(
    run: Frames, sites: Sites, visits: Visits, specie: str, anions: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return the columns of the StateTable that tell what is around every ion.

    Two sites are neighbours if their polyhedra share a face or an edge. A small cell may hold a site and
    several images of one neighbour: each image counts, as it would in a larger cell.

    Parameters
    ----------
    run
        Relaxed frames.
    sites, visits
        Of the same atoms; the ions' sites in the same frames.
    specie, anions
        The mobile element, and the elements of the anions. All other atoms but hydrogen are framework
        cations.

    Returns
    -------
    dict
        Name of the column → (frames · ions,), all ions of the first frame first.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    step = max(1, AT_ONCE // max(len(sites), 8 * len(visits.ions)))
    links = _Graph(sites)
    for start in range(0, len(visits), step):
        part = run.read(slice(start, start + step))
        place = visits.site[start : start + step].astype(np.int64)
        parts.append(
            {
                **_counts(links, place),
                **_distances(part, visits.ions, specie, anions),
                **_polyhedra(part, sites, place, visits.ions),
            }
        )
    columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return {**_of_the_site(sites, visits.site.astype(np.int64).ravel()), **columns}


def distances_of(run: Frames, ions: IntArray, specie: str, anions: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the same columns for ions that are in no site: only their distances are known.

    Parameters
    ----------
    run
        Relaxed frames.
    ions
        Indices of the atoms.
    specie, anions
        Their element, and the elements of the anions.
    """
    rows = len(run) * len(ions)
    counts = [f"{what}_{kind}" for what in ("near", "vacant") for kind in SITE_KINDS]
    counts += ["coordination", "face_ions", "site_ions", "face_cations", "edge_cations"]
    step = max(1, AT_ONCE // (8 * len(ions)))
    parts = [
        _distances(run.read(slice(start, start + step)), ions, specie, anions)
        for start in range(0, len(run), step)
    ]
    return {
        "site": np.full(rows, "other"),
        **{name: np.full(rows, "") for name in ("label", "anions")},
        **{name: np.full(rows, -1) for name in ("place", "layer")},
        **{name: np.zeros(rows, dtype=np.int64) for name in counts},
        **{name: np.full(rows, np.nan) for name in ("mean_anion", "off_centre")},
        **{name: np.concatenate([p[name] for p in parts]) for name in parts[0]},
    }


def _of_the_site(sites: Sites, place: IntArray) -> dict[str, NDArray[Any]]:
    """Return what a site is whoever is in it; an ion in none has no coordination."""
    return {
        "site": np.append(sites.kind, "other")[place],
        "coordination": np.append(sites.coordination, 0)[place],
        "place": place,
        "label": np.append(sites.label, "")[place],
        "layer": np.append(sites.layer, -1)[place],
    }


class _Graph:
    """Which sites are neighbours, as matrices that count (every image of) them."""

    def __init__(self, sites: Sites) -> None:
        first, second = sites.links.pairs.T
        n = len(sites)
        rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
        face = np.tile(sites.links.shared > 2, 2)

        def counted(chosen: BoolArray) -> Any:
            ones = np.ones(int(chosen.sum()), dtype=np.int64)
            return csr_array((ones, (rows[chosen], columns[chosen])), shape=(n, n))

        self.sites = n
        self.open = sites.open
        self.face, self.edge = counted(face), counted(~face)
        self.of_kind = {k: counted(sites.kind[columns] == k) for k in SITE_KINDS}


def _counts(links: _Graph, place: IntArray) -> dict[str, NDArray[Any]]:
    """Return how many ions, vacancies and cations are in neighbouring sites; none around an ion in none.

    Parameters
    ----------
    place
        (frames, ions).
    """
    frames, n = len(place), links.sites
    inside = place >= 0
    number = np.arange(frames)[:, None] * n + place
    ions = np.bincount(number[inside], minlength=frames * n).reshape(frames, n).T
    empty = (links.open[:, None] & (ions == 0)).astype(np.int64)
    cations = (~links.open).astype(np.int64)
    frame = np.broadcast_to(np.arange(frames)[:, None], place.shape)

    def around(values: IntArray) -> IntArray:
        found: IntArray = np.where(inside, values[place, frame] if values.ndim > 1 else values[place], 0)
        return found.ravel()

    near = {f"near_{k}": around(links.of_kind[k] @ ions) for k in SITE_KINDS}
    vacant = {f"vacant_{k}": around(links.of_kind[k] @ empty) for k in SITE_KINDS}
    return {
        **near,
        **vacant,
        "face_ions": around(links.face @ ions),
        "site_ions": around(ions - 1),
        "face_cations": around(links.face @ cations),
        "edge_cations": around(links.edge @ cations),
    }


def _distances(
    part: Trajectory, ions: IntArray, specie: str, anions: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return the distances to the nearest anion, other mobile ion and framework cation, frame by frame."""
    symbols = np.array(part.symbols)
    others = ~np.isin(symbols, [*anions, specie, "H"])
    whom = {
        "nearest_anion": np.flatnonzero(np.isin(symbols, anions)),
        "nearest_ion": ions,
        "nearest_cation": np.flatnonzero(others),
    }
    found = {name: np.full((len(part), len(ions)), np.nan) for name in whom}
    for name, atoms in whom.items():
        itself = int(np.isin(ions, atoms).any())  # the nearest of an ion's own kind is itself
        for t in range(len(part) if len(atoms) else 0):
            positions, cell = part.positions[t], part.cells[t]
            around = nearest_neighbours(positions[ions], positions[atoms], cell, 1 + itself)
            found[name][t] = around.distances[:, itself]
    return {name: values.ravel() for name, values in found.items()}


@dataclass(frozen=True)
class Corners:
    """The vertices of every site, as many columns as the largest polyhedron has."""

    rows: IntArray
    """(n, k) rows of `Tiling.anions`."""
    shifts: IntArray
    """(n, k, 3) cell vectors added to the anion's position."""
    member: BoolArray
    """(n, k) False in the columns that a smaller polyhedron does not need."""


def corners_of(tiling: Tiling, chosen: IntArray | None = None) -> Corners:
    """Return the vertices of the home copy of every site, or of the chosen ones, each once."""
    count = len(tiling.triangles) if chosen is None else len(chosen)
    found = []
    for site in np.arange(count) if chosen is None else chosen:
        faces = slice(None, tiling.triangles[site])
        rows = tiling.corners[site, faces].reshape(-1, 1)
        shifts = tiling.shifts[site, faces].reshape(-1, 3)
        found.append(np.unique(np.concatenate([rows, shifts], axis=1), axis=0))
    most = max(len(f) for f in found)
    table = np.zeros((count, most, 4), dtype=np.int64)
    for site, corners in enumerate(found):
        table[site, : len(corners)] = corners
    member = np.arange(most) < np.array([len(f) for f in found])[:, None]
    return Corners(table[..., 0], table[..., 1:], member)


def placed_anions(part: Trajectory, sites: Sites, tiling: Tiling) -> tuple[Array, IntArray]:
    """Return where the vertices of the tiling are in every frame, and which atoms they are.

    Each is in the image nearest its place in the crystal that the sites were made of, moved by the rigid
    shift of the frame; where an anion has gone to another's place, the one that took its own stands in.

    Returns
    -------
    tuple
        (frames, a, 3), fractional; (frames, a) indices among the atoms of the run.
    """
    reference = tiling.reference @ np.linalg.inv(sites.cell)
    near = nearest_neighbours(tiling.reference, tiling.reference, sites.cell, 2)
    reach = STRAYED * float(np.median(near.distances[:, 1]))
    places = np.empty((len(part), *reference.shape))
    who = np.tile(tiling.anions, (len(part), 1))
    for t in range(len(part)):
        cell = part.cells[t]
        fractional = part.positions[t, tiling.anions] @ np.linalg.inv(cell)
        shift = rigid_shift(fractional, reference)
        offset = fractional - shift - reference
        offset -= np.round(offset)
        places[t] = reference + offset + shift
        if (((offset @ cell) ** 2).sum(axis=1) > reach**2).any():
            places[t] = places_left(fractional, reference + shift, cell, reach)
            same = nearest_neighbours(places[t] @ cell, fractional @ cell, cell, 1)
            who[t] = tiling.anions[same.index[:, 0]]
    return places, who


def _polyhedra(part: Trajectory, sites: Sites, place: IntArray, ions: IntArray) -> dict[str, NDArray[Any]]:
    """Return the kinds of the vertices around every ion, their mean distance and how far it is off centre."""
    if sites.tiling is None or (place < 0).all():
        unknown = np.full(place.size, np.nan)
        return {"anions": np.full(place.size, ""), "mean_anion": unknown, "off_centre": unknown}
    corners = corners_of(sites.tiling)
    places, who = placed_anions(part, sites, sites.tiling)
    frame = np.arange(len(place))[:, None, None]
    rows, member = corners.rows[place], corners.member[place] & (place >= 0)[..., None]
    vertices = (places[frame, rows] + corners.shifts[place]) @ part.cells[:, None]
    weights = member / np.maximum(member.sum(axis=2, keepdims=True), 1)
    centre = np.einsum("fik,fikc->fic", weights, vertices)
    # the image of the polyhedron that holds an ion is the one whose centre is nearest to it
    offset = part.positions[:, ions] - centre
    away = np.stack([_shortest(v, cell) for v, cell in zip(offset, part.cells, strict=True)])
    bonds = np.linalg.norm(vertices - (centre + away)[:, :, None], axis=3)
    nowhere = place.ravel() < 0
    mean, off = (weights * bonds).sum(axis=2).ravel(), np.linalg.norm(away, axis=2).ravel()
    return {
        "anions": _spelt(part.numbers[who[frame, rows]], member),
        "mean_anion": np.where(nowhere, np.nan, mean),
        "off_centre": np.where(nowhere, np.nan, off),
    }


def _shortest(vectors: Array, cell: Array) -> Array:
    """Return the minimum image of vectors (n, 3), Å, faster than `minimum_image` where all are short."""
    inverse = np.linalg.inv(cell)
    short = vectors - np.round(vectors @ inverse) @ cell
    # no lattice vector is shorter than the least height of the cell
    long = 4 * (short**2).sum(axis=1) > perpendicular_heights(cell).min() ** 2
    short[long] = minimum_image(short[long], cell)
    return short


def _spelt(numbers: IntArray, member: BoolArray) -> NDArray[np.str_]:
    """Return the elements of the vertices with their numbers, such as Br2Cl4, in alphabetical order.

    Parameters
    ----------
    numbers, member
        (frames, ions, k) atomic numbers, and which of the k are vertices.
    """
    kinds = sorted(np.unique(numbers[member]).tolist(), key=lambda z: chemical_symbols[z])
    counts = np.stack([((numbers == z) & member).sum(axis=2).ravel() for z in kinds], axis=1)
    rows, which = np.unique(counts, axis=0, return_inverse=True)
    names = [
        "".join(f"{chemical_symbols[z]}{n}" for z, n in zip(kinds, row, strict=True) if n)
        for row in rows.tolist()
    ]
    return np.array(names)[which.reshape(-1)]
