"""The relaxed snapshots of a run under other potentials: what of its density of states they confirm."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from frustra.analysis.density import DensitySettings
from frustra.analysis.model_error import ModelComparison, ModelStates, Survivors, compare_models
from frustra.analysis.sampling import relaxed_frames, spread
from frustra.analysis.tabulate import tabulate
from frustra.arrays import Array
from frustra.campaign.batches import BATCH, BATCHES, FrameChoice, Relaxing
from frustra.campaign.trajectories import RunSnapshots, run_snapshots
from frustra.campaign.transitions import sites_of_ground
from frustra.campaign.workflow import Step
from frustra.engines.committee import Committee
from frustra.engines.potential import Potential
from frustra.engines.relax import RelaxSettings
from frustra.engines.relax_ase import snapshots_of
from frustra.engines.zoo import load_potential
from frustra.errors import DataError, StudyError
from frustra.io import read_snapshots, read_structure, write_snapshots
from frustra.sites import Sites
from frustra.snapshots import ENERGY_SUM_TOLERANCE, Snapshots, joined
from frustra.states import StateTable, concatenate
from frustra.structures import check_structure, fingerprint, indices_of, strained
from frustra.surveys.model_results import ModelsResult, SurvivorsResult, temperatures_result
from frustra.surveys.runs import Tell
from frustra.trajectory import Trajectory

FOLDER = "models"
"""Where the relaxed frames go in the run's folder, if no other place is named."""

SNAPSHOTS = "snapshots.h5"
"""The outcome of a step: the ground state, then the snapshots."""

VERSION = 1
"""Of the outcome of a step: raised by whoever changes the code so that it changes."""


@dataclass(frozen=True)
class ModelChoice:
    """Which snapshots are looked at by which models."""

    models: tuple[str, ...]
    """Names of potentials; of a committee every member counts as a model."""
    count: int = 20
    """Snapshots at each temperature at most, spread evenly."""
    temperatures: tuple[float, ...] = ()
    """K; all where none is named."""
    relax: bool = True
    """Whether every snapshot is relaxed again under each model."""
    by: str = "site"
    """Column of the state table that tells the classes apart."""
    fmax: float | None = None
    """Largest force at the end of a relaxation, eV/Å; that of the run if not given."""

    def __post_init__(self) -> None:
        if self.count < 2:
            raise StudyError(f"{self.count} snapshots at each temperature", "two or more", "raise --count")


@dataclass(frozen=True)
class ModelWork:
    """What a model did to the snapshots of one temperature."""

    model: str
    temperature: float
    """K."""
    frames: int
    converged: int
    force_calls: int
    """Of all frames."""
    median_move: float
    """Median displacement of the mobile ions from the run's own minima, Å."""


@dataclass(frozen=True)
class ModelSurvey:
    """What several models say of the snapshots of a run."""

    material: str
    specie: str
    relaxed: bool
    """Whether every model relaxed the snapshots, or only evaluated them."""
    by: str
    folder: Path
    """Where the relaxed frames are."""
    comparison: ModelComparison
    work: tuple[ModelWork, ...]
    notes: tuple[str, ...]


def survey_models(
    folder: Path,
    choice: ModelChoice,
    settings: DensitySettings,
    material: str = "",
    out: Path | None = None,
    tell: Tell = lambda _: None,
) -> ModelSurvey:
    """Relax the snapshots of a run under other models, or go on with that, and compare what they say.

    Every model starts from the run's relaxed frames, in their own fixed cells, so that states correspond one
    to one as long as their ions stay where they are. The run's own potential is the reference.

    Parameters
    ----------
    folder
        Of a finished run.
    choice, settings
        Which snapshots and models, how densities are binned.
    material
        Which material of the run; not needed where there is only one.
    out
        Where the relaxed frames go; by default `models` in the run's folder.
    tell
        Called with what is being done.

    Raises
    ------
    FrustraError
        No run, a potential that cannot be used, or models that cannot be compared.
    """
    run = run_snapshots(folder, material)
    potentials = _potentials(run, choice.models)
    work = _Work(run, choice, (out or folder / FOLDER) / run.material, tell)
    for potential in potentials.others:
        check_structure(work.ground, run.specie, potential.species, None)
    parts = _chosen(run, choice)
    grounds = [work.reference(potentials.reference, part) for part in parts]
    found = [[work.under(p, *pair) for pair in zip(parts, grounds, strict=True)] for p in potentials.others]
    tell("telling the states of the ions")
    sites = None if run.specie in run.anions else sites_of_ground(work.ground, run.specie, run.anions)
    table = _table(run, parts, sites)
    ions = len(indices_of(work.ground, run.specie))
    member = not isinstance(potentials.reference, Committee)
    own = [joined([g, p]) for g, p in zip(grounds, parts, strict=True)]
    models = [ModelStates(run.model, table["energy"], table["converged"], _totals(own, ions), member)]
    for potential, of in zip(potentials.others, found, strict=True):
        theirs = _table(run, [one.select(slice(1, None)) for one in of], sites)
        same = theirs["converged"] & ~theirs["left_basin"] & (theirs["place"] == table["place"])
        models.append(ModelStates(potential.name, theirs["energy"], same, _totals(of, ions)))
    tell("comparing the models")
    return ModelSurvey(
        material=run.material,
        specie=run.specie,
        relaxed=choice.relax,
        by=choice.by,
        folder=work.folder,
        comparison=compare_models(table, models, settings, choice.by),
        work=tuple(_told(run, p, one) for p, of in zip(potentials.others, found, strict=True) for one in of),
        notes=run.doubts,
    )


@dataclass(frozen=True)
class _Potentials:
    """The run's own, and those that it is compared with."""

    reference: Potential
    others: tuple[Potential, ...]


def _potentials(run: RunSnapshots, names: Sequence[str]) -> _Potentials:
    """Return every potential once; of a committee its members."""
    reference = load_potential(run.model, run.base)
    others = list(reference.members) if isinstance(reference, Committee) else []
    for name in names:
        named = load_potential(name)
        others += named.members if isinstance(named, Committee) else [named]
    if not others:
        raise StudyError("no other potential", "one or more", "name them: --potential FAMILY:ARGUMENT")
    known = {reference.fingerprint}
    for other in others:
        if other.fingerprint in known:
            raise StudyError(
                f"the potential {other.name} twice, or the run's own", "every model once", "leave it away"
            )
        known.add(other.fingerprint)
    return _Potentials(reference, tuple(others))


def _chosen(run: RunSnapshots, choice: ModelChoice) -> list[Snapshots]:
    """Return the chosen snapshots of each temperature, those of all its runs together."""
    by_temperature: dict[float, list[Snapshots]] = {}
    for file in run.files:
        part = read_snapshots(file)
        by_temperature.setdefault(part.temperature, []).append(part.select(part.converged))
    absent = sorted(set(choice.temperatures) - set(by_temperature))
    if absent:
        raise DataError(
            f"no snapshots at {', '.join(f'{t:g}' for t in absent)} K",
            f"{', '.join(f'{t:g}' for t in sorted(by_temperature))} K",
        )
    found = [joined(by_temperature[t]) for t in sorted(choice.temperatures or by_temperature)]
    few = [s for s in found if len(s) < 2]
    if few:
        raise DataError(f"{len(few[0])} converged snapshots at {few[0].temperature:g} K", "two or more")
    return [s.select(spread(relaxed_frames(s), min(choice.count, len(s))).frames) for s in found]


@dataclass(frozen=True)
class _Work:
    """Relaxes or evaluates the snapshots of a run, each model and temperature as a step."""

    run: RunSnapshots
    choice: ModelChoice
    folder: Path
    tell: Tell

    @cached_property
    def ground(self) -> Atoms:
        """The run's ground state in its own cell."""
        return read_structure(self.run.ground)

    @property
    def _settings(self) -> RelaxSettings:
        return RelaxSettings(fmax=self.choice.fmax or self.run.fmax)

    def reference(self, potential: Potential, part: Snapshots) -> Snapshots:
        """Return the ground state, relaxed by the run's own potential in the cell of the snapshots.

        Raises
        ------
        DataError
            The potential gives the snapshots other energies than those they have.
        """
        energy = float(potential.evaluate([part.atoms(0)]).energies[0])
        if abs(energy - part.energies[0]) > ENERGY_SUM_TOLERANCE * len(part.numbers):
            raise DataError(
                f"{potential.name} gives a snapshot {energy:.4f} eV that has {part.energies[0]:.4f} eV",
                "the potential that the run was made with",
                "run the study again",
            )
        start = strained(self.ground, part.cell)
        return self._done(potential, [start], part.temperature, "ground", relax=True)

    def under(self, potential: Potential, part: Snapshots, ground: Snapshots) -> Snapshots:
        """Return the ground state and the snapshots under another model, in this order."""
        frames = [ground.atoms(0), *(part.atoms(i) for i in range(len(part)))]
        what = "relaxed" if self.choice.relax else "evaluated"
        return self._done(potential, frames, part.temperature, what, relax=self.choice.relax)

    def _done(
        self, potential: Potential, frames: Sequence[Atoms], temperature: float, what: str, *, relax: bool
    ) -> Snapshots:
        """Return the outcome of a step; what is done already is read."""
        settings = self._settings
        inputs: dict[str, Any] = {
            "frames": [fingerprint(f) for f in frames],
            "potential": potential.fingerprint,
            "relax": settings.model_dump() if relax else None,
        }
        name = f"{what}-{re.sub(r'[^A-Za-z0-9.-]+', '_', short_names([potential.name])[0])}"
        step = Step(self.folder / f"{temperature:g}K", name, inputs, VERSION)
        run = _frames(frames, temperature)

        def tell(said: str) -> None:
            self.tell(f"{short_names([potential.name])[0]}, {said}")

        def work(folder: Path) -> None:
            done = Relaxing(potential, settings, FrameChoice(cell="own"), folder, tell)
            found = done.relaxed([run]).parts[0] if relax else _evaluated(potential, run, tell)
            write_snapshots(folder / SNAPSHOTS, found)
            shutil.rmtree(folder / BATCHES, ignore_errors=True)

        return read_snapshots(step.perform(work) / SNAPSHOTS)


def _frames(frames: Sequence[Atoms], temperature: float) -> Trajectory:
    """Return frames of one cell as a trajectory."""
    cells = np.broadcast_to(frames[0].cell.array, (len(frames), 3, 3))
    positions = np.stack([f.positions for f in frames])
    return Trajectory(positions, cells, frames[0].numbers.astype(np.int64), 1.0, temperature)


def _evaluated(potential: Potential, run: Trajectory, tell: Tell) -> Snapshots:
    """Return frames with the energies of a model, as they are."""
    found = []
    for first in range(0, len(run), BATCH):
        tell(f"evaluating frame {first + 1} of {len(run)}")
        atoms = [run.atoms(i) for i in range(first, min(first + BATCH, len(run)))]
        found.append(snapshots_of(atoms, atoms, potential, np.inf, [("not relaxed", 1, 0)] * len(atoms)))
    return joined(found).with_origin(np.arange(len(run), dtype=float), run.temperature)


def _table(run: RunSnapshots, parts: Sequence[Snapshots], sites: Sites | None) -> StateTable:
    """Return the states of all temperatures."""
    return concatenate(tabulate(p, run.specie, run.anions, run.material, sites=sites) for p in parts)


def _totals(parts: Sequence[Snapshots], ions: int) -> Array:
    """Return the energy of every frame above the first of its temperature, the ground state, per ion.

    NaN where one of them did not converge.
    """
    above = [np.where(p.converged & p.converged[0], p.energies - p.energies[0], np.nan) for p in parts]
    return np.concatenate([energy[1:] / ions for energy in above])


def _told(run: RunSnapshots, potential: Potential, found: Snapshots) -> ModelWork:
    ions = indices_of(found.atoms(0), run.specie)
    return ModelWork(
        model=potential.name,
        temperature=found.temperature,
        frames=len(found) - 1,
        converged=int(found.converged[1:].sum()),
        force_calls=int(found.force_calls.sum()),
        median_move=float(np.median(found.displacements[1:, ions])),
    )


def short_names(names: Sequence[str]) -> list[str]:
    """Return names of models without the folders of their files, where they still differ."""
    short = [re.sub(r"(?<=[:+])[^:+]*/", "", name) for name in names]
    return short if len(set(short)) == len(short) else list(names)


def models_result(survey: ModelSurvey) -> ModelsResult:
    """Return everything as JSON tells it."""
    found = survey.comparison
    same = {(found.names[s.model], s.temperature): s for s in found.survivors}
    return ModelsResult(
        material=survey.material,
        specie=survey.specie,
        models=list(found.names),
        members=[n for n, m in zip(found.names, found.densities[0].members, strict=True) if m],
        relaxed=survey.relaxed,
        by=survey.by,
        folder=str(survey.folder),
        shifts_eV=found.shifts.tolist(),
        zero_eV=found.zero,
        survivors=[_survivors(w, same[w.model, w.temperature]) for w in survey.work],
        temperatures=temperatures_result(found),
        notes=list(survey.notes),
    )


def _survivors(work: ModelWork, left: Survivors) -> SurvivorsResult:
    return SurvivorsResult(
        model=work.model,
        T_K=work.temperature,
        frames=work.frames,
        converged=work.converged,
        force_calls=work.force_calls,
        median_move_A=work.median_move,
        same=left.same / left.states,
        whole=left.whole / left.frames,
    )
