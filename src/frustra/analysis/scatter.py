"""How exactly a pooled mean-square displacement (MSD) is known: its spread over ions and over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frustra.analysis.displacement import Motion
from frustra.arrays import Array, IntArray

MOST_BLOCKS, FEWEST_BLOCKS = 48, 6
"""Blocks of time in a run: more tell nothing new; from fewer no spread is derived."""

NEIGHBOUR = 0.5
"""Weight of neighbouring blocks' correlation (Bartlett's kernel)."""


@dataclass(frozen=True)
class Scatter:
    """Covariance of a pooled MSD at a few lags and along three axes, clustered in two ways.

    An ion's displacements at different times may belong together (it sits at a site that others do not
    visit), and so may those of different ions at one time (they move in concert). The variance is that of
    the means over ions, plus that of the means over blocks of time, less that of the single cells of ions
    and blocks, which is counted in both (Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 29, 238, 2011).
    """

    ions: int
    blocks: float
    """Independent blocks of time; NaN where the run is too short to cut."""
    by_ions: Array
    """(3 lags, 3 lags): from the spread over ions, Å⁴; lags vary fastest."""
    by_blocks: Array
    """The same from the spread over blocks of time; zeros where the run is too short."""
    by_cells: Array
    """The same from all cells, as if they were independent."""
    runs: Array
    """(runs, 3 lags): how the MSD of each run differs from the mean, Å²."""
    shares: Array
    """(runs,): each run's share of the ions."""

    def variance(self, weights: Array) -> tuple[float, float]:
        """Return the variance of weights · MSD and the degrees of freedom that it rests on (Welch).

        Concerted motion only adds to it: where blocks vary by less than cells, that is chance. For a single
        ion, blocks are all there is.
        """
        ions, blocks, cells = (
            float(weights @ m @ weights) for m in (self.by_ions, self.by_blocks, self.by_cells)
        )
        if self.ions < 2:
            return (blocks, self.blocks - 1) if blocks > 0 else (np.nan, np.nan)
        together = max(0.0, blocks - cells)
        if together == 0 or ions == 0:
            return ions + together, self.ions - 1.0
        squares = ions**2 / (self.ions - 1) + together**2 / (self.blocks - 1)
        return ions + together, (ions + together) ** 2 / squares

    def disagreement(self, weights: Array, variance: float) -> float:
        """Return χ² of the runs' means of weights · MSD about their common mean; runs − 1 are expected."""
        return float((self.shares * (self.runs @ weights) ** 2).sum() / variance) if variance > 0 else 0.0


def scatter_of(motions: Sequence[Motion], lags: IntArray, msd: Array, block: float) -> Scatter:
    """Derive the spread of the ions' MSDs and of blocks of time.

    The time origins of each lag are cut into equal parts. Ions of different runs are different ions, blocks
    of different runs different blocks.

    Parameters
    ----------
    motions
        The runs, of one length.
    lags
        (lags,) frames.
    msd
        (3, lags), pooled over all ions of all runs, Å².
    block
        Least length of a block, frames.
    """
    frames = len(motions[0].run)
    blocks = int(min(MOST_BLOCKS, frames / block, frames - lags[-1]))
    cut = blocks >= FEWEST_BLOCKS
    sums = [_Sums.of(motion, lags, msd, blocks if cut else 1) for motion in motions]
    ions = sum(s.ions for s in sums)
    effective = len(sums) * blocks / (1 + 2 * NEIGHBOUR) if cut else np.nan
    # Deviations are from the mean of all, so that they vary less by one part in their number
    fewer = effective / (effective - 1) if cut else 0.0
    return Scatter(
        ions=ions,
        blocks=effective,
        by_ions=np.sum([s.by_ions for s in sums], axis=0) / (ions * max(1, ions - 1)),
        by_blocks=np.sum([_products(s.together) for s in sums], axis=0) * fewer / ions**2,
        by_cells=np.sum([s.by_cells for s in sums], axis=0) * cut / ions**2,
        runs=np.array([s.together.sum(axis=1) / s.ions for s in sums]),
        shares=np.array([s.ions / ions for s in sums]),
    )


@dataclass
class _Sums:
    """Sums over the ions of one run of their deviations from the pooled MSD."""

    ions: int
    together: Array
    """(3 lags, blocks)."""
    by_ions: Array
    by_cells: Array

    @classmethod
    def of(cls, motion: Motion, lags: IntArray, msd: Array, blocks: int) -> "_Sums":
        size = msd.size
        sums = cls(0, np.zeros((size, blocks)), np.zeros((size, size)), np.zeros((size, size)))
        for displacements in motion:
            cells = _cells(displacements, lags, msd, blocks)
            whole = cells.sum(axis=2)
            sums.ions += len(cells)
            sums.together += cells.sum(axis=0)
            sums.by_ions += whole.T @ whole
            sums.by_cells += _products(cells.transpose(1, 0, 2))
        return sums


def _cells(displacements: Array, lags: IntArray, msd: Array, blocks: int) -> Array:
    """Return what each block of time adds to each ion's MSD beyond the pooled one, (ions, 3 lags, blocks)."""
    ions, axes, frames = displacements.shape
    cells = np.empty((ions, axes, len(lags), blocks))
    for k, lag in enumerate(lags):
        change = displacements[..., lag:] - displacements[..., :-lag]
        change *= change
        origins = frames - lag
        edges = np.linspace(0, origins, blocks + 1).astype(np.int64)
        share = np.diff(edges) / origins
        cells[:, :, k] = np.add.reduceat(change, edges[:-1], axis=2) / origins - msd[:, k, None] * share
    return cells.reshape(ions, axes * len(lags), blocks)


def _products(cells: Array) -> Array:
    """Return Σ over blocks (the last axis) of products of each with itself and, by half, its neighbours."""
    flat = cells.reshape(len(cells), -1)
    ahead = cells[..., 1:].reshape(len(cells), -1)
    behind = cells[..., :-1].reshape(len(cells), -1)
    cross = NEIGHBOUR * ahead @ behind.T
    result: Array = flat @ flat.T + cross + cross.T
    return result
