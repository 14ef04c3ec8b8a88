"""What `frustra hops --json` prints. Keys carry their units."""

import numpy as np
from pydantic import Field

from frustra.analysis.collective import Strings
from frustra.analysis.residence import Activation, EventRate, Pathway, Residence
from frustra.errors import AnalysisError
from frustra.surveys.hops import HopsAt, HopSurvey
from frustra.surveys.occupancy_results import (
    ClassOccupancyResult,
    ViolationResult,
    class_occupancies,
    violations,
)
from frustra.surveys.values import Record, Value, known, sure_value
from frustra.units import FS


class RateResult(Record):
    """How often something happens."""

    value: float | None = Field(
        description="estimate; the 95 % limit if is_upper_bound; null if no ion was there"
    )
    std: float | None = Field(description="standard error; null for a limit")
    low: float = Field(description="lower end of the 95 % interval; 0 for a limit")
    high: float | None = Field(description="upper end of the 95 % interval; null if no ion was there")
    is_upper_bound: bool = Field(description="whether it never happened, so that the value is a limit")


class PathwayResult(Record):
    """One class of hops."""

    pathway: str = Field(description="kinds of origin, site passed if any, and target; direction")
    hops: int = Field(description="hops seen")
    recrossed: int = Field(description="those that the ion's next hop undoes within the window")
    lasting: int = Field(description="those that are left when straight ways back cancel")
    per_ion_THz: RateResult = Field(description="hops per mobile ion and ps")
    from_origin_THz: RateResult = Field(description="hops per ps of an ion in a site of the origin's kind")
    inflation: float | None = Field(
        description="variance of their number over Poisson's; the errors hold it; null without hops"
    )


class ResidenceResult(Record):
    """How long ions stay in the sites of one class."""

    label: str = Field(description="class of the sites")
    sites: int = Field(description="sites in it")
    time_ion_ps: float = Field(description="time that ions were seen in them")
    departures: int = Field(description="hops away from them")
    mean_ps: float | None = Field(description="time over departures; null without departures")
    std_ps: float | None = Field(description="its standard error; null without departures")
    low_ps: float = Field(description="lower end of the 95 % interval; without departures a 95 % lower bound")
    high_ps: float | None = Field(description="upper end of the 95 % interval; null without departures")
    median_ps: float | None = Field(
        description="time that half of the stays outlast, by Kaplan and Meier; null where it was not reached"
    )


class StringsResult(Record):
    """Hops in concert: each ion takes the place that another left within the window."""

    size: list[int] = Field(description="ions of a string")
    count: list[int] = Field(description="strings of each size")
    by_chance: list[float] = Field(description="mean number if ions hopped at times of their own")
    by_chance_std: list[float] = Field(description="standard deviation of that number")
    concerted_hops: int = Field(description="hops in strings of two ions or more")
    concerted_hops_by_chance: float = Field(description="mean number by chance")
    concerted_hops_by_chance_std: float = Field(description="standard deviation of that number")


class HopsAtResult(Record):
    """Hops at one temperature, all runs together."""

    T_K: float | None = Field(description="temperature; null where nobody knows it")
    ions: int = Field(description="mobile ions of a run")
    runs: int = Field(description="independent runs")
    frames: int = Field(description="frames of all runs")
    timestep_fs: float = Field(description="time between frames")
    settle_fs: float = Field(description="shortest visit by which an ion settles, in whole frames")
    window_fs: float = Field(description="hops this close in time belong together")
    observed_ion_ps: float = Field(description="time in which the site of the ions is known")
    crossings: int = Field(description="changes of site from frame to frame, before the filter")
    hops: int = Field(description="moves from one settled site to another")
    hops_at_twice_settle: int = Field(description="the same if a visit needed twice the time to settle")
    recrossed: int = Field(description="hops that the ion's next hop undoes within the window")
    lasting: int = Field(description="hops that are left when straight ways back cancel")
    pathways: list[PathwayResult] = Field(description="classes of hops, also those that were not seen")
    residence: list[ResidenceResult] = Field(description="how long ions stay")
    occupancy: list[ClassOccupancyResult] = Field(description="which sites are held")
    occupancy_entropy_nat: float = Field(description="of the sites, per mobile ion")
    occupancy_entropy_std_nat: float | None = Field(description="its standard error")
    shared_sites: float = Field(description="mean number of sites with more than one ion")
    nowhere: float = Field(description="part of the ions in no site")
    face_sharing: list[ViolationResult] = Field(description="mobile ions that share a face with a cation")
    attempt_frequency_THz: Value | None = Field(description="mean frequency of vibration; null if refused")
    attempt_frequency_refused: str | None = Field(description="why there is none")
    strings: StringsResult = Field(description="hops in concert")
    notes: list[str] = Field(description="what was doubted or could not be told")


class ActivationResult(Record):
    """An Arrhenius line through the rate constants of one class of hops."""

    pathway: str = Field(description="class of hops")
    Ea_eV: Value | None = Field(description="activation energy; null if refused")
    prefactor_THz: float | None = Field(description="rate constant at infinite temperature")
    temperatures_K: list[float] = Field(description="those with hops of this class")
    chi2: float | None = Field(
        description="of the line; its expectation is the number of temperatures less two"
    )
    refused: str | None = Field(description="why there is none")


class HopsResult(Record):
    """Everything that `frustra hops` finds."""

    specie: str = Field(description="mobile element")
    temperatures: list[HopsAtResult] = Field(description="by ascending temperature")
    activation: list[ActivationResult] = Field(description="for each class of hops that was seen")


def hops_result(survey: HopSurvey) -> HopsResult:
    """Return everything in display units."""
    return HopsResult(
        specie=survey.specie,
        temperatures=[hops_at_result(at) for at in survey.temperatures],
        activation=[activation_result(name, a) for name, a in survey.activations.items()],
    )


def _rate(r: EventRate) -> RateResult:
    value = r.rate.high if r.is_upper_bound else r.rate.value
    return RateResult(
        value=known(value), std=known(r.rate.std), low=r.rate.low, high=known(r.rate.high),
        is_upper_bound=r.is_upper_bound,
    )  # fmt: skip


def _pathway(p: Pathway) -> PathwayResult:
    return PathwayResult(
        pathway=p.name, hops=p.per_ion.events, recrossed=p.recrossed, lasting=p.lasting,
        per_ion_THz=_rate(p.per_ion), from_origin_THz=_rate(p.from_origin),
        inflation=known(p.from_origin.inflation),
    )  # fmt: skip


def _residence(r: Residence) -> ResidenceResult:
    time = r.departures.mean_time
    half = np.flatnonzero(r.survival.survival <= 0.5)
    return ResidenceResult(
        label=r.name, sites=r.sites, time_ion_ps=r.departures.time, departures=r.departures.events,
        mean_ps=known(time.value), std_ps=known(time.std), low_ps=time.low, high_ps=known(time.high),
        median_ps=float(r.survival.time[half[0]]) if len(half) else None,
    )  # fmt: skip


def _strings(s: Strings) -> StringsResult:
    return StringsResult(
        size=s.size.tolist(), count=s.count.tolist(), by_chance=s.chance.tolist(),
        by_chance_std=s.chance_std.tolist(), concerted_hops=s.concerted,
        concerted_hops_by_chance=s.concerted_by_chance,
        concerted_hops_by_chance_std=s.concerted_by_chance_std,
    )  # fmt: skip


def hops_at_result(at: HopsAt) -> HopsAtResult:
    """Return the hops of one temperature in display units."""
    first, occupancy = at.runs[0], at.occupancy
    refused = isinstance(at.vibration, AnalysisError)
    return HopsAtResult(
        T_K=known(at.temperature),
        ions=first.ions,
        runs=len(at.runs),
        frames=sum(h.frames for h in at.runs),
        timestep_fs=first.timestep * FS,
        settle_fs=first.settle * first.timestep * FS,
        window_fs=first.window * FS,
        observed_ion_ps=sum(h.observed for h in at.runs),
        crossings=sum(h.crossings for h in at.runs),
        hops=at.hops,
        hops_at_twice_settle=sum(h.slower for h in at.runs),
        recrossed=sum(int(h.recrossed.sum()) for h in at.runs),
        lasting=sum(int(h.lasting.sum()) for h in at.runs),
        pathways=[_pathway(p) for p in at.pathways],
        residence=[_residence(r) for r in at.residences],
        occupancy=class_occupancies(occupancy.classes),
        occupancy_entropy_nat=occupancy.entropy[0],
        occupancy_entropy_std_nat=known(occupancy.entropy[1]),
        shared_sites=occupancy.shared,
        nowhere=occupancy.nowhere.value,
        face_sharing=violations(occupancy.violations),
        attempt_frequency_THz=None
        if isinstance(at.vibration, AnalysisError)
        else sure_value(at.vibration.frequency),
        attempt_frequency_refused=str(at.vibration) if refused else None,
        strings=_strings(at.strings),
        notes=list(at.notes),
    )


def activation_result(name: str, found: Activation | AnalysisError) -> ActivationResult:
    """Return the Arrhenius line of a class of hops, or why there is none."""
    if isinstance(found, AnalysisError):
        return ActivationResult(
            pathway=name, Ea_eV=None, prefactor_THz=None, temperatures_K=[], chi2=None, refused=str(found)
        )
    return ActivationResult(
        pathway=name, Ea_eV=sure_value(found.energy), prefactor_THz=found.prefactor,
        temperatures_K=found.temperatures.tolist(), chi2=found.chi2, refused=None,
    )  # fmt: skip
