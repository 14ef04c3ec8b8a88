"""Which sites are equivalent under the symmetry of the framework."""

import warnings
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from frustra.arrays import Array, IntArray
from frustra.geometry import nearest_neighbours

SYMMETRY = 0.1
"""Å: how far atoms may be off their symmetric places."""

TOLERANCES = (1.0, 0.5, 0.2, 0.05)
"""Parts of the tolerance that are tried one after the other: spglib finds no group with some."""


def orbits_of(
    framework: Atoms, positions: Array, kind: NDArray[np.str_], symmetry: float = SYMMETRY
) -> tuple[IntArray, NDArray[np.str_]]:
    """Return the class of every site under the symmetry of the framework, and its Wyckoff position.

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
    for part in TOLERANCES:
        found = _orbits(framework, positions, kind, part * symmetry)
        if found is not None:
            return found
    return np.arange(len(positions)), np.full(len(positions), "")


def _orbits(
    framework: Atoms, positions: Array, kind: NDArray[np.str_], tolerance: float
) -> tuple[IntArray, NDArray[np.str_]] | None:
    cell = framework.cell.array
    inverse = np.linalg.inv(cell)
    fixed = (cell, framework.positions @ inverse, framework.numbers)
    group = _dataset(fixed, tolerance)
    if group is None:
        return None
    if len(group.rotations) == 1:
        return np.arange(len(positions)), np.full(len(positions), "")
    # the mean over a group is that over its translations and then over one operation for each rotation
    pure = (group.rotations == np.eye(3, dtype=int)).all(axis=(1, 2))
    _, distinct = np.unique(group.rotations.reshape(-1, 9), axis=0, return_index=True)
    centred, links = positions @ inverse, []
    for rows in (np.flatnonzero(pure), distinct):
        operations = list(zip(group.rotations[rows], group.translations[rows], strict=True))
        mapped = _mapped(centred, cell, kind, operations, 5 * tolerance)
        if mapped is None:
            return np.arange(len(positions)), np.full(len(positions), "")
        links.append(mapped[0])
        centred = mapped[1]
    orbit = _components(np.concatenate(links, axis=1))
    numbers = np.concatenate([framework.numbers, 200 + orbit])
    both = (cell, np.concatenate([fixed[1], centred]), numbers)
    dataset = _dataset(both, tolerance)
    if dataset is None or dataset.number == 1:
        return orbit, np.full(len(positions), "")
    letters = np.array(dataset.wyckoffs)[len(framework) :]
    primitive = abs(np.linalg.det(dataset.std_lattice)) / abs(np.linalg.det(cell))
    count = np.rint(np.bincount(orbit)[orbit] * primitive).astype(int)
    return orbit, np.array([f"{m}{w}" for m, w in zip(count, letters, strict=True)])


def _dataset(atoms: tuple[Array, Array, IntArray], tolerance: float) -> Any:
    """Return spglib's dataset; None where it finds no group, which it tells in one way or another."""
    cell, places, numbers = atoms
    with warnings.catch_warnings():  # it warns that some day it will raise in place of returning None
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return spglib.get_symmetry_dataset(
                (cell.tolist(), places.tolist(), numbers.tolist()), symprec=tolerance
            )
        except spglib.SpglibError:
            return None


def _mapped(
    fractional: Array,
    cell: Array,
    kind: NDArray[np.str_],
    operations: list[tuple[IntArray, Array]],
    near: float,
) -> tuple[IntArray, Array] | None:
    """Return where operations take each site, (n, operations), and every site's mean over what comes to it.

    None where an operation takes a site to a place where there is none, or one of another kind.
    """
    targets, sums = [], np.zeros((len(fractional), 3))
    for rotation, translation in operations:
        moved = fractional @ rotation.T + translation
        found = nearest_neighbours(moved @ cell, fractional @ cell, cell, 1)
        target = found.index[:, 0]
        if found.distances.max() > max(near, 0.3) or (kind[target] != kind).any():
            return None
        offset = moved - fractional[target]
        sums[target] += offset - np.round(offset)
        targets.append(target)
    return np.stack(targets, axis=1), fractional + sums / len(operations)


def _components(targets: IntArray) -> IntArray:
    """Return a number for each set of sites that operations take into each other, by its first site."""
    count = len(targets)
    rows = np.repeat(np.arange(count), targets.shape[1])
    graph = coo_array((np.ones(targets.size), (rows, targets.ravel())), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    _, first, orbit = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[orbit].astype(np.int64)
