"""Which sites are equivalent under the symmetry of the framework."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from frustra.arrays import Array, IntArray
from frustra.geometry import clusters, nearest_neighbours

SYMMETRY = 0.1
"""Å: how far atoms may be off their symmetric places."""

TOLERANCES = (1.0, 0.5, 0.2, 0.05)
"""Parts of the tolerance that are tried one after the other: spglib finds no group with some."""

SAME = 0.3
"""Å: sites that translations bring so near to each other are one; more if the tolerance is larger."""

DUMMY = 200
"""Number of the first kind of site where atoms are numbered by element."""

MANY = 1000
"""Atoms and sites of a conventional cell from which on nobody asks for Wyckoff letters."""

Classes = tuple[IntArray, NDArray[np.str_]]


def orbits_of(
    framework: Atoms, positions: Array, kind: NDArray[np.str_], symmetry: float = SYMMETRY
) -> Classes:
    """Return the class of every site under the symmetry of the framework, and its Wyckoff position.

    The space group is found by spglib (Togo et al., STAM Methods 4, 2384822, 2024). All of its operations
    count, also those that do not map a supercell on itself.

    Parameters
    ----------
    framework
        Atoms without the mobile ones.
    positions, kind
        (n, 3), Å, and (n,) of the sites.
    symmetry
        How far atoms may be off their symmetric places, Å.

    Returns
    -------
    tuple
        (n,) class, numbered by the first site of each; and (n,) the multiplicity in the conventional cell
        with the Wyckoff letter, such as 6g; empty where there is no more symmetry than translations.
    """
    cell = framework.cell.array
    for part in TOLERANCES:
        group = _dataset(cell, framework.get_scaled_positions(), framework.numbers, part * symmetry)
        found = (
            None if group is None else _orbits(group, positions @ np.linalg.inv(cell), kind, part * symmetry)
        )
        if found is not None:
            return found
    return np.arange(len(positions)), np.full(len(positions), "")


def space_group_of(framework: Atoms, symmetry: float = SYMMETRY) -> str:
    """Return the space group of a framework, such as `P-3m1 (164)`; empty where spglib finds none."""
    for part in TOLERANCES:
        places = framework.get_scaled_positions()
        found = _dataset(framework.cell.array, places, framework.numbers, part * symmetry)
        if found is not None:
            return f"{found.international} ({found.number})"
    return ""


def _dataset(cell: Array, places: Array, numbers: IntArray, tolerance: float) -> Any:
    """Return spglib's dataset; None where it finds no group, which it tells in one way or another."""
    atoms = (cell.tolist(), places.tolist(), numbers.tolist())
    with _quiet():
        try:
            return spglib.get_symmetry_dataset(atoms, symprec=tolerance)
        except spglib.SpglibError:
            return None


def _operations(hall_number: int) -> tuple[IntArray, Array]:
    """Return rotations (k, 3, 3) and translations (k, 3) of a space group in its conventional cell."""
    with _quiet():
        found: Any = spglib.get_symmetry_from_database(hall_number)
    return np.asarray(found["rotations"], dtype=np.int64), np.asarray(found["translations"], dtype=float)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep spglib from telling that some day it will raise where it now returns None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _orbits(group: Any, fractional: Array, kind: NDArray[np.str_], tolerance: float) -> Classes | None:
    """Return classes and Wyckoff positions; None where the sites have not the symmetry of the framework."""
    same, cell = max(SAME, 3 * tolerance), np.asarray(group.std_lattice)
    label, places = _folded(group, fractional, same)
    kinds = kind[np.unique(label[: len(kind)], return_index=True)[1]]
    if (kinds[label[: len(kind)]] != kind).any() or label.max() + 1 != len(kinds):
        return None
    targets, sums = [], np.zeros_like(places)
    for rotation, translation in zip(*_operations(group.hall_number), strict=True):
        moved = places @ rotation.T + translation
        found = nearest_neighbours(moved @ cell, places @ cell, cell, 1)
        target = found.index[:, 0]
        if found.distances.max() > 2 * same or (kinds[target] != kinds).any():
            return None
        offset = moved - places[target]
        sums[target] += offset - np.round(offset)
        targets.append(target)
    orbit = _components(np.stack(targets, axis=1))
    letters = _letters(group, places + sums / len(targets), orbit, tolerance)
    mine = label[: len(kind)]
    _, first, number = np.unique(orbit[mine], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number].astype(np.int64), letters[mine]


def _folded(group: Any, fractional: Array, same: float) -> tuple[IntArray, Array]:
    """Return the sites in the conventional cell: which one each is, and (places, 3) where they are.

    The first labels are those of the sites as they were given; those of their images in other cells follow,
    which a conventional cell has that is larger than a primitive one.
    """
    matrix, cell = np.asarray(group.transformation_matrix), np.asarray(group.std_lattice)
    parts = next(d for d in range(1, 13) if np.allclose(matrix * d, np.rint(matrix * d), atol=0.01))
    shifts = np.array(list(product(range(parts), repeat=3)))
    images = (fractional[None] + shifts[:, None]).reshape(-1, 3) @ matrix.T + group.origin_shift
    label, centres = clusters(images @ cell, cell, same)
    return label, centres @ np.linalg.inv(cell)


def _letters(group: Any, places: Array, orbit: IntArray, tolerance: float) -> NDArray[np.str_]:
    """Return multiplicity and letter of each place in the conventional cell.

    In many groups the letters depend on which of several equivalent origins is taken, and spglib's choice on
    how the crystal is shifted; here it is the one with the first letters for the framework.
    """
    atoms = len(group.std_types)
    numbers = np.concatenate([group.std_types, DUMMY + orbit])
    both = np.concatenate([group.std_positions, places])
    count = np.bincount(orbit)[orbit]
    best: tuple[tuple[int, str], ...] | None = None
    letters = np.full(len(places), "")
    for shift in product((0.0, 0.5), repeat=3) if group.number > 1 and len(both) < MANY else ():
        found = _dataset(np.asarray(group.std_lattice), both + np.array(shift), numbers, tolerance)
        if found is None or found.number != group.number:
            continue
        rank = tuple(sorted(zip(group.std_types.tolist(), found.wyckoffs[:atoms], strict=True), reverse=True))
        if best is None or rank < best:
            best = rank
            named = zip(count, found.wyckoffs[atoms:], strict=True)
            letters = np.array([f"{m}{w}" for m, w in named])
    return letters


def _components(targets: IntArray) -> IntArray:
    """Return a number for each set of places that operations, (places, operations), take into each other."""
    count = len(targets)
    rows = np.repeat(np.arange(count), targets.shape[1])
    graph = coo_array((np.ones(targets.size), (rows, targets.ravel())), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    return np.asarray(label, dtype=np.int64)
