"""What `results.json` tells of sites, hops and ways through the crystal."""

from collections.abc import Sequence

from pydantic import Field

from frustra.analysis.percolation.states import StatePercolation
from frustra.campaign.pathways import Pathways, PathwaysAt
from frustra.surveys.hop_results import ActivationResult, HopsAtResult, activation_result, hops_at_result
from frustra.surveys.percolation_results import (
    PathResult,
    PercolationResult,
    path_result,
    percolation_result,
)
from frustra.surveys.site_results import SitesSummary, sites_summary
from frustra.surveys.values import Record


class StatePercolationResult(Record):
    """How the mean energies of the states on each site percolate."""

    energy: PercolationResult = Field(description="sites with a mean energy up to the level: E_p")
    difference: PercolationResult = Field(
        description="links between sites whose mean energies differ by at most the level"
    )
    notes: list[str] = Field(description="what to know of the states")


class PathwaysAtResult(Record):
    """How ions move at one temperature."""

    T_K: float = Field(description="temperature")
    equilibrated: bool = Field(description="whether no check speaks against it, as in `temperatures`")
    hops: HopsAtResult | None = Field(description="as `frustra hops` prints; null, with a note, if refused")
    ways: PathResult | None = Field(description="as `frustra percolation` prints; null, with a note, too")
    states: StatePercolationResult | None = Field(
        description="percolation of the energies of relaxed states; null, with a note, too"
    )


class PathwaysResult(Record):
    """Where the ions are, and how they move."""

    sites: SitesSummary
    temperatures: list[PathwaysAtResult] = Field(description="by ascending temperature")
    activation: list[ActivationResult] = Field(description="for each class of hops that was seen")
    notes: list[str] = Field(description="what was refused, and why")


def pathways_result(found: Pathways, doubtful: Sequence[float] = ()) -> PathwaysResult:
    """Return everything in display units; `doubtful` are the temperatures (K) that are not equilibrated."""
    return PathwaysResult(
        sites=sites_summary(found.sites),
        temperatures=[_at(t, t.temperature not in doubtful) for t in found.temperatures],
        activation=[activation_result(name, a) for name, a in found.activations.items()],
        notes=list(found.notes),
    )


def _at(found: PathwaysAt, equilibrated: bool) -> PathwaysAtResult:
    return PathwaysAtResult(
        T_K=found.temperature,
        equilibrated=equilibrated,
        hops=None if found.hops is None else hops_at_result(found.hops),
        ways=None if found.paths is None else path_result(found.paths),
        states=None if found.states is None else _states(found.states),
    )


def _states(found: StatePercolation) -> StatePercolationResult:
    return StatePercolationResult(
        energy=percolation_result(found.energy),
        difference=percolation_result(found.difference),
        notes=list(found.notes),
    )
