"""The symmetry of the framework, and the mean of a density over it, exact on a grid that fits.

A grid fits if every operation maps its points on its points. With the origin on an element of symmetry the
translations are simple fractions of the cell, so that multiples of their denominators fit.
"""

import warnings
from dataclasses import dataclass, replace
from math import lcm

import numpy as np
import spglib

from frustra.arrays import Array, BoolArray, IntArray

LARGEST = 192
"""Largest denominator of a translation that is looked for: 12 in a crystal's own cell, more in others."""

EXACT = 1e-4
"""Translations that are so near a fraction are that fraction."""

TRIVIAL = "P1 (1)"
"""The space group without symmetry."""


@dataclass(frozen=True)
class Symmetry:
    """Operations x → W x + t that map the cell with its framework on itself."""

    space_group: str
    """Symbol and number of the crystal, such as P-3m1 (164); a supercell may have fewer operations."""
    rotations: IntArray
    """(k, 3, 3) W, for fractional coordinates as columns."""
    translations: Array
    """(k, 3) t, in cell vectors, for coordinates that count from `origin`."""
    operations: int
    """Size of the group. The k operations that are kept generate it: all pure translations, then one for each
    other rotation."""
    origin: Array
    """(3,) in cell vectors: where coordinates count from."""

    @property
    def pure(self) -> BoolArray:
        """(k,) whether it is a translation alone."""
        result: BoolArray = (self.rotations == np.eye(3, dtype=int)).all(axis=(1, 2))
        return result


def no_symmetry() -> Symmetry:
    """Return the group of the identity."""
    return Symmetry(TRIVIAL, np.eye(3, dtype=np.int64)[None], np.zeros((1, 3)), 1, np.zeros(3))


def symmetry_of(cell: Array, places: Array, kinds: IntArray, symprec: float) -> Symmetry:
    """Find the symmetry of atoms by spglib (Togo et al., STAM Methods 4, 2384822, 2024).

    Only operations that map the cell's own lattice on itself count: of a cubic crystal in a box of 1 × 1 × 2
    cells, the tetragonal ones.

    Parameters
    ----------
    cell, places, kinds
        (3, 3), Å; (n, 3) in cell vectors; (n,) atoms of one number are alike.
    symprec
        How far atoms may be from where an operation puts them, Å.
    """
    with warnings.catch_warnings():  # it warns that some day it will raise in place of returning None
        warnings.simplefilter("ignore", DeprecationWarning)
        atoms = (cell.tolist(), places.tolist(), kinds.tolist())
        found = spglib.get_symmetry_dataset(atoms, symprec=symprec)
    if found is None:
        return no_symmetry()
    rotations = np.asarray(found.rotations, dtype=np.int64)
    # in the standard setting, x' = P x + p, translations are fractions; so is P⁻¹ p as an origin
    origin = np.asarray(-np.linalg.solve(found.transformation_matrix, found.origin_shift), dtype=float)
    steps = found.translations - np.einsum("kij,j->ki", np.eye(3) - rotations, origin)
    translations = np.array(steps % 1.0, dtype=float)
    translations[np.abs(steps - np.rint(steps)) < EXACT] = 0.0
    name = f"{found.international} ({found.number})"
    return _generators(Symmetry(name, rotations, translations, len(rotations), origin))


def _generators(group: Symmetry) -> Symmetry:
    pure = np.flatnonzero(group.pure)
    _, first = np.unique(group.rotations.reshape(-1, 9), axis=0, return_index=True)
    others = np.sort(first[~group.pure[first]])
    rows = np.concatenate([pure, others])
    return replace(group, rotations=group.rotations[rows], translations=group.translations[rows])


def fitting_grid(cell: Array, spacing: float, symmetry: Symmetry) -> tuple[int, int, int] | None:
    """Return the coarsest grid with points at most `spacing` (Å) apart that every operation maps on itself.

    Axes that an operation mixes have the same number of points, a multiple of the denominators of all
    translations. None if a translation is not a fraction.
    """
    denominators = [_denominator(symmetry.translations[:, axis]) for axis in range(3)]
    if None in denominators:
        return None
    mixed = (symmetry.rotations != 0).any(axis=0) | np.eye(3, dtype=bool)
    mixed = np.linalg.matrix_power((mixed | mixed.T).astype(int), 2) > 0
    lengths = np.linalg.norm(cell, axis=1)
    points = []
    for axis in range(3):
        alike = np.flatnonzero(mixed[axis])
        unit = lcm(*(denominators[other] or 1 for other in alike))
        points.append(unit * int(np.ceil(lengths[alike].max() / spacing / unit - 1e-9)))
    return points[0], points[1], points[2]


def brought_home(symmetry: Symmetry, shape: tuple[int, int, int]) -> Symmetry:
    """Return the same operations about an origin that is half a point of a fitting grid from zero at most.

    An origin that lies k points away changes t into t + (1 − W) k/n, which is a number of points as well.
    """
    points = np.array(shape)
    away = np.rint(symmetry.origin * points)
    steps = np.einsum("kij,j->ki", np.eye(3) - symmetry.rotations, away / points)
    translations = np.rint((symmetry.translations + steps) * points) % points / points
    return replace(symmetry, translations=translations, origin=symmetry.origin - away / points)


def _denominator(values: Array) -> int | None:
    """Return the smallest number of which all values are multiples of the inverse."""
    for whole in range(1, LARGEST + 1):
        if np.abs(values - np.round(values * whole) / whole).max() < EXACT:
            return whole
    return None


def averaged(values: Array, symmetry: Symmetry) -> Array:
    """Return the mean of a density over the whole group.

    The points of the grid are moved by the operations, so that the sum is kept, and the mean of the mean is
    the mean. The group is every pure translation times every other rotation, one after the other.

    Parameters
    ----------
    values
        (n1, n2, n3) on a grid that fits, whose first point is at the symmetry's origin.
    """
    steps = np.rint(symmetry.translations * np.array(values.shape)).astype(np.int64)
    pure = symmetry.pure
    total = np.zeros(values.shape)
    for step in steps[pure]:
        total += np.roll(values, tuple(step), axis=(0, 1, 2))
    values = total / pure.sum()
    total = values.copy()
    points = np.indices(values.shape).reshape(3, -1)
    for rotation, step in zip(symmetry.rotations[~pure], steps[~pure], strict=True):
        # axes that it mixes have the same number of points: W acts on numbers of points as on coordinates
        target = (rotation @ points + step[:, None]) % np.array(values.shape)[:, None]
        total.ravel()[np.ravel_multi_index(tuple(target), values.shape)] += values.ravel()
    mean: Array = total / (1 + (~pure).sum())
    return mean


def repeats(symmetry: Symmetry) -> tuple[int, int, int]:
    """Return into how many equal parts pure translations along each cell vector divide the cell."""
    counts = []
    for axis in range(3):
        along = symmetry.pure & (np.delete(symmetry.translations, axis, axis=1) == 0).all(axis=1)
        counts.append(int(along.sum()))
    return counts[0], counts[1], counts[2]
