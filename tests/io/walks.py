"""Walks through cells, as they are and as other programs write them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce

from frustra.io import TrajectoryHints

SYMBOLS = ["Li", "Li", "Li", "Y", "Cl", "Cl"]
HINTS = TrajectoryHints(timestep=0.02)


class Walk(NamedTuple):
    """A walk in units of the cell vectors."""

    fractional: np.ndarray
    """(frames, atoms, 3), unwrapped."""
    cells: np.ndarray
    """(frames, 3, 3)."""

    @property
    def positions(self) -> np.ndarray:
        return self.fractional @ self.cells

    @property
    def wrapped(self) -> np.ndarray:
        return (self.fractional - np.floor(self.fractional)) @ self.cells

    def images(self, wrapped: bool = True) -> list[Atoms]:
        """Return ASE atoms."""
        positions = self.wrapped if wrapped else self.positions
        return [
            Atoms(SYMBOLS, positions=p, cell=c, pbc=True) for p, c in zip(positions, self.cells, strict=True)
        ]


def walk(
    rng: np.random.Generator,
    frames: int = 40,
    cell: np.ndarray | None = None,
    varying: bool = False,
    largest: float = 0.35,
) -> Walk:
    """Return a walk whose steps are below `largest` of the vectors of the reduced cell."""
    cell = np.array([[7.0, 0, 0], [2.0, 8.0, 0], [-1.5, 1.0, 9.0]]) if cell is None else cell
    op = np.rint(minkowski_reduce(cell)[1])
    steps = rng.uniform(-largest, largest, (frames, len(SYMBOLS), 3)) @ op
    steps[0] = rng.uniform(0, 1, (len(SYMBOLS), 3))
    strains = np.eye(3) * (1 + 0.02 * varying * rng.normal(size=(frames, 3, 1)))
    return Walk(np.cumsum(steps, axis=0), cell @ strains)


def cut(path: Path, kept: float) -> None:
    """Cut off the end of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
