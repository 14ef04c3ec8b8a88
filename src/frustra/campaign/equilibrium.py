"""What finished runs tell of equilibrium and sampling: both branches, lower states, snapshots needed."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from frustra.analysis.density import Density
from frustra.analysis.equilibrium import (
    Branch,
    RelaxedEnergy,
    branches_of,
    combined,
    empty_ground_sites,
    relaxed_energy,
)
from frustra.analysis.sampling import snapshots_needed
from frustra.arrays import Array
from frustra.campaign.frames import of_all
from frustra.campaign.results import (
    BranchResult,
    LowerState,
    MaterialResult,
    SamplingResult,
    TemperatureResult,
)
from frustra.campaign.run_job import RunJob
from frustra.campaign.summaries import finite
from frustra.io import read_snapshots
from frustra.snapshots import Snapshots
from frustra.units import MEV

Ladder = Sequence[Sequence[RunJob]]
"""For each temperature, ascending, its independent runs, all from one kind of start."""


def energies_of(
    runs: Ladder, snapshots: Sequence[Sequence[Snapshots]], empty: Sequence[Sequence[Array]]
) -> list[RelaxedEnergy]:
    """Return the mean relaxed energy at every temperature.

    Parameters
    ----------
    runs
        From one ground state.
    snapshots, empty
        Of each run, and the fraction of ground-state sites left empty in each snapshot.
    """
    return [
        combined([_energy(*of_run) for of_run in zip(*of, strict=True)])
        for of in zip(runs, snapshots, empty, strict=True)
    ]


def read_energies(runs: Ladder) -> list[RelaxedEnergy]:
    """Return the mean relaxed energy at every temperature, from the files of the runs."""
    parts = [[read_snapshots(run.snapshots_file) for run in replicas] for replicas in runs]
    empty = [
        [empty_ground_sites(s, r.ground, r.context.study.specie) for r, s in zip(*of, strict=True)]
        for of in zip(runs, parts, strict=True)
    ]
    return energies_of(runs, parts, empty)


def _energy(run: RunJob, snapshots: Snapshots, empty: Array) -> RelaxedEnergy:
    reference, lower_state = run.reference()
    strain = (reference - run.ground_energy) / run.ions
    known = run.sampling().independent
    independent = known if np.isfinite(known) else np.inf
    return relaxed_energy(snapshots, reference, run.ions, strain, lower_state, empty, independent)


def branches(
    order: str, energies: Sequence[RelaxedEnergy], others: Sequence[RelaxedEnergy]
) -> list[BranchResult]:
    """Return heating and cooling side by side; nothing without runs from another start."""
    if not others:
        return []
    ordered, quenched = (energies, others) if order == "ordered" else (others, energies)
    return [_branch(b) for b in branches_of(ordered, quenched)]


def _branch(branch: Branch) -> BranchResult:
    return BranchResult(
        T_K=branch.heating.temperature,
        heating_eV=finite(branch.heating.mean),
        heating_std_eV=finite(branch.heating.std),
        cooling_eV=finite(branch.cooling.mean),
        cooling_std_eV=finite(branch.cooling.std),
        differ=branch.differ,
    )


def lower_states(name: str, runs: Ladder) -> list[tuple[LowerState, Path]]:
    """Return the states found below the ground state in use, the lowest first, and where the steps have them.

    Parameters
    ----------
    name
        What the material is called in the results; their files are named by it, temperature and energy.
    runs
        From that ground state.
    """
    found = [_lower(name, run) for replicas in runs for run in replicas if run.reference()[1] < 0]
    return sorted(found, key=lambda pair: pair[0].energy_eV)


def _lower(name: str, run: RunJob) -> tuple[LowerState, Path]:
    below = -run.reference()[1]
    energy = run.ground_energy - below
    file = f"{name}_lower_{run.temperature:g}K_{energy:.4f}eV.extxyz"
    root = run.context.root.resolve()
    state = LowerState(
        T_K=run.temperature,
        run=run.replica + 1,
        below_eV=below,
        energy_eV=energy,
        file=file,
        start=Path(os.path.relpath(root / file, run.context.base.resolve())).as_posix(),
    )
    return state, run.lower_state_file


def sampling_result(replicas: Sequence[RunJob], density: Density | None) -> SamplingResult:
    """Return how the snapshots at one temperature were chosen, and how many the entropy needs.

    Parameters
    ----------
    replicas
        Its runs.
    density
        The DOAS of their snapshots; None without a converged one.
    """
    found = of_all([run.sampling() for run in replicas])
    target = replicas[0].context.study.sampling.entropy_error
    known = found.independent if np.isfinite(found.independent) else float(found.taken)
    needed = None
    if density is not None and not found.frozen:
        bins, ions = int((density.total > 0).sum()), replicas[0].ions
        # the bootstrap took its groups as independent; blocks of correlated snapshots are such groups
        rests, states = max(float(density.groups), known), max(1, round(ions * known))
        needed = snapshots_needed(density.entropy.std, rests, bins, min(states, density.states), target)
    count = None if needed is None else needed.snapshots
    enough = None if count is None else bool(known >= count) and not found.is_lower_bound
    return SamplingResult(
        asked=found.asked,
        taken=found.taken,
        independent=finite(found.independent),
        tau_ps=finite(found.tau),
        tau_std_ps=finite(found.tau_std),
        tau_is_lower_bound=found.is_lower_bound,
        frozen=found.frozen,
        entropy_error_nat=target,
        entropy_bias_nat=None if needed is None else needed.bias,
        needed=count,
        needed_ps=None if count is None else finite(2 * found.tau * count),
        enough=False if found.frozen else enough,
        note=found.note,
    )


def equilibrium_warnings(name: str, result: MaterialResult) -> Iterator[str]:
    """Say which states lie lower than the ground state in use, and how to start from them."""
    if result.lower_states:
        lowest = result.lower_states[0]
        others = len(result.lower_states) - 1
        more = f" ({others} more: see `lower_states` in results.json)" if others else ""
        yield (
            f"{name}: a state found at {lowest.T_K:g} K lies {MEV * lowest.below_eV:.0f} meV per cell below "
            f"the ground state in use. It is kept as {lowest.file}{more}; to start from it, give the "
            f'material starts = ["{lowest.start}"] in the study file and run again.'
        )


def sampling_warnings(name: str, rows: Sequence[TemperatureResult]) -> Iterator[str]:
    """Say where snapshots are correlated, too few, or chosen without knowing."""
    unknown = [r for r in rows if r.sampling.note]
    if unknown:
        yield (
            f"{name}, {_kelvin(unknown)} K: nobody knows how correlated the snapshots are, which are merely "
            f"evenly spaced: {unknown[0].sampling.note}."
        )
    frozen = [r for r in rows if r.sampling.frozen]
    if frozen:
        yield (
            f"{name}, {_kelvin(frozen)} K: no ion changed its site; all snapshots of a run are one "
            "arrangement of the ions, and what another would give is not in the errors."
        )
    short = [r for r in rows if r.sampling.tau_is_lower_bound and not r.sampling.frozen]
    if short:
        listed = ", ".join(f"{r.T_K:g} K (τ > {r.sampling.tau_ps:.2g} ps)" for r in short)
        yield (
            f"{name}: runs too short to tell how fast the ions forget their arrangement: {listed}; their "
            "snapshots are correlated, and errors that rest on them too small."
        )
    few = [r for r in rows if r.sampling.enough is False and not r.sampling.frozen]
    if few:
        yield (
            f"{name}: too few independent snapshots for an entropy of the DOAS to "
            f"± {few[0].sampling.entropy_error_nat:g} nat: {'; '.join(map(_wanting, few))}."
        )


def _kelvin(rows: Sequence[TemperatureResult]) -> str:
    return ", ".join(f"{r.T_K:g}" for r in rows)


def _wanting(row: TemperatureResult) -> str:
    """Return what there is and what is needed at one temperature."""
    s = row.sampling
    held = "an unknown number" if s.independent is None else f"{s.independent:.0f}"
    most = "at most " if s.tau_is_lower_bound else ""
    time = ""
    if s.needed_ps is not None:
        time = f" ({'more than ' if s.tau_is_lower_bound else ''}{s.needed_ps:.2g} ps of MD)"
    return f"at {row.T_K:g} K {most}{held} of {s.needed}{time}"
