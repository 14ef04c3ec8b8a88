"""How long it takes until the ions' arrangement is independent of what it was.

The arrangement is the occupation n_s of every site. Its autocorrelation, all sites together,

    C(t) = Σ_s ⟨δn_s(t0) δn_s(t0 + t)⟩ / Σ_s ⟨δn_s²⟩,    δn_s = n_s − ⟨n_s⟩ of the same run,

gives the statistical inefficiency g = 1 + 2 Σ_t C(t): so many frames tell as much as one independent
frame. The integrated correlation time is τ = g/2 frames. The sum ends at the first lag of at least 5 τ
(Madras and Sokal, J. Stat. Phys. 50, 109 (1988)). As the mean of a run moves with it, C comes out too low
by the variance of that mean, about g/n of n frames; this is put back. Which ion is in a site does not
matter: energies do not depend on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.states import StateTable
from frustra.stats import COVER
from frustra.visits import Visits

WINDOW = 5.0
"""Correlation times after which the sum over lags ends."""

FEWEST = 12.0
"""Independent frames below which a run is too short to tell its correlation time: it is then a bound."""

GROUPS = 16
"""Groups of sites from whose scatter the error of g comes."""

ROUNDS = 100
"""Rounds in which the correction for the moving mean must settle."""

ELEMENTS = 2**21
"""Frames times sites that are transformed together."""

BUDGET = 2**21
"""Frames times sites of a state table from which g is taken; of more, some sites stand for all."""

SAME = 1e-6
"""eV per ion: mean energies that differ by less are the same."""


@dataclass(frozen=True)
class Decorrelation:
    """How many frames of some runs it takes until the occupations of the sites are independent."""

    frames: int
    """Of all runs together."""
    longest: int
    """Frames of the longest run."""
    timestep: float
    """Time between frames, ps; NaN where nobody knows it."""
    correlation: Array
    """(lags,) C at 0, 1, 2, … frames, as far as it was summed; empty where `frozen`."""
    inefficiency: float
    """g, frames that tell as much as one independent frame; at least 1. Where `frozen`, `longest`."""
    std: float
    """Standard error of g; NaN for a lower bound."""
    is_lower_bound: bool
    """Whether the runs are too short, and g is only known to be at least this."""
    frozen: bool
    """Whether no occupation changed in any run: every run then holds one arrangement."""
    observed: Literal["places", "energy"] = "places"
    """Whose autocorrelation C is: the occupations', or, where no ion is on a site, that of the mean energy
    of the ions."""

    @property
    def tau(self) -> float:
        """Integrated correlation time g/2 of the occupations, ps."""
        return self.inefficiency * self.timestep / 2

    @property
    def tau_std(self) -> float:
        """Standard error of it, ps."""
        return self.std * self.timestep / 2

    @property
    def independent(self) -> float:
        """Independent arrangements, frames/g; at most so many where g is a lower bound."""
        return self.frames / self.inefficiency

    @property
    def independent_std(self) -> float:
        """Standard error of it; NaN for a bound."""
        return self.independent * self.std / self.inefficiency


def decorrelation_of(runs: Sequence[Visits], sites: int) -> Decorrelation:
    """Return how fast the occupations of the sites forget what they were.

    Parameters
    ----------
    runs
        Independent runs at one temperature with the same time between frames.
    sites
        How many sites there are.

    Raises
    ------
    AnalysisError
        No frames, or runs with different times between frames.
    """
    steps = [run.timestep for run in runs if len(run)]
    if not steps:
        raise AnalysisError("no frames of which sites are occupied", "at least one")
    if not np.allclose(steps, steps[0], rtol=1e-6):
        raise AnalysisError(
            f"runs with {min(steps):g} and {max(steps):g} ps between frames", "one time for all"
        )
    return _decorrelation([_occupations(run, sites) for run in runs if len(run)], steps[0])


def _occupations(run: Visits, sites: int) -> sparse.csc_array:
    """Return how many ions each site holds, (frames, sites)."""
    frame, ion = np.nonzero(run.site >= 0)
    return _counted(frame, run.site[frame, ion], (len(run), sites))


def _counted(frame: NDArray[Any], site: NDArray[Any], shape: tuple[int, int]) -> sparse.csc_array:
    ones = np.ones(len(frame))
    return sparse.csc_array(sparse.coo_array((ones, (frame, site)), shape=shape))  # doubles are summed


def independent_snapshots(states: StateTable) -> dict[float, Decorrelation]:
    """Return for every temperature of a table how correlated its snapshots are; a frame is a snapshot.

    The snapshots of a run are taken as evenly spaced, in the order of their times. Where there is one
    snapshot to a run, nothing speaks against their independence. Where no ion is on a site, the mean energy
    of the ions takes the place of the occupations.

    Parameters
    ----------
    states
        Of one material, with places in the same sites.

    Raises
    ------
    AnalysisError
        No states.
    """
    return independent_of(states.columns)


def independent_of(columns: Mapping[str, NDArray[Any]]) -> dict[float, Decorrelation]:
    """Return what `independent_snapshots` does from single columns of a state table.

    Parameters
    ----------
    columns
        `temperature`, `run`, `time`, `snapshot`, `place` and `energy`.

    Raises
    ------
    AnalysisError
        No states.
    """
    if not len(columns["energy"]):
        raise AnalysisError("no states", "at least one snapshot")
    found = {}
    for temperature in np.unique(columns["temperature"]):
        rows = columns["temperature"] == temperature
        run, time, snapshot, place, energy = (
            columns[c][rows] for c in ("run", "time", "snapshot", "place", "energy")
        )
        found[float(temperature)] = _of_snapshots(run, time, snapshot, place, energy)
    return found


def block_length(states: StateTable) -> int:
    """Return how many snapshots in a row make one independent block: g, rounded up.

    A block is never longer than a run.

    Parameters
    ----------
    states
        At one temperature.

    Raises
    ------
    AnalysisError
        No states, or several temperatures.
    """
    found = independent_snapshots(states)
    if len(found) > 1:
        raise AnalysisError(f"states at {len(found)} temperatures", "one", "select it first")
    (only,) = found.values()
    return min(only.longest, int(np.ceil(only.inefficiency - 0.1)))  # a tenth of a frame is no block


def _of_snapshots(
    run: NDArray[Any], time: NDArray[Any], snapshot: NDArray[Any], place: NDArray[Any], energy: Array
) -> Decorrelation:
    """Return the same from columns of a state table at one temperature."""
    frame, first = _frames(run, snapshot)
    order = np.lexsort((snapshot[first], time[first], run[first]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    sites = int(place.max()) + 1
    whole = _sampled(rank[frame], place, sites, len(order)) if sites else _mean(rank[frame], energy)
    ends = np.append(np.flatnonzero(np.diff(run[first][order])) + 1, len(order))
    starts = np.append(0, ends[:-1])
    parts = [sparse.csc_array(whole[a:b]) for a, b in zip(starts, ends, strict=True)]
    return replace(_decorrelation(parts, np.nan), observed="places" if sites else "energy")


def _sampled(frame: IntArray, place: NDArray[Any], sites: int, frames: int) -> sparse.csr_array:
    """Return the occupations (frames, sites); of very many, those of some sites that stand for all."""
    count = min(sites, max(GROUPS, BUDGET // frames))
    number = np.full(sites + 1, -1)  # the last is for ions in no site
    number[np.random.default_rng(0).permutation(sites)[:count]] = np.arange(count)
    site = number[place]
    kept = site >= 0
    return sparse.csr_array(_counted(frame[kept], site[kept], (frames, count)))


def _mean(frame: IntArray, energy: Array) -> sparse.csr_array:
    """Return the mean energy of each frame, (frames, 1), in units of its scatter."""
    mean = np.bincount(frame, energy) / np.bincount(frame)
    scatter = float(mean.std())
    scaled = (mean - mean.mean()) / scatter if scatter > SAME else np.zeros(len(mean))
    return sparse.csr_array(scaled[:, None])


def _frames(run: NDArray[Any], snapshot: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Return the number of every row's snapshot, and the first row of each snapshot."""
    new = (run[1:] != run[:-1]) | (snapshot[1:] != snapshot[:-1])
    first = np.append(0, np.flatnonzero(new) + 1)  # rows of one snapshot mostly follow each other
    low = int(snapshot.min())
    keys = run[first].astype(np.int64) * (int(snapshot.max()) - low + 1) + (snapshot[first] - low)
    _, where, same = np.unique(keys, return_index=True, return_inverse=True)
    return np.repeat(same, np.diff(np.append(first, len(run)))), first[where]


@dataclass(frozen=True)
class _Sums:
    """Products of occupations, summed over sites, frames and runs."""

    products: Array
    """(groups, lags) Σ δn(t0) δn(t0 + lag)."""
    pairs: Array
    """(lags,) pairs of frames at each lag."""
    shares: Array
    """(lags,) Σ over runs of pairs/frames: what the moving means of the runs take off, over σ² g."""


def _decorrelation(runs: Sequence[sparse.csc_array], timestep: float) -> Decorrelation:
    """Return what the occupations (frames, sites) of some runs tell."""
    lengths = np.array([run.shape[0] for run in runs])
    frames, longest = int(lengths.sum()), int(lengths.max())
    if longest == 1:  # one snapshot to a run
        return Decorrelation(frames, 1, timestep, np.ones(1), 1.0, 0.0, False, False)
    sums = _summed(runs, lengths)
    if sums is None:
        nothing = np.zeros(0)
        return Decorrelation(frames, longest, timestep, nothing, float(longest), np.nan, True, True)
    found = _corrected(sums)
    if found is not None and frames / found[0] < FEWEST:
        found = None
    value, last = found or _integrated(sums, 0.0)
    std = _error(sums, value, last, frames, _moving(runs, last + 1)) if found else np.nan
    correlation = _correlations(sums, value if found else 0.0).sum(axis=0)[: last + 1]
    return Decorrelation(frames, longest, timestep, correlation, max(1.0, value), std, found is None, False)


def _summed(runs: Sequence[sparse.csc_array], lengths: IntArray) -> _Sums | None:
    """Return the sums over all runs; None if no occupation changes."""
    lags = max(2, int(lengths.max()) // 2 + 1)  # so that every lag has pairs
    products, pairs, shares = np.zeros((GROUPS, lags)), np.zeros(lags), np.zeros(lags)
    group = np.random.default_rng(1).permutation(runs[0].shape[1]) % GROUPS
    for run, length in zip(runs, lengths, strict=True):
        mean = run.sum(axis=0) / length
        own = np.maximum(run.multiply(run).sum(axis=0) / length - mean**2, 0.0)
        own[own < 0.25 / length**2] = 0.0  # rounding: one frame of n makes (n − 1)/n²
        products += _products(run, np.flatnonzero(own), mean, group, lags)
        pairs += np.maximum(length - np.arange(lags), 0)
        shares += np.maximum(length - np.arange(lags), 0) / length
    if not products[:, 0].any():
        return None
    return _Sums(products, pairs, shares)


def _products(run: sparse.csc_array, moving: IntArray, mean: Array, group: IntArray, lags: int) -> Array:
    """Return Σ_t δn(t) δn(t + lag) of one run, (groups, lags), by FFT of a few sites at a time."""
    length = run.shape[0]
    size = fft.next_fast_len(length + lags, real=True)
    power = np.zeros((GROUPS, size // 2 + 1))
    step = max(1, ELEMENTS // size)
    for start in range(0, len(moving), step):
        some = moving[start : start + step]
        offset = run[:, some].toarray().T - mean[some, None]
        spectrum = fft.rfft(offset, size, axis=1)
        np.add.at(power, group[some], spectrum.real**2 + spectrum.imag**2)
    found: Array = fft.irfft(power, size, axis=1)[:, :lags]
    found[:, length:] = 0.0
    return found


def _correlations(sums: _Sums, inefficiency: float) -> Array:
    """Return what each group of sites adds to C, (groups, lags).

    What the moving means of the runs took off, σ² g/n of each, is put back.
    """
    plain = sums.products / sums.pairs
    lost = inefficiency * sums.shares / sums.pairs
    found: Array = plain / plain[:, 0].sum() * (1 - lost[0]) + lost / GROUPS
    return found


def _integrated(sums: _Sums, inefficiency: float) -> tuple[float, int]:
    """Return g and the lag at which the sum ends; the last lag if it never should.

    A slow part of C that is small may begin after the window has closed. So it is doubled for as long as the
    next part of the sum is above zero by more than its scatter over the sites.
    """
    parts = _correlations(sums, inefficiency)
    running = 2 * np.cumsum(parts.sum(axis=0)) - 1
    ends = np.arange(len(running)) >= WINDOW * np.maximum(running, 1.0) / 2
    last = int(np.argmax(ends)) if ends.any() else len(running) - 1
    while 0 < last < len(running) - 1:
        more = parts[:, last + 1 : 2 * last + 1].sum(axis=1)
        if more.sum() <= COVER * np.sqrt(GROUPS * more.var(ddof=1)):
            break
        last = min(2 * last, len(running) - 1)
    return float(running[last]), last


def _corrected(sums: _Sums) -> tuple[float, int] | None:
    """Return g with the correction that it asks for itself, and the window; None if there is no such g."""
    value, last = _integrated(sums, 0.0)
    for _ in range(ROUNDS):
        if value * sums.shares[0] > 0.5 * sums.pairs[0]:
            return None
        before = value
        value, last = _integrated(sums, max(value, 1.0))
        if abs(value - before) < 1e-6 * before:
            return (value, last) if last < len(sums.pairs) - 1 else None
    return None


def _error(sums: _Sums, value: float, last: int, frames: int, sites: float) -> float:
    """Return the standard error of g: of the finite run (Madras and Sokal), or of the sites if larger.

    A hop changes two sites, so that half the sites that matter are independent.
    """
    finite = value * np.sqrt(2 * (2 * last + 1) / (frames * max(1.0, sites / 2)))
    parts = _correlations(sums, max(value, 1.0))
    rest = parts.sum(axis=0) - parts  # without one group; the jackknife
    kept = rest[:, 0] > 0
    without = 2 * rest[kept, : last + 1].sum(axis=1) / rest[kept, 0] - 1
    scatter = np.sqrt((GROUPS - 1) / GROUPS * ((without - without.mean()) ** 2).sum())
    return float(max(finite, scatter))


def _moving(runs: Sequence[sparse.csc_array], length: int) -> float:
    """Return how many sites g is a mean over, (Σ v)²/Σ v², v the variance of a site's means over blocks."""
    squares, count = np.zeros(runs[0].shape[1]), 0
    for run in runs:
        blocks = run.shape[0] // length
        if blocks > 1:
            frame = np.arange(blocks * length)
            shape = (blocks, run.shape[0])
            add = sparse.csr_array((np.full(len(frame), 1 / length), (frame // length, frame)), shape=shape)
            means = sparse.csc_array(add @ run)
            mean = means.sum(axis=0) / blocks
            squares += np.maximum(means.multiply(means).sum(axis=0) - blocks * mean**2, 0.0)
            count += blocks - 1
    if not squares.any():
        return 1.0
    widened = 1 + 2 / count  # ⟨v²⟩ of a variance from so many degrees of freedom
    return float(widened * squares.sum() ** 2 / (squares**2).sum())
