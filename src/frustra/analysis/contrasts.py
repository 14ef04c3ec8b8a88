"""How far apart the states on different sites, of any classes or at different temperatures lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from frustra.analysis.density import DensitySettings, tallies_of
from frustra.analysis.levels import Levels, LevelTable, levels_of
from frustra.analysis.tally import Tally, estimate
from frustra.arrays import Array
from frustra.states import StateTable
from frustra.stats import Estimate

LOW_TAIL, HIGH_TAIL = 0.05, 0.95
"""Quantiles between which the tail gap is taken."""


@dataclass(frozen=True)
class Contrast:
    """Two sets of states; the second has the higher mean energy."""

    first: str
    """Name of the class, or of the temperature."""
    second: str
    temperatures: tuple[float, float]
    """Of the first and of the second, K."""
    states: tuple[int, int]
    """How many there are of each."""
    overlap: Estimate
    """Overlap coefficient Σ min(p, q) over the bins, with the fractions p and q of each set in a bin: 1 if
    alike, 0 if apart. With few states per bin it is too low, by the noise of both: see `alike`."""
    alike: float
    """The overlap that two samples of so many independent states from one distribution show."""
    gap: Estimate
    """Difference of the mean energies, eV."""
    tail_gap: Estimate
    """5 % quantile of the second less 95 % quantile of the first, eV: above zero where they are apart."""


def contrasts_of(
    states: StateTable | LevelTable,
    by: str = "site",
    settings: DensitySettings | None = None,
    rng: np.random.Generator | None = None,
    quantiles: int = 4,
) -> list[Contrast]:
    """Return the contrasts of all pairs of classes at every temperature.

    Parameters
    ----------
    states
        Of one material and element; or levels, which are classed already. States of snapshots that did not
        converge are left out.
    by, quantiles
        The column that tells the classes, and into how many its numbers are divided: see `classes_by`.
    settings
        Width of the bins, resamplings.
    rng
        For the bootstrap; seeded with 0 if not given.

    Raises
    ------
    AnalysisError
        No converged state, several materials or elements, or no such column.
    """
    table = states if isinstance(states, LevelTable) else levels_of(states, by, quantiles)
    return contrasts_from(table.names, tallies_of(table, settings or DensitySettings(), rng))


def contrasts_from(names: Sequence[str], tallies: Iterable[tuple[Levels, Tally]]) -> list[Contrast]:
    """Return what `contrasts_of` does from counts that are known already, those of `tallies_of`."""
    found = []
    for one, tally in tallies:
        sides = [
            _Side(name, one.temperature, tally.one(k))
            for k, name in enumerate(names)
            if tally.totals[0, k] > 0
        ]
        found += _pairs(sides)
    return found


def temperature_contrasts_of(
    states: StateTable | LevelTable,
    settings: DensitySettings | None = None,
    rng: np.random.Generator | None = None,
) -> list[Contrast]:
    """Return the contrasts of the whole densities of all pairs of temperatures.

    Raises
    ------
    AnalysisError
        No converged state, or several materials or elements.
    """
    table = states if isinstance(states, LevelTable) else levels_of(states)
    return temperature_contrasts_from(tallies_of(table, settings or DensitySettings(), rng))


def temperature_contrasts_from(tallies: Iterable[tuple[Levels, Tally]]) -> list[Contrast]:
    """Return what `temperature_contrasts_of` does from counts that are known already."""
    return _pairs([_Side(f"{one.temperature:g} K", one.temperature, t.all()) for one, t in tallies])


@dataclass(frozen=True)
class _Side:
    """One set of states."""

    name: str
    temperature: float
    tally: Tally

    @property
    def mean(self) -> float:
        return float(self.tally.means[0, 0])


def _pairs(sides: Sequence[_Side]) -> list[Contrast]:
    pairs = combinations(range(len(sides)), 2)
    ordered = (sorted(p, key=lambda k: (sides[k].mean, k)) for p in pairs)
    return [_contrast(sides[a], sides[b]) for a, b in ordered]


def _contrast(low: _Side, high: _Side) -> Contrast:
    p, q = low.tally, high.tally
    groups = min(p.groups, q.groups)
    rows = slice(None) if min(p.counts.shape[0], q.counts.shape[0]) > 1 else slice(1)
    first, second = _fractions(p)[rows], _fractions(q)[rows]
    counts = (round(p.totals[0, 0]), round(q.totals[0, 0]))
    tails = q.quantile(LOW_TAIL)[rows, 0] - p.quantile(HIGH_TAIL)[rows, 0]
    return Contrast(
        first=low.name,
        second=high.name,
        temperatures=(low.temperature, high.temperature),
        states=counts,
        overlap=estimate(np.minimum(first, second).sum(axis=1), groups),
        alike=_alike(p.coarse[0, 0] + q.coarse[0, 0], counts),
        gap=estimate(q.means[rows, 0] - p.means[rows, 0], groups),
        tail_gap=estimate(tails, groups),
    )


def _fractions(tally: Tally) -> Array:
    with np.errstate(invalid="ignore"):
        fractions: Array = tally.coarse[:, 0] / tally.totals
    return fractions


def _alike(counts: Array, states: tuple[int, int]) -> float:
    """Return the expected overlap of two samples of one distribution, Σ E min(p̂, q̂).

    min(p, q) = (p + q − |p − q|)/2, and |p̂ − q̂| of two noisy fractions is √(2/π) σ on average; in a bin with
    few states it cannot be more than their sum.
    """
    fractions = counts / counts.sum()
    noise = np.sqrt(fractions * (1 - fractions) * (1 / states[0] + 1 / states[1]))
    return float(1 - 0.5 * np.minimum(np.sqrt(2 / np.pi) * noise, 2 * fractions).sum())
