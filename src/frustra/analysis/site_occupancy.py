"""How many ions are in the sites of each class, and which ions are where no two should be at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
"""Sites times frames that are held at once."""


@dataclass(frozen=True)
class ClassOccupancy:
    """How many ions the sites of one class hold on average."""

    name: str
    sites: int
    occupancy: Estimate
    """Mean number of ions per site; the error is NaN where no block of time differs from another."""
    share: float
    """Part of all ions that are in these sites."""
    agreement: float
    """Birge ratio: root of χ² of the runs about their mean, per degree of freedom; the error is widened by it
    where it is above 1. NaN for a single run."""


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
    held = [v.held(len(sites)) for v in runs]
    blocks = [np.array([_mean(b, len(sites)) for b in _cut(v.site)]) for v in runs]
    value, error, _ = _pooled([b[:, :-1] for b in blocks])
    entropy = occupancy_entropy(held, ions)
    counts = sum(_shared(v.site, len(sites)) for v in runs)
    return Occupancy(
        per_site=value,
        per_site_std=error,
        classes=tuple(_class(str(n), labels == n, [b[:, :-1] for b in blocks], ions) for n in np.unique(labels)),
        shared=counts / sum(len(v) for v in runs),
        nowhere=_estimate([b[:, -1] / ions for b in blocks]),
        entropy=entropy[:2],
        violations=_violations(runs, sites),
    )


def _cut(series: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    return np.array_split(series, min(BLOCKS, len(series)))


def _mean(block: NDArray[np.generic], sites: int) -> Array:
    """Return the mean number of ions in each site of a block of frames, and nowhere at the end."""
    found: Array = np.bincount(np.where(block < 0, sites, block).ravel(), minlength=sites + 1) / len(block)
    return found


def _pooled(blocks: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Return mean, standard error and Birge ratio of means over blocks, (blocks, …) for each run.

    The scatter of the blocks about the mean of their own run makes the error; it is widened by the Birge
    ratio where the means of the runs differ by more than that.
    """
    weights = np.array([len(b) for b in blocks], dtype=float)
    means = np.array([b.mean(axis=0) for b in blocks])
    value = np.tensordot(weights / weights.sum(), means, 1)
    freedom = weights.sum() - len(blocks)
    within = sum(((b - m) ** 2).sum(axis=0) for b, m in zip(blocks, means, strict=True)) / max(freedom, 1)
    error = np.sqrt(within / weights.sum())
    if len(blocks) < 2:
        return value, error, np.full_like(value, np.nan)
    between = np.tensordot(weights, (means - value) ** 2, 1) / (len(blocks) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        birge = np.where(between > 0, np.sqrt(between / within), 0.0)
    apart = np.sqrt(between / weights.sum())
    return value, np.maximum(error, apart), birge


def _estimate(blocks: Sequence[Array]) -> Estimate:
    """Return a mean over blocks with its 95 % interval; no error where no block differs from another."""
    value, error, _ = _pooled(blocks)
    if error <= 0:
        return Estimate(float(value), np.nan, np.nan, np.nan)
    reach = float(error) * float(student.ppf(0.975, max(sum(len(b) for b in blocks) - len(blocks), 1)))
    return Estimate(float(value), float(error), max(0.0, float(value) - reach), float(value) + reach)


def _class(name: str, inside: BoolArray, blocks: Sequence[Array], ions: int) -> ClassOccupancy:
    parts = [b[:, inside].mean(axis=1) for b in blocks]
    birge = float(_pooled(parts)[2])
    occupancy = _estimate(parts)
    return ClassOccupancy(name, int(inside.sum()), occupancy, occupancy.value * int(inside.sum()) / ions, birge)


def _shared(site: NDArray[np.int32], sites: int) -> int:
    """Return how many sites hold more than one ion, summed over the frames."""
    ordered = np.sort(site, axis=1)
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    first = again.copy()
    first[:, 1:] &= ~again[:, :-1]  # of three ions in a site, once
    return int(first.sum())


def _violations(runs: Sequence[Visits], sites: Sites) -> tuple[Violation, ...]:
    """Count mobile ions beyond whose faces there is another cation, by the kinds of both."""
    neighbours = _Neighbours.of(sites)
    if not neighbours.names:
        return ()
    found: list[list[tuple[Array, Array]]] = [[] for _ in neighbours.names]
    for visits in runs:
        beyond = np.concatenate([neighbours.seen(part, sites) for part in _parts(visits.site, len(sites))])
        for parts, column in zip(found, range(len(neighbours.names)), strict=True):
            parts.append((beyond[:, column] / len(visits.ions), beyond[:, column] > 0))
    violations = []
    for name, parts in zip(neighbours.names, found, strict=True):
        blocks = [np.array([b.mean() for b in _cut(ions)]) for ions, _ in parts]
        frames = np.concatenate([any_ for _, any_ in parts])
        violations.append(Violation(name, _estimate(blocks), float(frames.mean())))
    return tuple(violations)


def _parts(site: NDArray[np.int32], sites: int) -> Iterator[NDArray[np.int32]]:
    step = max(1, CHUNK // max(sites, 1))
    for start in range(0, len(site), step):
        yield site[start : start + step]


@dataclass(frozen=True)
class _Neighbours:
    """Sites beyond the faces of every site, by what a pair of cations there is called."""

    names: tuple[str, ...]
    mobile: tuple[tuple[IntArray, IntArray], ...]
    """For each name of two mobile ions (sites, k) neighbours, filled up with the number of sites, and …"""
    framework: tuple[BoolArray, ...]
    """for each name with a framework cation (sites,) whether there is one."""

    @classmethod
    def of(cls, sites: Sites) -> "_Neighbours":
        raise NotImplementedError
