"""Inherent structures: which relaxed frames are the same one, and which ions left the basin they were in."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.spatial import cKDTree

from frustra.analysis.assignment import visits_of
from frustra.analysis.framework import rigid_shift
from frustra.analysis.sampling import relaxed_frames
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError
from frustra.geometry import nearest_neighbours, with_images, wrap
from frustra.sites import Sites
from frustra.snapshots import Snapshots

SAME_PLACE = 0.2
"""Å: atoms of two relaxed frames that are further apart, after the drift is taken off, are not the same."""

REACH = 2 * SAME_PLACE
"""Å within which a partner is sought before the rest of the drift is known."""

SOFTNESS = 0.1
"""Å²/eV: unrelaxed forces up to fmax leave an energy of at most about this times fmax² per atom."""

ENERGY_FLOOR = 1e-3
"""eV by which the same structure may differ whatever its forces: what single precision and printing leave."""

LEVER = 1.0
"""Å: unrelaxed forces up to fmax shift a per-atom energy, which is no minimum, by about this times fmax."""

NOT_RELAXED = -1
"""Number of a frame that did not converge: it is at no inherent structure."""


def left_basin(snapshots: Snapshots, atoms: IntArray, sites: Sites | None = None) -> BoolArray:
    """Return which ions the relaxation moved out of the basin that they vibrated in, (frames, ions).

    Flagged is an ion that moved by more than half the distance from its site to the nearest other site that
    may take an ion. Its site is the one that holds it in the frame before the relaxation. For an atom
    in none, such as an anion, the atoms of its own element in that frame are the sites.

    Parameters
    ----------
    snapshots
        Relaxed frames. If they do not tell where their atoms came from (`moved`), the site is the one
        that an ion is in at the end.
    atoms
        (ions,) indices; with sites, all atoms of one element.
    sites
        Of this crystal; None if the atoms have none.
    """
    started = _started(snapshots)
    half = _half_to_alike(started, atoms)
    if sites is not None:
        frames = relaxed_frames(started)
        place = visits_of(frames, sites, frames.symbols[atoms[0]]).site
        half = np.where(place >= 0, _half_to_site(sites, snapshots.cell)[place], half)
    moved: BoolArray = snapshots.displacements[:, atoms] > half
    return moved


def _started(snapshots: Snapshots) -> Snapshots:
    """Return the frames as they were before the relaxation, where that is known."""
    if snapshots.moved is None:
        return snapshots
    return replace(snapshots, positions=snapshots.positions - snapshots.moved)


def _half_to_site(sites: Sites, cell: Array) -> Array:
    """Return half the distance of each site to the nearest other open one, Å, in a strained cell."""
    positions = sites.positions @ np.linalg.inv(sites.cell) @ cell
    free = sites.open if sites.open.any() else np.ones(len(sites), dtype=bool)
    near = nearest_neighbours(positions, positions[free], cell, 2).distances
    half: Array = np.where(free, near[:, 1], near[:, 0]) / 2  # the nearest of a free site is itself
    return half


def _half_to_alike(frames: Snapshots, atoms: IntArray) -> Array:
    """Return half the distance of each atom to the nearest of its element, (frames, atoms), Å."""
    half = np.empty((len(frames), len(atoms)))
    for z in np.unique(frames.numbers[atoms]):
        chosen, alike = np.flatnonzero(frames.numbers[atoms] == z), np.flatnonzero(frames.numbers == z)
        for t, positions in enumerate(frames.positions):
            near = nearest_neighbours(positions[atoms[chosen]], positions[alike], frames.cell, 2)
            half[t, chosen] = near.distances[:, 1] / 2
    return half


def inherent_structures(parts: Sequence[Snapshots], specie: str | None = None) -> list[IntArray]:
    """Return the number of the inherent structure of each relaxed frame; the first found is 0.

    Two frames are the same structure if every atom of one lies within `SAME_PLACE` of an atom of the same
    element in the other, one to one, after the whole was shifted rigidly: ions that changed places, atoms
    in other cells and a drift make no difference. The drift is that of the atoms that kept their places: a
    structure moved by a lattice vector of the crystal within a larger cell is another one. Only frames are
    compared whose energies differ by less than `ENERGY_FLOOR` + `SOFTNESS` · atoms · fmax², with the largest
    fmax of all. They are gone through in the order of their energies, so that time grows with the frames
    times the structures within that range, and memory with the frames.

    Parameters
    ----------
    parts
        Of one temperature: the same atoms in the same order. Frames in different cells are different.
    specie
        The mobile element, whose atoms do not tell the drift. By default all atoms do, and then more than
        half of them must have kept their places.

    Returns
    -------
    list
        For each part (frames,); `NOT_RELAXED` for a frame that did not converge.

    Raises
    ------
    DataError
        No parts, or parts of other atoms.
    """
    _require_alike(parts)

    def made(part: int, frame: int) -> _Structure:
        return _structure(parts, part, frame, specie)

    return _numbered(parts, made)


def symmetry_classes(parts: Sequence[Snapshots]) -> list[IntArray]:
    """Return the number of the class of each relaxed frame by its levels alone; the first found is 0.

    Two frames are of one class if their total energies agree as for `inherent_structures`, and the sorted
    per-atom energies of each element to within `ENERGY_FLOOR` + `LEVER` · fmax. Structures that a symmetry of
    the crystal maps on each other are, and others hardly ever: this is a weaker statement than the same
    structure.

    Parameters, returned values and errors are those of `inherent_structures`.
    """
    _require_alike(parts)
    numbers = parts[0].numbers
    rows = [np.flatnonzero(numbers == z) for z in np.unique(numbers)]
    near = ENERGY_FLOOR + LEVER * _largest_force(parts)

    def made(part: int, frame: int) -> _Levels:
        of = parts[part].atomic_energies[frame]
        levels = np.concatenate([np.sort(of[r]) for r in rows])
        return _Levels(float(parts[part].energies[frame]), levels, near)

    return _numbered(parts, made)


def _require_alike(parts: Sequence[Snapshots]) -> None:
    if not parts:
        raise DataError("no snapshots to compare", "at least one part")
    if any(not np.array_equal(p.numbers, parts[0].numbers) for p in parts):
        raise DataError("snapshots of different crystals", "the same atoms in the same order")


class _Comparable(Protocol):
    """What is told apart: something with an energy."""

    @property
    def energy(self) -> float:
        """Total energy, eV."""
        ...

    def is_same(self, other: Any, /) -> bool:
        """Return whether the other is the same."""
        ...


def _numbered(parts: Sequence[Snapshots], made: Callable[[int, int], _Comparable]) -> list[IntArray]:
    """Compare every converged frame with those different ones whose energies are within the tolerance."""
    found = [np.full(len(p), NOT_RELAXED, dtype=np.int64) for p in parts]
    tolerance = ENERGY_FLOOR + SOFTNESS * parts[0].numbers.size * _largest_force(parts) ** 2
    known: deque[tuple[int, _Comparable]] = deque()
    count = 0
    for part, frame in _by_energy(parts):
        one = made(part, frame)
        while known and one.energy - known[0][1].energy > tolerance:
            known.popleft()
        same = next((number for number, other in known if other.is_same(one)), None)
        if same is None:
            same, count = count, count + 1
            known.append((same, one))
        found[part][frame] = same
    return _renumbered(found)


def _largest_force(parts: Sequence[Snapshots]) -> float:
    return max((float(p.fmax[p.converged].max()) for p in parts if p.converged.any()), default=0.0)


def _by_energy(parts: Sequence[Snapshots]) -> Iterator[tuple[int, int]]:
    """Give part and frame of every converged frame, the lowest energy first."""
    kept = [(part, int(frame)) for part, p in enumerate(parts) for frame in np.flatnonzero(p.converged)]
    energies = [parts[part].energies[frame] for part, frame in kept]
    for row in np.argsort(energies, kind="stable"):
        yield kept[row]


def _renumbered(found: list[IntArray]) -> list[IntArray]:
    """Return the structures numbered in the order of the frames that they are first found in."""
    numbers = np.concatenate(found)
    first = {n: i for i, n in enumerate(dict.fromkeys(n for n in numbers.tolist() if n != NOT_RELAXED))}
    first[NOT_RELAXED] = NOT_RELAXED
    return [np.array([first[n] for n in part.tolist()], dtype=np.int64) for part in found]


@dataclass(frozen=True)
class _Levels:
    """The levels of a relaxed frame: the per-atom energies of each element, sorted."""

    energy: float
    levels: Array
    """(atoms,), eV."""
    near: float
    """eV."""

    def is_same(self, other: "_Levels") -> bool:
        """Return whether the other has the same levels."""
        return bool(np.abs(self.levels - other.levels).max() <= self.near)


@dataclass(frozen=True)
class _Structure:
    """A relaxed frame, its drift against the first frame taken off."""

    energy: float
    positions: Array
    """(atoms, 3), Å."""
    cell: Array
    numbers: IntArray

    @cached_property
    def _places(self) -> tuple[cKDTree, IntArray]:
        """The atoms with their images near the cell, and which atom each is an image of."""
        cloud = with_images(self.positions, self.cell, REACH)
        return cKDTree(cloud.positions), cloud.index

    def is_same(self, other: "_Structure") -> bool:
        """Return whether the other has an atom of the same element at every atom's place."""
        if not np.allclose(self.cell, other.cell, atol=1e-6):
            return False
        tree, index = self._places
        home = wrap(other.positions, self.cell)
        distance, found = tree.query(home, distance_upper_bound=REACH)
        if not np.isfinite(distance).all():
            return False
        partner = index[found]
        away = tree.data[found] - home
        away -= away.mean(axis=0)  # the rest of the drift
        alike = np.array_equal(self.numbers[partner], other.numbers)
        alone = len(np.unique(partner)) == len(partner)
        return alike and alone and bool((away**2).sum(axis=1).max() <= SAME_PLACE**2)


def _structure(parts: Sequence[Snapshots], part: int, frame: int, specie: str | None) -> _Structure:
    snapshots, first = parts[part], parts[0]
    positions = snapshots.positions[frame]
    fixed = np.array([s != specie for s in snapshots.atoms(frame).symbols])
    if not fixed.any():
        fixed[:] = True
    fractional = positions[fixed] @ np.linalg.inv(snapshots.cell)
    drift = _drift(fractional, first.positions[0][fixed] @ np.linalg.inv(first.cell))
    energy, cell = float(snapshots.energies[frame]), snapshots.cell
    return _Structure(energy, positions - drift @ cell, cell, snapshots.numbers)


def _drift(fractional: Array, reference: Array) -> Array:
    """Return by how much the atoms that kept their places are shifted, in fractions of the cell, (3,)."""
    shift = rigid_shift(fractional, reference)
    rest = fractional - reference - shift
    median: Array = shift + np.median(rest - np.round(rest), axis=0)
    return median
