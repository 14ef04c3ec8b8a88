"""The record of statically relaxed frames (inherent structures)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError
from frustra.geometry import minimum_image

ENERGY_SUM_TOLERANCE = 1e-5
"""Largest |Σ e_i − E| per atom (eV) that printing the per-atom energies may cause."""

_SHARED = frozenset({"cell", "numbers", "temperature"})  # one for all frames


@dataclass(frozen=True)
class Snapshots:
    """Relaxed frames of one cell, with what the relaxation did to each."""

    positions: Array
    """(frames, atoms, 3), Å, relaxed, unwrapped as the frames they come from."""
    cell: Array
    """(3, 3), Å, the same for every frame."""
    numbers: IntArray
    """(atoms,) atomic numbers."""
    energies: Array
    """(frames,) total energy, eV."""
    atomic_energies: Array
    """(frames, atoms) per-atom energy, eV; their sum over atoms is the total."""
    fmax: Array
    """(frames,) largest force on an atom at the end, eV/Å."""
    converged: BoolArray
    """(frames,) whether fmax reached the tolerance."""
    reason: NDArray[np.str_]
    """(frames,) why the relaxation stopped."""
    force_calls: IntArray
    """(frames,) evaluations of the forces; that of the per-atom energies at the end is not among them."""
    steps: IntArray
    """(frames,) steps of the minimiser; −1 where an older file does not tell."""
    max_displacement: Array
    """(frames,) largest displacement of any atom by the relaxation, Å."""
    displacements: Array
    """(frames, atoms) displacement of each atom by the relaxation, Å."""
    time: Array
    """(frames,) time of the frame in its trajectory, ps."""
    temperature: float = 0.0
    """Temperature of the trajectory the frames come from, K (0 for a static structure)."""
    moved: NDArray[np.floating[Any]] | None = None
    """(frames, atoms, 3) by what the relaxation displaced each atom, less the mean of all, Å, in single
    precision; None in files of versions that did not keep it."""

    def __post_init__(self) -> None:
        frames, atoms = self.positions.shape[:2]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in _SHARED or value is None:
                continue
            if len(value) != frames:
                raise DataError(
                    f"snapshots with {len(value)} {item.name} for {frames} frames",
                    "one for each frame",
                )
        if self.atomic_energies.shape != (frames, atoms):
            raise DataError(
                f"per-atom energies of shape {self.atomic_energies.shape}",
                f"({frames}, {atoms})",
                "check the potential",
            )
        self._check_energies()

    def _check_energies(self) -> None:
        if not (np.isfinite(self.energies).all() and np.isfinite(self.positions).all()):
            raise DataError("snapshots with values that are not finite", remedy="check the potential")
        error = np.abs(self.atomic_energies.sum(axis=1) - self.energies)
        if (error > ENERGY_SUM_TOLERANCE * self.numbers.size).any():
            raise DataError(
                f"per-atom energies that miss the total energy by {error.max():.3g} eV",
                "a sum equal to the total",
                "use a potential whose per-atom energies are a partition of its total energy",
            )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.positions)

    def atoms(self, frame: int) -> Atoms:
        """Return one relaxed frame as ASE atoms."""
        return Atoms(numbers=self.numbers, positions=self.positions[frame], cell=self.cell, pbc=True)

    def select(self, rows: slice | IntArray | BoolArray) -> "Snapshots":
        """Return the snapshots of the given frames."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _SHARED}
        return replace(self, **{name: value[rows] for name, value in own.items() if value is not None})

    def with_origin(self, time: Array, temperature: float) -> "Snapshots":
        """Return the same snapshots with the times and the temperature of their frames."""
        return replace(self, time=np.asarray(time, dtype=float), temperature=temperature)


def relaxed_snapshots(
    start: Array,
    relaxed: Array,
    crystal: Atoms,
    energies: Array,
    atomic_energies: Array,
    forces: Array,
    largest: float,
    stops: Sequence[tuple[str, int, int]],
) -> Snapshots:
    """Return the record of a relaxation in one cell.

    Parameters
    ----------
    start, relaxed
        (frames, atoms, 3), Å; an image of the relaxed positions will do.
    crystal
        Cell and elements of all frames.
    energies, atomic_energies, forces
        Of the relaxed frames, eV and eV/Å.
    largest
        Largest force (eV/Å) with which a frame counts as converged.
    stops
        Of each frame why the relaxation stopped, how often it evaluated the forces, and its steps.
    """
    cell = crystal.cell.array.copy()
    moved = minimum_image(relaxed - start, cell)
    alone = moved - moved.mean(axis=1, keepdims=True)
    displacements = np.linalg.norm(alone, axis=2)
    fmax = np.linalg.norm(forces, axis=2).max(axis=1)
    return Snapshots(
        positions=start + moved,
        cell=cell,
        numbers=crystal.numbers.astype(np.int64),
        energies=energies,
        atomic_energies=atomic_energies,
        fmax=fmax,
        converged=fmax <= largest,
        reason=np.array([reason for reason, _, _ in stops], dtype=str),
        force_calls=np.array([calls for _, calls, _ in stops], dtype=np.int64),
        steps=np.array([steps for _, _, steps in stops], dtype=np.int64),
        max_displacement=displacements.max(axis=1),
        displacements=displacements,
        time=np.zeros(len(start)),
        moved=alone.astype(np.float32),
    )


def joined(parts: Sequence[Snapshots]) -> Snapshots:
    """Return the frames of all parts, in order; cell, atoms and temperature must be those of the first.

    Raises
    ------
    DataError
        No parts, or parts of different crystals.
    """
    if not parts:
        raise DataError("no snapshots to join", "at least one part")
    first = parts[0]
    for part in parts[1:]:
        same = np.array_equal(part.numbers, first.numbers) and np.allclose(part.cell, first.cell, atol=1e-8)
        if not same:
            raise DataError("snapshots of different crystals or cells", "one crystal in one cell")
    own = [f.name for f in fields(first) if f.name not in _SHARED]
    values = {name: [getattr(p, name) for p in parts] for name in own}
    told = {name: all(v is not None for v in of_parts) for name, of_parts in values.items()}
    kept: dict[str, Any] = {name: np.concatenate(v) if told[name] else None for name, v in values.items()}
    return replace(first, **kept)
