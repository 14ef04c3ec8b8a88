"""Bands of states: the peaks of the DOAS that stand out of the noise, fitted together by Gaussians."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from frustra.analysis.smoothing import bandwidth_of, smoothed
from frustra.analysis.tally import Tally, estimate
from frustra.arrays import Array, IntArray
from frustra.stats import Estimate

SIGNIFICANT = 4.0
"""A peak stands out of the noise if it rises above the valley beside it by so many standard errors."""

SCALES = (1, 2, 4, 8)
"""Peaks are looked for in kernel densities of the best bandwidth and of so many times it: a broad band of few
states stands out of the noise only where that is smoothed away."""

RESAMPLED = 50
"""Resamplings to which the fit is repeated for its errors."""

STEPS, TOLERANCE = 2000, 1e-9
"""Of the fit: at most so many steps, until the likelihood of a state changes by less."""


@dataclass(frozen=True)
class Band:
    """One Gaussian of those that describe a DOAS together."""

    centre: Estimate
    """eV above the zero."""
    width: Estimate
    """Standard deviation, eV; a level without width shows at most that of a narrow bin."""
    weight: Estimate
    """Part of the states; the weights of all bands add up to one."""


def bands_of(tally: Tally) -> tuple[Band, ...]:
    """Return the bands of the states of one class, in order of energy.

    Peaks are maxima of the kernel density (bandwidth by Botev's rule, at least half a bin, and some multiples
    of it) that rise above the higher of the valleys to both sides by four standard errors, from the
    resamplings. As many Gaussians as peaks are then fitted to all states by maximum likelihood. Errors come
    from the same fit to resamplings; they do not tell of peaks that were missed. A shoulder is no peak.

    Parameters
    ----------
    tally
        Counts of one class.
    """
    bins = tally.bins
    quarters, narrow = tally.quarters()
    counts = quarters[: 1 + RESAMPLED, 0]
    energy: Array = bins.first * bins.width + (np.arange(counts.shape[1], dtype=float) + 0.5) * narrow
    bandwidth = max(bandwidth_of(counts[0], narrow), bins.width / 2)
    peaks, valleys = _peaks(counts, bandwidth, narrow)
    if not len(peaks):
        return ()
    start = _start(counts[0], energy, peaks, valleys, bandwidth)
    fitted = _fit(counts[0], energy, start, narrow)
    every = np.array([fitted, *(_fit(row, energy, fitted, narrow) for row in counts[1:])])
    bands = [
        Band(*(estimate(every[:, kind, k], tally.groups) for kind in range(3))) for k in range(len(peaks))
    ]
    return tuple(sorted(bands, key=lambda b: b.centre.value))


def _peaks(counts: Array, bandwidth: float, narrow: float) -> tuple[IntArray, IntArray]:
    """Return the narrow bins of the peaks that stand out, and those of the lowest point between them."""
    kept: list[int] = []
    for scale in SCALES:
        apart = 2 * scale * bandwidth / narrow
        found = _standing_out(counts, scale * bandwidth, narrow)
        kept += [p for p in found if all(abs(p - k) > apart for k in kept)]
    density = smoothed(counts[0], bandwidth, narrow)
    peaks = np.sort(np.array(kept or [int(density.argmax())], dtype=np.int64))
    valleys = [int(a + density[a:b].argmin()) for a, b in pairwise(peaks.tolist())]
    return peaks, np.array(valleys, dtype=np.int64)


def _standing_out(counts: Array, bandwidth: float, narrow: float) -> list[int]:
    """Return the narrow bins of the maxima of one kernel density that stand out of the noise."""
    from scipy.signal import find_peaks  # noqa: PLC0415 - takes a second

    edge = int(np.ceil(4 * bandwidth / narrow))
    density = smoothed(np.pad(counts, ((0, 0), (edge, edge))), bandwidth, narrow)
    first = density[0]
    found, told = find_peaks(first, prominence=1e-6 * first.max())
    left, right = told["left_bases"], told["right_bases"]
    heights = density[:, found] - density[:, np.where(first[left] > first[right], left, right)]
    # at least the noise of counting: resamplings of a few snapshots may all be alike
    noise = np.sqrt(first[found] / (2 * np.sqrt(np.pi) * bandwidth * counts[0].sum()))
    if len(density) > 1:
        noise = np.maximum(heights[1:].std(axis=0, ddof=1), noise)
    kept = found[heights[0] > SIGNIFICANT * noise] - edge
    return [int(p) for p in np.clip(kept, 0, counts.shape[1] - 1)]


def _start(counts: Array, energy: Array, peaks: IntArray, valleys: IntArray, least: float) -> Array:
    """Return (3, bands) centres, widths and weights of the states between valleys."""
    cuts = np.split(np.arange(len(counts)), valleys)
    start = []
    for peak, rows in zip(peaks, cuts, strict=True):
        held = counts[rows].sum()
        width = np.sqrt((counts[rows] * (energy[rows] - energy[peak]) ** 2).sum() / held) if held else least
        start.append((energy[peak], max(float(width), least / 2), max(held, 1.0)))
    found = np.array(start).T
    found[2] /= found[2].sum()
    return found


def _fit(counts: Array, energy: Array, start: Array, narrow: float) -> Array:
    """Fit Gaussians to binned states by expectation and maximisation from a start, (3, bands)."""
    used = counts > 0
    weight, energy = counts[used] / counts[used].sum(), energy[used][:, None]
    centres, widths, weights = start
    least = narrow / np.sqrt(12)  # the width that a level in one narrow bin has
    before = -np.inf
    for _ in range(STEPS):
        terms = -0.5 * ((energy - centres) / widths) ** 2 - np.log(widths) + np.log(weights)
        top = terms.max(axis=1, keepdims=True)
        parts = np.exp(terms - top)
        sums = parts.sum(axis=1, keepdims=True)
        likelihood = float(weight @ (np.log(sums) + top)[:, 0])
        shares = parts / sums * weight[:, None]
        weights = np.maximum(shares.sum(axis=0), 1e-12)
        centres = (shares * energy).sum(axis=0) / weights
        widths = np.maximum(np.sqrt((shares * (energy - centres) ** 2).sum(axis=0) / weights), least)
        weights = weights / weights.sum()
        if abs(likelihood - before) < TOLERANCE:
            break
        before = likelihood
    return np.array([centres, widths, weights])
