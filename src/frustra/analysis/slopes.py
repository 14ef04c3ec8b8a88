"""The line through a mean-square displacement (MSD) whose lags are correlated: weights and their rule.

Everything is in frames, and along one axis: MSD(m) = 2 D m + intercept.
"""

from functools import lru_cache

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
    longer, shorter = np.maximum(lags, lags[:, None]), np.minimum(lags, lags[:, None])
    both = frames - longer  # pairs that begin together, and as many that end together
    same = 2 * both * (1 + np.eye(len(lags))) + 2 * np.maximum(both - shorter, 0)
    left: Array = (frames - lags).astype(float)
    total = _squared_overlaps(tuple(lags.tolist()), frames) + 4 * noise * shorter * both + noise**2 * same
    result: Array = 2 * total / (left * left[:, None])
    return result


@lru_cache(maxsize=16)
def _squared_overlaps(lags: tuple[int, ...], frames: int) -> Array:
    """Return the sum of squared overlaps of all pairs of displacements, for each pair of lags."""
    result = np.empty((len(lags), len(lags)))
    for row, lag in enumerate(lags):
        shift = np.arange(-lag, lag + 1)  # t' − t
        shorter = np.array(lags[: row + 1])[:, None]
        overlap = np.minimum(lag, shift + shorter) - np.maximum(0, shift)
        pairs = np.minimum(frames - lag, frames - shorter - shift) - np.maximum(0, -shift)
        squares = np.maximum(pairs, 0) * np.maximum(overlap, 0).astype(float) ** 2
        result[row, : row + 1] = result[: row + 1, row] = squares.sum(axis=1)
    return result


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
