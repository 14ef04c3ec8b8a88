"""The record of a molecular-dynamics run, and what analysis needs of one in memory or in a file."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols

from frustra.arrays import Array, IntArray
from frustra.errors import DataError

Selection = slice | Sequence[int] | IntArray | None
"""What NumPy takes as the index of one axis; None is all."""


class Frames(Protocol):
    """Frames of one simulation, evenly spaced in time: a `Trajectory`, or an open file of one."""

    numbers: IntArray
    """(atoms,) atomic numbers."""
    timestep: float
    """Time between frames, ps."""
    temperature: float
    """K; NaN where nobody knows it."""
    info: dict[str, str | float | int]
    """Where the frames come from: engine, thermostat, seed, discarded equilibration."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of frames."""

    @abstractmethod
    def read(self, frames: Selection = None, atoms: Selection = None) -> "Trajectory":
        """Return some of the frames with some of the atoms.

        Parameters
        ----------
        frames
            Frames forward in time at equal distances; the stride multiplies the time between frames.
        atoms
            Any atoms in any order.

        Raises
        ------
        DataError
            Frames at unequal distances or backward in time, for which no `timestep` would be true;
            a frame or atom that is absent.
        """

    def close(self) -> None:
        """Let go of the file, if there is one."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def chunks(self, frames_per_chunk: int, atoms: Selection = None) -> Iterator["Trajectory"]:
        """Give all frames in order, at most `frames_per_chunk` at a time."""
        for start in range(0, len(self), frames_per_chunk):
            yield self.read(slice(start, start + frames_per_chunk), atoms)

    def atoms(self, frame: int) -> Atoms:
        """Return one frame as ASE atoms, unwrapped."""
        return self.read([frame]).atoms(0)

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols of the atoms."""
        return [chemical_symbols[z] for z in self.numbers]

    @property
    def masses(self) -> Array:
        """(atoms,) standard atomic masses, amu."""
        return np.asarray(atomic_masses[self.numbers], dtype=float)

    @property
    def duration(self) -> float:
        """Time from the first to the last frame, ps."""
        return (len(self) - 1) * self.timestep

    @property
    def volume(self) -> float:
        """Mean volume of the cell, Å³."""
        return sum(len(part) * part.volume for part in self.chunks(4096, atoms=[])) / len(self)

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


@dataclass(frozen=True)
class Trajectory(Frames):
    """Frames of one simulation at one temperature, evenly spaced in time, in memory."""

    positions: Array
    """(frames, atoms, 3), Å, unwrapped."""
    cells: Array
    """(frames, 3, 3), Å; for a fixed cell it may be a broadcast view, which takes no memory."""
    numbers: IntArray
    """(atoms,) atomic numbers."""
    timestep: float
    """Time between frames, ps."""
    temperature: float
    """K; NaN where nobody knows it."""
    info: dict[str, str | float | int] = field(default_factory=dict)
    """Where the frames come from: engine, thermostat, seed, discarded equilibration."""

    def __post_init__(self) -> None:
        atoms = self.numbers.shape
        frames = self.positions.shape[:1]
        if self.positions.shape != (*frames, *atoms, 3) or self.cells.shape != (*frames, 3, 3):
            raise DataError(
                f"a trajectory with positions {self.positions.shape}, cells {self.cells.shape} "
                f"and {self.numbers.size} atomic numbers",
                "the same number of frames and atoms in each",
            )
        if not (np.isfinite(self.positions).all() and np.isfinite(self._distinct_cells).all()):
            raise DataError("a trajectory with values that are not finite", remedy="check the simulation")
        known = not np.isnan(self.temperature)
        if not 0 < self.timestep < np.inf or (known and not 0 < self.temperature < np.inf):
            raise DataError(
                f"a trajectory with {self.timestep:g} ps between frames at {self.temperature:g} K",
                "both above zero",
                "a temperature that is not known is NaN",
            )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.positions)

    @property
    def _distinct_cells(self) -> Array:
        """The cells without the repetitions of a broadcast view."""
        return self.cells[:1] if self.cells.strides[0] == 0 else self.cells

    @property
    def fixed_cell(self) -> Array | None:
        """The cell, (3, 3), Å, where all frames have the same; None otherwise."""
        cells = self._distinct_cells
        return cells[0] if len(cells) and (cells == cells[0]).all() else None

    @property
    def volume(self) -> float:
        """Mean volume of the cell, Å³."""
        return float(np.abs(np.linalg.det(self._distinct_cells)).mean())

    def read(self, frames: Selection = None, atoms: Selection = None) -> "Trajectory":
        """Return some of the frames with some of the atoms, as views where NumPy can; see `Frames.read`."""
        chosen = frame_range(len(self), frames)
        part = slice(chosen.start, chosen.stop, chosen.step)
        rows = slice(None) if atoms is None else picked(len(self.numbers), atoms, "atom")
        return replace(
            self,
            positions=self.positions[part][:, rows],
            cells=self.cells[part],
            numbers=self.numbers[rows],
            timestep=self.timestep * chosen.step,
        )

    def atoms(self, frame: int) -> Atoms:
        """Return one frame as ASE atoms, unwrapped."""
        return Atoms(numbers=self.numbers, positions=self.positions[frame], cell=self.cells[frame], pbc=True)


def frame_range(count: int, frames: Selection) -> range:
    """Return which of `count` frames are chosen; refuse unequal distances and the way backward.

    Raises
    ------
    DataError
        As `Frames.read`.
    """
    if frames is None or isinstance(frames, slice):
        chosen = range(count)[frames or slice(None)]
    else:
        index = picked(count, frames, "frame")
        steps = np.diff(index)
        step = int(steps[0]) if len(steps) else 1
        if (steps != step).any():
            raise DataError(
                "frames at unequal distances",
                "a trajectory's frames are evenly spaced in time",
                "read them one by one, or all, and take what is needed",
            )
        chosen = range(index[0], index[-1] + 1, step or -1) if len(index) else range(0)
    if chosen.step < 1:
        raise DataError("the same frame twice, or frames backward in time", "frames forward in time")
    return chosen


def picked(count: int, index: Selection, kind: str) -> IntArray:
    """Return the indices, counted from zero, that a NumPy index picks from `count` things of a kind.

    Raises
    ------
    DataError
        One of them is absent, or this is no index.
    """
    wanted = index if isinstance(index, slice) else np.atleast_1d(np.asarray(index))
    if isinstance(wanted, np.ndarray) and wanted.size == 0:
        wanted = wanted.astype(np.int64)
    try:
        found: IntArray = np.arange(count)[wanted]
    except IndexError as error:
        raise DataError(f"{kind}s that are not there ({error})", f"of {count} {kind}s, some") from None
    return found
