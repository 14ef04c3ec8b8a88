"""From values of sites or links to the levels at which they percolate, with errors and a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.percolation.record import (
    Curve,
    Percolation,
    PercolationSettings,
    Quantity,
    Shuffled,
    Threshold,
)
from frustra.analysis.percolation.torus import Growth, grow
from frustra.arrays import Array, BoolArray
from frustra.errors import AnalysisError
from frustra.sites import Links, Sites
from frustra.stats import Estimate

DOWNWARDS: tuple[Quantity, ...] = ("occupancy", "rate")
"""Quantities of which the highest comes first."""

DIMENSIONS = (1, 2, 3)

DRAWN = 100
"""Levels of a curve."""

BANDED = 50
"""Shuffled curves of which the band is made."""

NOISE = 1 / (np.sqrt(2) - 1)
"""A resample has √2 times the noise of the data. Where noise alone makes a threshold, it is proportional to
the noise: then the data are off the truth by this many times what the resamples are off the data."""

SURE = 0.975
"""Fraction of resamples that must percolate for the harder end of an interval to be known."""


def chosen_links(sites: Sites, settings: PercolationSettings) -> Links:
    """Return the links between sites that count as neighbours."""
    return sites.links.faces if settings.links == "faces" else sites.links


@dataclass(frozen=True)
class Graded:
    """A graph of sites of which the nodes, or the links, are graded."""

    quantity: Quantity
    values: Array
    """(n,) of the sites, or (m,) of the links where they are rates; NaN where a site takes no part."""
    std: Array
    """Their standard errors; NaN where nobody knows them."""
    groups: NDArray[np.str_]
    """For each value the name of those among which it is shuffled."""
    known: BoolArray
    """(n,) the sites that take part."""
    links: Links
    """Between sites that take part."""

    @property
    def sign(self) -> int:
        """Return −1 where the highest values come first, else 1."""
        return -1 if self.quantity in DOWNWARDS else 1

    @property
    def most(self) -> float:
        """Return the largest level that can be: of occupancies one ion, if no site held more."""
        return max(1.0, float(np.nanmax(self.values))) if self.quantity == "occupancy" else np.inf

    def order(self, values: Array) -> Array:
        """Return at what each link appears, (m,), ascending from the easiest on.

        Energy e: the higher end, max(e_i, e_j); their difference: abs(e_i − e_j). Occupancy p: the lower end,
        −min(p_i, p_j). Rate k of the link itself: −k.
        """
        if self.quantity == "rate":
            return -values
        first: Array = values[self.links.pairs[:, 0]]
        second: Array = values[self.links.pairs[:, 1]]
        if self.quantity == "energy difference":
            return np.abs(first - second)
        higher: Array = np.maximum(self.sign * first, self.sign * second)
        return higher

    def grown(self, values: Array, whole: bool = True) -> tuple[Growth, float]:
        """Return the growth of the graph with other values, and the zero of its levels."""
        zero = float(np.nanmin(values)) if self.quantity == "energy" else 0.0
        return grow(len(self.known), self.links, self.order(values - zero), whole), zero


def graded_sites(
    quantity: Quantity, values: Array, std: Array, sites: Sites, settings: PercolationSettings
) -> Graded:
    """Return the graph of the sites that have a value.

    A site without one takes no part: it blocks the way, as one beyond every level.

    Parameters
    ----------
    quantity
        What the values are.
    values, std
        (n,) of the sites, NaN for one that takes no part; and their standard errors, NaN if not known.
    sites, settings
        The graph, and which links count.

    Raises
    ------
    AnalysisError
        No site with a value.
    """
    known = np.isfinite(values)
    if not known.any():
        raise AnalysisError(f"no site with a known {quantity}", "mobile ions that are on sites")
    links = chosen_links(sites, settings)
    groups = sites.kind if settings.shuffle == "kind" else np.full(len(sites), "")
    return Graded(
        quantity,
        values,
        std,
        groups,
        known,
        links.select(known[links.pairs[:, 0]] & known[links.pairs[:, 1]]),
    )


def percolation_of(
    graded: Graded,
    sites: Sites,
    settings: PercolationSettings,
    rng: np.random.Generator,
    visits: BoolArray | None = None,
) -> Percolation:
    """Return the levels at which a graph of sites percolates in 1, 2 and 3 dimensions.

    Levels of energies are relative to the lowest site. The noise of the values lifts these levels, for a path
    must pass the worst of its sites and the lowest site looks lower than it is: resamples with added noise
    tell by how much, and the 95 % interval covers the level without it (see `NOISE`).

    Parameters
    ----------
    graded
        Sites or links with their values.
    sites
        All sites, for the reasons.
    settings, rng
        How, and the source of randomness.
    visits
        (blocks, n) whether a site was visited in each of some independent parts of the data: they are
        resampled to tell whether percolation hangs on a few visits.
    """
    growth, zero = graded.grown(graded.values)
    noisy = _noisy(graded, settings, rng)
    reached = _reached(graded, visits, settings, rng)
    dealt = _dealt(graded, settings, rng) if len(graded.links) else []
    reason = _why(growth.dimension, graded, sites, settings)
    thresholds = [
        _threshold(d, growth, noisy[:, d - 1], dealt, reached[d - 1], graded) if d <= growth.dimension
        else Threshold(d, None, growth.direction(d), reached[d - 1], None, reason)
        for d in DIMENSIONS
    ]  # fmt: skip
    return Percolation(
        quantity=graded.quantity,
        zero=zero,
        thresholds=(thresholds[0], thresholds[1], thresholds[2]),
        axes=np.where(np.isfinite(growth.axes), graded.sign * growth.axes, np.nan),
        sites=int(graded.known.sum()),
        candidates=int((sites.open | graded.known).sum()),
        links=len(graded.links),
        curve=_curve(graded, growth, dealt),
        notes=tuple(_notes(thresholds, noisy, graded.sign)),
    )


def _noisy(graded: Graded, settings: PercolationSettings, rng: np.random.Generator) -> Array:
    """Return the thresholds, (samples, 3), with the noise of the values added once more; NaN if not known."""
    error = np.where(np.isfinite(graded.values), graded.std, 0.0)
    if not np.isfinite(error).all():
        return np.full((1, 3), np.nan)
    draws = rng.normal(size=(settings.samples, len(error))) * error
    return np.array([graded.grown(graded.values + d, whole=False)[0].thresholds for d in draws])


def _reached(
    graded: Graded, visits: BoolArray | None, settings: PercolationSettings, rng: np.random.Generator
) -> Array:
    """Return the fraction of resamples in which the visited sites percolate, (3,)."""
    if visits is None or len(visits) < 2:
        return np.full(3, np.nan)
    blocks = len(visits)
    found = np.zeros(3)
    for draw in rng.integers(0, blocks, (settings.samples, blocks)):
        on = visits[draw].any(axis=0)
        at = np.where(on[graded.links.pairs].all(axis=1), 0.0, np.nan)
        found += np.isfinite(grow(len(on), graded.links, at, whole=False).thresholds)
    return found / settings.samples


def _dealt(graded: Graded, settings: PercolationSettings, rng: np.random.Generator) -> list[Growth]:
    """Return how the graph grows with the values dealt out at random."""
    found = []
    taking_part = np.isfinite(graded.values)
    groups = [np.flatnonzero(taking_part & (graded.groups == g)) for g in np.unique(graded.groups)]
    for k in range(settings.shuffles):
        values = graded.values.copy()
        for rows in groups:
            values[rows] = rng.permutation(values[rows])
        found.append(graded.grown(values, whole=k < BANDED)[0])
    return found


def _threshold(
    dimension: int, growth: Growth, noisy: Array, dealt: Sequence[Growth], reached: float, graded: Graded
) -> Threshold:
    at, sign = dimension - 1, graded.sign
    value, shuffled = float(growth.thresholds[at]), np.array([g.thresholds[at] for g in dealt])
    std, low, high = _interval(value, noisy)
    if reached < SURE:
        high = np.inf
    if sign < 0:
        value, low, high = -value, -high, -low
        shuffled = -shuffled
    low, high = (float(np.clip(end, 0.0, graded.most)) for end in (low, high))
    easy = (sign * shuffled <= sign * value).sum()
    compared = Shuffled(
        float(shuffled.mean()),
        float(np.quantile(shuffled, 0.025)),
        float(np.quantile(shuffled, 0.975)),
        float((1 + easy) / (1 + len(shuffled))),
    )
    estimate = Estimate(value, std, low, high)
    return Threshold(dimension, estimate, growth.direction(dimension), float(reached), compared, "")


def _interval(value: float, noisy: Array) -> tuple[float, float, float]:
    """Return the standard error and the ends of the 95 % interval of a threshold.

    The error is the root mean square by which more noise moves the threshold, shift and scatter together. The
    interval reaches 1.96 of it to both sides, on one side of where the threshold would be without noise if
    noise alone made it.
    """
    known = noisy[np.isfinite(noisy)]
    if not len(known):
        return np.nan, np.nan, np.nan
    std = float(np.sqrt(((known - value) ** 2).mean()))
    without = value - NOISE * (float(known.mean()) - value)
    return std, min(value, without) - 1.96 * std, max(value, without) + 1.96 * std


def _curve(graded: Graded, growth: Growth, dealt: Sequence[Growth]) -> Curve:
    values = np.unique(growth.values)
    levels = values[np.unique(np.linspace(0, max(len(values) - 1, 0), min(DRAWN, len(values))).astype(int))]
    sites = graded.known.sum()
    band = np.array([g.largest_at(levels) for g in dealt[:BANDED]]) / sites
    low, high = np.quantile(band, [0.025, 0.975], axis=0) if len(band) else np.full((2, len(levels)), np.nan)
    return Curve(graded.sign * levels, growth.largest_at(levels) / sites, low, high)


def _why(dimension: int, graded: Graded, sites: Sites, settings: PercolationSettings) -> str:
    """Return why more dimensions are never reached."""
    whole = chosen_links(sites, settings)
    crystal = grow(len(sites), whole, np.zeros(len(whole)), whole=False).dimension
    reach = ("in no direction", "in one direction", "in two directions", "in three directions")
    if graded.quantity == "rate":
        return f"the observed hops lead on {reach[dimension]} only" if dimension else "the hops lead nowhere"
    touch = "a face" if settings.links == "faces" else "a face or an edge"
    if dimension == crystal:
        return f"all sites together, linked where they share {touch}, lead on {reach[dimension]}"
    return (
        f"the {graded.known.sum()} visited sites lead on {reach[dimension]}; sites that were never visited "
        f"block the way: with them it would be {reach[crystal].removeprefix('in ')}"
    )


def _notes(thresholds: Sequence[Threshold], noisy: Array, sign: int) -> list[str]:
    notes = []
    for t in thresholds:
        if t.estimate is None:
            continue
        known = noisy[np.isfinite(noisy[:, t.dimension - 1]), t.dimension - 1]
        if not len(known):
            notes.append("errors are not known: they need snapshots of several blocks of time")
            break
        if NOISE * abs(known.mean() - sign * t.estimate.value) > 1.96 * t.estimate.std:
            notes.append(
                "the noise of the values may have moved the level by more than its error tells: the interval "
                "covers the level without it; a longer run would tell"
            )
            break
    fragile = [t.dimension for t in thresholds if t.estimate is not None and t.reached < SURE]
    if fragile:
        notes.append(
            f"percolation in {fragile[0]} dimension(s) hangs on sites that were visited in few blocks"
        )
    return notes
