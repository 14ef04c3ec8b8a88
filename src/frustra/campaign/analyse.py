"""From finished jobs to results: every number of `results.json` is derived here, from files alone."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import cell_to_cellpar

from frustra.analysis.arrhenius import Arrhenius
from frustra.analysis.density import Density, densities_of, energy_zero, site_fractions
from frustra.analysis.equilibrium import RelaxedEnergy, doubts, empty_ground_sites
from frustra.analysis.levels import levels_of
from frustra.analysis.markers import Marker, agreement
from frustra.analysis.tabulate import tabulate_runs
from frustra.analysis.transitions.survey import TransitionSurvey
from frustra.analysis.transport import Diffusion, diffusion_of
from frustra.campaign.equilibrium import (
    branches,
    energies_of,
    equilibrium_warnings,
    lower_states,
    read_energies,
    sampling_result,
    sampling_warnings,
)
from frustra.campaign.jobs import CellJob, Context
from frustra.campaign.markers import Evidence, markers_of
from frustra.campaign.material_levels import material_levels
from frustra.campaign.pathway_results import pathways_result
from frustra.campaign.pathways import Pathways, pathways_of
from frustra.campaign.recall import doubt_about
from frustra.campaign.results import (
    ArrheniusResult,
    Cell,
    GroundState,
    MaterialResult,
    RelaxedEnergies,
    SnapshotCount,
    States,
    TemperatureResult,
)
from frustra.campaign.run_job import RunJob
from frustra.campaign.summaries import (
    agreement_result,
    conductivity,
    diffusivity,
    finite,
    fit_or_refusal,
    marker_result,
    transport,
)
from frustra.campaign.transition_results import transitions_found, transitions_result
from frustra.campaign.transitions import sites_of_ground
from frustra.errors import StudyError
from frustra.io import open_trajectory, read_snapshots
from frustra.ladder import Point
from frustra.sites import SITE_KINDS, Sites
from frustra.snapshots import Snapshots, joined
from frustra.states import StateTable, concatenate
from frustra.structures import FORMAL_CHARGES, formula
from frustra.surveys.doas import Doas, survey_doas
from frustra.surveys.doas_results import doas_result

LARGE_MOVE = 1.1
"""Å: an ion that relaxation moved further has probably left its basin."""

FEW = 0.01
"""Fraction of such ions that needs no warning."""


@dataclass(frozen=True)
class MaterialAnalysis:
    """The records behind one material's results, for figures and further analysis."""

    result: MaterialResult
    evidence: Evidence
    states: StateTable
    doas: Doas
    arrhenius: Arrhenius | None
    markers: list[Marker]
    pathways: Pathways
    transitions: TransitionSurvey
    warnings: list[str]


def charge_of(context: Context) -> float:
    """Return the mobile ion's charge (e): the study's, else the element's usual one."""
    study = context.study
    charge = (
        study.transport.charge if study.transport.charge is not None else FORMAL_CHARGES.get(study.specie)
    )
    if charge is None:
        raise StudyError(
            f"no usual charge known for {study.specie}",
            "transport.charge in the study file",
            "set it",
        )
    return float(charge)


def analyse(
    context: Context,
    name: str,
    runs: Sequence[Sequence[RunJob]],
    ground: Atoms,
    ground_state: GroundState,
    others: Sequence[Sequence[RunJob]] = (),
) -> MaterialAnalysis:
    """Derive everything of one material from its finished runs.

    Parameters
    ----------
    name
        What the material is called in the results.
    runs
        For each temperature (ascending) its independent runs, all from one kind of start.
    ground, ground_state
        The ground state that they started from.
    others
        Runs at the same temperatures from another kind of start, if there are any: the other branch.
    """
    specie, anions = context.study.specie, context.anions(ground)
    parts = [[read_snapshots(run.snapshots_file) for run in replicas] for replicas in runs]
    empty = [[empty_ground_sites(s, ground, specie) for s in of_temperature] for of_temperature in parts]
    sites = sites_of_ground(ground, specie, anions)
    states = concatenate(_tabulated(p, specie, sites, name) for p in parts)
    energies, other = energies_of(runs, parts, empty), read_energies(others)
    reasons = doubts(energies, other)
    evidence = Evidence(
        specie=specie,
        anions=anions,
        sites=sites,
        runs=runs,
        snapshots=parts,
        empty_sites=empty,
        energies=energies,
        densities=_densities(context, states),
        densities_by={
            column: _densities(context, states, column)
            for column in ("label", "anions")
            if column == "label" or len(anions) > 1
        },
        diffusion=[_diffusion(replicas) for replicas in runs],
        doubtful=[e.temperature for e, why in zip(energies, reasons, strict=True) if why],
    )
    charge, markers = charge_of(context), markers_of(evidence)
    pathways = pathways_of(sites, specie, runs, states)
    zero = energy_zero(states.select(states["converged"]), context.study.doas)
    transitions = transitions_found(name, runs, zero)
    line, arrhenius = fitted(evidence.diffusion, charge)
    told = [*arrhenius.notes, *doubt_about(evidence.doubtful)]
    result = MaterialResult(
        formula=formula(ground),
        start=runs[0][0].order,
        atoms=len(ground),
        specie=specie,
        ions=evidence.ions,
        charge=charge,
        anions=list(anions),
        energy_zero_eV=zero,
        ground_state=ground_state,
        lower_states=[state for state, _ in lower_states(name, runs)],
        branches=branches(runs[0][0].order, energies, other),
        temperatures=_rows(name, context, evidence, states, reasons),
        arrhenius=arrhenius.model_copy(update={"notes": told}),
        markers={m.name: marker_result(m) for m in markers},
        agreement=agreement_result(agreement(markers, line), evidence.doubtful),
        pathways=pathways_result(pathways, evidence.doubtful),
        transitions=transitions_result(transitions, runs),
    )
    levels = dict(zip(evidence.temperatures, parts, strict=True))
    doas = survey_doas(material_levels(Path(), name, result, levels_of(states), levels), context.study.doas)
    result = result.model_copy(update={"doas": doas_result(doas)})
    return MaterialAnalysis(
        result, evidence, states, doas, line, markers, pathways, transitions, _warnings(name, result)
    )


def _rows(
    name: str, context: Context, evidence: Evidence, states: StateTable, reasons: Sequence[list[str]]
) -> list[TemperatureResult]:
    """Return what is told of every temperature."""
    charge, discarded = charge_of(context), context.study.md.equilibration
    by_temperature = {d.temperature: d for d in evidence.densities}
    columns = (evidence.runs, evidence.snapshots, evidence.energies, evidence.diffusion, reasons)
    return [
        TemperatureResult(
            T_K=d.temperature,
            runs=len(replicas),
            equilibrated=not why,
            doubts=why,
            cell=_cell(replicas[0].cell_job),
            diffusivity=diffusivity(d),
            conductivity=conductivity(d, charge),
            transport=transport(d, charge, discarded),
            **_fractions(states.select(states["temperature"] == d.temperature)),
            off_ground_fraction=finite(float(np.mean(e.off_ground))),
            states=_states(by_temperature.get(d.temperature)),
            relaxed_energy=_relaxed(name, e, replicas),
            snapshots=_count(joined(s), evidence.specie),
            sampling=sampling_result(replicas, by_temperature.get(d.temperature)),
        )
        for replicas, s, e, d, why in zip(*columns, strict=True)
    ]


def _densities(context: Context, states: StateTable, by: str = "site") -> list[Density]:
    return densities_of(states, context.study.doas, by=by)


def _diffusion(replicas: Sequence[RunJob]) -> Diffusion:
    study = replicas[0].context.study
    with ExitStack() as files:
        trajectories = [files.enter_context(open_trajectory(r.trajectory_file)) for r in replicas]
        return diffusion_of(trajectories, study.specie, study.transport)


def _tabulated(parts: Sequence[Snapshots], specie: str, sites: Sites, name: str) -> StateTable:
    """Return the states of all runs at one temperature, on the sites of all temperatures."""
    return tabulate_runs(parts, specie, material=name, sites=sites)


def _cell(job: CellJob) -> Cell:
    cell, std = (np.array(v) for v in job.cell())
    parameters = cell_to_cellpar(cell)
    lengths = np.linalg.norm(cell, axis=1)
    errors = np.abs((cell * std).sum(axis=1)) / lengths
    return Cell(
        lengths_A=tuple(lengths), lengths_std_A=tuple(errors), angles_deg=tuple(parameters[3:]),
        volume_A3=float(np.linalg.det(cell)),
    )  # fmt: skip


def _fractions(states: StateTable) -> dict[str, dict[str, float | None]]:
    found = site_fractions(states.select(states["converged"]) if states["converged"].any() else states)
    return {
        "site_fractions": {k: v for k, (v, _) in found.items()},
        "site_fractions_std": {k: finite(e) for k, (_, e) in found.items()},
    }


def _states(density: Density | None) -> States:
    if density is None:
        return States.model_validate({"n": 0, **dict.fromkeys(set(States.model_fields) - {"n"})})
    return States(
        n=density.states,
        mean_eV=density.mean.value,
        iqr_eV=density.iqr.value,
        entropy_nat=density.entropy.value,
        effective_levels=density.effective_levels.value,
        mean_std_eV=finite(density.mean.std),
        iqr_std_eV=finite(density.iqr.std),
        entropy_std_nat=finite(density.entropy.std),
    )


def _relaxed(name: str, energy: RelaxedEnergy, replicas: Sequence[RunJob]) -> RelaxedEnergies:
    below = lower_states(name, [replicas])
    return RelaxedEnergies(
        mean_eV=finite(energy.mean),
        std_eV=finite(energy.std),
        lowest_eV=finite(energy.lowest),
        strain_eV=energy.strain,
        lower_state_eV=energy.lower_state,
        lower_state_file=below[0][0].file if below else None,
    )


def _count(snapshots: Snapshots, specie: str) -> SnapshotCount:
    mobile = snapshots.atoms(0).symbols == specie
    return SnapshotCount(
        n=len(snapshots),
        converged=int(snapshots.converged.sum()),
        fmax_eV_A=float(snapshots.fmax.max()),
        max_displacement_A=float(snapshots.max_displacement.max()),
        moved_far_fraction=float((snapshots.displacements[:, mobile] > LARGE_MOVE).mean()),
        median_ion_displacement_A=float(np.median(snapshots.displacements[:, mobile])),
        force_calls=float(snapshots.force_calls.mean()),
    )


def fitted(diffusion: Sequence[Diffusion], charge: float) -> tuple[Arrhenius | None, ArrheniusResult]:
    """Return the Arrhenius analysis of the Nernst–Einstein conductivities; none, with the reason, if refused.

    Parameters
    ----------
    diffusion
        At different temperatures.
    charge
        Of the mobile ion, e.
    """
    points = (Point(d.temperature, *d.conductivity(charge), d.is_upper_bound) for d in diffusion)
    return fit_or_refusal(tuple(points))


def _warnings(name: str, result: MaterialResult) -> list[str]:
    """Return everything a reader must know before quoting a number."""
    found = []
    for row in result.temperatures:
        at = f"{name}, {row.T_K:g} K"
        if row.snapshots.converged < row.snapshots.n:
            lost = row.snapshots.n - row.snapshots.converged
            found.append(
                f"{at}: {lost} of {row.snapshots.n} snapshots did not converge and are left out of the DOAS."
            )
        if row.diffusivity.is_upper_bound:
            found.append(
                f"{at}: below the detection limit ({row.transport.diffusive_jumps:.0f} diffusive "
                f"jumps in {row.transport.duration_ps:.0f} ps); D and σ are 95 % upper bounds."
            )
        if row.snapshots.moved_far_fraction > FEW:
            found.append(
                f"{at}: relaxation moved {100 * row.snapshots.moved_far_fraction:.0f} % of the ions by more "
                f"than {LARGE_MOVE:g} Å (an atom by {row.snapshots.max_displacement_A:.1f} Å); they may have "
                "left the basin they vibrated in."
            )
        found += [f"{at} is not equilibrated: {why}." for why in row.doubts]
    found += [*equilibrium_warnings(name, result), *sampling_warnings(name, result.temperatures)]
    noted: dict[str, list[float]] = {}
    for row in result.temperatures:
        for note in row.transport.notes:
            noted.setdefault(note, []).append(row.T_K)
    found += [f"{name}, {', '.join(f'{t:g}' for t in where)} K: {note}" for note, where in noted.items()]
    other = max(row.site_fractions[SITE_KINDS[-1]] for row in result.temperatures)
    if other > 0.05:
        found.append(
            f"{name}: up to {100 * other:.0f} % of the ions are on sites that are neither oct nor tet."
        )
    if result.arrhenius.model == "undecided":
        found.append(f"{name}: whether the conductivity breaks: {result.arrhenius.reason}.")
    found += [f"{name}: {note}." for note in result.arrhenius.notes]
    found += [f"{name}: {note}." for note in result.pathways.notes]
    found += [f"{name}: {note}." for note in result.transitions.notes]
    return found
