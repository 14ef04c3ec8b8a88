"""The radial distribution function g(r) of pairs of elements in MD frames, and the width of its first peak.

The width is the mean square of the pair distances about their mean, within the first peak. Of a harmonic
crystal it is proportional to T, so that what breaks away from a line is no mere vibration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.spatial import cKDTree

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.geometry import perpendicular_heights, with_images, wrap
from frustra.stats import block_means
from frustra.trajectory import Frames, Trajectory

BIN = 0.05
"""Å."""

REACH = 8.0
"""Å: no first peak ends further out."""

FRAMES = 200
"""Frames of a run that are looked at, evenly spaced."""

TOUCH = 1e-3
"""Å: an atom is this close to itself only."""

READ = 20
"""Frames held at once."""

SMEAR = 0.1
"""Å: width of the Gaussian by which g(r) is smoothed to find the end of its first peak."""

PROMINENT = 0.15
"""How far g(r) must fall on both sides of what counts as a peak."""

BLOCKS = 8
"""Blocks of a run from which the error of a width comes."""


@dataclass(frozen=True)
class PairDistribution:
    """Distances between two kinds of atoms in the frames of one run."""

    temperature: float
    """K."""
    edges: Array
    """(bins + 1,) Å."""
    counts: Array
    """(frames, bins) neighbours of the second kind around one atom of the first."""
    expected: Array
    """(frames, bins) the same in an ideal gas of the same density."""

    @property
    def centres(self) -> Array:
        """(bins,) Å."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def values(self) -> Array:
        """(bins,) g(r), which is 1 in an ideal gas."""
        g: Array = self.counts.sum(axis=0) / self.expected.sum(axis=0)
        return g


def pair_distribution(
    run: Frames, first: str, second: Sequence[str], edges: Array | None = None
) -> PairDistribution:
    """Return g(r) from an element to one or several, over evenly spaced frames of a run.

    Every periodic image of an atom counts, so that any cell will do. An atom is no neighbour of itself, and
    an ideal gas of N atoms has (N − 1)/V of others.

    Parameters
    ----------
    run
        Of constant or varying cell; a few frames at a time are held in memory.
    first, second
        Elements; `second` is the first alone, or holds others than it.
    edges
        (bins + 1,) edges of the bins, Å; by default up to 8 Å, or half the smallest height of the cell.

    Raises
    ------
    DataError
        An element is absent.
    AnalysisError
        A single atom, which has no neighbour of its kind.
    """
    centre = run.indices_of(first)
    around = np.concatenate([run.indices_of(s) for s in second])
    itself = float(first in second)
    if len(around) <= itself:
        raise AnalysisError(f"a single {first}", "two atoms for a distance", "enlarge the supercell")
    counts, expected = [], []
    shells = None
    for positions, cell in _frames(run, np.concatenate([centre, around])):
        if edges is None:
            edges = _edges(cell)
        if shells is None:
            shells = 4 / 3 * np.pi * np.diff(edges**3)
        ions, others = positions[: len(centre)], positions[len(centre) :]
        cloud = cKDTree(with_images(others, cell, edges[-1]).positions)
        near = cKDTree(wrap(ions, cell)).sparse_distance_matrix(cloud, edges[-1], output_type="ndarray")
        distances = near["v"][near["v"] > TOUCH]
        counts.append(np.histogram(distances, edges)[0] / len(centre))
        expected.append(shells * (len(around) - itself) / abs(np.linalg.det(cell)))
    return PairDistribution(run.temperature, np.asarray(edges), np.array(counts), np.array(expected))


def _frames(run: Frames, atoms: IntArray) -> Iterator[tuple[Array, Array]]:
    """Give positions and cell of evenly spaced frames."""
    stride = max(1, len(run) // FRAMES)
    for start in range(0, len(run), stride * READ):
        part: Trajectory = run.read(slice(start, min(start + stride * READ, len(run)), stride), atoms)
        yield from zip(part.positions, part.cells, strict=True)


def _edges(cell: Array) -> Array:
    reach = min(REACH, float(perpendicular_heights(cell).min()) / 2)
    return np.asarray(BIN * np.arange(int(reach / BIN + 1e-9) + 1), dtype=float)


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
    smooth = gaussian_filter1d(mean, SMEAR / BIN)
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
