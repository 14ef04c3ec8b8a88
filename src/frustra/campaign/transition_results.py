"""What `results.json` tells of transitions between levels of the DOAS."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from frustra.analysis.transitions.balance import Balance
from frustra.analysis.transitions.joint import Joint
from frustra.analysis.transitions.shares import Shares
from frustra.analysis.transitions.survey import TransitionsAt, TransitionSurvey, survey_transitions
from frustra.campaign.run_job import RunJob
from frustra.errors import AnalysisError
from frustra.io.transitions import read_transitions
from frustra.surveys.values import Record, Value, sure_value
from frustra.transitions import stacked

BROKEN = 0.05
"""Probability by chance, for all tests of a material together, below which detailed balance is doubted."""


class JointResult(Record):
    """Relaxed energies of the hopping ion before and after, of one class of hops."""

    pathway: str = Field(
        description="kinds of the sites; oct–tet–oct also of two hops by an ion that settled in the tet "
        "site, which are in the classes oct–tet and tet–oct too"
    )
    hops: int = Field(description="hops (or ways of two) whose relaxed energies are known")
    ions: int = Field(description="different ions among them; errors are by bootstrap over these")
    stands_for: float = Field(description="lasting hops of the runs that they are drawn from")
    before_eV: Value = Field(description="mean energy in the origin, above the zero of the DOAS")
    after_eV: Value = Field(description="mean energy in the target")
    change_eV: Value = Field(description="mean Δe")
    spread_eV: Value | None = Field(description="standard deviation of Δe; null of a single hop")


class BalanceResult(Record):
    """Whether hops there and back meet the same pairs of energies, as in equilibrium."""

    pathway: str = Field(description="class of the hops there")
    there: int = Field(description="hops there")
    back: int = Field(description="hops of the opposite class; of a class that is its own opposite the same")
    distance_eV: Value = Field(description="energy distance of p(e_i, e_f) there and p(e_f, e_i) back")
    by_chance_eV: float = Field(description="its mean where hops are reversed at random")
    p: float = Field(description="probability of at least this distance by chance")
    imbalance_eV: Value = Field(description="mean Δe there plus mean Δe back; 0 in equilibrium")


class SharesResult(Record):
    """How the total energy of single hops is split; free of shifts of an element's per-atom energies."""

    hops: int = Field(description="hops at which no other ion changed its site, or made by the ion alone")
    ions: int = Field(description="different ions among them")
    ion: Value = Field(description="slope of Δe of the hopping ion on ΔE of the cell, through the origin")
    others: Value = Field(description="the same of all other mobile ions; the three slopes add up to 1")
    framework: Value = Field(description="the same of the framework")
    correlation: Value = Field(description="of Δe and ΔE, over hops and their reverses")
    difference_eV: Value = Field(description="root-mean-square of Δe − ΔE")
    rms_ion_eV: Value = Field(description="root-mean-square of Δe")
    rms_total_eV: Value = Field(description="root-mean-square of ΔE")


class TransitionsAtResult(Record):
    """Transitions at one temperature."""

    T_K: float = Field(description="temperature")
    relaxed: int = Field(description="hops whose frames before and after were relaxed")
    stands_for: float = Field(description="lasting hops of the runs that they are drawn from")
    used: int = Field(description="those whose ion relaxed in its origin and in its target")
    single: int = Field(description="those of them at which no other ion changed its site")
    alone: int = Field(
        description="those, and others that the ion could be made to do alone: of them Δe is compared with ΔE"
    )
    rejected: dict[str, int] = Field(description="reason → hops that are not used")
    pathways: list[JointResult] = Field(description="by class, that of most hops first")
    balance: list[BalanceResult] = Field(description="detailed balance, where there are enough hops")
    shares: SharesResult | None = Field(description="null with fewer than five single hops")


class TransitionsResult(Record):
    """Hops as transitions between relaxed states."""

    temperatures: list[TransitionsAtResult] = Field(description="ascending; those with relaxed hops")
    shares: SharesResult | None = Field(description="of all temperatures together")
    notes: list[str] = Field(description="what was refused or is doubtful, and why")


def transitions_found(name: str, runs: Sequence[Sequence[RunJob]], zero: float) -> TransitionSurvey:
    """Return what hops tell whose frames before and after were relaxed.

    Parameters
    ----------
    name
        What the material is called in the results.
    runs
        For each temperature its independent runs.
    zero
        Zero of energy, that of the DOAS, eV.
    """
    study = runs[0][0].context.study
    tables = (
        read_transitions(run.transitions_file).of_material(name, number)
        for replicas in runs
        for number, run in enumerate(replicas)
        if run.transitions_step in run.steps
    )
    rng = np.random.default_rng(study.seed)
    return survey_transitions(stacked(tables), zero, study.doas.bin, rng, study.doas.bootstrap)


def _why_none(runs: Sequence[Sequence[RunJob]]) -> list[str]:
    """Return a note for each reason why temperatures have no transitions."""
    reasons: dict[str, list[float]] = {}
    for replicas in runs:
        notes = [run.hops()[1] for run in replicas]
        for note in dict.fromkeys(notes if all(notes) else []):
            reasons.setdefault(note, []).append(replicas[0].temperature)
    return [
        f"no transitions on the DOAS at {', '.join(f'{t:g}' for t in kelvin)} K: {why}"
        for why, kelvin in reasons.items()
    ]


def transitions_result(found: TransitionSurvey, runs: Sequence[Sequence[RunJob]]) -> TransitionsResult:
    """Return everything that the hops of some runs tell."""
    told = [*_why_none(runs), *_broken(found)]
    if isinstance(found.shares, AnalysisError) and found.temperatures:
        told.append(f"Δe against ΔE: {str(found.shares).removesuffix('.')}")
    return TransitionsResult(
        temperatures=[_at(t) for t in found.temperatures],
        shares=_shares(found.shares),
        notes=told,
    )


def _broken(found: TransitionSurvey) -> list[str]:
    """Return a note for every class whose hops there and back differ by more than chance allows."""
    balances = [b for t in found.temperatures for b in t.balances]
    return [
        f"{b.temperature:g} K: hops {b.pathway} and back meet different energies (p = {b.p:.2g}), which "
        "equilibrium forbids"
        for b in balances
        if b.p * len(balances) < BROKEN
    ]


def _at(found: TransitionsAt) -> TransitionsAtResult:
    return TransitionsAtResult(
        T_K=found.temperature,
        relaxed=found.hops,
        stands_for=found.stands_for,
        used=found.used,
        single=found.single,
        alone=found.alone,
        rejected=found.rejected,
        pathways=[_joint(j) for j in found.joints],
        balance=[_balance(b) for b in found.balances],
        shares=_shares(found.shares),
    )


def _joint(found: Joint) -> JointResult:
    return JointResult(
        pathway=found.pathway,
        hops=found.hops,
        ions=found.ions,
        stands_for=found.stands_for,
        before_eV=sure_value(found.before),
        after_eV=sure_value(found.after),
        change_eV=sure_value(found.change),
        spread_eV=sure_value(found.spread) if found.hops > 1 else None,
    )


def _balance(found: Balance) -> BalanceResult:
    return BalanceResult(
        pathway=found.pathway,
        there=found.there,
        back=found.back,
        distance_eV=sure_value(found.distance),
        by_chance_eV=found.by_chance,
        p=found.p,
        imbalance_eV=sure_value(found.imbalance),
    )


def _shares(found: Shares | AnalysisError) -> SharesResult | None:
    if isinstance(found, AnalysisError):
        return None
    return SharesResult(
        hops=found.hops,
        ions=found.ions,
        ion=sure_value(found.ion),
        others=sure_value(found.others),
        framework=sure_value(found.framework),
        correlation=sure_value(found.correlation),
        difference_eV=sure_value(found.difference),
        rms_ion_eV=sure_value(found.rms_ion),
        rms_total_eV=sure_value(found.rms_total),
    )
