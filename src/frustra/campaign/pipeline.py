"""The whole chain of a study, written out. Read this first.

structures → walks (ground state) → temperatures (mean cell, MD, relaxed snapshots) → analysis → files
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import strftime
from typing import Protocol

import numpy as np
from ase import Atoms

from frustra.campaign.analyse import MaterialAnalysis, analyse, charge_of
from frustra.campaign.jobs import Context, TemperatureJob, WalkJob
from frustra.campaign.results import GroundState, Results
from frustra.campaign.study import MaterialSettings, Study
from frustra.campaign.workflow import clear_parts
from frustra.engines.lammps import find_lammps
from frustra.engines.md import measured_speed
from frustra.engines.potential import LammpsPotential, load_potential
from frustra.errors import StudyError
from frustra.io import read_structure, write_states, write_structure, write_text
from frustra.states import concatenate
from frustra.structures import check_structure, supercell

PACKAGES = ("ase", "frustra", "h5py", "lammps", "numpy", "pyarrow", "pydantic", "scipy")
"""Whose versions a run records."""


class Job(Protocol):
    """What the terminal and the pool need of a job."""

    @property
    def name(self) -> str:
        """What the terminal calls it."""
        ...

    @property
    def force_calls(self) -> int:
        """Estimated work."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def run(self) -> None:
        """Do what is missing."""
        ...


Watch = Callable[[Sequence[Job], Sequence[Job]], None]
"""Called with all jobs of a stage and those of them not yet done; it may draw and must return soon."""


@dataclass(frozen=True)
class Material:
    """One checked material of a study."""

    context: Context
    starts: tuple[Atoms, ...]
    warnings: tuple[str, ...]

    def walks(self) -> list[WalkJob]:
        """Return the searches for the ground state; walkers take the starts in turn.

        Once every start is taken, the next walkers are first held hot, to begin from another ordering.
        """
        given = len(self.starts)
        count = max(self.context.study.prepare.walkers, given)
        return [WalkJob(self.context, i, self.starts[i % given], heat=i >= given) for i in range(count)]

    def planned(self) -> list[Job]:
        """Return all jobs, for the estimate of the work; the ground state is not known yet."""
        return [*self.walks(), *self.temperatures(self.starts[0], 0.0)]

    def lowest(self) -> tuple[Atoms, GroundState]:
        """Return the lowest ordering of all finished walks."""
        walks = self.walks()
        outcomes = [w.outcome() for w in walks]
        best = int(np.argmin([energy for _, energy, _ in outcomes]))
        history = [
            {"walker": w.walker + 1, "energies_eV": dict(h)}
            for w, (_, _, h) in zip(walks, outcomes, strict=True)
        ]
        file = f"{self.context.material}_ground_state.extxyz"
        return outcomes[best][0], GroundState(energy_eV=outcomes[best][1], file=file, walks=history)

    def temperatures(self, ground: Atoms, energy: float) -> list[TemperatureJob]:
        """Return one job per temperature of the ladder."""
        return [TemperatureJob(self.context, ground, energy, t) for t in self.context.study.md.temperatures]


def materials_of(study: Study, root: Path, base: Path) -> list[Material]:
    """Read and check everything before anything is computed.

    Raises
    ------
    FrustraError
        Anything that would make the run fail later: see `check_structure`, `load_potential`, `find_lammps`.
    """
    find_lammps()
    potential = load_potential(study.potential.model, base)
    return [_material(Context(study, root, name, potential), m) for name, m in study.materials.items()]


def _material(context: Context, settings: MaterialSettings) -> Material:
    starts = [supercell(read_structure(settings.structure), settings.supercell)]
    starts += [read_structure(path) for path in settings.starts]
    warnings = [
        w
        for s in starts
        for w in check_structure(s, context.study.specie, context.potential.species, context.potential.cutoff)
    ]
    for path, start in zip(settings.starts, starts[1:], strict=True):
        if sorted(start.numbers) != sorted(starts[0].numbers):
            found, wanted = (s.symbols.formula.format("metal") for s in (start, starts[0]))
            raise StudyError(
                f"{path} holds {found}", f"the supercell's {wanted}", "correct `starts` in the study file"
            )
    context.anions(starts[0])
    charge_of(context)
    return Material(
        context, tuple(starts), tuple(dict.fromkeys(f"{context.material}: {w}" for w in warnings))
    )


@dataclass(frozen=True)
class Estimate:
    """What a run would cost."""

    jobs: tuple[tuple[str, int, int], ...]
    """(name, atoms, force calls) of each job."""
    speeds: dict[str, float]
    """Measured here, material → atom-steps/s of one worker."""
    workers: int

    @property
    def seconds(self) -> float:
        """Wall time, if nothing is done yet and every worker is busy."""
        return sum(a * f / self.speeds[n.split(" ", 1)[0]] for n, a, f in self.jobs) / self.workers


def estimate(materials: Sequence[Material], workers: int) -> Estimate:
    """Return tasks, force calls and an estimate of the time from a short measurement of the speed."""
    speeds = {m.context.material: measured_speed(m.starts[0], m.context.potential) for m in materials}
    jobs = [(job.name, len(m.starts[0]), job.force_calls) for m in materials for job in m.planned()]
    return Estimate(tuple(jobs), speeds, workers)


def run_study(materials: Sequence[Material], executor: Executor, watch: Watch) -> list[MaterialAnalysis]:
    """Do all jobs that are missing, then analyse every material."""
    root = materials[0].context.root
    clear_parts(root / "steps")
    for m in materials:
        for number, start in enumerate(m.starts, 1):
            write_structure(root / f"{m.context.material}_start_{number}.extxyz", start)
    _run([w for m in materials for w in m.walks()], executor, watch)
    grounds = [m.lowest() for m in materials]
    jobs = [
        m.temperatures(atoms, state.energy_eV) for m, (atoms, state) in zip(materials, grounds, strict=True)
    ]
    _run([j for per_material in jobs for j in per_material], executor, watch)
    for atoms, state in grounds:
        write_structure(root / state.file, atoms)
    return [analyse(m.context, j, a, s) for m, j, (a, s) in zip(materials, jobs, grounds, strict=True)]


def _run(jobs: Sequence[Job], executor: Executor, watch: Watch) -> None:
    """Run the missing jobs on the pool; the first failure stops those that have not begun."""
    futures = {executor.submit(job.run): job for job in jobs if not job.is_done}
    pending = set(futures)
    while pending:
        finished, pending = wait(pending, timeout=0.3, return_when=FIRST_EXCEPTION)
        for future in finished:
            error = future.exception()
            if error is not None:
                for waiting in pending:
                    waiting.cancel()
                raise error
        watch(jobs, [futures[f] for f in pending])
    watch(jobs, [])


def write_results(materials: Sequence[Material], analyses: Sequence[MaterialAnalysis]) -> Results:
    """Write `states.parquet` and `results.json`; return the results."""
    context = materials[0].context
    write_states(context.root / "states.parquet", concatenate(a.states for a in analyses))
    results = Results(
        frustra_version=metadata.version("frustra"),
        created=strftime("%Y-%m-%dT%H:%M:%S%z"),
        study=context.study.model_dump(mode="json"),
        potential=_described(context.potential),
        versions={name: metadata.version(name) for name in PACKAGES},
        warnings=[w for m, a in zip(materials, analyses, strict=True) for w in (*m.warnings, *a.warnings)],
        materials={m.context.material: a.result for m, a in zip(materials, analyses, strict=True)},
    )
    write_text(context.root / "results.json", results.model_dump_json(indent=2) + "\n")
    return results


def _described(potential: LammpsPotential) -> dict[str, str | float | list[str]]:
    return {
        "model": potential.name,
        "species": list(potential.species),
        "cutoff_A": potential.cutoff,
        "fingerprint": potential.fingerprint,
        "not_for": list(potential.not_for),
    }
