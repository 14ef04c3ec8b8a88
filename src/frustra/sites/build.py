"""The sites of a crystal: the polyhedra of its anions, with what holds them and what they touch."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from frustra.arrays import Array, IntArray
from frustra.errors import StructureError
from frustra.sites.delaunay import canonical, tetrahedra_of
from frustra.sites.labels import labels_of
from frustra.sites.layers import layers_of
from frustra.sites.locate import Mover, walked
from frustra.sites.merge import merged
from frustra.sites.record import Links, Sites, Tiling
from frustra.sites.shapes import Shape, tiling_of, volumes_of
from frustra.sites.symmetry import SYMMETRY, orbits_of
from frustra.structures import formula, indices_of


def sites_of(
    atoms: Atoms, anions: Sequence[str], specie: str | None = None, symmetry: float = SYMMETRY
) -> Sites:
    """Find every interstitial site of the anion sublattice.

    The Delaunay tetrahedra of the anions, under periodic boundaries, are merged into polyhedra wherever
    several of them have nearly the same circumscribed sphere (see `merged`). The polyhedra fill space; those
    that hold a framework cation are among them.

    Parameters
    ----------
    atoms
        The crystal, or the mean positions of a run's atoms.
    anions
        Elements whose atoms are the vertices. Of a polyatomic anion these are either its outer atoms (the S
        of PS4, whose P is then a cation that holds a site), or its centre (the B of BH4).
    specie
        The mobile element, which is no part of the framework. None if all other atoms are framework.
    symmetry
        How far atoms may be off their symmetric places, Å.

    Raises
    ------
    StructureError
        No anions, or anions at one place.
    """
    anion = indices_of(atoms, *anions)
    cell, points = atoms.cell.array, atoms.positions[anion]
    if len(anion) == 0:
        raise StructureError(f"no {' or '.join(anions)} in {formula(atoms)}", "anions", "correct `anions`")
    tetrahedra = tetrahedra_of(points, cell)
    tiling, tables = tiling_of(tetrahedra, merged(tetrahedra, points, cell), anion, points, cell)
    shapes = [Shape(points[t[:, 0]] + t[:, 1:] @ cell) for t in tables]
    positions = np.array([s.centre for s in shapes])
    held = _held(atoms, anions, specie, tiling, positions)
    kind = np.array([s.kind for s in shapes])
    coordination = np.array([len(t) for t in tables])
    vertices = [np.unique(anion[t[:, 0]]) for t in tables]
    contacts = _contacts(tables)
    layer, axis = layers_of(positions, kind, held, cell)
    orbit, wyckoff = orbits_of(_framework(atoms, specie), positions, kind, symmetry)
    return Sites(
        positions=positions,
        cell=np.array(cell),
        kind=kind,
        coordination=coordination,
        shape=np.array([s.shape for s in shapes]),
        volume=volumes_of(tiling, positions, cell),
        distortion=np.array([s.distortion for s in shapes]),
        vertices=vertices,
        held=held,
        label=labels_of(kind, held, contacts),
        orbit=orbit,
        wyckoff=wyckoff,
        layer=layer,
        layer_axis=axis,
        links=contacts.select(contacts.shared > 1),
        tiling=tiling,
    )


def _framework(atoms: Atoms, specie: str | None) -> Atoms:
    fixed: Atoms = atoms[np.array(atoms.get_chemical_symbols()) != specie]
    return fixed


def _held(
    atoms: Atoms, anions: Sequence[str], specie: str | None, tiling: Tiling, positions: Array
) -> NDArray[np.str_]:
    """Return the framework cation in each site; hydrogen is a part of an anion."""
    cell = atoms.cell.array
    others = np.flatnonzero(~np.isin(atoms.symbols, [*anions, specie or "", "H"]))
    held = np.zeros(len(positions), dtype="U8")
    if len(others) == 0:
        return held
    site, _, _ = placed(tiling, positions, cell, atoms.positions[others])
    for number in np.unique(site):
        held[number] = "+".join(sorted(atoms.symbols[i] for i in others[site == number]))
    return held


def placed(
    tiling: Tiling, positions: Array, cell: Array, points: Array
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Return site and image of points among the anions at their reference places, and whether it is sure."""
    image = np.floor((points - positions[0]) @ np.linalg.inv(cell)).astype(np.int64)
    site, frame = np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=np.int64)
    sure = walked(Mover(tiling).to(tiling.reference[None], cell[None]), points, frame, site, image)
    return site, image, sure


def _contacts(vertices: Sequence[IntArray]) -> Links:
    """Return the pairs of sites with a vertex in common, or several."""
    owner = np.repeat(np.arange(len(vertices)), [len(v) for v in vertices])
    table = np.concatenate(vertices)
    order = np.argsort(table[:, 0], kind="stable")
    owner, table = owner[order], table[order]
    blocks = np.split(np.arange(len(owner)), np.flatnonzero(np.diff(table[:, 0])) + 1)
    first, second = (
        np.concatenate(v) for v in zip(*(np.triu_indices(len(b), 1) for b in blocks), strict=True)
    )
    begin = np.concatenate([np.full(len(b) * (len(b) - 1) // 2, b[0]) for b in blocks])
    i, j = owner[first + begin], owner[second + begin]
    # both own the vertex where the second is moved by the difference of the vertex's shifts
    shift = table[first + begin, 1:] - table[second + begin, 1:]
    pairs, places, _ = canonical(np.stack([i, j], axis=1), np.stack([0 * shift, shift], axis=1))
    keys = np.concatenate([pairs, places[:, 1] - places[:, 0]], axis=1)
    unique, count = np.unique(keys, axis=0, return_counts=True)
    itself = (unique[:, 0] == unique[:, 1]) & (unique[:, 2:] == 0).all(axis=1)
    return Links(unique[~itself, :2], unique[~itself, 2:], count[~itself])
