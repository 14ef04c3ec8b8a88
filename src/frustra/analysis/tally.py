"""Counts of states in narrow bins, for each class and group of snapshots: all metrics follow from them.

Resampling whole groups of snapshots then only weighs the same counts anew, so that the bootstrap costs the
same for ten million states as for ten thousand.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import t as student

from frustra.analysis.levels import Levels
from frustra.arrays import Array
from frustra.stats import Estimate

FINE = (20, 12, 8, 4, 1)
"""Narrow bins in one bin of the density: the most of these that do not make too many."""

MOST_BINS = 4096
"""Narrow bins altogether, at most, where a bin can still be divided."""


@dataclass(frozen=True)
class Bins:
    """Bins that all temperatures share: `size` of them, at multiples of their width from the zero."""

    zero: float
    """eV, of the per-atom energies."""
    width: float
    """eV."""
    first: int
    """The lowest bin begins at first · width above the zero."""
    size: int

    @property
    def edges(self) -> Array:
        """(size + 1,) eV above the zero."""
        found: Array = (self.first + np.arange(self.size + 1, dtype=float)) * self.width
        return found

    @property
    def parts(self) -> int:
        """Narrow bins in each."""
        return next((parts for parts in FINE if parts * self.size <= MOST_BINS), FINE[-1])

    def narrow(self, energy: Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Return the narrow bin of every per-atom energy (eV); those at the ends hold what lies beyond."""
        place = np.floor((energy - self.zero) * (1 / self.width) - self.first).astype(np.int32)
        np.clip(place, 0, self.size - 1, out=place)
        within = ((energy - self.zero) / self.width - self.first - place) * self.parts
        part = np.clip(within.astype(np.int32), 0, self.parts - 1)
        return place * np.int32(self.parts) + part


def bins_of(lowest: float, highest: float, zero: float, width: float) -> Bins:
    """Return bins at multiples of the width from the zero that hold every energy from lowest to highest."""
    first = int(np.floor((lowest - zero) / width))
    return Bins(zero, width, first, int(np.floor((highest - zero) / width)) + 1 - first)


@dataclass(frozen=True)
class Tally:
    """Weighted counts: the first row weighs every group once, the others are resamplings."""

    bins: Bins
    counts: Array
    """(1 + resamplings, classes, narrow bins)."""
    means: Array
    """(1 + resamplings, classes) mean energy above the zero, eV; NaN for a class that is absent."""
    squares: Array
    """(1 + resamplings, classes) mean squared energy above the zero, eV²."""
    groups: int

    @property
    def totals(self) -> Array:
        """(1 + resamplings, classes) how many states each class has."""
        total: Array = self.counts.sum(axis=2)
        return total

    @property
    def coarse(self) -> Array:
        """(1 + resamplings, classes, bins) counts in the bins of the density."""
        rows, classes, _ = self.counts.shape
        total: Array = self.counts.reshape(rows, classes, self.bins.size, self.bins.parts).sum(axis=3)
        return total

    def quarters(self) -> tuple[Array, float]:
        """Return the counts in quarters of a bin, (1 + resamplings, classes, …), and their width, eV."""
        joined = max(1, self.bins.parts // 4)
        rows, classes, _ = self.counts.shape
        counts: Array = self.counts.reshape(rows, classes, -1, joined).sum(axis=3)
        return counts, self.bins.width * joined / self.bins.parts

    def all(self) -> "Tally":
        """Return the same of all classes as one."""
        share = self.totals / self.totals.sum(axis=1, keepdims=True)
        means, squares = (np.nansum(share * v, axis=1, keepdims=True) for v in (self.means, self.squares))
        return Tally(self.bins, self.counts.sum(axis=1, keepdims=True), means, squares, self.groups)

    def one(self, number: int) -> "Tally":
        """Return the same of one class."""
        chosen = slice(number, number + 1)
        counts, means, squares = self.counts[:, chosen], self.means[:, chosen], self.squares[:, chosen]
        return Tally(self.bins, counts, means, squares, self.groups)

    def quantile(self, probability: float) -> Array:
        """Return quantiles (1 + resamplings, classes), eV above the zero; evenly spread within a bin."""
        cumulated = np.cumsum(self.counts, axis=2)
        wanted = probability * cumulated[..., -1:]
        place = np.minimum((cumulated < wanted).sum(axis=2), self.counts.shape[2] - 1)
        held = np.take_along_axis(self.counts, place[..., None], axis=2)[..., 0]
        below = np.take_along_axis(cumulated, place[..., None], axis=2)[..., 0] - held
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(held > 0, (wanted[..., 0] - below) / held, 0.0)
        width = self.bins.width / self.bins.parts
        found = self.bins.first * self.bins.width + (place + part) * width
        return np.where(cumulated[..., -1] > 0, found, np.nan)


def tally_of(levels: Levels, bins: Bins, classes: int, samples: int, rng: np.random.Generator) -> Tally:
    """Count the states of one temperature, and draw resamplings of their groups of snapshots.

    Parameters
    ----------
    levels, bins
        What to count, and where.
    classes
        How many classes there are at any temperature.
    samples
        Resamplings.
    rng
        Source of randomness.
    """
    group, groups = levels.groups()
    number = levels.number
    narrow = bins.size * bins.parts
    place = bins.narrow(levels.energy)
    cell = number * groups + group
    shape = (classes, groups)
    counts = np.bincount(cell * narrow + place, minlength=classes * groups * narrow)
    energy = levels.energy - bins.zero
    sums = np.bincount(cell, energy, classes * groups).reshape(shape)
    squares = np.bincount(cell, energy**2, classes * groups).reshape(shape)
    held = np.bincount(cell, minlength=classes * groups).reshape(shape)
    weights = np.ones((1, groups))
    if groups > 1:
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=samples)
        weights = np.concatenate([weights, drawn])
    weighted = np.stack([weights @ c for c in counts.reshape(classes, groups, narrow).astype(float)], axis=1)
    with np.errstate(invalid="ignore"):
        total = weights @ held.T
        return Tally(bins, weighted, weights @ sums.T / total, weights @ squares.T / total, groups)


@cache
def _student(freedom: int) -> float:
    return float(student.ppf(0.975, freedom))


def estimate(values: Array, groups: int, exact: float | None = None) -> Estimate:
    """Return the first of the values with its error from the others, the resamplings.

    The spread of resamplings is too small by √((g − 1)/g) with g groups; the interval is that of Student's t
    with g − 1 degrees of freedom. The error is NaN with a single group, or where a resampling has no value.

    Parameters
    ----------
    values
        (1 + resamplings,).
    groups
        What was resampled.
    exact
        The value, where it is known better than from narrow bins.
    """
    value = float(values[0] if exact is None else exact)
    if groups < 2 or not np.isfinite(values).all():
        return Estimate(value, np.nan, np.nan, np.nan)
    std = float(values[1:].std(ddof=1) * np.sqrt(groups / (groups - 1)))
    reach = _student(groups - 1) * std
    return Estimate(value, std, value - reach, value + reach)
