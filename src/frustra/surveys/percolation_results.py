"""What `frustra percolation --json` prints. Keys carry their units, or stand beside `unit`."""

from typing import Literal

from pydantic import Field

from frustra.analysis.percolation.paths import Vacancies
from frustra.analysis.percolation.record import Percolation, Quantity, Shuffled, Threshold
from frustra.surveys.percolation import PathPercolation, PercolationSurvey
from frustra.surveys.values import Record, Value, known, value_of


class ShuffledResult(Record):
    """The same level after the values were dealt out at random among the sites."""

    mean: float = Field(description="mean of the shuffled levels")
    low: float = Field(description="2.5 % quantile")
    high: float = Field(description="97.5 % quantile")
    p_value: float = Field(
        description="share of shuffled levels as easy as the true one or easier; below 0.025 the easy sites "
        "line up more than by chance, above 0.975 less"
    )


class ThresholdResult(Record):
    """The level at which a way through the crystal opens in so many dimensions."""

    dimension: int = Field(description="at least 1, 2 or 3")
    level: Value | None = Field(description="null where there is no such way; then `reason` tells why")
    directions: list[list[int]] = Field(
        description="cell vectors that span where the first such way leads along"
    )
    reached: float | None = Field(
        description="fraction of resamples of the visits that percolate so; null where there are none"
    )
    shuffled: ShuffledResult | None = Field(description="null where there is no such way")
    reason: str = Field(description="why there is no such way; empty where there is")


class PercolationResult(Record):
    """Levels of one quantity at which sites, or links between them, percolate."""

    quantity: Quantity = Field(description="what is compared with the level")
    unit: str = Field(description="unit of every level; empty for a pure number")
    zero: float = Field(description="what levels are relative to: of energies the lowest site, eV; else 0")
    dimension: int = Field(description="0 to 3, with every site and link that takes part")
    thresholds: list[ThresholdResult] = Field(description="for at least 1, 2 and 3 dimensions")
    axes: dict[Literal["a", "b", "c"], float | None] = Field(
        description="level at which a way first leads on along a cell vector, whatever it does along the "
        "others; null where none does"
    )
    sites: int = Field(description="sites that take part")
    candidates: int = Field(description="open sites")
    links: int = Field(description="links between sites that take part")
    notes: list[str] = Field(description="what to know before quoting a number")


class VacanciesResult(Record):
    """Clusters of empty sites of one kind that share a face or an edge, mean of the frames."""

    kind: str = Field(description="oct, tet or other: the kind on which most ions are")
    frames: int = Field(description="frames that were looked at")
    number: Value | None = Field(description="empty sites in a frame")
    largest_fraction: Value | None = Field(
        description="part of the empty sites that are in the largest cluster; null if none ever is empty"
    )
    spanning: list[Value | None] = Field(
        description="fraction of frames with a cluster without end in at least 1, 2, 3 directions"
    )
    sizes: list[float] = Field(description="clusters of 1, 2, 3, … sites in a frame")


class PathResult(Record):
    """One temperature."""

    T_K: float | None = Field(description="temperature; null where nobody knows it")
    runs: int = Field(description="runs at this temperature")
    duration_ps: float = Field(description="of all runs together")
    visited: PercolationResult = Field(description="of the sites that held ions, by occupancy")
    hops: PercolationResult | None = Field(description="of links, by rate of hops; null without hops")
    vacancies: VacanciesResult
    notes: list[str] = Field(description="what to know before quoting a number")


class PercolationAnswer(Record):
    """The whole answer."""

    specie: str = Field(description="mobile element")
    links: Literal["faces", "edges"] = Field(description="which sites are neighbours")
    temperatures: list[PathResult]
    notes: list[str] = Field(description="what readers and the search for sites had to say")


def percolation_answer(survey: PercolationSurvey) -> PercolationAnswer:
    """Return a survey as what is printed."""
    return PercolationAnswer(
        specie=survey.specie,
        links=survey.settings.links,
        temperatures=[path_result(t) for t in survey.temperatures],
        notes=list(survey.notes),
    )


def percolation_result(found: Percolation) -> PercolationResult:
    """Return the percolation of one quantity as what is printed."""
    a, b, c = (known(v) for v in found.axes.tolist())
    return PercolationResult(
        quantity=found.quantity,
        unit=found.unit,
        zero=found.zero,
        dimension=found.dimension,
        thresholds=[_threshold(t) for t in found.thresholds],
        axes={"a": a, "b": b, "c": c},
        sites=found.sites,
        candidates=found.candidates,
        links=found.links,
        notes=list(found.notes),
    )


def path_result(path: PathPercolation) -> PathResult:
    """Return the ways at one temperature as what is printed."""
    return PathResult(
        T_K=known(path.temperature),
        runs=path.runs,
        duration_ps=path.duration,
        visited=percolation_result(path.visited),
        hops=None if path.hopped is None else percolation_result(path.hopped),
        vacancies=_vacancies(path.vacancies),
        notes=list(path.notes),
    )


def _threshold(threshold: Threshold) -> ThresholdResult:
    return ThresholdResult(
        dimension=threshold.dimension,
        level=value_of(threshold.estimate),
        directions=threshold.directions.tolist(),
        reached=known(threshold.reached),
        shuffled=_shuffled(threshold.shuffled),
        reason=threshold.reason,
    )


def _shuffled(shuffled: Shuffled | None) -> ShuffledResult | None:
    if shuffled is None:
        return None
    return ShuffledResult(mean=shuffled.mean, low=shuffled.low, high=shuffled.high, p_value=shuffled.p_value)


def _vacancies(found: Vacancies) -> VacanciesResult:
    return VacanciesResult(
        kind=found.kind,
        frames=len(found.frame),
        number=value_of(found.mean_number),
        largest_fraction=value_of(found.largest_fraction),
        spanning=[value_of(s) for s in found.spanning],
        sizes=found.sizes[1:].tolist(),
    )
