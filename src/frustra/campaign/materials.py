"""The materials of a study: read and checked before anything is computed, and their jobs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from ase import Atoms

from frustra.campaign.analyse import charge_of
from frustra.campaign.jobs import Context, TemperatureJob, WalkJob
from frustra.campaign.results import GroundState
from frustra.campaign.study import MaterialSettings, Study
from frustra.engines.lammps import find_lammps
from frustra.engines.zoo import load_potential
from frustra.errors import StudyError
from frustra.io import read_structure
from frustra.structures import check_structure, supercell


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
