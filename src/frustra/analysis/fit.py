"""The line through a pooled mean-square displacement (MSD): its window, its slope along axes, its errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc, gammaincinv, stdtrit

from frustra.analysis.displacement import Motion, shift_of, squares_of
from frustra.analysis.scatter import Scatter, scatter_of
from frustra.analysis.slopes import slope_weights, spread_lags, typical_lag
from frustra.arrays import Array, IntArray
from frustra.stats import Estimate

SURE = 1.96
"""Standard errors within which 95 % lie; more are needed to call a value measured."""

CHANGED = 2.0
"""Standard errors by which D has to change with the first lag before a later one is taken."""

EARLIEST, LATEST = 10, 5
"""The fit begins in the first tenth of the run, or in the first fifth where the MSD bends."""


@dataclass(frozen=True)
class Pool:
    """What all ions of all runs give together."""

    frames: int
    """Of each run."""
    timestep: float
    """ps."""
    ions: int
    runs: int
    moved: int
    """Ions whose mean place changed by more than half a jump from the first to the last quarter."""
    msd: Array
    """(3, lags) along the axes of the crystal, Å²."""
    std: Array
    """(lags,) standard error of the whole MSD from its spread over ions, Å²; NaN for a single ion."""
    collective: Array
    """(3, lags) ⟨(Σ Δr)²⟩/ions, Å²: sums over the ions of a run, mean over the runs."""

    @property
    def whole(self) -> Array:
        """(lags,) MSD of all three axes together, Å²."""
        result: Array = self.msd.sum(axis=0)
        return result

    @property
    def duration(self) -> float:
        """Time from the first to the last frame, ps."""
        return (self.frames - 1) * self.timestep


def pool_of(motions: Sequence[Motion], distance: float) -> Pool:
    """Add up the squares of all ions; count the ions that moved by more than a distance (Å)."""
    frames, ions, moved = len(motions[0].run), 0, 0
    msd, collective, squares = np.zeros((3, frames)), np.zeros((3, frames)), np.zeros(frames)
    for motion in motions:
        together = np.zeros((3, frames))
        for displacements in motion:
            own = squares_of(displacements)
            msd += own.sum(axis=0)
            squares += (own.sum(axis=1) ** 2).sum(axis=0)
            together += displacements.sum(axis=0)
            moved += int((shift_of(displacements) > distance).sum())
        ions += len(motion.mobile)
        collective += squares_of(together) / len(motion.mobile) / len(motions)
    variance = np.maximum(squares / ions - (msd.sum(axis=0) / ions) ** 2, 0.0)
    std = np.sqrt(variance / (ions - 1)) if ions > 1 else np.full(frames, np.nan)
    timestep = motions[0].run.timestep
    return Pool(frames, timestep, ions, len(motions), moved, msd / ions, std, collective)


@dataclass(frozen=True)
class Fit:
    """A line through the MSD, by its weights, so that D is linear in the MSD of every ion."""

    lags: IntArray
    """(lags,) frames."""
    weights: Array
    """(lags,) of the slope, per ps."""
    msd: Array
    """(3, lags), Å²."""
    relative: float
    """Variance of a slope in its own square, for a single Brownian walker along one axis."""
    scatter: Scatter
    linear: bool = True
    """Whether D stays the same within its error without the first octave of the lags."""

    def along(self, *axes: int) -> Array:
        """Return the weights (3 lags,) of the mean D along some axes, of the MSD along all."""
        chosen = np.zeros(3)
        chosen[list(axes)] = 1 / (2 * len(axes))
        result: Array = np.outer(chosen, self.weights).ravel()
        return result

    def value(self, weights: Array) -> float:
        """Return weights · MSD."""
        return float(weights @ self.msd.ravel())

    def error(self, weights: Array, value: float) -> float:
        """Return the standard error of weights · MSD, widened so that ±1.96 of it hold 95 %.

        It is widened by Student's t, for which a value that is measured has (value/error)² degrees of freedom
        at most: few events tell little about their own scatter. And by Birge's ratio where the runs disagree.
        """
        variance, freedom = self.scatter.variance(weights)
        if variance == 0 or np.isnan(variance):
            return float(np.sqrt(variance))
        few = 1 / max(value**2 / variance, SURE**2)
        return widened(variance, 1 / (1 / freedom + few)) * self.disagreement()[0]

    def estimate(self, *axes: int) -> Estimate:
        """Return the mean D along some axes, Å²/ps."""
        weights = self.along(*axes)
        value = self.value(weights)
        std = self.error(weights, value)
        return Estimate(value, std, *interval_of(value, std))

    def disagreement(self) -> tuple[float, float]:
        """Return Birge's ratio √(χ²/(runs − 1)), by which errors are to be widened, and the p value of χ².

        The ratio is one where the runs agree (p ≥ 0.05).
        """
        others = len(self.scatter.shares) - 1
        if others == 0:
            return 1.0, 1.0
        weights = self.along(0, 1, 2)
        variance, _ = self.scatter.variance(weights)
        squares = self.scatter.disagreement(weights, variance)
        p = float(chdtrc(others, squares))
        return (float(np.sqrt(squares / others)) if p < 0.05 else 1.0), p


def fit_of(motions: Sequence[Motion], pool: Pool, lags: IntArray, weights: Array | None = None) -> Fit:
    """Fit a line by generalised least squares, or with given weights (lags,) of the slope per frame."""
    msd = pool.msd[:, lags]
    best, covariance = slope_weights(lags, msd.mean(axis=0), pool.frames)
    used = best if weights is None else weights
    scatter = scatter_of(motions, lags, msd, typical_lag(lags, used, covariance))
    return Fit(lags, used / pool.timestep, msd, float(used @ covariance @ used), scatter)


def gls_fit(motions: Sequence[Motion], pool: Pool, reach: float, first: int | None, last: int) -> Fit:
    """Fit a line by generalised least squares in the window that its rule chooses.

    Without a first lag (frames), it is where the MSD gets to `reach` (Å²), at most a tenth of the run; it is
    doubled, to at most a fifth of the run, as long as the D from it and that from twice it on differ by more
    than twice the error of their difference, and then once more: what still bends is by then too weak to be
    seen, but not to matter; and where chance alone has moved the window, it moves on from the outlying D.
    """
    if first is not None:
        return _fit_from(first, last, motions, pool)
    longest = max(1, min((pool.frames - 1) // LATEST, last - 2))
    start = _first_lag(pool.whole, reach, max(1, min((pool.frames - 1) // EARLIEST, last - 2)))
    fit = _fit_from(start, last, motions, pool)
    bends = not fit.linear
    while bends and start < longest:
        bends, start = not fit.linear, min(2 * start, longest)
        fit = _fit_from(start, last, motions, pool)
    return fit


def _first_lag(msd: Array, reach: float, latest: int) -> int:
    reached = np.flatnonzero(msd[: latest + 1] >= reach)
    return max(1, int(reached[0])) if len(reached) else latest


def _fit_from(first: int, last: int, motions: Sequence[Motion], pool: Pool) -> Fit:
    fit = fit_of(motions, pool, spread_lags(first, last))
    return replace(fit, linear=_is_linear(fit, pool))


def _is_linear(fit: Fit, pool: Pool) -> bool:
    later = fit.lags >= 2 * fit.lags[0]
    if later.sum() < 3:
        return True
    weights = np.zeros(len(fit.lags))
    weights[later], _ = slope_weights(fit.lags[later], fit.msd[:, later].mean(axis=0), pool.frames)
    change = np.tile(weights / pool.timestep - fit.weights, 3)
    variance, freedom = fit.scatter.variance(change)
    # a single ion may have no error
    return not abs(fit.value(change)) > CHANGED * widened(variance, freedom)


def widened(variance: float, freedom: float) -> float:
    """Return the standard error by Student's t, so that ±1.96 of it hold 95 %."""
    return float(np.sqrt(variance) * stdtrit(freedom, 0.975) / SURE)


def interval_of(value: float, std: float) -> tuple[float, float]:
    """Return the 95 % interval of what is counted, from zero where there may be nothing.

    It is Jeffreys' interval of (value/std)² events (Brown, Cai and DasGupta, Statistica Sinica 13, 19, 2003).
    """
    if not value > SURE * std:
        return 0.0, max(value, 0.0) + SURE * std
    if std == 0:
        return value, value
    events = (value / std) ** 2
    low, high = gammaincinv(events + 0.5, (0.025, 0.975))
    return float(value * low / events), float(value * high / events)
