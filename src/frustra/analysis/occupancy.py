"""Which sites of the anion sublattice hold an ion, and how much disorder that is."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from scipy.special import entr

from frustra.arrays import Array, BoolArray
from frustra.geometry import minimum_image, nearest_neighbours
from frustra.sites import sites_of
from frustra.snapshots import Snapshots
from frustra.structures import indices_of, strained

BLOCKS = 8
"""Blocks of a run from which bias and error of an entropy come."""


def occupied_sites(snapshots: Snapshots, ground: Atoms, specie: str, anions: Sequence[str]) -> BoolArray:
    """Return which interstitial sites hold a mobile ion, (frames, sites).

    The sites are those of the ground state's anion sublattice, strained to the cell of the snapshots. Every
    ion holds the site nearest to it, drift of the framework taken off.

    Parameters
    ----------
    snapshots
        Relaxed frames.
    ground
        The ground state, the same atoms in the same order.
    specie, anions
        The mobile element, and those whose polyhedra are the sites.

    Raises
    ------
    StructureError
        Fewer than four anions.
    """
    reference = strained(ground, snapshots.cell)
    sites = sites_of(reference, anions).positions
    mobile = indices_of(ground, specie)
    framework = np.setdiff1d(np.arange(len(ground)), mobile)
    found = np.zeros((len(snapshots), len(sites)), bool)
    for row, positions in zip(found, snapshots.positions, strict=True):
        moved = minimum_image(positions[framework] - reference.positions[framework], snapshots.cell)
        ions = positions[mobile] - moved.mean(axis=0)
        row[nearest_neighbours(ions, sites, snapshots.cell, 1).index[:, 0]] = True
    return found


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
