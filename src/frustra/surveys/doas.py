"""Levels of one material → its DOAS at every temperature, everything that follows, and what may be said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from frustra.analysis.contrasts import Contrast, contrasts_from, temperature_contrasts_from
from frustra.analysis.density import Density, DensitySettings, densities_from, densities_of, tallies_of
from frustra.analysis.levels import Levels, LevelTable
from frustra.analysis.markers import Marker, Reading, derivative, marker_of, widened
from frustra.analysis.smoothing import bandwidth_of, smoothed
from frustra.analysis.tally import Tally
from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.stats import COVER, Estimate
from frustra.surveys.doas_levels import MaterialLevels
from frustra.surveys.runs import Tell
from frustra.units import MEV

FEW_INDEPENDENT = 0.1
"""nat: a bias of the entropy that is mentioned."""

DESCRIBED = 0.9
"""Part of the states that bands must describe, or it is mentioned."""

UNDESCRIBED = (
    f"the bands describe less than {100 * DESCRIBED:.0f} % of the states; others are not Gaussian, or their "
    "peaks do not stand out of the noise"
)

MERGED_FROM = 0.01
"""Part of the states that a class must hold to be told of in the summary."""


@dataclass(frozen=True)
class KernelChoice:
    """Whether a kernel density is drawn, and how wide its kernel is."""

    wanted: bool = False
    bandwidth: float | None = None
    """eV; None: as the data ask for."""


@dataclass(frozen=True)
class Kernel:
    """Kernel densities of all temperatures, with one bandwidth."""

    bandwidth: float
    """Standard deviation of the Gaussian, eV."""
    chosen: Literal["data", "given"]
    energy: Array
    """(points,) eV above the zero."""
    density: Array
    """(temperatures, points) states per ion and eV; the integral of each is one."""


@dataclass(frozen=True)
class Doas:
    """What is found in the levels of one material."""

    found: MaterialLevels
    settings: DensitySettings
    densities: tuple[Density, ...]
    """By ascending temperature."""
    between_classes: tuple[Contrast, ...]
    between_temperatures: tuple[Contrast, ...]
    sublattice: tuple[Density, ...] | AnalysisError
    """The distribution of the mobile ions' summed energy over snapshots, per ion; or why there is none."""
    framework: Mapping[str, tuple[Density, ...]]
    """The same of the ions of each other element."""
    kernel: Kernel | None
    onset: Marker
    """Whether the entropy breaks."""
    onset_iqr: Marker
    """Whether the interquartile range does."""
    notes: tuple[str, ...]

    @property
    def table(self) -> LevelTable:
        """The levels."""
        return self.found.table

    @property
    def zero(self) -> float:
        """The per-atom energy that is the zero, eV."""
        return self.densities[0].zero

    def doubts(self, temperature: float) -> tuple[str, ...]:
        """Return why a temperature (K) is not equilibrated."""
        return (self.found.doubts or {}).get(temperature, ())

    @property
    def doubtful(self) -> list[float]:
        """Temperatures that are not equilibrated, K."""
        return [d.temperature for d in self.densities if self.doubts(d.temperature)]

    @property
    def heat(self) -> list[Reading]:
        """Derivative of the relaxed energy per mobile ion, eV/K, between neighbouring temperatures."""
        readings = [
            Reading(r.temperature, r.mean, r.std, bool(self.doubts(r.temperature)))
            for r in self.found.relaxed
        ]
        return derivative(readings)

    def summary(self, density: Density) -> str:
        """Return one sentence on one temperature that may be quoted."""
        d = density
        mark = " (not equilibrated)" if self.doubts(d.temperature) else ""
        bands = f"{len(d.bands)} band{'' if len(d.bands) == 1 else 's'}"
        levels = f"{d.effective_levels.value:.1f} levels of {MEV * d.width:g} meV"
        parts = [
            f"{d.temperature:g} K{mark}: {spaced(d.states)} states in {bands}",
            f"mean {milli(d.mean)} meV, S = {told(d.entropy, 2)} nat ({levels})",
            *self._contrast(d),
            f"{100 * d.near_median.value:.0f} % of the states within kT of the median",
        ]
        return "; ".join(parts) + "."

    def _contrast(self, density: Density) -> list[str]:
        """Tell of the two classes with the most states."""
        ranked = sorted(density.shares.items(), key=lambda item: -item[1].weight.value)
        large = {name for name, share in ranked[:2] if share.weight.value >= MERGED_FROM}
        for c in self.between_classes:
            if c.temperatures[0] == density.temperature and {c.first, c.second} == large:
                overlap = told(c.overlap.scaled(100), 0)
                tail = f"tail gap {milli(c.tail_gap)} meV ({verdict(c)})"
                return [f"{c.first} and {c.second} overlap by {overlap} %, {tail}"]
        return []


def verdict(contrast: Contrast) -> str:
    """Return whether the tails of two sets of states lie apart or have merged, or neither for certain."""
    gap = contrast.tail_gap
    error = gap.std if np.isfinite(gap.std) else 0.0
    if abs(gap.value) <= COVER * error:
        return "touching"
    return "apart" if gap.value > 0 else "merged"


def told(value: Estimate, digits: int) -> str:
    """Return a value with its error, where it has one."""
    text = f"{value.value:.{digits}f}".replace("-", "−")
    return f"{text} ± {value.std:.{digits}f}" if np.isfinite(value.std) else text


def milli(value: Estimate) -> str:
    """Return an energy (eV) with its error, in meV."""
    scaled = value.scaled(MEV)
    fine = np.isfinite(scaled.std) and scaled.std < 0.95
    return told(scaled, 1 if fine else 0)


def spaced(count: int) -> str:
    """Return a whole number in groups of three digits."""
    return f"{count:,}".replace(",", " ")


def survey_doas(
    found: MaterialLevels,
    settings: DensitySettings,
    kernel: KernelChoice | None = None,
    tell: Tell = lambda _: None,
) -> Doas:
    """Return the DOAS of one material and everything that follows.

    Parameters
    ----------
    found
        Its levels.
    settings
        Bins, zero, resamplings. Bins are multiples of their width from the zero, so that all temperatures and
        materials have the same.
    kernel
        Whether a kernel density is wanted.
    tell
        Is told what is being done.

    Raises
    ------
    AnalysisError
        Far too many bins, or a bandwidth that is too small to be drawn.
    """
    tell(f"density of atomistic states of {found.table.specie}, {found.name}")
    rng = np.random.default_rng(0)
    tallies = list(tallies_of(found.table, settings, rng))
    densities = densities_from(found.table, tallies)
    return Doas(
        found=found,
        settings=settings,
        densities=tuple(densities),
        between_classes=tuple(contrasts_from(found.table.names, tallies)),
        between_temperatures=tuple(temperature_contrasts_from(tallies)),
        sublattice=sublattice_of(found.table, settings),
        framework={name: tuple(densities_of(t, settings)) for name, t in found.framework.items()},
        kernel=_kernel(tallies, kernel) if kernel and kernel.wanted else None,
        onset=_onset(found, densities, "entropy"),
        onset_iqr=_onset(found, densities, "iqr"),
        notes=(*found.notes, *found.table.notes, *_notes(found, densities)),
    )


def sublattice_of(table: LevelTable, settings: DensitySettings) -> tuple[Density, ...] | AnalysisError:
    """Return the distribution of summed energies per ion, one state for each snapshot."""
    try:
        levels = tuple(_summed(one) for one in table.levels)
        ions = len(table.levels[0]) / (table.levels[0].snapshots or 1)
        fine = settings.model_copy(update={"bin": _finer(settings.bin, ions)})
        return tuple(densities_of(LevelTable(f"{table.specie} sublattice", levels), fine))
    except AnalysisError as refusal:
        return refusal


def _summed(levels: Levels) -> Levels:
    sums = levels.sums()
    if sums is None:
        known = (
            "snapshots are not known" if levels.frame is None else "snapshots have different numbers of ions"
        )
        raise AnalysisError(f"no sublattice energy: at {levels.temperature:g} K {known}")
    ions = len(levels) // len(sums)
    return Levels(
        levels.temperature, sums / ions, np.zeros(len(sums), np.int64), np.arange(len(sums)), levels.block
    )


def _finer(width: float, ions: float) -> float:
    """Return a bin (eV) as much narrower as the mean of so many independent ions is sharper, rounded down."""
    wanted = width / np.sqrt(ions)
    power = 10.0 ** np.floor(np.log10(wanted))
    step = max(step for step in (1, 2, 5) if step * power <= wanted * (1 + 1e-9))
    return float(max(1e-4, np.round(step * power, 12)))


def _kernel(tallies: Sequence[tuple[Levels, Tally]], choice: KernelChoice) -> Kernel:
    """Return kernel densities; their bandwidth is the smallest that a temperature asks for."""
    bins = tallies[0][1].bins
    narrow = bins.width / bins.parts
    counts = np.array([tally.counts[0].sum(axis=0) for _, tally in tallies])
    if choice.bandwidth is None:
        bandwidth = max(min(bandwidth_of(row, narrow) for row in counts), bins.width / 2)
    else:
        bandwidth = choice.bandwidth
    if bandwidth < narrow:
        raise AnalysisError(
            f"a bandwidth of {MEV * bandwidth:g} meV",
            f"at least {MEV * narrow:.3g} meV",
            "choose smaller bins",
        )
    edge = int(np.ceil(4 * bandwidth / narrow))
    density = smoothed(np.pad(counts, ((0, 0), (edge, edge))), bandwidth, narrow)
    every = max(1, int(bandwidth / (4 * narrow)))  # four points to a bandwidth
    places = np.arange(-edge, counts.shape[1] + edge, dtype=float)
    energy = (bins.first * bins.parts + places + 0.5) * narrow
    chosen: Literal["data", "given"] = "data" if choice.bandwidth is None else "given"
    return Kernel(bandwidth, chosen, energy[::every], density[:, ::every])


def _onset(found: MaterialLevels, densities: Sequence[Density], quantity: str) -> Marker:
    """Return whether the entropy (nat) or the interquartile range (meV) breaks."""
    doubts = found.doubts or {}
    readings = []
    for d in densities:
        e = d.entropy if quantity == "entropy" else d.iqr.scaled(MEV)
        least = np.log(d.states) / d.states if quantity == "entropy" else 0.0  # one state in another bin
        std = widened(e.std, d.groups, float(least))
        readings.append(Reading(d.temperature, e.value, std, bool(doubts.get(d.temperature))))
    if quantity == "entropy":
        return marker_of("doas_entropy", "DOAS entropy", "nat", readings)
    return marker_of("doas_iqr", "DOAS interquartile range", "meV", readings)


def described(density: Density) -> float:
    """Return the overlap of a density with the Gaussians of its bands: 1 if they describe it."""
    bands = density.bands
    edges = density.edges[:, None]
    centres, widths, weights = (
        np.array([getattr(b, name).value for b in bands]) for name in ("centre", "width", "weight")
    )
    fitted = (weights * np.diff(ndtr((edges - centres) / widths), axis=0)).sum(axis=1)
    return float(np.minimum(fitted, density.total * density.width).sum())


def _notes(found: MaterialLevels, densities: Sequence[Density]) -> list[str]:
    notes = []
    for d in densities:
        at = f"{d.temperature:g} K"
        notes += [f"{at}: not equilibrated: {why}" for why in (found.doubts or {}).get(d.temperature, ())]
        if d.groups < 2:
            notes.append(f"{at}: a single snapshot, so that no error is known")
        if described(d) < DESCRIBED:
            notes.append(f"{at}: {UNDESCRIBED}")
        if d.entropy_bias > FEW_INDEPENDENT:
            notes.append(f"{at}: too few states: the entropy is too low by {d.entropy_bias:.2f} nat or more")
    return notes
