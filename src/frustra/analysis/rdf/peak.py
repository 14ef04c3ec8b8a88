"""The first peak of g(r): where it ends, where it is, how high and how broad it is, and how many are in it.

The width is the mean square of the pair distances about their mean, within the first peak. Of a harmonic
crystal it is proportional to T, so that what breaks away from a line is no mere vibration.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from frustra.analysis.markers import widened
from frustra.analysis.rdf.curve import BLOCKS, Blocks, blocks_of, radial
from frustra.analysis.rdf.pairs import PairDistribution, ratio
from frustra.arrays import Array, BoolArray
from frustra.errors import AnalysisError
from frustra.stats import Estimate, block_means

SMEAR = 0.1
"""Å: width of the Gaussian by which g(r) is smoothed to find the end of its first peak."""

PROMINENT = 0.15
"""How far g(r) must fall on both sides of what counts as a peak."""


def first_minimum(distributions: Sequence[PairDistribution]) -> float:
    """Return where the first peak of the mean of several g(r) ends, Å: one limit for all temperatures.

    The end is the lowest point between the first two peaks of the smoothed mean, or between the first and
    the largest distance.

    Raises
    ------
    AnalysisError
        No peak within reach.
    """
    bins = min(len(d.centres) for d in distributions)
    mean = np.mean([d.values[:bins] for d in distributions], axis=0)
    smooth = _smooth(mean, distributions[0].edges)
    peaks = find_peaks(np.concatenate([smooth, [0.0]]), height=1.0, prominence=PROMINENT)[0]
    if len(peaks) == 0 or peaks[0] >= bins - 1:
        reach = distributions[0].edges[bins]
        raise AnalysisError(f"no peak of g(r) within {reach:.1f} Å", "a whole one", "enlarge the supercell")
    end = peaks[1] if len(peaks) > 1 else bins
    lowest = peaks[0] + int(smooth[peaks[0] : end].argmin())
    return float(distributions[0].edges[lowest + 1])


def peak_width(runs: Sequence[PairDistribution], end: float) -> tuple[float, float, int]:
    """Return the mean-square width of the first peak, its standard error, and the blocks behind it.

    Parameters
    ----------
    runs
        Of one temperature.
    end
        Where the peak ends, Å; see `first_minimum`.

    Returns
    -------
    tuple
        Å²; the error from the means of blocks in time, NaN where there are fewer than two.
    """
    inside = runs[0].centres < end
    centres, counts = runs[0].centres[inside], [r.counts[:, inside] for r in runs]
    value = _variance(np.concatenate(counts).sum(axis=0), centres)
    blocks = [b for c in counts if len(c) > 1 for b in block_means(c, min(BLOCKS, len(c)))]
    parts = np.array([_variance(b, centres) for b in blocks if b.any()])
    if len(parts) < 2:
        return value, np.nan, len(parts)
    return value, float(parts.std(ddof=1) / np.sqrt(len(parts))), len(parts)


def _variance(counts: Array, centres: Array) -> float:
    """Return the variance of binned distances; that within a bin is taken off (Sheppard)."""
    if not counts.any():
        return float("nan")
    mean = counts @ centres / counts.sum()
    return float(counts @ (centres - mean) ** 2 / counts.sum() - (centres[1] - centres[0]) ** 2 / 12)


def _smooth(g: Array, edges: Array) -> Array:
    return np.asarray(gaussian_filter1d(np.nan_to_num(g), SMEAR / _bin(edges)), dtype=float)


def _bin(edges: Array) -> float:
    return float(edges[1] - edges[0])


@dataclass(frozen=True)
class Peak:
    """The first peak of g(r) at one temperature; errors by the jackknife over blocks in time."""

    end: float
    """Å: the first minimum."""
    position: Estimate
    """Å: of the parabola through ln g about the maximum."""
    height: Estimate
    """g there."""
    width: Estimate
    """Å: root mean square of the pair distances about their mean, up to the end."""
    square: Estimate
    """Å²: its square."""
    coordination: Estimate
    """Neighbours up to the end."""
    blocks: int
    """Blocks of time that the errors come from, which are NaN with fewer than two."""


def first_peak(runs: Sequence[PairDistribution], end: float) -> Peak:
    """Return the first peak of the g(r) of one temperature.

    Its maximum is that of a parabola through ln g, weighted by the pairs, so that a Gaussian peak is met
    exactly; the parabola covers 0.7 of the width on both sides, and two bins at least.

    Parameters
    ----------
    runs
        Of one pair and temperature, on the same equal bins.
    end
        Where the peak ends, Å; see `first_minimum`.

    Raises
    ------
    AnalysisError
        No pair is that near.
    """
    blocks, centres = blocks_of(runs), runs[0].centres
    counts, inside = blocks.counts.sum(axis=0), centres < end
    if not counts[inside].any():
        raise AnalysisError(f"no pair {runs[0].first}–{runs[0].second} within {end:.2f} Å", "some")
    smooth = _smooth(blocks.values, runs[0].edges)[inside]
    width = np.sqrt(max(_variance(counts[inside], centres[inside]), 0.0))
    window = inside & (
        np.abs(centres - centres[smooth.argmax()]) <= max(0.7 * width, 2.01 * _bin(runs[0].edges))
    )
    values, std = _jackknife(blocks, centres, inside, window)
    near = radial(runs)
    last = int(inside.sum()) - 1
    known = [*zip(values, std, strict=True), (near.coordination[last], near.coordination_std[last])]
    found = [Estimate(float(v), float(s), float(v - 1.96 * s), float(v + 1.96 * s)) for v, s in known]
    return Peak(end, found[0], found[1], found[2], found[3], found[4], len(blocks))


def _jackknife(blocks: Blocks, centres: Array, inside: BoolArray, window: BoolArray) -> tuple[Array, Array]:
    """Return position, height, width and its square, with errors from leaving out one block at a time."""
    n = len(blocks)

    def features(kept: BoolArray) -> Array:
        counts, expected = blocks.counts[kept].sum(axis=0), blocks.expected[kept].sum(axis=0)
        square = _variance(counts[inside], centres[inside])
        summit = _summit(centres[window], ratio(counts, expected)[window], counts[window])
        return np.array([*summit, np.sqrt(square) if square >= 0 else np.nan, square])

    values = features(np.ones(n, bool))
    if n < 2:
        return values, np.full(len(values), np.nan)
    rest = np.array([features(np.arange(n) != k) for k in range(n)])
    return values, np.sqrt((n - 1) * blocks.inefficiency * rest.var(axis=0)) * widened(1.0, n)


def _summit(r: Array, g: Array, counts: Array) -> tuple[float, float]:
    """Return where ln g is largest, and g there, by a parabola; NaN where it has no maximum in between."""
    seen = counts > 0
    if seen.sum() < 3:
        return np.nan, np.nan
    middle = r.mean()
    c, b, a = np.polyfit(r[seen] - middle, np.log(g[seen]), 2, w=np.sqrt(counts[seen]))
    if c >= 0 or abs(b / (2 * c)) > np.ptp(r):
        return np.nan, np.nan
    return float(middle - b / (2 * c)), float(np.exp(a - b**2 / (4 * c)))
