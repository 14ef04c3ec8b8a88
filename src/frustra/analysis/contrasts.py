"""How far apart the states on different sites, or of any classes, lie, and how much they overlap."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from frustra.analysis.classes import classes_by
from frustra.analysis.density import DensitySettings, converged_states
from frustra.arrays import Array, IntArray
from frustra.states import StateTable
from frustra.stats import bootstrap

LOW_TAIL, HIGH_TAIL = 0.05, 0.95
"""Quantiles between which the tail gap is taken."""

NUMBERS = ("overlap", "gap", "tail_gap")


@dataclass(frozen=True)
class Contrast:
    """Two classes of states at one temperature; the second has the higher mean energy."""

    temperature: float
    """K."""
    first: str
    second: str
    states: tuple[int, int]
    """How many there are of each."""
    overlap: float
    """Σ min(p, q) over the bins, with the fractions p and q of each class in a bin: 1 if alike, 0 if apart.
    With few states per bin it is too low, by the noise of both."""
    gap: float
    """Difference of the mean energies, eV."""
    tail_gap: float
    """5 % quantile of the second less 95 % quantile of the first, eV: above zero where they are apart."""
    std: dict[str, float]
    """Standard errors of overlap, gap and tail_gap by bootstrap over snapshots; NaN where not known: with a
    single snapshot, or where a class is so rare that a resampling has none of it."""


def contrasts_of(
    states: StateTable,
    by: str = "site",
    settings: DensitySettings | None = None,
    rng: np.random.Generator | None = None,
    quantiles: int = 4,
) -> list[Contrast]:
    """Return the contrasts of all pairs of classes at every temperature.

    Parameters
    ----------
    states
        Of one material and element. States of snapshots that did not converge are left out.
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
    settings, rng = settings or DensitySettings(), rng or np.random.default_rng(0)
    states = converged_states(states)
    classes = classes_by(states, by, quantiles)
    found = []
    for temperature in states.temperatures:
        rows = np.flatnonzero(states["temperature"] == temperature)
        part, number = states.select(rows), classes.number[rows]
        means = {k: float(part["energy"][number == k].mean()) for k in np.unique(number).tolist()}
        for pair in combinations(sorted(means, key=lambda k: (means[k], k)), 2):
            compared = _Pair(part, number, pair, settings.bin)
            overlap, gap, tail_gap = compared(np.ones(compared.groups)).tolist()
            errors = bootstrap(compared.groups, compared, rng, settings.bootstrap)
            first, second = (classes.names[k] for k in pair)
            counts = (int((number == pair[0]).sum()), int((number == pair[1]).sum()))
            std = dict(zip(NUMBERS, errors.tolist(), strict=True))
            found.append(Contrast(temperature, first, second, counts, overlap, gap, tail_gap, std))
    return found


class _Pair:
    """Overlap, gap and tail gap of two classes as functions of how often each snapshot counts."""

    def __init__(self, states: StateTable, number: IntArray, pair: tuple[int, int], width: float) -> None:
        frames, energies = states.frames, states["energy"]
        bins = np.floor((energies - energies.min()) / width).astype(np.int64)
        self.groups = int(frames.max()) + 1
        self._sides = []
        for k in pair:
            rows = np.flatnonzero(number == k)
            rows = rows[np.argsort(energies[rows], kind="stable")]
            self._sides.append((energies[rows], frames[rows], bins[rows]))
        self._bins = int(bins.max()) + 1

    def __call__(self, weights: Array) -> Array:
        (low, low_mean, _, top), (high, high_mean, bottom, _) = (self._side(s, weights) for s in self._sides)
        return np.array([np.minimum(low, high).sum(), high_mean - low_mean, bottom - top])

    def _side(
        self, side: tuple[Array, IntArray, IntArray], weights: Array
    ) -> tuple[Array, float, float, float]:
        """Return fractions in bins, mean, and the quantiles of one class; NaN where it is absent."""
        energies, frames, bins = side
        weight = weights[frames]
        cumulated = np.cumsum(weight)
        if cumulated[-1] == 0:
            return np.full(self._bins, np.nan), np.nan, np.nan, np.nan
        fractions = np.bincount(bins, weight, self._bins) / cumulated[-1]
        places = np.searchsorted(cumulated, np.array([LOW_TAIL, HIGH_TAIL]) * cumulated[-1])
        bottom, top = energies[places]
        return fractions, float(weight @ energies / cumulated[-1]), float(bottom), float(top)
