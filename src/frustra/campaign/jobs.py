"""What a worker does: one walk of the ground-state search or one mean cell (`run_job.py`: one MD run).

Each job is a chain of steps; a step that is done is not done again.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from frustra.campaign.ground_state import GroundStateSearch
from frustra.campaign.study import Study
from frustra.campaign.workflow import JobProgress, Step, empty
from frustra.engines.lammps import Progress
from frustra.engines.md import mean_cell
from frustra.engines.potential import Potential
from frustra.engines.zoo import load_potential
from frustra.errors import PotentialError
from frustra.io import (
    read_json,
    read_structure,
    write_json,
    write_structure,
)
from frustra.structures import anions_of, fingerprint

FRAME_FORCE_CALLS = 15
"""Force calls that relaxing one frame usually takes; only the estimate of the time uses it."""

VERSIONS = {"walk": 3, "cell": 1, "md": 1, "snapshots": 2, "transitions": 1}
"""Versions of the steps' code: raise one when a change alters the step's outcome, and it is done anew."""


@dataclass(frozen=True)
class Context:
    """What all jobs of one material share."""

    study: Study
    root: Path
    """The run's folder."""
    material: str
    potential: Potential
    base: Path
    """Folder of the study file."""

    @property
    def steps(self) -> Path:
        """Where the material's steps are."""
        return self.root / "steps" / self.material

    @property
    def progress(self) -> Path:
        """Where running jobs tell how far they are."""
        return self.root / "steps" / ".progress"

    def seed(self, *words: object) -> int:
        """Return a seed that follows from the study's seed and the given words."""
        key = zlib.crc32(" ".join(str(w) for w in (self.material, *words)).encode())
        return int(np.random.default_rng([self.study.seed, key]).integers(1, 900_000_000))

    def anions(self, atoms: Atoms) -> tuple[str, ...]:
        """Return the elements whose polyhedra are the sites."""
        return anions_of(atoms, self.study.specie, self.study.anions)

    def perform(self, step: Step, work: Callable[[Path], None]) -> None:
        """Perform a step with the potential that the run began with.

        Raises
        ------
        PotentialError
            Its files have changed, before the step or while it ran; nothing half-done is then kept.
        """

        def guarded(folder: Path) -> None:
            self._check_potential()
            try:
                work(folder)
            finally:
                try:
                    self._check_potential()
                except PotentialError:
                    empty(folder)
                    raise

        step.perform(guarded)

    def _check_potential(self) -> None:
        now = load_potential(self.potential.name, self.base).fingerprint
        if now != self.potential.fingerprint:
            raise PotentialError(
                f"{self.potential.name} has changed since this run began",
                remedy="run again: what used the old one is kept, and everything is done with the new one",
            )


class Job(Protocol):
    """What the terminal and the pool need of a job."""

    @property
    def context(self) -> Context:
        """Its material."""
        ...

    @property
    def name(self) -> str:
        """What the terminal calls it."""
        ...

    @property
    def force_calls(self) -> int:
        """Estimated work."""
        ...

    @property
    def steps(self) -> Sequence[Step]:
        """Its steps, in order."""
        ...

    def run(self) -> None:
        """Do what is missing."""
        ...


def is_done(job: Job) -> bool:
    """Return whether nothing is left to do."""
    return all(step.is_done for step in job.steps)


@dataclass(frozen=True)
class WalkJob:
    """One walker of the ground-state search."""

    context: Context
    walker: int
    start: Atoms
    heat: bool
    """Whether MD shuffles the ions first."""

    @property
    def name(self) -> str:
        """What the terminal calls the job."""
        return f"{self.context.material} walker {self.walker + 1}"

    @property
    def force_calls(self) -> int:
        """Estimated work."""
        return self._search.force_calls(self.heat)

    @property
    def _search(self) -> GroundStateSearch:
        study, anions = self.context.study, self.context.anions(self.start)
        return GroundStateSearch(study.specie, anions, self.context.potential, study.prepare, study.md)

    @cached_property
    def step(self) -> Step:
        """The one step of the job."""
        study = self.context.study
        inputs: dict[str, Any] = {
            "start": fingerprint(self.start),
            "specie": study.specie,
            "anions": self.context.anions(self.start),
            "potential": self.context.potential.fingerprint,
            "prepare": study.prepare.model_dump(exclude={"walkers"}),
            "md": study.md.model_dump(include={"timestep", "thermostat", "thermostat_time", "checkpoint"}),
            "heat": self.heat,
            "seed": self.context.seed("walk", self.walker),
        }
        return Step(self.context.steps, f"walk-{self.walker + 1}", inputs, VERSIONS["walk"])

    @property
    def steps(self) -> Sequence[Step]:
        """Its step."""
        return (self.step,)

    def run(self) -> None:
        """Search from the start."""
        progress = JobProgress(self.context.progress, self.name)
        tell = progress.stage("searching the ground state", 0)
        self.context.perform(self.step, lambda folder: self._walk(folder, tell))
        progress.end()

    def _walk(self, folder: Path, tell: Progress) -> None:
        walk = self._search.walk(self.start, self.step.inputs["seed"], folder, self.heat, tell)
        write_structure(folder / "lowest.extxyz", walk.atoms)
        write_json(folder / "walk.json", {"energy_eV": walk.energy, "history": walk.history})

    def outcome(self) -> tuple[Atoms, float, list[tuple[str, float]]]:
        """Return the lowest ordering of the walk, its energy (eV) and the energies on the way."""
        told = read_json(self.step.folder / "walk.json")
        atoms = read_structure(self.step.folder / "lowest.extxyz")
        return atoms, float(told["energy_eV"]), [(str(s), float(e)) for s, e in told["history"]]


@dataclass(frozen=True)
class CellJob:
    """The mean cell at one temperature, from the ground state."""

    context: Context
    ground: Atoms
    temperature: float
    """K."""

    @property
    def name(self) -> str:
        """What the terminal calls the job."""
        return f"{self.context.material} {self.temperature:g} K cell"

    @property
    def force_calls(self) -> int:
        """Estimated work."""
        md = self.context.study.md
        return md.steps(md.npt_time) if md.cell == "npt" else 0

    @cached_property
    def step(self) -> Step:
        """The one step of the job."""
        wanted = {"timestep", "thermostat_time", "barostat_time", "npt_time", "cell", "checkpoint"}
        inputs = {
            "ground": fingerprint(self.ground),
            "potential": self.context.potential.fingerprint,
            "temperature": self.temperature,
            "md": self.context.study.md.model_dump(include=wanted),
            "seed": self.context.seed("cell", self.temperature),
        }
        return Step(self.context.steps / f"{self.temperature:g}K", "cell", inputs, VERSIONS["cell"])

    @property
    def steps(self) -> Sequence[Step]:
        """Its step."""
        return (self.step,)

    def run(self) -> None:
        """Average the cell."""
        progress = JobProgress(self.context.progress, self.name)
        tell = progress.stage("mean cell (NPT)", 0)
        self.context.perform(self.step, lambda folder: self._cell(folder, tell))
        progress.end()

    def _cell(self, folder: Path, tell: Progress) -> None:
        md = self.context.study.md
        cell, std = self.ground.cell.array, np.zeros((3, 3))
        if md.cell == "npt":
            rng = np.random.default_rng(self.step.inputs["seed"])
            potential = self.context.potential
            mean = mean_cell(self.ground, potential, md, self.temperature, rng, folder / "npt", tell)
            cell, std = mean.cell, mean.std
        write_json(folder / "cell.json", {"cell_A": cell.tolist(), "std_A": std.tolist()})

    def cell(self) -> tuple[list[list[float]], list[list[float]]]:
        """Return the cell vectors used at this temperature and their standard errors, Å."""
        told = read_json(self.step.folder / "cell.json")
        return told["cell_A"], told["std_A"]
