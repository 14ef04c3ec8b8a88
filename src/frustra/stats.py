"""Estimates with errors: mixtures, weighted line, bootstrap over groups, rules for counting events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from scipy.stats import chi2

from frustra.arrays import Array
from frustra.errors import AnalysisError

COVER = 1.96
"""Standard errors on each side of a normal estimate that hold 95 %."""


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and the 95 % interval, which need not be symmetric."""

    value: float
    std: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, std: float) -> "Estimate":
        """Return an estimate whose 95 % interval is 1.96 standard errors wide on each side."""
        return cls(value, std, value - COVER * std, value + COVER * std)

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate in another unit."""
        return Estimate(self.value * factor, self.std * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Mixture:
    """A distribution of one number: a weighted sum of Gaussians, or of points where their width is zero."""

    weights: Array
    means: Array
    std: Array

    def estimate(self) -> Estimate:
        """Return mean of all, standard deviation, and the interval that leaves 2.5 % on each side."""
        mean = float(self.weights @ self.means)
        spread = float(self.weights @ (self.std**2 + (self.means - mean) ** 2))
        middle, low, high = (self.quantile(q) for q in (0.5, 0.025, 0.975))
        return Estimate(middle, float(np.sqrt(spread)), low, high)

    def quantile(self, probability: float) -> float:
        """Return the value below which a share of the distribution lies, by bisection."""
        width = np.maximum(self.std, 1e-9 * (1 + np.abs(self.means)))
        low, high = (self.means - 9 * width).min(), (self.means + 9 * width).max()
        for _ in range(60):
            middle = (low + high) / 2
            if self.weights @ ndtr((middle - self.means) / width) < probability:
                low = middle
            else:
                high = middle
        return float((low + high) / 2)


def mixed(parts: Sequence[Mixture], weights: Array) -> Mixture:
    """Return several distributions as one."""
    return Mixture(
        np.concatenate([w * p.weights for w, p in zip(weights, parts, strict=True)]),
        np.concatenate([p.means for p in parts]),
        np.concatenate([p.std for p in parts]),
    )


@dataclass(frozen=True)
class Line:
    """A weighted straight line y = intercept + slope·x with known errors of y."""

    intercept: float
    slope: float
    covariance: Array
    """(2, 2), of (intercept, slope)."""
    chi2: float
    """Σ ((y − fit)/σ)²; its expectation is the number of points less two."""
    points: int

    def at(self, x: float) -> tuple[float, float]:
        """Return the line's value at x and its standard error."""
        row = np.array([1.0, x])
        return self.intercept + self.slope * x, float(np.sqrt(row @ self.covariance @ row))


def fit_line(x: ArrayLike, y: ArrayLike, sigma: ArrayLike) -> Line:
    """Fit a line by weighted least squares; errors are absolute, not rescaled by the residuals.

    Parameters
    ----------
    x, y, sigma
        (n,) abscissae, ordinates and standard errors of the ordinates.

    Raises
    ------
    AnalysisError
        Fewer than two distinct abscissae, or an error that is not positive.
    """
    x, y, sigma = (np.asarray(v, dtype=float) for v in (x, y, sigma))
    if len(np.unique(x)) < 2:
        raise AnalysisError(f"{len(x)} point(s) for a straight line", "at least two different abscissae")
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise AnalysisError("errors that are not positive and finite", "a standard error for every point")
    design = np.stack([np.ones_like(x), x], axis=1) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    intercept, slope = covariance @ design.T @ (y / sigma)
    residuals = (y - intercept - slope * x) / sigma
    return Line(float(intercept), float(slope), covariance, float(residuals @ residuals), len(x))


def bootstrap(
    groups: int, statistic: Callable[[Array], Array], rng: np.random.Generator, samples: int = 200
) -> Array:
    """Return the standard error of a statistic by resampling whole groups.

    Parameters
    ----------
    groups
        How many independent groups (snapshots) the data have.
    statistic
        Takes the weights of the groups, (groups,), how often each was drawn; returns an array.
    rng
        Source of randomness.
    samples
        Resamplings.

    Returns
    -------
    Array
        Standard deviation of the statistic over the resamplings; NaN with fewer than two groups.
    """
    plain = np.asarray(statistic(np.ones(groups)), dtype=float)
    if groups < 2:
        return np.full_like(plain, np.nan)
    draws = rng.multinomial(groups, np.full(groups, 1 / groups), size=samples)
    values = np.stack([np.asarray(statistic(d.astype(float)), dtype=float) for d in draws])
    deviation: Array = values.std(axis=0, ddof=1)
    return deviation


def block_means(series: ArrayLike, blocks: int) -> Array:
    """Return the means of equal blocks of a series, (blocks, …); leading values that fill none are left out.

    Raises
    ------
    AnalysisError
        Fewer than two blocks, or fewer values than blocks.
    """
    series = np.asarray(series, dtype=float)
    length = len(series) // blocks if blocks > 1 else 0
    if length < 1:
        raise AnalysisError(f"{len(series)} values for {blocks} blocks", "two blocks and a value in each")
    means: Array = series[-blocks * length :].reshape(blocks, length, *series.shape[1:]).mean(axis=1)
    return means


def block_error(series: ArrayLike, blocks: int = 5) -> Array:
    """Return the standard error of the mean of a correlated series from the means of its blocks.

    Parameters
    ----------
    series
        (n, …), at least as many values as blocks.
    blocks
        How many blocks; each must be longer than the correlation time.
    """
    means = block_means(series, blocks)
    error: Array = means.std(axis=0, ddof=1) / np.sqrt(blocks)
    return error


def poisson_limit(count: float, confidence: float = 0.95) -> float:
    """Return the upper confidence limit of a Poisson mean after `count` events: χ²(2 count + 2)/2.

    After none it is −ln(1 − confidence), 3.0 at 95 %.
    """
    return float(chi2.ppf(confidence, 2 * (count + 1)) / 2)
