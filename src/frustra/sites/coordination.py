"""The polyhedron around an ion, from its distances to the anions alone.

It is the set of anions before the largest relative gap in the sorted distances.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import ArrayLike, NDArray

from frustra.arrays import Array, BoolArray, IntArray
from frustra.geometry import nearest_neighbours
from frustra.structures import indices_of

_SMALLEST, _LARGEST = 3, 8  # coordination numbers that the gap rule may return
_SPARE = 5  # further neighbours looked at, because size can change their order
_MERGE = 0.9  # Å: circumcentres closer than this belong to one polyhedron
_SLIVER = 0.05  # tetrahedra below this fraction of the median volume have no meaningful centre


class Coordination(NamedTuple):
    """The polyhedron around each ion."""

    number: IntArray
    """(n,) anions in the polyhedron."""
    kind: NDArray[np.str_]
    """(n,) one of `SITE_KINDS`."""
    nearest: Array
    """(n,) distance to the nearest anion, Å."""
    centre: Array
    """(n, 3) mean position of the polyhedron's anions, Å, in the image nearest the ion."""


def coordination_of(
    ions: ArrayLike, anions: ArrayLike, cell: ArrayLike, radii: ArrayLike | None = None
) -> Coordination:
    """Label each ion by its coordination in the anion sublattice.

    The coordination number is the n (3 to 8) with the largest ratio d(n+1)/d(n) of sorted anion
    distances: a parameter-free rule that follows thermal and static distortion of the framework. For an
    ideal close packing the ratio is 1.73 after an octahedron and 1.91 after a tetrahedron. An ion near the
    face of a tetrahedron, which so has three or five neighbours, is tetrahedral if it is inside it.

    Parameters
    ----------
    ions, anions
        Positions (n, 3) and (m, 3), Å.
    cell
        (3, 3), Å.
    radii
        (m,) expected ion–anion distances, Å; distances are compared in units of them, so that a large
        anion at its own bond length counts as much as a small one. All alike if not given.
    """
    anions = np.asarray(anions, dtype=float)
    around = nearest_neighbours(ions, anions, cell, _LARGEST + _SPARE)
    expected = np.ones(len(anions)) if radii is None else np.asarray(radii, dtype=float)
    scaled = around.distances / expected[around.index]
    order = np.argsort(scaled, axis=1, kind="stable")[:, : _LARGEST + 1]
    scaled = np.take_along_axis(scaled, order, axis=1)
    ratios = scaled[:, _SMALLEST:] / np.maximum(scaled[:, _SMALLEST - 1 : -1], 1e-9)
    number = ratios.argmax(axis=1) + _SMALLEST
    bonds = np.take_along_axis(around.vectors, order[..., None], axis=1)
    member = np.arange(order.shape[1]) < number[:, None]
    centre = np.asarray(ions, dtype=float) + (bonds * member[..., None]).sum(axis=1) / number[:, None]
    kind = np.where(_in_tetrahedron(bonds[:, :4]) & np.isin(number, (3, 5)), "tet", _kind_of(number))
    return Coordination(number.astype(np.int64), kind, around.distances[:, 0], centre)


def coordination_in(atoms: Atoms, specie: str, anions: Sequence[str]) -> Coordination:
    """Label every ion of an element by its coordination; anions of different size count alike.

    Expected distances are sums of covalent radii.
    """
    framework = indices_of(atoms, *anions)
    radii = covalent_radii[atoms.numbers[framework]] + covalent_radii[atomic_numbers[specie]]
    mobile = indices_of(atoms, specie)
    return coordination_of(atoms.positions[mobile], atoms.positions[framework], atoms.cell.array, radii)


def _in_tetrahedron(bonds: Array) -> BoolArray:
    """Return whether each ion is inside a regular enough tetrahedron of four anions.

    The longest edge may be 1.25 times the shortest: four corners of an octahedron are not a
    tetrahedron, their longest edge is √2 times the shortest.

    Parameters
    ----------
    bonds
        (n, 4, 3), Å, from the ion to the anions.
    """
    i, j = np.triu_indices(4, k=1)
    edges = np.linalg.norm(bonds[:, i] - bonds[:, j], axis=2)
    regular = edges.max(axis=1) < 1.25 * edges.min(axis=1)
    whole = np.linalg.det(bonds[:, 1:] - bonds[:, :1])
    without = [np.linalg.det(np.delete(bonds, corner, axis=1)) for corner in range(4)]
    parts = np.abs(np.array(without)).sum(axis=0)  # they fill the whole only from the inside
    inside: BoolArray = regular & (parts < np.abs(whole) * (1 + 1e-6))
    return inside


def _kind_of(number: IntArray) -> NDArray[np.str_]:
    return np.where(number == 6, "oct", np.where(number == 4, "tet", "other"))
