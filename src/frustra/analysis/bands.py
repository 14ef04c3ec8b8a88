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

NOISE = 50
"""Resamplings that tell the noise of peaks."""

STEPS, TOLERANCE = 1000, 1e-8
"""Of the fit: at most so many steps, until the likelihood of a state changes by less."""

TRIED, TRIAL = (0.05, 0.35, 0.65, 0.95), (100, 1e-6)
"""Quantiles of the states at which one more band is tried, and the steps and tolerance of such a trial."""

CLAIM, MOST = 10.0, 8
"""By how much one more band must lower BIC, and how many bands there are at most."""

FEWEST = 50
"""Independent states below which nothing but peaks can be told."""


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
    resamplings. As many Gaussians as peaks are then fitted to all states by maximum likelihood. One more is
    added, for a shoulder that has no peak of its own, as long as it lowers BIC by 10 (with the number of
    states that count as independent), and its centre is further from all others than the mean of the two
    widths. Errors are those of the same fit to resamplings, to first order; they do not tell of bands that
    were missed.

    Parameters
    ----------
    tally
        Counts of one class.
    """
    bins = tally.bins
    quarters, narrow = tally.quarters()
    counts = quarters[:, 0]
    energy: Array = bins.first * bins.width + (np.arange(counts.shape[1], dtype=float) + 0.5) * narrow
    bandwidth = max(bandwidth_of(counts[0], narrow), bins.width / 2)
    peaks, valleys = _peaks(counts, bandwidth, narrow)
    start = _start(counts[0], energy, peaks, valleys, bandwidth)
    fitted = _with_shoulders(counts[0], energy, start, narrow, _independent(tally))
    every = np.concatenate([fitted[None], _refitted(counts, energy, fitted, narrow)])
    bands = [
        Band(*(estimate(every[:, kind, k], tally.groups) for kind in range(3)))
        for k in range(fitted.shape[1])
    ]
    return tuple(sorted(bands, key=lambda b: b.centre.value))


def _peaks(counts: Array, bandwidth: float, narrow: float) -> tuple[IntArray, IntArray]:
    """Return the narrow bins of the peaks that stand out, and those of the lowest point between them."""
    kept: list[int] = []
    for scale in SCALES:
        apart = 2 * scale * bandwidth / narrow
        found = _standing_out(counts[: 1 + NOISE], scale * bandwidth, narrow)
        kept += [p for p in found if all(abs(p - k) > apart for k in kept)]
    density = smoothed(counts[0], bandwidth, narrow)
    peaks = np.sort(np.array(kept or [int(density.argmax())], dtype=np.int64))
    valleys = [int(a + density[a:b].argmin()) for a, b in pairwise(peaks.tolist())]
    return peaks, np.array(valleys, dtype=np.int64)


def _standing_out(counts: Array, bandwidth: float, narrow: float) -> list[int]:
    """Return the narrow bins of the maxima of one kernel density that stand out of the noise."""
    edge = int(np.ceil(4 * bandwidth / narrow))
    density = smoothed(np.pad(counts, ((0, 0), (edge, edge))), bandwidth, narrow)
    first = density[0]
    found, valleys = _maxima(first)
    heights = density[:, found] - density[:, valleys]
    # at least the noise of counting: resamplings of a few snapshots may all be alike
    noise = np.sqrt(first[found] / (2 * np.sqrt(np.pi) * bandwidth * counts[0].sum()))
    if len(density) > 1:
        noise = np.maximum(heights[1:].std(axis=0, ddof=1), noise)
    kept = found[heights[0] > SIGNIFICANT * noise] - edge
    return [int(p) for p in np.clip(kept, 0, counts.shape[1] - 1)]


def _maxima(density: Array) -> tuple[IntArray, IntArray]:
    """Return the maxima of a curve, and of each the higher of the lowest points to both sides of it."""
    inner = density[1:-1]
    found = np.flatnonzero((inner > density[:-2]) & (inner >= density[2:])) + 1
    valleys = []
    for peak in found:
        before, after = np.flatnonzero(density[:peak] > density[peak]), density[peak:] > density[peak]
        start = int(before[-1]) if len(before) else 0
        end = peak + int(after.argmax()) if after.any() else len(density)
        left = start + int(density[start : peak + 1].argmin())
        right = peak + int(density[peak:end].argmin())
        valleys.append(left if density[left] > density[right] else right)
    return found.astype(np.int64), np.array(valleys, dtype=np.int64)


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


def _with_shoulders(counts: Array, energy: Array, start: Array, narrow: float, independent: float) -> Array:
    """Return the fitted bands, (3, bands), with those that a better description of the states asks for."""
    fitted, likelihood = _fit(counts, energy, start, narrow)
    least = 4 * narrow  # a bin of the density
    places = np.searchsorted(np.cumsum(counts), np.array(TRIED) * counts.sum())
    while independent >= FEWEST and fitted.shape[1] < MOST:
        trials = [_fit(counts, energy, _one_more(fitted, energy[k]), narrow, TRIAL) for k in places]
        trials = [trial for trial in trials if _apart(trial[0], least)]
        if not trials:
            break
        richer, better = _fit(counts, energy, max(trials, key=lambda trial: trial[1])[0], narrow)
        gain = 2 * independent * (better - likelihood) - 3 * np.log(independent)
        if gain < CLAIM or not _apart(richer, least):
            break
        fitted, likelihood = richer, better
    return fitted


def _one_more(bands: Array, place: float) -> Array:
    """Return the bands with another one at a place, of a tenth of the states."""
    centres, widths, weights = bands
    new = np.array([[place], [widths.min()], [0.1]])
    return np.concatenate([np.array([centres, widths, 0.9 * weights]), new], axis=1)


def _apart(bands: Array, least: float) -> bool:
    """Return whether all centres are further from one another than the mean of the two widths, and a bin."""
    centres, widths, _ = bands[:, bands[0].argsort()]
    return bool((np.diff(centres) > np.maximum((widths[1:] + widths[:-1]) / 2, least)).all())


def _independent(tally: Tally) -> float:
    """Return how many independent states have as uncertain a mean as these, by the resamplings."""
    states = float(tally.totals[0, 0])
    mean, square = tally.means[:, 0], tally.squares[:, 0]
    error = mean[1:].var(ddof=1) if len(mean) > 2 else 0.0
    spread = square[0] - mean[0] ** 2
    return float(min(states, spread / error)) if error > 0 else states


def _refitted(counts: Array, energy: Array, bands: Array, narrow: float) -> Array:
    """Return what the fit to each resampling would be, (resamplings, 3, bands), to first order.

    With the scores G(θ), the slopes of the likelihood of the states, the fit to a resampling with the
    fractions f is where f·G = 0; from the fit θ to all states, it is away by −(∂ f₀·G/∂θ)⁻¹ f·G.
    """
    used = counts[0] > 0
    fractions, energy = counts[:, used] / counts.sum(axis=1, keepdims=True), energy[used][:, None]
    count = bands.shape[1]
    centres, widths, weights = bands
    start = np.concatenate([centres / widths, np.log(widths), np.log(weights)])  # pure numbers, all about one
    free = np.concatenate([np.ones(count), widths > 1.01 * narrow / np.sqrt(12), np.ones(count)]) > 0
    curvature = np.empty((start.size, start.size))
    for k in range(start.size):
        moved = np.zeros(start.size)
        moved[k] = 1e-4
        rise = _scores(start + moved, widths, energy) - _scores(start - moved, widths, energy)
        curvature[k] = fractions[0] @ rise / 2e-4
    slopes = fractions[1:] @ _scores(start, widths, energy)
    inverse = np.linalg.pinv(curvature[np.ix_(free, free)], rcond=1e-8)  # one weight follows from the others
    moves = np.zeros((len(slopes), start.size))
    moves[:, free] = -slopes[:, free] @ inverse
    new = moves.reshape(-1, 3, count)
    shares = weights * np.exp(new[:, 2])
    return np.stack(
        [
            centres + widths * new[:, 0],
            widths * np.exp(new[:, 1]),
            shares / shares.sum(axis=1, keepdims=True),
        ],
        axis=1,
    )


def _scores(parameters: Array, scale: Array, energy: Array) -> Array:
    """Return the slopes of ln p of a state at every energy, (energies, 3 bands), along the parameters.

    These are centres over `scale`, logarithms of widths, and logarithms of weights up to a constant.
    """
    centres, logs, weights = parameters.reshape(3, -1)
    widths, centres = np.exp(logs), centres * scale
    z = (energy - centres) / widths
    terms = weights - logs - 0.5 * z**2
    parts = np.exp(terms - terms.max(axis=1, keepdims=True))
    parts /= parts.sum(axis=1, keepdims=True)
    shares = np.exp(weights - weights.max())
    scores: Array = np.concatenate(
        [parts * z * scale / widths, parts * (z**2 - 1), parts - shares / shares.sum()], axis=1
    )
    return scores


def _fit(
    counts: Array, energy: Array, start: Array, narrow: float, limits: tuple[int, float] = (STEPS, TOLERANCE)
) -> tuple[Array, float]:
    """Fit Gaussians to binned states by expectation and maximisation from a start, (3, bands).

    Return them with the mean logarithm of the likelihood of a state.
    """
    used = counts > 0
    weight, energy = counts[used] / counts[used].sum(), energy[used][:, None]
    centres, widths, weights = start
    least = narrow / np.sqrt(12)  # the width that a level in one narrow bin has
    likelihood = before = -np.inf
    for _ in range(limits[0]):
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
        if abs(likelihood - before) < limits[1]:
            break
        before = likelihood
    return np.array([centres, widths, weights]), likelihood
