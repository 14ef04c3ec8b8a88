"""Which sites of the anion sublattice hold an ion, and how much disorder that is."""

from collections.abc import Sequence

import numpy as np
from scipy.special import entr

from frustra.analysis.assignment import visits_of
from frustra.analysis.sampling import relaxed_frames
from frustra.arrays import Array, BoolArray
from frustra.sites import Sites
from frustra.snapshots import Snapshots

BLOCKS = 8
"""Blocks of a run from which bias and error of an entropy come."""


def occupied_sites(snapshots: Snapshots, sites: Sites, specie: str) -> BoolArray:
    """Return which sites hold a mobile ion, (frames, sites), in relaxed frames.

    Raises
    ------
    FrustraError
        As `visits_of`, or no snapshots.
    """
    return visits_of(relaxed_frames(snapshots), sites, specie).held(len(sites))


def occupancy_entropy(runs: Sequence[BoolArray], ions: int) -> tuple[float, float, int]:
    """Return −Σ [p ln p + (1 − p) ln(1 − p)] over sites, per mobile ion; p is how often a site is held.

    Few snapshots make p seem closer to 0 or 1 than it is. The jackknife over blocks of snapshots that are
    neighbours in time removes most of this bias; the error is that of the jackknife and, for what is left of
    the bias, as much as was removed. Sites that a run had no time to visit are not in it: of a run that is
    short against the residence of its ions, it is a lower bound.

    Parameters
    ----------
    runs
        For each run (frames, sites); at least one frame in all.
    ions
        Mobile ions in the cell.

    Returns
    -------
    tuple
        Entropy in nat per ion, its standard error (NaN with fewer than two blocks), and the blocks.
    """
    parts = [b for r in runs if len(r) for b in np.array_split(r, min(BLOCKS, len(r)))]
    held = np.array([b.sum(axis=0) for b in parts], dtype=float)
    frames = np.array([len(b) for b in parts], dtype=float)
    whole = _entropy(held.sum(axis=0) / frames.sum()) / ions
    blocks = len(parts)
    if blocks < 2:
        return whole, np.nan, blocks
    left = held.sum(axis=0) - held
    without = np.array(
        [_entropy(h / n) for h, n in zip(left, frames.sum() - frames, strict=True)], dtype=float
    )
    without /= ions
    value = blocks * whole - (blocks - 1) * without.mean()
    error = np.sqrt((blocks - 1) / blocks * ((without - without.mean()) ** 2).sum())
    return float(value), float(np.hypot(error, value - whole)), blocks


def _entropy(p: Array) -> float:
    return float((entr(p) + entr(1 - p)).sum())
