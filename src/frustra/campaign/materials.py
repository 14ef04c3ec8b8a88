"""The materials of a study: read and checked before anything is computed, and their jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms

from frustra.campaign.analyse import charge_of
from frustra.campaign.jobs import CellJob, Context, Job, WalkJob, is_done
from frustra.campaign.results import GroundState
from frustra.campaign.run_job import Order, RunJob
from frustra.campaign.study import MaterialSettings, Study
from frustra.engines.lammps import find_lammps
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.potential import Potential
from frustra.engines.zoo import load_potential
from frustra.errors import StudyError
from frustra.io import read_structure
from frustra.structures import check_structure, supercell


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

    @property
    def orders(self) -> tuple[Order, ...]:
        """What the runs start from."""
        order = self.context.study.start.order
        return ("ordered", "quenched") if order == "both" else (order,)

    def planned(self) -> list[Job]:
        """Return all jobs, for the estimate of the work; the ground state is not known yet."""
        return [*self.walks(), *self._later(self.starts[0], 0.0)]

    def jobs(self) -> list[Job]:
        """Return the jobs that are known by now: the walks, and when they are done the others."""
        walks = self.walks()
        if not all(is_done(w) for w in walks):
            return list(walks)
        atoms, state = self.ground
        return [*walks, *self._later(atoms, state.energy_eV)]

    def ready(self) -> list[Job]:
        """Return the jobs that are not done and could begin now."""
        waiting = [job for job in self.jobs() if not is_done(job)]
        return [job for job in waiting if not isinstance(job, RunJob) or is_done(job.cell_job)]

    @cached_property
    def ground(self) -> tuple[Atoms, GroundState]:
        """The lowest ordering of all walks, once they are done."""
        return self._lowest()

    def runs(self, order: Order) -> list[list[RunJob]]:
        """Return the runs from one kind of start: for each temperature its replicas."""
        atoms, state = self.ground
        return [self._runs(cell, state.energy_eV, order) for cell in self._cells(atoms)]

    def _later(self, ground: Atoms, energy: float) -> list[Job]:
        cells = self._cells(ground)
        runs = [r for order in self.orders for cell in cells for r in self._runs(cell, energy, order)]
        return [*cells, *runs]

    def _cells(self, ground: Atoms) -> list[CellJob]:
        return [CellJob(self.context, ground, t) for t in self.context.study.md.temperatures]

    def _runs(self, cell: CellJob, energy: float, order: Order) -> list[RunJob]:
        return [RunJob(cell, energy, order, i) for i in range(self.context.study.md.replicas)]

    def _lowest(self) -> tuple[Atoms, GroundState]:
        walks = self.walks()
        outcomes = [w.outcome() for w in walks]
        best = int(np.argmin([energy for _, energy, _ in outcomes]))
        history = [
            {"walker": w.walker + 1, "energies_eV": dict(h)}
            for w, (_, _, h) in zip(walks, outcomes, strict=True)
        ]
        file = f"{self.context.material}_ground_state.extxyz"
        return outcomes[best][0], GroundState(energy_eV=outcomes[best][1], file=file, walks=history)


def materials_of(study: Study, root: Path, base: Path) -> list[Material]:
    """Read and check everything before anything is computed.

    Raises
    ------
    FrustraError
        Anything that would make the run fail later: see `check_structure`, `load_potential`, `find_lammps`.
    """
    potential = load_potential(study.potential.model, base)
    if isinstance(potential, LammpsPotential):
        find_lammps()
    materials = [
        _material(Context(study, root, name, potential, base.resolve()), m)
        for name, m in study.materials.items()
    ]
    _check_partition(potential, [m.starts[0] for m in materials])
    return materials


def _check_partition(potential: Potential, starts: Sequence[Atoms]) -> None:
    """Evaluate every crystal once: refuse a potential whose per-atom energies are no partition."""
    for start in starts:
        potential.evaluate([start]).partition(potential.name)


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
