"""How alike the energies are that two models give to the same states or frames."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from frustra.analysis.tally import estimate
from frustra.arrays import Array, IntArray
from frustra.stats import Estimate


@dataclass(frozen=True)
class Agreement:
    """How alike two models are, state by state or frame by frame, at one temperature."""

    temperature: float
    """K."""
    first: int
    second: int
    """Which models, in the order of the comparison."""
    points: int
    """States or frames that are compared."""
    pearson: Estimate
    """Correlation of the energies."""
    spearman: Estimate
    """Correlation of their ranks."""
    within: Estimate
    """Pearson's correlation of what is left of the energies when each class' mean is taken off; of frames,
    which have no classes, the same as `pearson`."""
    slope: Estimate
    """Of the second against the first, by least squares."""
    rms: Estimate
    """Root mean square of their difference after alignment over all temperatures, eV."""


@dataclass(frozen=True)
class Pair:
    """Energies by two models, of the same states or frames."""

    x: Array
    y: Array
    number: IntArray
    """Class of each."""
    group: IntArray
    """Which group of snapshots each is in: what the bootstrap draws."""

    def agreement(self, temperature: float, models: tuple[int, int], seed: int, samples: int) -> Agreement:
        """Return how alike they are, with errors by bootstrap over the groups.

        Parameters
        ----------
        temperature
            K.
        models
            Numbers of the two.
        seed, samples
            Of the resamplings.
        """
        groups = int(self.group.max()) + 1
        rng = np.random.default_rng(seed)
        weights = np.ones((1, groups))
        if groups > 1:
            drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=samples)
            weights = np.concatenate([weights, drawn])
        plain = self._moments(self.x, self.y, weights)
        ranks = self._moments(rankdata(self.x), rankdata(self.y), weights)
        inner = self._moments(self._within(self.x), self._within(self.y), weights)
        difference = self._sums((self.y - self.x) ** 2, weights) / self._sums(np.ones_like(self.x), weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = plain[2] / plain[0]
        return Agreement(
            temperature=temperature,
            first=models[0],
            second=models[1],
            points=len(self.x),
            pearson=estimate(_correlation(plain), groups),
            spearman=estimate(_correlation(ranks), groups),
            within=estimate(_correlation(inner), groups),
            slope=estimate(slope, groups),
            rms=estimate(np.sqrt(difference), groups),
        )

    def _within(self, values: Array) -> Array:
        """Return values less the mean of their class."""
        _, place = np.unique(self.number, return_inverse=True)
        means = np.bincount(place, values) / np.bincount(place)
        left: Array = values - means[place]
        return left

    def _sums(self, values: Array, weights: Array) -> Array:
        total: Array = weights @ np.bincount(self.group, values, weights.shape[1])
        return total

    def _moments(self, x: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Return the variances of x and y and their covariance, (1 + resamplings,) each."""
        x, y = x - x.mean(), y - y.mean()  # no digits are lost
        n = self._sums(np.ones_like(x), weights)
        mx, my = self._sums(x, weights) / n, self._sums(y, weights) / n
        xx, yy, xy = (self._sums(v, weights) / n for v in (x * x, y * y, x * y))
        return xx - mx**2, yy - my**2, xy - mx * my


def _correlation(moments: tuple[Array, Array, Array]) -> Array:
    xx, yy, xy = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = xy / np.sqrt(np.maximum(xx, 0) * np.maximum(yy, 0))
    return found
