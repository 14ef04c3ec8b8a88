"""The line through a mean-square displacement (MSD) whose lags are correlated: weights and their rule.

Everything is in frames, and along one axis: MSD(m) = 2 D m + intercept.
"""

import numpy as np

from frustra.arrays import Array, IntArray

LAGS = 25
"""Lags of a fit: neighbours carry the same information."""


def spread_lags(first: int, last: int) -> IntArray:
    """Return at most `LAGS` lags from the first to the last at equal distances of their logarithm."""
    return np.unique(np.round(np.geomspace(first, last, LAGS)).astype(np.int64))


def covariance_of_lags(lags: IntArray, frames: int, noise: float) -> Array:
    """Return the covariance of a time-averaged MSD between lags, (lags, lags), in units of (2 D)².

    Of Brownian motion seen with white noise σ² of each position (vibration), it is
    cov(m, n) = 2/(N_m N_n) Σ_{t,t'} c², where N_m = frames − m, and c is the covariance of the displacements
    x(t+m) − x(t) and x(t'+n) − x(t'): 2 D times the overlap of the two intervals, plus σ² for each common
    beginning and each common end, less σ² where one begins as the other ends.

    Parameters
    ----------
    lags
        (lags,) frames.
    frames
        Of the run.
    noise
        σ²/(2 D), frames.
    """
    n, m = (np.asarray(pick(lags, lags[:, None]), dtype=float) for pick in (np.minimum, np.maximum))
    both = frames - m  # pairs that begin together, and as many that end together
    apart = both - n  # pairs of which one begins as the other ends, if there are any
    least = np.maximum(-apart, 0.0)
    partly = apart * (_squares(n - 1) - _squares(least)) + _cubes(n - 1) - _cubes(least)
    overlaps = both * (m - n + 1) * n**2 + 2 * partly
    same = 2 * both * (1 + np.eye(len(lags))) + 2 * np.maximum(apart, 0.0)
    left: Array = (frames - lags).astype(float)
    result: Array = 2 * (overlaps + 4 * noise * n * both + noise**2 * same) / (left * left[:, None])
    return result


def _squares(last: Array) -> Array:
    """Return 1 + 4 + … + last²."""
    return last * (last + 1) * (2 * last + 1) / 6


def _cubes(last: Array) -> Array:
    """Return 1 + 8 + … + last³."""
    return (last * (last + 1) / 2) ** 2


def line_weights(lags: IntArray, covariance: Array) -> Array:
    """Return the weights (2, lags) that give intercept and slope of the line of generalised least squares."""
    design = np.stack([np.ones(len(lags)), lags], axis=1)
    solved = np.linalg.solve(covariance, design)
    weights: Array = np.linalg.solve(design.T @ solved, solved.T)
    return weights


def slope_weights(lags: IntArray, msd: Array, frames: int) -> tuple[Array, Array]:
    """Return the weights (lags,) of the slope, per frame, and the covariance (in (2 D)²) they rest on.

    D and noise, which the covariance depends on, come from an ordinary fit first and then from the
    weighted one. At first order the weight is on the shortest lags, where the statistics are.

    Parameters
    ----------
    lags
        (lags,) frames.
    msd
        (lags,) along one axis, or the mean of several, Å².
    frames
        Of the run.
    """
    covariance = np.eye(len(lags))
    for _ in range(2):
        weights = line_weights(lags, covariance)
        intercept, slope = weights @ msd
        # white noise adds 2 σ² to every lag; without diffusion, all is noise
        noise = intercept / 2 / slope if slope > 0 else np.inf
        covariance = covariance_of_lags(lags, frames, float(np.clip(noise, 0.0, 100.0 * frames)))
    return line_weights(lags, covariance)[1], covariance


def typical_lag(lags: IntArray, weights: Array, covariance: Array) -> float:
    """Return the mean lag, each weighted with what it adds to the error of the slope."""
    share = np.abs(weights) * np.sqrt(np.diag(covariance))
    return float(share @ lags / share.sum())
