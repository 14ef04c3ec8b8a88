"""What a worker does: one walk of the ground-state search, or one temperature from cell to snapshots.

Each job is a chain of steps; a step that is done is not done again.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from frustra.analysis.equilibrium import BELOW_GROUND
from frustra.analysis.sampling import evenly_spaced
from frustra.campaign.ground_state import GroundStateSearch
from frustra.campaign.study import Study
from frustra.campaign.workflow import JobProgress, Step
from frustra.engines.lammps import Progress
from frustra.engines.md import mean_cell, run_md
from frustra.engines.potential import Potential
from frustra.engines.relax import relax_crystal, relax_frames
from frustra.io import (
    read_json,
    read_structure,
    read_trajectory,
    write_json,
    write_snapshots,
    write_structure,
    write_trajectory,
)
from frustra.structures import anions_of, fingerprint, indices_of, strained

FRAME_FORCE_CALLS = 50
"""Force calls that relaxing one frame usually takes; only the estimate of the time uses it."""


@dataclass(frozen=True)
class Context:
    """What all jobs of one material share."""

    study: Study
    root: Path
    """The run's folder."""
    material: str
    potential: Potential

    @property
    def steps(self) -> Path:
        """Where the material's steps are."""
        return self.root / "steps" / self.material

    @property
    def progress(self) -> Path:
        """Where running jobs tell how far they are."""
        return self.root / "steps" / ".progress"

    def seed(self, *words: object) -> int:
        """Return a seed for LAMMPS that follows from the study's seed and the given words."""
        key = zlib.crc32(" ".join(str(w) for w in (self.material, *words)).encode())
        return int(np.random.default_rng([self.study.seed, key]).integers(1, 900_000_000))

    def anions(self, atoms: Atoms) -> tuple[str, ...]:
        """Return the elements whose polyhedra are the sites."""
        return anions_of(atoms, self.study.specie, self.study.anions)


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
            "md": study.md.model_dump(include={"timestep", "thermostat"}),
            "heat": self.heat,
            "seed": self.context.seed("walk", self.walker),
        }
        return Step(self.context.steps, f"walk-{self.walker + 1}", inputs)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.step.is_done

    def run(self) -> None:
        """Search from the start."""
        progress = JobProgress(self.context.progress, self.name)
        self.step.perform(lambda folder: self._walk(folder, progress.stage("searching the ground state", 0)))
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
class TemperatureJob:
    """One temperature: mean cell, production, relaxed snapshots."""

    context: Context
    ground: Atoms
    ground_energy: float
    """eV."""
    temperature: float
    """K."""

    @property
    def name(self) -> str:
        """What the terminal calls the job."""
        return f"{self.context.material} {self.temperature:g} K"

    @property
    def _stage_calls(self) -> tuple[int, int, int]:
        md = self.context.study.md
        npt = md.steps(md.npt_time) if md.cell == "npt" else 0
        production = md.steps(md.equilibration) + md.steps(md.production)
        return npt, production, (self.context.study.sampling.snapshots + 1) * FRAME_FORCE_CALLS

    @property
    def force_calls(self) -> int:
        """Estimated work."""
        return sum(self._stage_calls)

    def _step(self, name: str, *previous: str, **inputs: Any) -> Step:
        shared = {
            "ground": fingerprint(self.ground),
            "potential": self.context.potential.fingerprint,
            "temperature": self.temperature,
            "previous": previous,
        }
        return Step(self.context.steps / f"{self.temperature:g}K", name, {**shared, **inputs})

    @cached_property
    def cell_step(self) -> Step:
        """The mean cell."""
        wanted = {"timestep", "thermostat", "barostat", "npt_time", "cell"}
        settings = self.context.study.md.model_dump(include=wanted)
        return self._step("cell", md=settings, seed=self.context.seed("cell", self.temperature))

    @cached_property
    def md_step(self) -> Step:
        """The production run."""
        wanted = {"timestep", "thermostat", "equilibration", "production", "interval"}
        settings = self.context.study.md.model_dump(include=wanted)
        seed = self.context.seed("md", self.temperature)
        return self._step("md", self.cell_step.key, md=settings, seed=seed)

    @cached_property
    def snapshots_step(self) -> Step:
        """The relaxed snapshots."""
        study = self.context.study
        return self._step(
            "snapshots",
            self.md_step.key,
            relax=study.relax.model_dump(),
            sampling=study.sampling.model_dump(),
        )

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.snapshots_step.is_done

    def run(self) -> None:
        """Do the steps that are missing."""
        progress = JobProgress(self.context.progress, self.name)
        npt, production, _ = self._stage_calls
        self.cell_step.perform(lambda folder: self._cell(folder, progress.stage("mean cell (NPT)", 0)))
        self.md_step.perform(lambda folder: self._md(folder, progress.stage("production (NVT)", npt)))

        def relaxing(frame: int) -> None:
            tell(frame * FRAME_FORCE_CALLS)

        tell = progress.stage("relaxing snapshots", npt + production)
        self.snapshots_step.perform(lambda folder: self._snapshots(folder, relaxing))
        progress.end()

    def _cell(self, folder: Path, tell: Progress) -> None:
        md = self.context.study.md
        cell, std = self.ground.cell.array, np.zeros((3, 3))
        if md.cell == "npt":
            seed = self.cell_step.inputs["seed"]
            mean = mean_cell(self.ground, self.context.potential, md, self.temperature, seed, folder, tell)
            cell, std = mean.cell, mean.std
        write_json(folder / "cell.json", {"cell_A": cell.tolist(), "std_A": std.tolist()})

    def cell(self) -> tuple[list[list[float]], list[list[float]]]:
        """Return the cell vectors used at this temperature and their standard errors, Å."""
        told = read_json(self.cell_step.folder / "cell.json")
        return told["cell_A"], told["std_A"]

    def _md(self, folder: Path, tell: Progress) -> None:
        start = strained(self.ground, self.cell()[0])
        md, seed = self.context.study.md, self.md_step.inputs["seed"]
        trajectory = run_md(start, self.context.potential, md, self.temperature, seed, folder, tell)
        write_trajectory(folder / "trajectory.h5", trajectory)

    def _snapshots(self, folder: Path, tell: Progress) -> None:
        """Relax the ground state and the sampled frames in the same cell; follow up what lies below it."""
        study, potential = self.context.study, self.context.potential
        trajectory = read_trajectory(self.md_step.folder / "trajectory.h5")
        frames, times = evenly_spaced(trajectory, study.sampling.snapshots)
        reference = strained(self.ground, trajectory.cells[0])
        both = relax_frames([reference, *frames], potential, study.relax, folder / "relax", tell)
        snapshots = both.select(slice(1, None)).with_origin(times, self.temperature)
        write_snapshots(folder / "snapshots.h5", snapshots)
        lowest = int(snapshots.energies.argmin())
        lower_state = 0.0
        if snapshots.energies[lowest] < both.energies[0]:
            relaxed = strained(snapshots.atoms(lowest), self.ground.cell.array)
            relaxed, energy = relax_crystal(relaxed, potential, study.relax, folder / "lowest")
            if energy - self.ground_energy < -BELOW_GROUND:
                lower_state = energy - self.ground_energy
                write_structure(folder / self.lower_state_file.name, relaxed)
        write_json(
            folder / "reference.json",
            {"energy_eV": float(both.energies[0]), "lower_state_eV": lower_state},
        )

    @property
    def lower_state_file(self) -> Path:
        """Where the lowest snapshot is, its cell relaxed, if it lies below the ground state in use."""
        return self.snapshots_step.folder / "lowest.extxyz"

    def reference(self) -> tuple[float, float]:
        """Return the ground state's energy in this cell and the lower state's above the ground state, eV."""
        told = read_json(self.snapshots_step.folder / "reference.json")
        return float(told["energy_eV"]), float(told["lower_state_eV"])

    @property
    def ions(self) -> int:
        """Number of mobile ions."""
        return len(indices_of(self.ground, self.context.study.specie))
