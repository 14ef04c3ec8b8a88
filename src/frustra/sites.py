"""Where a mobile ion can sit: coordination polyhedra of the anion sublattice.

Nothing here needs a reference structure. An ion's polyhedron is the set of anions before the largest
relative gap in its sorted anion distances; the sites of a crystal are the centres of the empty spheres
between its anions (Delaunay circumcentres), merged and labelled by the same rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import Delaunay

from frustra.arrays import Array, IntArray
from frustra.errors import StructureError
from frustra.geometry import minimum_image, nearest_neighbours, with_images, wrap
from frustra.structures import indices_of

SITE_KINDS = ("oct", "tet", "other")
"""Octahedral (six anions), tetrahedral (four) or anything else."""

_SMALLEST, _LARGEST = 3, 8  # coordination numbers that the gap rule may return
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


@dataclass(frozen=True)
class Sites:
    """The interstitial sites of an anion sublattice."""

    positions: Array
    """(n, 3), Å, in the home cell."""
    kind: NDArray[np.str_]
    """(n,) one of `SITE_KINDS`."""
    coordination: IntArray
    """(n,) anions around the site."""

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.positions)


def coordination_of(ions: ArrayLike, anions: ArrayLike, cell: ArrayLike) -> Coordination:
    """Label each ion by its coordination in the anion sublattice.

    The coordination number is the n (3 to 8) with the largest ratio d(n+1)/d(n) of sorted anion
    distances: a parameter-free rule that follows thermal and static distortion of the framework. For an
    ideal close packing the ratio is 1.73 after an octahedron and 1.91 after a tetrahedron.

    Parameters
    ----------
    ions, anions
        Positions (n, 3) and (m, 3), Å.
    cell
        (3, 3), Å.
    """
    ions, anions = np.asarray(ions, dtype=float), np.asarray(anions, dtype=float)
    cell = np.asarray(cell, dtype=float)
    distances, index = nearest_neighbours(ions, anions, cell, _LARGEST + 1)
    ratios = distances[:, _SMALLEST:] / np.maximum(distances[:, _SMALLEST - 1 : -1], 1e-9)
    number = ratios.argmax(axis=1) + _SMALLEST
    bonds = minimum_image(anions[index] - ions[:, None, :], cell)
    member = np.arange(index.shape[1]) < number[:, None]
    centre = ions + (bonds * member[..., None]).sum(axis=1) / number[:, None]
    return Coordination(number.astype(np.int64), _kind_of(number), distances[:, 0], centre)


def _kind_of(number: IntArray) -> NDArray[np.str_]:
    return np.where(number == 6, "oct", np.where(number == 4, "tet", "other"))


def sites_of(atoms: Atoms, anions: Sequence[str]) -> Sites:
    """Find every interstitial site of the anion sublattice.

    Delaunay circumcentres within 0.9 Å are merged; each merged centre is labelled by
    `coordination_of` and moved to the centre of its polyhedron. Sites that hold a framework cation are
    among them.

    Raises
    ------
    StructureError
        Fewer than four anions, from which no polyhedron can be made.
    """
    cell = atoms.cell.array
    points = atoms.positions[indices_of(atoms, *anions)]
    if len(points) < 4:
        raise StructureError(
            f"only {len(points)} anions ({', '.join(anions)}) in the structure",
            "at least four",
            "enlarge `supercell`",
        )
    margin = 2.5 * (abs(np.linalg.det(cell)) / len(points)) ** (1 / 3)
    centres = _empty_sphere_centres(with_images(points, cell, margin).positions)
    centres = _inside(centres, cell)
    centres = _merged(centres, cell, _MERGE)
    centres = _merged(coordination_of(centres, points, cell).centre, cell, _MERGE)
    found = coordination_of(centres, points, cell)
    return Sites(wrap(centres, cell), found.kind, found.number)


def _empty_sphere_centres(points: Array) -> Array:
    corners = points[Delaunay(points).simplices]
    edges = corners[:, 1:] - corners[:, :1]
    volumes = np.abs(np.linalg.det(edges))
    solid = volumes > _SLIVER * np.median(volumes)
    edges, corners = edges[solid], corners[solid]
    offsets = np.linalg.solve(2 * edges, (edges**2).sum(axis=2)[..., None])[..., 0]
    centres: Array = corners[:, 0] + offsets
    return centres


def _inside(points: Array, cell: Array) -> Array:
    """Keep the points of the home cell, with a rim so that none is lost to rounding on a face."""
    fractional = points @ np.linalg.inv(cell)
    return points[np.all((fractional > -0.02) & (fractional < 1.02), axis=1)]


def _merged(points: Array, cell: Array, distance: float) -> Array:
    """Replace every cluster of points by its mean, under periodic boundaries."""
    points = wrap(points, cell)
    i, j = np.triu_indices(len(points), k=1)
    separations = np.linalg.norm(minimum_image(points[j] - points[i], cell), axis=1)
    label = fcluster(linkage(separations, "single"), distance, "distance")
    firsts = points[np.unique(label, return_index=True)[1]][label - 1]
    offsets = minimum_image(points - firsts, cell)
    means = np.stack([np.bincount(label, offsets[:, k])[1:] for k in range(3)], axis=1)
    sizes = np.bincount(label)[1:, None]
    return wrap(points[np.unique(label, return_index=True)[1]] + means / sizes, cell)
