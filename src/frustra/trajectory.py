"""The record of a molecular-dynamics run."""

from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols

from frustra.arrays import Array, IntArray
from frustra.errors import DataError


@dataclass(frozen=True)
class Trajectory:
    """Frames of one simulation at one temperature, evenly spaced in time."""

    positions: Array
    """(frames, atoms, 3), Å, unwrapped."""
    cells: Array
    """(frames, 3, 3), Å."""
    numbers: IntArray
    """(atoms,) atomic numbers."""
    timestep: float
    """Time between frames, ps."""
    temperature: float
    """K."""
    info: dict[str, str | float | int] = field(default_factory=dict)
    """Where the frames come from: engine, thermostat, seed, discarded equilibration."""

    def __post_init__(self) -> None:
        frames, atoms = self.positions.shape[:2]
        if self.cells.shape != (frames, 3, 3) or self.numbers.shape != (atoms,):
            raise DataError(
                f"a trajectory with positions {self.positions.shape}, cells {self.cells.shape} "
                f"and {self.numbers.shape[0]} atomic numbers",
                "the same number of frames and atoms in each",
            )
        if not (np.isfinite(self.positions).all() and np.isfinite(self.cells).all()):
            raise DataError("a trajectory with values that are not finite", remedy="check the simulation")
        if not (0 < self.timestep < np.inf and 0 < self.temperature < np.inf):
            raise DataError(
                f"a trajectory with {self.timestep:g} ps between frames at {self.temperature:g} K",
                "both above zero",
            )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.positions)

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols of the atoms."""
        return [chemical_symbols[z] for z in self.numbers]

    @property
    def masses(self) -> Array:
        """(atoms,) standard atomic masses, amu."""
        return np.asarray(atomic_masses[self.numbers], dtype=float)

    @property
    def volume(self) -> float:
        """Mean volume of the cell, Å³."""
        return float(np.abs(np.linalg.det(self.cells)).mean())

    @property
    def duration(self) -> float:
        """Time from the first to the last frame, ps."""
        return (len(self) - 1) * self.timestep

    def indices_of(self, specie: str) -> IntArray:
        """Return the indices of the atoms of one element; refuse an element that is absent."""
        found = np.flatnonzero(np.array(self.symbols) == specie).astype(np.int64)
        if len(found) == 0:
            raise DataError(
                f"no {specie} in the trajectory",
                f"one of {', '.join(sorted(set(self.symbols)))}",
                "check the specie",
            )
        return found

    def atoms(self, frame: int) -> Atoms:
        """Return one frame as ASE atoms, unwrapped."""
        return Atoms(numbers=self.numbers, positions=self.positions[frame], cell=self.cells[frame], pbc=True)
