"""Percolation through a crystal's sites: the level at which sites or links lead from end to end.

Sites are the nodes of a graph, polyhedra that share a face (or an edge) its links. Sites are switched on from
the easiest to the hardest (the lowest energy, the highest occupancy), or links are (the smallest difference
of energy, the highest rate of hops), until a cluster has no end in one, two, three directions. The same with
the values dealt out at random among the sites tells whether the order of energies in space matters.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from frustra.arrays import Array, IntArray
from frustra.settings import Settings
from frustra.stats import Estimate

Quantity = Literal["energy", "energy difference", "occupancy", "rate"]

UNITS: dict[Quantity, str] = {"energy": "eV", "energy difference": "eV", "occupancy": "", "rate": "1/ps"}


class PercolationSettings(Settings):
    """How percolation is derived."""

    links: Literal["faces", "edges"] = Field(
        "faces", description="which sites are neighbours: polyhedra that share a face, or a face or an edge"
    )
    shuffle: Literal["kind", "all"] = Field(
        "all",
        description="among which sites values are shuffled to compare: all that were visited, or those of "
        "one kind (oct, tet, other)",
    )
    shuffles: int = Field(200, ge=20, description="how many times values are shuffled")
    samples: int = Field(200, ge=20, description="resamplings for the errors")
    least_occupancy: float = Field(
        0.0,
        ge=0,
        le=1,
        description="occupancy above which a site counts as visited; 0: an ion was there once",
    )


@dataclass(frozen=True)
class Shuffled:
    """Thresholds after the values were dealt out at random among the sites."""

    mean: float
    low: float
    """2.5 % quantile."""
    high: float
    """97.5 % quantile."""
    p_value: float
    """Share of shuffled thresholds as easy as the true one or easier, the true one counted among them. Below
    0.025 the easy sites line up more than by chance; above 0.975 less."""


@dataclass(frozen=True)
class Threshold:
    """Where a cluster first has no end in so many directions."""

    dimension: int
    """1, 2 or 3."""
    estimate: Estimate | None
    """The level, in the unit of the quantity; None where percolation is never reached. Standard error from
    the errors of the values; the 95 % interval also covers what their noise may have moved the level by. Its
    harder end is infinite (of an occupancy zero) where the path hangs on visits that might as well not have
    been seen. NaN where errors are not known."""
    directions: IntArray
    """(dimension or more, 3) cell vectors that span what the cluster leads along; empty without one."""
    reached: float
    """Fraction of resamples of the visits that percolate so; NaN where there are none."""
    shuffled: Shuffled | None
    """None where percolation is never reached, or with nothing to shuffle."""
    reason: str
    """Why it is never reached; empty where it is."""


@dataclass(frozen=True)
class Curve:
    """How the largest cluster grows with the level."""

    level: Array
    """(levels,) in the unit of the quantity, from the easiest on."""
    largest: Array
    """(levels,) fraction of the sites taking part that are in the largest cluster."""
    shuffled_low: Array
    """(levels,) 2.5 % quantile with shuffled values; NaN with nothing to shuffle."""
    shuffled_high: Array
    """(levels,) 97.5 % quantile."""


@dataclass(frozen=True)
class Percolation:
    """The levels of one quantity at which sites, or links between them, percolate."""

    quantity: Quantity
    """What is compared with the level: energy of a site, difference of energy along a link, …"""
    zero: float
    """What levels are relative to: of energies the lowest site, eV; else 0."""
    thresholds: tuple[Threshold, Threshold, Threshold]
    """For at least 1, 2 and 3 dimensions."""
    axes: Array
    """(3,) level at which some cluster first leads on along a, b and c; NaN where none ever does."""
    sites: int
    """Sites that take part: they were visited, or have a link."""
    candidates: int
    """Sites that might: they hold no framework cation, or were visited all the same."""
    links: int
    """Links between sites that take part."""
    curve: Curve
    notes: tuple[str, ...]
    """What to know before quoting a number."""

    @property
    def unit(self) -> str:
        """Unit of levels; empty for a pure number."""
        return UNITS[self.quantity]

    @property
    def dimension(self) -> int:
        """Dimension with every site and link that takes part, 0 to 3."""
        return sum(t.estimate is not None for t in self.thresholds)
