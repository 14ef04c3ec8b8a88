"""How many ions are in the sites of each class, and which ions are where no two should be at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution
from scipy.stats import t as student

from frustra.analysis.occupancy import occupancy_entropy
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError
from frustra.sites.record import Sites
from frustra.stats import Estimate
from frustra.visits import Visits

BLOCKS = 8
"""Blocks of time in each run from which errors come."""

CHUNK = 2**22
"""Numbers that are held at once."""


@dataclass(frozen=True)
class ClassOccupancy:
    """How many ions the sites of one class hold on average."""

    name: str
    sites: int
    occupancy: Estimate
    """Mean number of ions per site; the error is NaN where no block of time differs from another."""
    share: float
    """Part of all ions that are in these sites."""


@dataclass(frozen=True)
class Violation:
    """Mobile ions that share a face of their polyhedron with another cation."""

    name: str
    """`oct–tet`: of two mobile ions in such sites; `tet–Y`: of a mobile ion and of a framework cation."""
    ions: Estimate
    """Mean part of the mobile ions that do."""
    frames: float
    """Part of the frames in which any does."""


@dataclass(frozen=True)
class Occupancy:
    """Which sites are held at one temperature."""

    per_site: Array
    """(n,) mean number of ions in each site."""
    per_site_std: Array
    """(n,) its standard error; 0 for sites whose ions never changed, which tells nothing."""
    classes: tuple[ClassOccupancy, ...]
    shared: float
    """Mean number of sites with more than one ion."""
    nowhere: Estimate
    """Part of the ions in no site."""
    entropy: tuple[float, float]
    """−Σ[p ln p + (1−p) ln(1−p)] over sites, nat per ion, and its standard error; see
    `analysis.occupancy.occupancy_entropy`."""
    violations: tuple[Violation, ...]


def occupancy_of(runs: Sequence[Visits], sites: Sites, labels: NDArray[np.str_] | None = None) -> Occupancy:
    """Return the occupancies of sites and of their classes, over all runs of one temperature.

    Errors are those of means over blocks of time, eight in each run, with Student's t for the interval. They
    hold where a block is longer than ions stay in their sites; where ions hardly move, the
    occupancies are those of the start.

    Parameters
    ----------
    runs
        Of one temperature, on the same sites; at least two frames in each.
    sites
        The sites.
    labels
        (n,) class of every site; `sites.label` by default.

    Raises
    ------
    AnalysisError
        A run of a single frame, or none.
    """
    if not runs or min(len(v) for v in runs) < 2:
        raise AnalysisError("a run of fewer than two frames", "at least two for an occupancy")
    labels = sites.label if labels is None else labels
    ions = len(runs[0].ions)
    blocks = [np.array([_mean(b, len(sites)) for b in _cut(v.site)]) for v in runs]
    frames = [np.array([len(b) for b in _cut(v.site)], dtype=float) for v in runs]
    value, error, _ = _pooled([b[:, :-1] for b in blocks], frames)
    return Occupancy(
        per_site=value,
        per_site_std=error,
        classes=tuple(_class(str(n), labels == n, blocks, frames) for n in np.unique(labels)),
        shared=sum(_shared(v.site) for v in runs) / sum(len(v) for v in runs),
        nowhere=_estimate([b[:, -1] / ions for b in blocks], frames),
        entropy=occupancy_entropy([v.held(len(sites)) for v in runs], ions)[:2],
        violations=_violations(runs, sites),
    )


def _cut(series: NDArray[Any]) -> list[NDArray[Any]]:
    return np.array_split(series, min(BLOCKS, len(series)))


def _mean(block: NDArray[Any], sites: int) -> Array:
    """Return the mean number of ions in each site of a block of frames, and nowhere at the end."""
    found: Array = np.bincount(np.where(block < 0, sites, block).ravel(), minlength=sites + 1) / len(block)
    return found


def _pooled(blocks: Sequence[Array], frames: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Return mean of means over blocks, its standard error and the degrees of freedom of that.

    The scatter of the blocks about the mean of their own run makes the error, unless the runs differ by more
    than that explains (F test at 5 %): then it is the scatter of the runs.

    Parameters
    ----------
    blocks, frames
        (blocks, …) for each run, and (blocks,) how long they are.
    """
    mean_length = np.concatenate(frames).mean()
    weights = [f / mean_length for f in frames]
    totals = np.array([w.sum() for w in weights])
    means = np.array([np.tensordot(w / w.sum(), b, 1) for w, b in zip(weights, blocks, strict=True)])
    value = np.tensordot(totals / totals.sum(), means, 1)
    freedom = sum(len(b) for b in blocks) - len(blocks)
    squares = [np.tensordot(w, (b - m) ** 2, 1) for w, b, m in zip(weights, blocks, means, strict=True)]
    within = np.sum(squares, axis=0) / freedom
    if len(blocks) < 2:
        return value, np.sqrt(within / totals.sum()), np.full_like(value, freedom)
    between = np.tensordot(totals, (means - value) ** 2, 1) / (len(blocks) - 1)
    apart = between > within * f_distribution.ppf(0.95, len(blocks) - 1, freedom)
    error = np.sqrt(np.where(apart, between, within) / totals.sum())
    return value, error, np.where(apart, len(blocks) - 1.0, freedom)


def _estimate(blocks: Sequence[Array], frames: Sequence[Array]) -> Estimate:
    """Return a mean over blocks with its 95 % interval; no error where no block differs from another."""
    value, error, freedom = (float(v) for v in _pooled(blocks, frames))
    if error <= 0:
        return Estimate(value, np.nan, np.nan, np.nan)
    reach = error * float(student.ppf(0.975, freedom))
    return Estimate(value, error, max(0.0, value - reach), value + reach)


def _class(name: str, inside: BoolArray, blocks: Sequence[Array], frames: Sequence[Array]) -> ClassOccupancy:
    """Return the occupancy of a class; the last column of the blocks is for ions nowhere."""
    occupancy = _estimate([b[:, :-1][:, inside].mean(axis=1) for b in blocks], frames)
    sites = int(inside.sum())
    return ClassOccupancy(name, sites, occupancy, occupancy.value * sites / float(blocks[0][0].sum()))


def _shared(site: NDArray[np.int32]) -> int:
    """Return how many sites hold more than one ion, summed over the frames."""
    ordered = np.sort(site, axis=1)
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    first = again.copy()
    first[:, 1:] &= ~again[:, :-1]  # of three ions in a site, once
    return int(first.sum())


def _violations(runs: Sequence[Visits], sites: Sites) -> tuple[Violation, ...]:
    """Count mobile ions beyond whose faces there is another cation, by the kinds of both."""
    beyond = _beyond(sites)
    counts = [_counted(visits, beyond, len(sites)) for visits in runs]
    violations = []
    for number, name in enumerate(beyond):
        shares = [c[:, number] / len(v.ions) for c, v in zip(counts, runs, strict=True)]
        blocks = [np.array([b.mean() for b in _cut(s)]) for s in shares]
        frames = [np.array([len(b) for b in _cut(s)], dtype=float) for s in shares]
        seen = float((np.concatenate(shares) > 0).mean())
        violations.append(Violation(name, _estimate(blocks, frames), seen))
    return tuple(violations)


def _beyond(sites: Sites) -> dict[str, IntArray | BoolArray]:
    """Return for each kind of pair what is beyond the faces of every site.

    For two mobile ions it is (n + 1, k), neighbouring sites, filled up with n; for a mobile ion and a
    framework cation (n + 1,), whether there is one. The last row is for ions nowhere.
    """
    faces = sites.links.faces
    here = np.concatenate([faces.pairs[:, 0], faces.pairs[:, 1]])
    there = np.concatenate([faces.pairs[:, 1], faces.pairs[:, 0]])
    here, there = here[sites.open[here]], there[sites.open[here]]
    free = sites.open[there]
    kinds = np.sort(np.stack([sites.kind[here], sites.kind[there]]), axis=0)
    pair = np.char.add(np.char.add(kinds[0], "–"), kinds[1])
    found: dict[str, IntArray | BoolArray] = {}
    for name in np.unique(pair[free]):
        chosen = free & (pair == name)
        found[str(name)] = _table(here[chosen], there[chosen], len(sites))
    fixed = np.char.add(np.char.add(sites.kind[here], "–"), sites.held[there])
    for name in np.unique(fixed[~free]):
        touched = np.zeros(len(sites) + 1, bool)
        touched[here[~free & (fixed == name)]] = True
        found[str(name)] = touched
    return found


def _table(here: IntArray, there: IntArray, sites: int) -> IntArray:
    """Return the partners `there` of every `here`, a row for each site, filled up with `sites`."""
    order = np.argsort(here, kind="stable")
    number = np.bincount(here, minlength=sites)
    rank = np.arange(len(here)) - (np.cumsum(number) - number)[here[order]]
    table = np.full((sites + 1, int(number.max())), sites)
    table[here[order], rank] = there[order]
    return table


def _counted(visits: Visits, beyond: dict[str, IntArray | BoolArray], sites: int) -> IntArray:
    """Return the number of ions in each frame that have what is looked for, (frames, names)."""
    widest = max((t.shape[1] for t in beyond.values() if t.ndim == 2), default=1)
    step = max(1, CHUNK // (len(visits.ions) * widest + sites))
    counts = np.zeros((len(visits), len(beyond)), np.int64)
    for start in range(0, len(visits), step):
        site = visits.site[start : start + step]
        held = np.zeros((len(site), sites + 1), bool)
        np.put_along_axis(held, site.astype(np.int64), True, axis=1)
        held[:, -1] = False  # nowhere is no neighbour
        flat, rows = held.ravel(), (sites + 1) * np.arange(len(site))[:, None]
        for number, table in enumerate(beyond.values()):
            seen = np.zeros(site.shape, bool)
            for column in table.T if table.ndim == 2 else []:
                seen |= flat[rows + column[site]]
            counts[start : start + step, number] = (seen if table.ndim == 2 else table[site]).sum(axis=1)
    return counts
