"""Percolation of the energies of states: E_p, and the smallest difference of energy along a way through."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from frustra.analysis.percolation.levels import graded_sites, percolation_of
from frustra.analysis.percolation.record import Percolation, PercolationSettings
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.sites import Sites

BLOCKS = 8
"""Parts of a run, in the order of time, that count as independent."""


@dataclass(frozen=True)
class StatePercolation:
    """How the mean energies of the states on each site percolate."""

    energy: Percolation
    """Sites with a mean energy up to the level, eV above the lowest site."""
    difference: Percolation
    """Links between sites whose mean energies differ by at most the level, eV."""
    site_energy: Array
    """(n,) mean energy of the states on each site, eV; NaN where there is none."""
    site_std: Array
    """(n,) its standard error, eV; NaN where not known."""
    states: IntArray
    """(n,) how many states each site's mean is of."""
    notes: tuple[str, ...]
    """What to know of the states."""


def percolation_of_states(
    energy: ArrayLike,
    place: ArrayLike,
    snapshot: ArrayLike,
    run: ArrayLike,
    sites: Sites,
    *,
    settings: PercolationSettings | None = None,
    rng: np.random.Generator | None = None,
) -> StatePercolation:
    """Return the energies at which sites, and steps between sites, percolate.

    E_p(d) is the lowest E such that sites of mean energy ≤ E above the lowest site percolate in at least d
    dimensions. A site on which there never was an ion has no energy and blocks the way.

    Parameters
    ----------
    energy
        (rows,) per-ion energies of states at one temperature, eV.
    place
        (rows,) row of the ion's site in `sites`; −1 where it is on none: such a state is left out.
    snapshot, run
        (rows,) numbers of the snapshot in its run, in the order of time, and of the independent run.
    sites
        The crystal's sites.
    settings, rng
        How; a generator seeded with 0 if not given.

    Raises
    ------
    AnalysisError
        No state on any site.
    DataError
        Columns of different lengths, places that are not among the sites, or energies that are not finite.
    """
    settings, rng = settings or PercolationSettings(), rng or np.random.default_rng(0)
    energies, places = np.asarray(energy, dtype=float), np.asarray(place, dtype=np.int64)
    snapshots, runs = np.asarray(snapshot), np.asarray(run)
    _check(energies, places, snapshots, runs, len(sites))
    on = places >= 0
    if not on.any():
        raise AnalysisError("no state on any site", "ions that are on sites")
    block = blocks_of(snapshots, runs)
    total, counts = _sums(energies[on], places[on], block[on], (int(block.max()) + 1, len(sites)))
    with np.errstate(invalid="ignore"):
        mean = total.sum(axis=0) / counts.sum(axis=0)
    std = _errors(total, counts, mean, sites)
    graded = graded_sites("energy", mean, std, sites, settings)
    heights = percolation_of(graded, sites, settings, rng, counts > 0)
    steps = percolation_of(replace(graded, quantity="energy difference"), sites, settings, rng, counts > 0)
    return StatePercolation(
        heights, steps, mean, std, counts.sum(axis=0), tuple(_notes(on, graded.known, sites))
    )


def blocks_of(snapshots: IntArray, runs: IntArray) -> IntArray:
    """Return for each row the number of its block: up to `BLOCKS` stretches of time of each run."""
    block, first = np.empty(len(snapshots), dtype=np.int64), 0
    for run in np.unique(runs):
        rows = runs == run
        order = np.unique(snapshots[rows], return_inverse=True)[1].reshape(-1)
        number = min(BLOCKS, int(order.max()) + 1)
        block[rows] = first + order * number // (int(order.max()) + 1)
        first += number
    return block


def _check(energies: Array, places: IntArray, snapshots: IntArray, runs: IntArray, sites: int) -> None:
    lengths = {len(v) for v in (energies, places, snapshots, runs)}
    if len(lengths) > 1:
        raise DataError(
            f"columns of {', '.join(map(str, sorted(lengths)))} rows", "one value per state in each"
        )
    if len(places) and not -1 <= places.min() <= places.max() < sites:
        raise DataError(f"sites {places.min()} to {places.max()}", f"rows of the {sites} sites, or −1")
    if not np.isfinite(energies).all():
        raise DataError("energies that are not finite", remedy="check the relaxation")


def _sums(
    energies: Array, places: IntArray, block: IntArray, shape: tuple[int, int]
) -> tuple[Array, IntArray]:
    """Return the sums of energies and the numbers of states, (blocks, sites)."""
    total, counts = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    np.add.at(total, (block, places), energies)
    np.add.at(counts, (block, places), 1)
    return total, counts


def _errors(total: Array, counts: IntArray, mean: Array, sites: Sites) -> Array:
    """Return the standard errors of the mean energies of sites from how block means scatter about them.

    s_i² = σ² / Σ_b c_ib, σ² = Σ_ib c_ib (e_ib − e_i)² / Σ_i (blocks of i − 1) over the sites of a kind, for
    most sites are visited too rarely to have an error of their own; over all where a kind has none.
    """
    visited = counts > 0
    scatter = np.where(visited, counts * (total / np.maximum(counts, 1) - mean) ** 2, 0.0).sum(axis=0)
    free = np.maximum(visited.sum(axis=0) - 1, 0)
    if not free.any():
        return np.full(len(mean), np.nan)
    spread = np.full(len(mean), scatter.sum() / free.sum())
    for kind in np.unique(sites.kind):
        rows = sites.kind == kind
        if free[rows].any():
            spread[rows] = scatter[rows].sum() / free[rows].sum()
    with np.errstate(divide="ignore"):
        errors: Array = np.sqrt(spread / counts.sum(axis=0))
    return np.where(visited.any(axis=0), errors, np.nan)


def _notes(on: BoolArray, known: BoolArray, sites: Sites) -> list[str]:
    notes = []
    if not on.all():
        notes.append(f"{100 * (1 - on.mean()):.2g} % of the states are on no site and were left out")
    never = int((sites.open & ~known).sum())
    if never:
        notes.append(
            f"{never} of {int((sites.open | known).sum())} open sites held no ion in any snapshot: "
            "their energies are not known, and they block the way"
        )
    return notes
