"""Kernel densities of states, with a bandwidth that the data choose and that is stated."""

import numpy as np
from scipy.fft import dct, irfft, next_fast_len, rfft, rfftfreq
from scipy.optimize import brentq

from frustra.arrays import Array
from frustra.errors import AnalysisError

REACH = 1.5
"""The range of the data is widened so much before the transform, so that its ends do not matter."""


def smoothed(counts: Array, bandwidth: float, width: float) -> Array:
    """Return a Gaussian kernel density of binned states, along the last axis; its sum times width is one.

    Parameters
    ----------
    counts
        (…, bins) states in bins of one width. States spread beyond the bins are lost.
    bandwidth
        Standard deviation of the kernel, eV.
    width
        Of the bins, eV.
    """
    totals = counts.sum(axis=-1, keepdims=True)
    fractions = counts / np.where(totals > 0, totals, 1)
    bins, reach = counts.shape[-1], bandwidth / width
    size = next_fast_len(bins + int(np.ceil(6 * reach)), real=True)  # what leaves at one end enters nowhere
    kernel = np.exp(-2 * (np.pi * reach * rfftfreq(size)) ** 2)
    found: Array = irfft(rfft(fractions, size, axis=-1) * kernel, size, axis=-1)[..., :bins] / width
    return np.maximum(found, 0.0)


def bandwidth_of(counts: Array, width: float) -> float:
    """Return the bandwidth (eV) of a Gaussian kernel by the improved Sheather–Jones rule.

    Botev, Grotowski and Kroese, Ann. Statist. 38, 2916 (2010): the bandwidth at which the estimated mean
    squared error is least, found without the assumption of one Gaussian that makes the usual rules of thumb
    smear densities with several peaks.

    Parameters
    ----------
    counts
        (bins,) states in bins of one width, narrow against what is to be seen.
    width
        Of the bins, eV.

    Returns
    -------
    float
        At least half a bin: of levels sharper than the bins nothing else can be said.

    Raises
    ------
    AnalysisError
        No states.
    """
    states = counts.sum()
    if states <= 0:
        raise AnalysisError("no states to be smoothed", "at least one")
    size = 2 ** int(np.ceil(np.log2(max(64, REACH * len(counts)))))
    grid = np.zeros(size)
    start = (size - len(counts)) // 2
    grid[start : start + len(counts)] = counts / states
    squares = (dct(grid, type=2) / 2)[1:] ** 2
    orders = np.arange(1, size, dtype=float) ** 2

    def excess(time: float) -> float:
        return time - _fixed_point(time, float(states), orders, squares)

    least = (0.5 / size) ** 2
    trial = np.geomspace(least, 0.1, 60)
    values = np.array([excess(t) for t in trial])
    crossing = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
    if not len(crossing):
        return width / 2
    k = int(crossing[0])
    time = float(brentq(excess, trial[k], trial[k + 1]))
    return float(max(np.sqrt(time) * size * width, width / 2))


def _fixed_point(time: float, states: float, orders: Array, squares: Array) -> float:
    """Return ξ γ⁽⁵⁾(t), of which the squared bandwidth (in units of the grid's length) is a fixed point."""
    power = 7
    norm = 2 * np.pi ** (2 * power) * (orders**power * squares * np.exp(-orders * np.pi**2 * time)).sum()
    for s in range(power - 1, 1, -1):
        odd = np.prod(np.arange(1, 2 * s, 2)) / np.sqrt(2 * np.pi)
        constant = (1 + 0.5 ** (s + 0.5)) / 3
        if norm <= 0:
            return 0.0
        at = (2 * constant * odd / (states * norm)) ** (2 / (3 + 2 * s))
        norm = 2 * np.pi ** (2 * s) * (orders**s * squares * np.exp(-orders * np.pi**2 * at)).sum()
    return float((2 * states * np.sqrt(np.pi) * norm) ** (-0.4)) if norm > 0 else 0.0
