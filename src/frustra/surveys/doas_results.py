"""What `frustra doas --json` prints. Keys carry their units; errors are standard errors, null if unknown."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from frustra.analysis.bands import Band
from frustra.analysis.contrasts import Contrast
from frustra.analysis.density import Density, Share
from frustra.analysis.markers import Marker
from frustra.errors import AnalysisError
from frustra.stats import Estimate
from frustra.surveys.doas import Doas, described, verdict
from frustra.surveys.values import Record, Value, known, value_of
from frustra.units import BOLTZMANN


class BandResult(Record):
    """One Gaussian of those that describe a DOAS together."""

    center_eV: float = Field(description="above the zero")
    center_error_eV: float | None = Field(description="its error")
    width_eV: float = Field(description="standard deviation")
    width_error_eV: float | None = Field(description="its error")
    weight: float = Field(description="part of the states; those of all bands add up to one")
    weight_error: float | None = Field(description="its error")


class Metrics(Record):
    """What a set of states is described by."""

    mean_eV: float = Field(description="mean above the zero")
    mean_error_eV: float | None = Field(description="its error")
    std_eV: float = Field(description="standard deviation of the states")
    std_error_eV: float | None = Field(description="its error")
    iqr_eV: float = Field(description="interquartile range")
    iqr_error_eV: float | None = Field(description="its error")
    entropy_nat: float = Field(description="−Σ p ln p over the bins")
    entropy_error_nat: float | None = Field(description="its error")


class StateClassResult(Metrics):
    """The states of one class, with fractions of their own."""

    name: str = Field(description="of the class: a site, a layer, a range of numbers")
    weight: float = Field(description="part of all states")
    weight_error: float | None = Field(description="its error")
    density_per_eV: list[float] = Field(
        description="in the bins, per ion of all classes; classes add up to the whole"
    )


class DoasAtResult(Metrics):
    """The DOAS at one temperature."""

    T_K: float = Field(description="temperature")
    n_states: int = Field(description="energies of ions counted")
    n_snapshots: int | None = Field(description="snapshots they come from; null if not known")
    independent_groups: int = Field(description="groups of snapshots that the errors come from")
    snapshots_per_group: int = Field(
        description="neighbouring snapshots that count as one at least, as their ions are arranged alike"
    )
    equilibrated: bool | None = Field(description="whether no check speaks against it; null if nobody looked")
    doubts: list[str] = Field(description="why it is not equilibrated")
    entropy_bias_nat: float = Field(
        description="by how much the entropy is too low at least, (K − 1)/2N: K occupied bins, N states"
    )
    effective_levels: float = Field(description="exp(entropy)")
    effective_levels_error: float | None = Field(description="its error")
    near_median_fraction: float = Field(description="states within kT of the median, to either side")
    near_median_error: float | None = Field(description="its error")
    band_width_eV: float = Field(description="width that is left when the classes' means are taken away")
    band_width_error_eV: float | None = Field(description="its error")
    bands: list[BandResult] = Field(description="peaks that stand out of the noise, fitted together")
    bands_describe: float = Field(
        description="overlap of the density with the bands' Gaussians: 1 if they describe it"
    )
    classes: list[StateClassResult] = Field(description="each class that has a state")
    density_per_eV: list[float] = Field(description="states per ion and eV in the bins; its integral is one")
    kernel_density_per_eV: list[float] | None = Field(description="at `kernel.energy_eV`; null without --kde")
    summary: str = Field(description="one sentence that may be quoted")


class OverlapResult(Record):
    """How far apart two sets of states lie; the second has the higher mean."""

    kind: Literal["classes", "temperatures"] = Field(description="what the two are")
    first: str = Field(description="name of the lower")
    second: str = Field(description="name of the higher")
    T_K: list[float] = Field(description="temperatures of the first and of the second")
    states: list[int] = Field(description="how many there are of each")
    overlap: float = Field(description="Σ min(p, q) over the bins: 1 if alike, 0 if apart")
    overlap_error: float | None = Field(description="its error")
    alike: float = Field(description="overlap of two samples of one distribution with so many states")
    gap_eV: float = Field(description="difference of the means")
    gap_error_eV: float | None = Field(description="its error")
    tail_gap_eV: float = Field(description="5 % quantile of the second less 95 % quantile of the first")
    tail_gap_error_eV: float | None = Field(description="its error")
    verdict: Literal["apart", "merged", "touching"] = Field(
        description="sign of the tail gap; `touching` where its 95 % interval holds zero"
    )


class PlainAtResult(Metrics):
    """A density that is not told apart by classes."""

    T_K: float = Field(description="temperature")
    n_states: int = Field(description="energies counted")
    density_per_eV: list[float] = Field(description="per state and eV in the bins from `first_edge_eV`")


class PlainResult(Record):
    """A density at every temperature, with bins of its own."""

    name: str = Field(description="element, or what is summed")
    zero_eV: float = Field(description="energy that is the zero")
    bin_eV: float = Field(description="width of the bins")
    first_edge_eV: float = Field(description="where the first bin begins, above the zero")
    temperatures: list[PlainAtResult] = Field(description="by ascending temperature")


class SublatticeResult(PlainAtResult):
    """The energies of all mobile ions of a snapshot, per ion, above the lowest of all temperatures."""

    n_snapshots: int = Field(description="snapshots")
    zero_eV: float = Field(description="energy per ion that is the zero")
    bin_eV: float = Field(description="width of its bins")
    first_edge_eV: float = Field(description="where the first bin begins, above the zero")


class RelaxedResult(Record):
    """Relaxed total energy per mobile ion above the ground state in the same cell; free of gauge."""

    T_K: float = Field(description="temperature")
    mean_eV: float = Field(description="mean over snapshots")
    mean_error_eV: float | None = Field(description="its error")
    lowest_eV: float = Field(description="lowest snapshot")
    equilibrated: bool | None = Field(description="whether no check speaks against it")


class HeatResult(Record):
    """Derivative of the relaxed energy between two neighbouring temperatures."""

    T_K: float = Field(description="middle of the two")
    dE_dT_eV_K: float = Field(description="per mobile ion: a configurational heat capacity")
    dE_dT_error_eV_K: float | None = Field(description="its error")
    dE_dT_kB: float = Field(description="the same over k_B")
    dE_dT_error_kB: float | None = Field(description="its error")


class OnsetResult(Record):
    """Whether a metric breaks with temperature: one line, a kink or a jump."""

    quantity: str = Field(description="the metric")
    model: Literal["line", "kink", "jump", "undecided"] = Field(description="what the values ask for")
    Tc_K: Value | None = Field(description="temperature of the onset; null where none is claimed")
    delta_bic: float | None = Field(description="BIC of the line less that of the better break")
    log10_bayes: float | None = Field(description="log10 of the evidence of the break over that of the line")
    reason: str = Field(description="what was found, or why nothing can be told")
    temperatures_K: list[float] = Field(description="temperatures with an error")
    not_equilibrated_K: list[float] = Field(description="those of them that are not equilibrated")


class KernelResult(Record):
    """Kernel densities."""

    bandwidth_eV: float = Field(description="standard deviation of the Gaussian kernel")
    chosen: Literal["data", "given"] = Field(
        description="data: the smallest that Botev's rule asks for at a temperature, at least half a bin"
    )
    energy_eV: list[float] = Field(description="where the curves are told, above the zero")


class DoasResult(Record):
    """Everything that `frustra doas` finds of one material; of several it prints them as `materials`."""

    material: str = Field(description="its name; `text` for text files")
    source: str = Field(description="file or folder")
    specie: str = Field(description="element, or group of atoms")
    by: str = Field(description="what tells the classes apart; empty for nothing")
    zero: Literal["min", "quantile", "none"] = Field(
        description="lowest state, 1 % quantile, or energies as the potential gives them"
    )
    zero_eV: float = Field(description="per-atom energy that is the zero")
    bin_eV: float = Field(description="width of the bins, the same at all temperatures and of all materials")
    first_edge_eV: float = Field(
        description="where the first bin begins, above the zero; a multiple of the bin"
    )
    bins: int = Field(description="how many there are")
    temperatures: list[DoasAtResult] = Field(description="by ascending temperature")
    overlaps: list[OverlapResult] = Field(description="of classes at a temperature, and of temperatures")
    kernel: KernelResult | None = Field(description="null without --kde")
    sublattice: list[SublatticeResult] = Field(description="summed energy of the mobile ions")
    no_sublattice: str | None = Field(description="why there is none")
    framework: list[PlainResult] = Field(description="the other elements")
    no_framework: str | None = Field(description="why there are none")
    relaxed_energy: list[RelaxedResult] = Field(description="relaxed total energy against temperature")
    relaxed_energy_derivative: list[HeatResult] = Field(description="its derivative")
    no_relaxed_energy: str | None = Field(description="why there is none")
    onset: OnsetResult = Field(description="of the entropy")
    onset_iqr: OnsetResult = Field(description="of the interquartile range")
    notes: list[str] = Field(description="what was doubted or could not be told")


class DoasResults(Record):
    """What `frustra doas` prints of several materials."""

    materials: list[DoasResult] = Field(description="in the order in which they were given")


def doas_result(doas: Doas) -> DoasResult:
    """Return everything in display units."""
    first, found = doas.densities[0], doas.found
    refused = isinstance(doas.sublattice, AnalysisError)
    kernel = doas.kernel
    return DoasResult(
        material=found.name, source=found.source, specie=found.table.specie, by=found.table.by,
        zero=doas.settings.zero, zero_eV=doas.zero, bin_eV=doas.settings.bin,
        first_edge_eV=_rounded(first.edges[0]), bins=len(first.edges) - 1,
        temperatures=[_at(doas, k) for k in range(len(doas.densities))],
        overlaps=[
            *(_overlap("classes", c) for c in doas.between_classes),
            *(_overlap("temperatures", c) for c in doas.between_temperatures),
        ],
        kernel=KernelResult(
            bandwidth_eV=kernel.bandwidth, chosen=kernel.chosen, energy_eV=kernel.energy.tolist()
        ) if kernel else None,
        sublattice=[] if isinstance(doas.sublattice, AnalysisError) else _sublattice(doas.sublattice),
        no_sublattice=str(doas.sublattice) if refused else None,
        framework=[_plain(name, densities) for name, densities in doas.framework.items()],
        no_framework=None if doas.framework else found.no_framework,
        relaxed_energy=_relaxed(doas),
        relaxed_energy_derivative=_heat(doas),
        no_relaxed_energy=None if found.relaxed else found.no_relaxed,
        onset=_onset("entropy", doas.onset), onset_iqr=_onset("iqr", doas.onset_iqr),
        notes=list(doas.notes),
    )  # fmt: skip


def doas_results(found: Sequence[Doas]) -> DoasResult | DoasResults:
    """Return what is printed of one material, or of several."""
    told = [doas_result(doas) for doas in found]
    return told[0] if len(told) == 1 else DoasResults(materials=told)


def _rounded(value: float) -> float:
    return round(float(value), 12)


def _metrics(found: Density | Share) -> dict[str, float | None]:
    return {
        **_with_error("mean", "eV", found.mean), **_with_error("std", "eV", found.deviation),
        **_with_error("iqr", "eV", found.iqr), **_with_error("entropy", "nat", found.entropy),
    }  # fmt: skip


def _with_error(name: str, unit: str, value: Estimate) -> dict[str, float | None]:
    return {f"{name}_{unit}": value.value, f"{name}_error_{unit}": known(value.std)}


def _at(doas: Doas, number: int) -> DoasAtResult:
    d, block = doas.densities[number], doas.table.levels[number].block
    doubts = list(doas.doubts(d.temperature))
    levels, width = d.effective_levels, d.band_width
    return DoasAtResult.model_validate({
        **_metrics(d),
        "T_K": d.temperature,
        "n_states": d.states,
        "n_snapshots": d.snapshots,
        "independent_groups": d.groups,
        "snapshots_per_group": block,
        "equilibrated": None if doas.found.doubts is None else not doubts,
        "doubts": doubts,
        "entropy_bias_nat": d.entropy_bias,
        "effective_levels": levels.value,
        "effective_levels_error": known(levels.std),
        "near_median_fraction": d.near_median.value,
        "near_median_error": known(d.near_median.std),
        **_with_error("band_width", "eV", width),
        "bands": [_band(b) for b in d.bands],
        "bands_describe": described(d),
        "classes": [_class(name, share, d) for name, share in d.shares.items()],
        "density_per_eV": d.total.tolist(),
        "kernel_density_per_eV": doas.kernel.density[number].tolist() if doas.kernel else None,
        "summary": doas.summary(d),
    })  # fmt: skip


def _band(b: Band) -> BandResult:
    return BandResult(
        center_eV=b.centre.value, center_error_eV=known(b.centre.std), width_eV=b.width.value,
        width_error_eV=known(b.width.std), weight=b.weight.value, weight_error=known(b.weight.std),
    )  # fmt: skip


def _class(name: str, share: Share, density: Density) -> StateClassResult:
    return StateClassResult.model_validate({
        **_metrics(share), "name": name, "weight": share.weight.value,
        "weight_error": known(share.weight.std), "density_per_eV": density.parts[name].tolist(),
    })  # fmt: skip


def _overlap(kind: Literal["classes", "temperatures"], c: Contrast) -> OverlapResult:
    return OverlapResult(
        kind=kind, first=c.first, second=c.second, T_K=list(c.temperatures), states=list(c.states),
        overlap=c.overlap.value, overlap_error=known(c.overlap.std), alike=c.alike,
        gap_eV=c.gap.value, gap_error_eV=known(c.gap.std),
        tail_gap_eV=c.tail_gap.value, tail_gap_error_eV=known(c.tail_gap.std), verdict=verdict(c),
    )  # fmt: skip


def _plain(name: str, densities: Sequence[Density]) -> PlainResult:
    first = densities[0]
    return PlainResult(
        name=name, zero_eV=first.zero, bin_eV=_rounded(first.width), first_edge_eV=_rounded(first.edges[0]),
        temperatures=[
            PlainAtResult.model_validate({
                **_metrics(d), "T_K": d.temperature, "n_states": d.states, "density_per_eV": d.total.tolist(),
            })
            for d in densities
        ],
    )  # fmt: skip


def _sublattice(densities: Sequence[Density]) -> list[SublatticeResult]:
    return [
        SublatticeResult.model_validate({
            **_metrics(d), "T_K": d.temperature, "n_states": d.states, "n_snapshots": d.states,
            "density_per_eV": d.total.tolist(), "zero_eV": d.zero, "bin_eV": _rounded(d.width),
            "first_edge_eV": _rounded(d.edges[0]),
        })
        for d in densities
    ]  # fmt: skip


def _relaxed(doas: Doas) -> list[RelaxedResult]:
    looked = doas.found.doubts is not None
    return [
        RelaxedResult(
            T_K=r.temperature, mean_eV=r.mean, mean_error_eV=known(r.std), lowest_eV=r.lowest,
            equilibrated=not doas.doubts(r.temperature) if looked else None,
        )
        for r in doas.found.relaxed
    ]  # fmt: skip


def _heat(doas: Doas) -> list[HeatResult]:
    return [
        HeatResult(
            T_K=r.temperature, dE_dT_eV_K=r.value, dE_dT_error_eV_K=known(r.std),
            dE_dT_kB=r.value / BOLTZMANN, dE_dT_error_kB=known(r.std / BOLTZMANN),
        )
        for r in doas.heat
    ]  # fmt: skip


def _onset(quantity: str, marker: Marker) -> OnsetResult:
    breaks = marker.breaks
    return OnsetResult(
        quantity=quantity, model=marker.model, Tc_K=value_of(marker.onset),
        delta_bic=known(breaks.delta_bic) if breaks else None,
        log10_bayes=known(breaks.log10_bayes) if breaks else None, reason=marker.reason,
        temperatures_K=marker.temperatures.tolist(),
        not_equilibrated_K=np.asarray(marker.temperatures)[marker.doubtful].tolist(),
    )  # fmt: skip
