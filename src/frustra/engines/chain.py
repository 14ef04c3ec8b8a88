"""MD as a chain of pieces, each begun from the state that the one before left on disk.

Every piece starts from a file, whether the run was interrupted or not. So a killed run goes on from its
last piece and gives, on one machine and one thread, exactly the trajectory of an unbroken run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from ase import Atoms

from frustra.arrays import Array
from frustra.engines.lammps import Progress
from frustra.engines.potential import Potential
from frustra.errors import DataError
from frustra.io import read_json, replacing, write_json
from frustra.structures import fingerprint


@dataclass(frozen=True)
class Leg:
    """A stretch of MD under one thermostat; its temperature may change linearly."""

    begin: float
    """Temperature at the start, K."""
    end: float
    """Temperature at the end, K."""
    steps: int
    every: int = 0
    """Steps between the frames that are kept; 0 keeps none."""
    ensemble: Literal["nvt", "npt"] = "nvt"

    def cut(self, size: int) -> list["Leg"]:
        """Return the leg in pieces of about `size` steps, whole numbers of frames each."""
        unit = self.every or 1
        size = max(unit, size // unit * unit)
        marks = [*range(0, self.steps, size), self.steps]
        if self.every and len(marks) > 2 and marks[-1] - marks[-2] < unit:
            del marks[-2]  # a rest without a frame belongs to the piece before it
        slope = (self.end - self.begin) / self.steps
        return [
            replace(self, begin=self.begin + slope * a, end=self.begin + slope * b, steps=b - a)
            for a, b in pairwise(marks)
        ]


@dataclass(frozen=True)
class Stored:
    """Frames of one piece, after `every`, 2 `every`, … of its steps."""

    positions: Array
    """(frames, atoms, 3), Å, unwrapped."""
    cells: Array
    """(frames, 3, 3), Å."""


@dataclass(frozen=True)
class Bath:
    """Time step, thermostat and barostat; times in ps."""

    timestep: float
    thermostat: Literal["bussi", "nose-hoover"]
    thermostat_time: float
    barostat_time: float

    def identity(self, engine: str, atoms: Atoms, potential: Potential) -> dict[str, str]:
        """Return what determines a run, in words and hashes; see `Engine`."""
        return {
            "engine": engine,
            "start": fingerprint(atoms),
            "potential": potential.fingerprint,
            "timestep": f"{self.timestep:.8g}",
            "nvt": f"{self.thermostat} {self.thermostat_time:.8g}",
            "npt": f"{self.thermostat_time:.8g} {self.barostat_time:.8g}",
        }


class Engine(Protocol):
    """What moves atoms."""

    @property
    def identity(self) -> dict[str, str]:
        """What determines the run: engine, start, potential, timestep, and the settings of each ensemble."""
        ...

    def advance(
        self, leg: Leg, seed: int, before: Path | None, after: Path, progress: Progress | None
    ) -> Stored:
        """Run one piece from the state `before` and leave the state `after`.

        Without `before` the piece begins with the engine's own atoms and random velocities.
        """
        ...


class Chain:
    """Pieces of MD in a folder.

    Parameters
    ----------
    engine
        What moves the atoms.
    legs
        What is run, one after the other.
    size
        Steps between checkpoints, about.
    rng
        Where the seeds of velocities and thermostats come from.
    folder
        Where checkpoints go; it is resumed if it holds some of the same run.

    Raises
    ------
    DataError
        The folder holds checkpoints of another run.
    """

    def __init__(
        self, engine: Engine, legs: Sequence[Leg], size: int, rng: np.random.Generator, folder: Path
    ) -> None:
        self._engine, self._folder = engine, folder
        self._pieces = [piece for leg in legs for piece in leg.cut(size)]
        self._seeds = [int(s) for s in rng.integers(1, 900_000_000, size=len(self._pieces))]
        self._record()

    def run(self, progress: Progress | None = None) -> Iterator[Stored]:
        """Yield the frames of every piece that keeps some; pieces that are done are read."""
        told = 0
        for number, piece in enumerate(self._pieces):
            if self._usable(number):
                frames = _read(self._file(number))
            else:
                frames = self._advance(number, _from(told, progress))
            told += piece.steps
            if piece.every:
                yield frames

    def _advance(self, number: int, progress: Progress | None) -> Stored:
        before = self._state(number - 1) if number else None
        frames = self._engine.advance(
            self._pieces[number], self._seeds[number], before, self._state(number), progress
        )
        with replacing(self._file(number)) as temporary, temporary.open("wb") as file:
            np.savez(file, positions=frames.positions, cells=frames.cells)
        if before is not None:
            before.unlink(missing_ok=True)
        return frames

    def _record(self) -> None:
        """Write what the run is; refuse the checkpoints of another."""
        unused = {"nvt", "npt"} - {p.ensemble for p in self._pieces}
        plan = {
            **{key: told for key, told in self._engine.identity.items() if key not in unused},
            "pieces": [asdict(p) for p in self._pieces],
            "seeds": self._seeds,
        }
        path = self._folder / "run.json"
        found = _plan_in(path)
        if found is not None and found != plan:
            raise DataError(
                f"{self._folder} holds checkpoints of another run",
                "the same structure, potential, settings and random numbers",
                "choose another folder or remove it",
            )
        if found is None or not self._whole():
            for stale in [*self._folder.glob("piece-*"), *self._folder.glob("state-*")]:
                stale.unlink()
        if found is None:
            write_json(path, plan)

    def _whole(self) -> bool:
        """Return whether all pieces can be read; if not, their states are gone, and so is what follows."""
        done = [n for n in range(len(self._pieces)) if self._file(n).is_file()]
        whole = done == list(range(len(done))) and all(_readable(self._file(n)) for n in done)
        return whole and (not done or self._goes_on(done[-1]))

    def _goes_on(self, last: int) -> bool:
        return last == len(self._pieces) - 1 or self._state(last).is_file()

    def _usable(self, number: int) -> bool:
        return self._file(number).is_file()

    def _file(self, number: int) -> Path:
        return self._folder / f"piece-{number:06d}.npz"

    def _state(self, number: int) -> Path:
        return self._folder / f"state-{number:06d}"


def _from(base: int, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda step: progress(base + step)


def _plan_in(path: Path) -> Any:
    """Return what `run.json` holds; None if it is missing or damaged."""
    try:
        return read_json(path)
    except DataError:
        return None


def _read(path: Path) -> Stored:
    with path.open("rb") as file, np.load(file) as held:
        return Stored(held["positions"], held["cells"])


def _readable(path: Path) -> bool:
    try:
        _read(path)
    except Exception:  # noqa: BLE001 - a torn archive raises anything at all
        return False
    return True
