"""Percolation of what ions did in a trajectory: the sites they visited, their hops, and the vacancies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from frustra.analysis.hops import Hops
from frustra.analysis.markers import widened
from frustra.analysis.percolation.levels import Graded, graded_sites, percolation_of
from frustra.analysis.percolation.record import Percolation, PercolationSettings, Threshold
from frustra.analysis.percolation.torus import clusters_of
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError
from frustra.sites import Links, Sites
from frustra.stats import Estimate, block_error, poisson_limit
from frustra.visits import Visits

BLOCKS = 8
"""Parts of a run, in the order of time, that count as independent."""

LOOKED_AT = 200
"""Frames in which vacancies are looked at: they move slowly."""


@dataclass(frozen=True)
class Vacancies:
    """Clusters of empty sites of one kind that share a face or an edge, frame by frame."""

    kind: str
    """oct, tet or other."""
    frame: IntArray
    """(frames,) which frames were looked at, all runs one after the other."""
    number: IntArray
    """(frames,) empty sites."""
    largest: IntArray
    """(frames,) sites of the largest cluster."""
    dimension: IntArray
    """(frames,) in how many directions a cluster has no end."""
    sizes: Array
    """(largest size + 1,) clusters of each size per frame."""
    mean_number: Estimate
    """Empty sites."""
    largest_fraction: Estimate
    """Part of the empty sites in the largest cluster, of frames with any."""
    spanning: tuple[Estimate, Estimate, Estimate]
    """Fraction of frames with a cluster of at least 1, 2, 3 dimensions."""


def percolation_of_visits(
    visits: Sequence[Visits],
    sites: Sites,
    settings: PercolationSettings | None = None,
    rng: np.random.Generator | None = None,
) -> Percolation:
    """Return the highest occupancies at which the sites held at least so often percolate.

    The dimension of the record is that of all visited sites.

    Parameters
    ----------
    visits
        Runs at one temperature.
    sites
        The crystal's sites.
    settings, rng
        How; a generator seeded with 0 if not given.

    Raises
    ------
    AnalysisError
        No ion on a site.
    """
    settings, rng = settings or PercolationSettings(), rng or np.random.default_rng(0)
    blocks, weights = _blocks(visits, len(sites))
    occupancy = weights @ blocks / weights.sum()
    visited = (occupancy > 0) & (occupancy >= settings.least_occupancy)
    values = np.where(visited, occupancy, np.nan)
    std = _occupancy_errors(blocks, occupancy, sites)
    graded = graded_sites("occupancy", values, std, sites, settings)
    seen = (blocks > 0) & visited
    found = percolation_of(graded, sites, settings, rng, seen)
    return replace(found, notes=(*found.notes, *_never(visited, sites, sum(v.duration for v in visits))))


def _blocks(visits: Sequence[Visits], sites: int) -> tuple[Array, Array]:
    """Return the occupancies in blocks of time, (blocks, sites), and the frames of each block."""
    found, frames = [], []
    for run in visits:
        for rows in np.array_split(np.arange(len(run)), min(BLOCKS, len(run))):
            part = run.site[rows]
            found.append(np.bincount(part[part >= 0], minlength=sites) / len(rows))
            frames.append(len(rows))
    if not found:
        raise AnalysisError("no frame", "at least one")
    return np.array(found), np.array(frames, dtype=float)


def _occupancy_errors(blocks: Array, occupancy: Array, sites: Sites) -> Array:
    """Return the standard errors of occupancies p from the scatter of blocks.

    s_i² = φ p_i (1 − p_i)/blocks, where φ = Σ (p_ib − p_i)²/Σ p_i (1 − p_i)/(blocks − 1) over the sites of a
    kind: a site that is rarely visited has no error of its own.
    """
    number = len(blocks)
    if number < 2:
        return np.full(len(occupancy), np.nan)
    free = np.clip(occupancy * (1 - occupancy), 0.0, None)
    scatter = ((blocks - occupancy) ** 2).sum(axis=0) / (number - 1)
    std = np.zeros(len(occupancy))
    for kind in np.unique(sites.kind):
        rows = sites.kind == kind
        if free[rows].sum() > 0:
            std[rows] = np.sqrt(scatter[rows].sum() / free[rows].sum() * free[rows] / number)
    return std


def _never(visited: BoolArray, sites: Sites, duration: float) -> list[str]:
    never = int((sites.open & ~visited).sum())
    if not never:
        return []
    return [
        f"{never} of {int((sites.open | visited).sum())} open sites were not visited in {duration:.3g} ps"
    ]


@dataclass(frozen=True)
class HopTable:
    """Observed moves of ions from site to site."""

    origin: IntArray
    """(m,) site."""
    target: IntArray
    """(m,) site."""
    shift: IntArray
    """(m, 3) cell vectors from the home copy of the target to the one that was reached, as seen from the home
    copy of the origin."""
    duration: float
    """Time of all runs together, ps."""


def hop_table(runs: Sequence[Hops]) -> HopTable:
    """Return the hops of several runs at one temperature as one table."""
    return HopTable(
        np.concatenate([r.origin for r in runs]),
        np.concatenate([r.target for r in runs]),
        np.concatenate([r.shift for r in runs]),
        sum((r.frames - 1) * r.timestep for r in runs),
    )


def links_of_hops(hops: HopTable) -> tuple[Links, IntArray]:
    """Return the links that hops went along, either way, and the hops of each; `shared` is −1: not known."""
    origin, target, shift = (np.asarray(v, dtype=np.int64) for v in (hops.origin, hops.target, hops.shift))
    first_step = shift[np.arange(len(shift)), np.argmax(shift != 0, axis=1)] if len(shift) else origin
    back = (origin > target) | ((origin == target) & (first_step < 0))
    rows = np.concatenate(
        [
            np.where(back, target, origin)[:, None],
            np.where(back, origin, target)[:, None],
            np.where(back[:, None], -shift, shift),
        ],
        axis=1,
    )
    unique, counts = np.unique(rows, axis=0, return_counts=True)
    links = Links(unique[:, :2], unique[:, 2:], np.full(len(unique), -1))
    return links, counts.astype(np.int64)


def percolation_of_hops(
    hops: HopTable,
    sites: Sites,
    settings: PercolationSettings | None = None,
    rng: np.random.Generator | None = None,
) -> Percolation:
    """Return the highest rates at which links with hops at least so often percolate, 1/ps.

    The rate of a link counts hops either way per time. The links are those that were hopped along, whether
    the sites share a face or not. Of the last link that is needed, the 95 % interval also covers the Poisson
    interval of its count n: χ²(0.025, 2n)/2 to χ²(0.975, 2n + 2)/2.

    Parameters
    ----------
    hops
        Of one temperature.
    sites
        The crystal's sites.
    settings, rng
        How; a generator seeded with 0 if not given.

    Raises
    ------
    AnalysisError
        No hop, or no time.
    """
    settings, rng = settings or PercolationSettings(), rng or np.random.default_rng(0)
    if not len(hops.origin) or not hops.duration > 0:
        raise AnalysisError(
            f"{len(hops.origin)} hops in {hops.duration:g} ps",
            "at least one",
            "a longer run, or a hotter one",
        )
    links, counts = links_of_hops(hops)
    rate, known = counts / hops.duration, np.zeros(len(sites), bool)
    known[links.pairs] = True
    ends = np.sort(sites.kind[links.pairs], axis=1)
    groups = np.char.add(np.char.add(ends[:, 0], "-"), ends[:, 1])
    if settings.shuffle == "all":
        groups = np.full(len(links), "")
    graded = Graded("rate", rate, np.sqrt(counts) / hops.duration, groups, known, links)
    found = percolation_of(graded, sites, settings, rng)
    low, middle, high = (_with_poisson(t, hops.duration) for t in found.thresholds)
    return replace(found, thresholds=(low, middle, high))


def _with_poisson(threshold: Threshold, duration: float) -> Threshold:
    if threshold.estimate is None:
        bound = poisson_limit(0) / duration
        return replace(
            threshold,
            reason=f"{threshold.reason}: a link without a hop has a rate below {bound:.2g}/ps (95 %)",
        )
    e = threshold.estimate
    count = round(e.value * duration)
    low, high = chi2.ppf(0.025, 2 * count) / 2 / duration, chi2.ppf(0.975, 2 * count + 2) / 2 / duration
    std = max(e.std, np.sqrt(count) / duration)
    return replace(
        threshold,
        estimate=Estimate(e.value, float(std), float(min(e.low, low)), float(max(e.high, high))),
    )


def vacancies_of(visits: Sequence[Visits], sites: Sites, kind: str = "") -> Vacancies:
    """Return the clusters of empty sites of one kind, in up to `LOOKED_AT` frames of all runs together.

    Sites are neighbours where they share a face or an edge, for those of one kind seldom share a face.

    Parameters
    ----------
    visits
        Runs at one temperature.
    sites
        The crystal's sites; those that hold a framework cation are no vacancies.
    kind
        oct, tet or other; by default the kind on which most ions are.

    Raises
    ------
    AnalysisError
        No frame, or no open site of this kind.
    """
    if not any(len(v) for v in visits):
        raise AnalysisError("no frame", "at least one")
    kind = kind or most_held_kind(visits, sites)
    candidates = sites.open & (sites.kind == kind)
    if not candidates.any():
        raise AnalysisError(
            f"no open site of the kind {kind!r}", f"one of {', '.join(np.unique(sites.kind))}"
        )
    lengths = np.array([len(v) for v in visits])
    frames = np.unique(np.linspace(0, lengths.sum() - 1, min(LOOKED_AT, int(lengths.sum()))).astype(int))
    starts = np.cumsum(lengths) - lengths
    found = []
    for frame in frames:
        run = int(np.searchsorted(starts, frame, side="right")) - 1
        site = visits[run].site[frame - starts[run]]
        empty = candidates.copy()
        empty[site[site >= 0]] = False
        clusters = clusters_of(empty, sites.links)
        found.append((clusters.size, clusters.dimension))
    return _vacancies(kind, frames, found)


def most_held_kind(visits: Sequence[Visits], sites: Sites) -> str:
    """Return the kind of site on which most ions are."""
    held = sum((v.occupancy(len(sites)) * len(v) for v in visits), np.zeros(len(sites)))
    kinds = np.unique(sites.kind)
    return str(kinds[np.argmax([held[sites.kind == k].sum() for k in kinds])])


def _vacancies(kind: str, frames: IntArray, found: Sequence[tuple[IntArray, IntArray]]) -> Vacancies:
    sizes = [s for s, _ in found]
    number = np.array([s.sum() for s in sizes])
    largest = np.array([s.max(initial=0) for s in sizes])
    dimension = np.array([d.max(initial=0) for _, d in found])
    some = number > 0
    one, two, three = (_mean(dimension >= d) for d in (1, 2, 3))
    return Vacancies(
        kind=kind,
        frame=frames,
        number=number,
        largest=largest,
        dimension=dimension,
        sizes=np.bincount(np.concatenate(sizes), minlength=2) / len(frames),
        mean_number=_mean(number),
        largest_fraction=_mean(largest[some] / number[some]),
        spanning=(one, two, three),
    )


def _mean(series: ArrayLike) -> Estimate:
    """Return the mean of a series in time, its error from blocks, and an interval not below zero."""
    values = np.asarray(series, dtype=float)
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    mean = float(values.mean())
    if len(values) < BLOCKS:
        return Estimate(mean, np.nan, np.nan, np.nan)
    std = float(block_error(values, BLOCKS))
    half = 1.96 * widened(std, BLOCKS)
    return Estimate(mean, std, max(mean - half, 0.0), mean + half)
