"""What a worker does at one temperature: MD, its relaxed snapshots, the relaxed frames around its hops."""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms

from frustra.analysis.equilibrium import BELOW_GROUND
from frustra.analysis.hops import HopSettings
from frustra.analysis.sampling import FrameSample, frames_of
from frustra.campaign.frames import Sampling, chosen_frames, read_sampling, write_sampling
from frustra.campaign.jobs import FRAME_FORCE_CALLS, VERSIONS, CellJob, Context
from frustra.campaign.transitions import relax_hops
from frustra.campaign.workflow import JobProgress, Step
from frustra.engines.lammps import Progress
from frustra.engines.md import MDSettings, write_md
from frustra.engines.relax import relax_crystal, relax_frames
from frustra.errors import DataError
from frustra.io import (
    open_trajectory,
    read_json,
    read_snapshots,
    write_json,
    write_snapshots,
    write_structure,
)
from frustra.io.transitions import write_transitions
from frustra.snapshots import Snapshots, joined
from frustra.structures import indices_of, strained
from frustra.trajectory import Frames

_BATCH = 16  # snapshots relaxed between two checkpoints

Order = Literal["ordered", "quenched"]
"""What MD starts from: the ground state, or ions disordered by heat."""


@dataclass(frozen=True)
class RunJob:
    """One MD run in the mean cell of its temperature, and the relaxed snapshots of it."""

    cell_job: CellJob
    ground_energy: float
    """eV."""
    order: Order
    replica: int
    """0, 1, … of the independent runs at this temperature."""

    @property
    def context(self) -> Context:
        """Its material."""
        return self.cell_job.context

    @property
    def ground(self) -> Atoms:
        """The ground state."""
        return self.cell_job.ground

    @property
    def temperature(self) -> float:
        """K."""
        return self.cell_job.temperature

    @property
    def name(self) -> str:
        """What the terminal calls the job."""
        words = [self.context.material, f"{self.temperature:g} K"]
        if self.order != "ordered":
            words.append(self.order)
        if self.context.study.md.replicas > 1:
            words.append(f"run {self.replica + 1}")
        return " ".join(words)

    @property
    def _settings(self) -> MDSettings:
        return self.context.study.md.at(self.temperature)

    @property
    def _stage_calls(self) -> tuple[int, int, int]:
        md, start = self._settings, self.context.study.start
        heat = md.steps(start.hold) + md.steps(start.cool) if self.order == "quenched" else 0
        production = heat + md.steps(md.equilibration) + md.steps(md.production)
        frames = self.context.study.sampling.snapshots + 1
        return production, frames * FRAME_FORCE_CALLS, 2 * self._hops * FRAME_FORCE_CALLS

    @property
    def force_calls(self) -> int:
        """Estimated work."""
        return sum(self._stage_calls)

    def _step(self, name: str, previous: str, **inputs: Any) -> Step:
        shared = {"order": self.order, "replica": self.replica, "previous": previous}
        folder = self.cell_job.step.root
        label = f"{name}-{self.order}-{self.replica + 1}"
        return Step(folder, label, {**shared, **inputs}, VERSIONS[name])

    @cached_property
    def md_step(self) -> Step:
        """The production run."""
        study = self.context.study
        wanted = {
            "timestep", "thermostat", "thermostat_time", "equilibration", "production", "interval",
            "checkpoint",
        }  # fmt: skip
        start = study.start.model_dump(exclude={"order"}) if self.order == "quenched" else None
        seed = self.context.seed("md", self.temperature, self.order, self.replica)
        md = self._settings.model_dump(include=wanted)
        return self._step("md", self.cell_job.step.key, md=md, start=start, seed=seed)

    @cached_property
    def snapshots_step(self) -> Step:
        """The relaxed snapshots."""
        study = self.context.study
        return self._step(
            "snapshots",
            self.md_step.key,
            sampling=study.sampling.model_dump(include={"snapshots", "least"}),
            anions=self.context.anions(self.ground),
            relax=study.relax.model_dump(),
            ground_energy=round(self.ground_energy, 6),
        )

    @cached_property
    def transitions_step(self) -> Step:
        """Some hops, with relaxed frames before and after each."""
        study = self.context.study
        return self._step(
            "transitions",
            self.md_step.key,
            hops=self._hops,
            settings=HopSettings().model_dump(),
            relax=study.relax.model_dump(),
            specie=study.specie,
            anions=self.context.anions(self.ground),
            seed=self.context.seed("transitions", self.temperature, self.order, self.replica),
        )

    @property
    def _hops(self) -> int:
        """Hops of this run that are relaxed before and after, at most."""
        study = self.context.study
        return -(-study.sampling.hops // study.md.replicas)

    @property
    def steps(self) -> Sequence[Step]:
        """Its steps."""
        always = (self.md_step, self.snapshots_step)
        return (*always, self.transitions_step) if self._hops else always

    def run(self) -> None:
        """Do the steps that are missing."""
        progress = JobProgress(self.context.progress, self.name)
        label = "production (NVT)" if self.order == "ordered" else "quench and production (NVT)"
        self.context.perform(self.md_step, lambda folder: self._md(folder, progress.stage(label, 0)))

        def relaxing(frame: int) -> None:
            tell(frame * FRAME_FORCE_CALLS)

        tell = progress.stage("relaxing snapshots", self._stage_calls[0])
        self.context.perform(self.snapshots_step, lambda folder: self._snapshots(folder, relaxing))
        if self._hops:
            tell = progress.stage("relaxing around hops", sum(self._stage_calls[:2]))
            self.context.perform(self.transitions_step, lambda folder: self._transitions(folder, relaxing))
        progress.end()

    def _md(self, folder: Path, tell: Progress) -> None:
        if (folder / self.trajectory_file.name).is_file():
            return  # it is written last, whole: a killed try had come so far
        study, rng = self.context.study, np.random.default_rng(self.md_step.inputs["seed"])
        start = strained(self.ground, self.cell_job.cell()[0])
        quench = study.start if self.order == "quenched" else None
        write_md(start, self.context.potential, self._settings, self.temperature, rng, folder, quench, tell)

    @property
    def trajectory_file(self) -> Path:
        """Where the trajectory is."""
        return self.md_step.folder / "trajectory.h5"

    @property
    def snapshots_file(self) -> Path:
        """Where the relaxed snapshots are."""
        return self.snapshots_step.folder / "snapshots.h5"

    def _snapshots(self, folder: Path, tell: Progress) -> None:
        """Relax the ground state and the sampled frames in the same cell; follow up what lies below it."""
        study, potential = self.context.study, self.context.potential
        with open_trajectory(self.trajectory_file) as trajectory:
            sample, note = self._sample(trajectory)
            frames, times = frames_of(trajectory, sample)
        write_sampling(folder / self.sampling_file.name, sample, note)
        reference = strained(self.ground, frames[0].cell.array)
        both = self._relaxed([reference, *frames], folder / "batches", tell)
        snapshots = both.select(slice(1, None)).with_origin(times, self.temperature)
        write_snapshots(folder / self.snapshots_file.name, snapshots)
        shutil.rmtree(folder / "batches")
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

    def _sample(self, run: Frames) -> tuple[FrameSample, str]:
        study, anions = self.context.study, self.context.anions(self.ground)
        wanted = study.sampling
        return chosen_frames(run, self.ground, study.specie, anions, wanted.snapshots, wanted.least)

    def _relaxed(self, frames: list[Atoms], folder: Path, tell: Progress) -> Snapshots:
        """Relax in batches that survive a kill."""
        potential, settings = self.context.potential, self.context.study.relax
        batches = []
        size = max(_BATCH, settings.batch)
        for first in range(0, len(frames), size):
            path, part = folder / f"frames-{first:06d}.h5", frames[first : first + size]
            with contextlib.suppress(DataError):  # missing or torn
                batches.append(read_snapshots(path))
                continue
            relaxed = relax_frames(part, potential, settings, folder / "lammps", _shifted(tell, first))
            write_snapshots(path, relaxed)
            batches.append(read_snapshots(path))
        return joined(batches)

    def _transitions(self, folder: Path, tell: Progress) -> None:
        """Relax the frames before and after some hops; where there is no hop, tell so."""
        specie, anions = self.context.study.specie, self.context.anions(self.ground)
        rng = np.random.default_rng(self.transitions_step.inputs["seed"])

        def relax(part: str, frames: list[Atoms]) -> Snapshots:
            return self._relaxed(frames, folder / "batches" / part, tell)

        with open_trajectory(self.trajectory_file) as trajectory:
            found = relax_hops(trajectory, self.ground, specie, anions, self._hops, rng, relax)
        write_transitions(folder / self.transitions_file.name, found.transitions)
        if found.snapshots is not None:
            write_snapshots(folder / "snapshots.h5", found.snapshots)
        write_json(folder / "hops.json", {"lasting": found.lasting, "note": found.note})
        shutil.rmtree(folder / "batches", ignore_errors=True)  # last: a killed try goes on from there

    @property
    def transitions_file(self) -> Path:
        """Where the hops with their relaxed energies are."""
        return self.transitions_step.folder / "transitions.parquet"

    def hops(self) -> tuple[dict[str, int], str]:
        """Return the lasting hops of the run by class, and why none was relaxed; empty if some were."""
        if not self._hops:
            return {}, "none are asked for (sampling.hops = 0)"
        told = read_json(self.transitions_step.folder / "hops.json")
        return {str(k): int(n) for k, n in told["lasting"].items()}, str(told["note"])

    @property
    def sampling_file(self) -> Path:
        """Where it is told how the snapshots were chosen."""
        return self.snapshots_step.folder / "sampling.json"

    def sampling(self) -> Sampling:
        """Return how the snapshots were chosen."""
        return read_sampling(self.sampling_file)

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


def _shifted(tell: Progress, base: int) -> Progress:
    return lambda count: tell(base + count)
