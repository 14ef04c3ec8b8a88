"""The density of atomistic states (DOAS) and its metrics.

Wang, Liu and Mo, Angew. Chem. Int. Ed. 62, e202215544 (2023): the histogram of the per-atom energies of
the mobile ions over statically relaxed snapshots, per ion and eV.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from frustra.analysis.bands import Band, bands_of
from frustra.analysis.levels import Levels, LevelTable, converged_states, levels_of
from frustra.analysis.tally import Tally, bins_of, estimate, tally_of
from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.settings import Settings
from frustra.sites import SITE_KINDS
from frustra.states import StateTable
from frustra.stats import Estimate, bootstrap
from frustra.units import BOLTZMANN

__all__ = [
    "Density", "DensitySettings", "Share", "converged_states", "densities_from", "densities_of",
    "energy_zero",
    "site_fractions", "tallies_of",
]  # fmt: skip

LOW_QUANTILE = 0.01
"""The quantile of all states that is the zero of energy where `zero = "quantile"`."""

MOST_BINS = 20_000
"""More bins than this are a mistake in the width, or energies that do not belong together."""


class DensitySettings(Settings):
    """How the density of atomistic states is binned."""

    bin: float = Field(0.005, ge=1e-4, description="width of the bins (eV), the same at every temperature")
    zero: Literal["min", "quantile", "none"] = Field(
        "min",
        description='zero of energy over all temperatures: "min", the lowest state (as in the paper), '
        '"quantile", the 1 % quantile, which does not depend on the sample size, or "none", the energies as '
        "the potential gives them",
    )
    bootstrap: int = Field(200, ge=20, description="resamplings of whole snapshots for the errors")


@dataclass(frozen=True)
class Share:
    """The states of one class at one temperature."""

    weight: Estimate
    """Part of all states."""
    mean: Estimate
    """eV above the zero."""
    deviation: Estimate
    """Standard deviation of the states: the width of the class, eV."""
    iqr: Estimate
    """Interquartile range, eV."""
    entropy: Estimate
    """−Σ p ln p over the bins with the class' own p, nat."""


@dataclass(frozen=True)
class Density:
    """The DOAS at one temperature; energies are relative to one zero for all temperatures."""

    temperature: float
    """K."""
    edges: Array
    """(bins + 1,) eV, the same at every temperature of a table."""
    zero: float
    """The per-atom energy that is the zero, eV."""
    by: str
    """The column of the state table by which `parts` are told apart; empty if nothing tells them."""
    parts: dict[str, Array]
    """Class → (bins,) states per mobile ion and eV; they add up to `total`. The same names at every
    temperature of a table, numbers in rising order."""
    ordered: bool
    """Whether the classes are numbers or ranges of them."""
    states: int
    """How many ion energies were counted."""
    snapshots: int | None
    """How many snapshots they come from; None where nobody knows it."""
    groups: int
    """Independent groups of snapshots from which the errors come."""
    mean: Estimate
    """eV."""
    deviation: Estimate
    """Standard deviation of the states, eV. It hardly moves through a transition: see `entropy`."""
    iqr: Estimate
    """Interquartile range, eV."""
    entropy: Estimate
    """−Σ p ln p over the bins, nat; exp of it is the effective number of levels. Of N states in K occupied
    bins it is too low by about (K − 1)/2N: see `entropy_bias`."""
    near_median: Estimate
    """Part of the states within kT of the median, to either side: what an ion can reach by heat alone."""
    shares: dict[str, Share]
    """Of each class that has a state."""
    bands: tuple[Band, ...]
    """What the peaks that stand out of the noise are fitted by, in order of energy."""

    @property
    def centres(self) -> Array:
        """(bins,) eV."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def width(self) -> float:
        """Of the bins, eV."""
        return float(self.edges[1] - self.edges[0])

    @property
    def total(self) -> Array:
        """(bins,) states per mobile ion and eV; its integral over energy is one."""
        total: Array = np.sum(list(self.parts.values()), axis=0)
        return total

    @property
    def effective_levels(self) -> Estimate:
        """Effective number of occupied levels at this bin width, exp(entropy)."""
        e = self.entropy
        value = float(np.exp(e.value))
        return Estimate(value, value * e.std, float(np.exp(e.low)), float(np.exp(e.high)))

    @property
    def entropy_bias(self) -> float:
        """By how much so few states make the entropy too low, (K − 1)/2N with K occupied bins, nat.

        Miller (1955); of independent states: of those of one snapshot it is a lower bound.
        """
        return (int((self.total > 0).sum()) - 1) / (2 * self.states)

    @property
    def band_width(self) -> Estimate:
        """Root mean square of the classes' standard deviations, weighted by their states, eV.

        What is left of the width when the classes' means are taken away.
        """
        parts = list(self.shares.values())
        weight = np.array([p.weight.value for p in parts])
        width = np.array([p.deviation.value for p in parts])
        value = float(np.sqrt((weight * width**2).sum()))
        errors = np.array([p.deviation.std for p in parts])
        std = float(np.sqrt(((weight * width * errors) ** 2).sum()) / value) if value > 0 else 0.0
        return Estimate.normal(value, std)


def energy_zero(source: StateTable | LevelTable, settings: DensitySettings) -> float:
    """Return the zero of energy (eV) of a table: the lowest state, or a low quantile, over all T."""
    if settings.zero == "none":
        return 0.0
    parts = [one.energy for one in source.levels] if isinstance(source, LevelTable) else [source["energy"]]
    if settings.zero == "min":
        return float(min(p.min() for p in parts))
    return float(np.quantile(np.concatenate(parts), LOW_QUANTILE))


def densities_of(
    states: StateTable | LevelTable,
    settings: DensitySettings | None = None,
    rng: np.random.Generator | None = None,
    by: str = "site",
    quantiles: int = 4,
) -> list[Density]:
    """Return the DOAS at every temperature of a table, on common bins, with all metrics.

    States of snapshots that did not converge are left out. The density is resolved by site, or by any other
    column: `by="anions"` tells how the states depend on the elements around the ion. Its values are classed
    as `classes_by` does, over all temperatures. Errors are by bootstrap over snapshots.

    Parameters
    ----------
    states
        Of one material and one element; or levels, which are classed already.
    settings
        Bins, zero and resamplings.
    rng
        For the bootstrap; seeded with 0 if not given.
    by
        Column of the table whose values tell the parts of the density apart.
    quantiles
        Classes into which a column of many numbers is divided.

    Raises
    ------
    AnalysisError
        No converged state, more than one material or element, no such column, or far too many bins.
    """
    settings = settings or DensitySettings()
    table = states if isinstance(states, LevelTable) else levels_of(states, by, quantiles)
    return densities_from(table, tallies_of(table, settings, rng))


def densities_from(table: LevelTable, tallies: Iterable[tuple[Levels, Tally]]) -> list[Density]:
    """Return what `densities_of` does from counts that are known already, those of `tallies_of`."""
    return [_density(table, one, tally) for one, tally in tallies]


def tallies_of(
    table: LevelTable, settings: DensitySettings, rng: np.random.Generator | None = None
) -> Iterator[tuple[Levels, Tally]]:
    """Give the levels of each temperature with their counts, on common bins.

    Raises
    ------
    AnalysisError
        Far too many bins.
    """
    rng = rng or np.random.default_rng(0)
    zero = energy_zero(table, settings)
    lowest = min(float(one.energy.min()) for one in table.levels)
    highest = max(float(one.energy.max()) for one in table.levels)
    if (highest - lowest) / settings.bin > MOST_BINS:
        raise AnalysisError(
            f"energies from {lowest:.4g} to {highest:.4g} eV in bins of {settings.bin:g} eV",
            f"at most {MOST_BINS} bins",
            "choose wider bins, or select states of one element and one potential",
        )
    bins = bins_of(lowest, highest, zero, settings.bin)
    for one in table.levels:
        yield one, tally_of(one, bins, len(table.names), settings.bootstrap, rng)


def _density(table: LevelTable, levels: Levels, tally: Tally) -> Density:
    everything, bins, groups = tally.all(), tally.bins, tally.groups
    energy = levels.energy - bins.zero
    counts = tally.coarse[0] / (len(energy) * bins.width)
    present = [k for k in range(len(table.names)) if tally.totals[0, k] > 0]
    whole = _share(everything, everything, energy)
    return Density(
        temperature=levels.temperature,
        edges=bins.edges,
        zero=bins.zero,
        by=table.by,
        parts=dict(zip(table.names, counts, strict=True)),
        ordered=table.ordered,
        states=len(energy),
        snapshots=levels.snapshots,
        groups=groups,
        mean=whole.mean,
        deviation=whole.deviation,
        iqr=whole.iqr,
        entropy=whole.entropy,
        near_median=_near_median(everything, energy, BOLTZMANN * levels.temperature),
        shares={
            table.names[k]: _share(tally.one(k), everything, energy[levels.number == k]) for k in present
        },
        bands=bands_of(everything),
    )


def _share(tally: Tally, everything: Tally, energy: Array) -> Share:
    """Return the metrics of a tally with one class; the values themselves are exact, from all energies."""
    groups = tally.groups
    mean, square = tally.means[:, 0], tally.squares[:, 0]
    low, high = _exact_quantiles(energy, (0.25, 0.75))
    spread = tally.quantile(0.75)[:, 0] - tally.quantile(0.25)[:, 0]
    return Share(
        weight=estimate(tally.totals[:, 0] / everything.totals[:, 0], groups),
        mean=estimate(mean, groups, float(energy.mean())),
        deviation=estimate(np.sqrt(np.maximum(square - mean**2, 0)), groups, float(energy.std())),
        iqr=estimate(spread, groups, high - low),
        entropy=estimate(entropy_of(tally.coarse[:, 0]), groups),
    )


def _exact_quantiles(energy: Array, probabilities: tuple[float, ...]) -> list[float]:
    """Return the lowest energies below or at which at least these parts of all lie."""
    places = [max(0, int(np.ceil(p * len(energy) - 1e-9)) - 1) for p in probabilities]
    parted = np.partition(energy, places)
    return [float(parted[k]) for k in places]


def entropy_of(counts: Array) -> Array:
    """Return −Σ p ln p over the last axis of counts, nat; NaN where there are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = counts / counts.sum(axis=-1, keepdims=True)
        terms = np.where(p > 0, -p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    found: Array = np.where(counts.sum(axis=-1) > 0, terms.sum(axis=-1), np.nan)
    return found


def _near_median(everything: Tally, energy: Array, reach: float) -> Estimate:
    """Return the part of the states within `reach` of their median."""
    (median,) = _exact_quantiles(energy, (0.5,))
    exact = float((np.abs(energy - median) <= reach).mean())
    bins = everything.bins
    narrow = bins.width / bins.parts
    centres = bins.first * bins.width + (np.arange(bins.size * bins.parts) + 0.5) * narrow
    counts = everything.counts[:, 0]
    within = np.abs(centres - everything.quantile(0.5)) <= reach
    return estimate((counts * within).sum(axis=1) / counts.sum(axis=1), everything.groups, exact)


def site_fractions(
    states: StateTable, rng: np.random.Generator | None = None, samples: int = 200
) -> dict[str, tuple[float, float]]:
    """Return the fraction of ions on each kind of site with its standard error, over all rows.

    Errors are by bootstrap over snapshots; NaN with a single snapshot.
    """
    snapshot = states.frames
    groups = int(snapshot.max()) + 1
    counts = np.stack(
        [np.bincount(snapshot, states["site"] == kind, minlength=groups) for kind in SITE_KINDS],
        axis=1,
    )
    rows = np.bincount(snapshot, minlength=groups)

    def fractions(weights: Array) -> Array:
        return (weights @ counts) / (weights @ rows)

    errors = bootstrap(groups, fractions, rng or np.random.default_rng(0), samples)
    values = fractions(np.ones(groups))
    return {kind: (float(v), float(e)) for kind, v, e in zip(SITE_KINDS, values, errors, strict=True)}
