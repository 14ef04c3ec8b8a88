"""Anyone's trajectories → percolation of visited sites and of hops, and vacancies, at every temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frustra.analysis.hops import HopSettings, hops_of
from frustra.analysis.percolation.paths import (
    Vacancies,
    hop_table,
    percolation_of_hops,
    percolation_of_visits,
    vacancies_of,
)
from frustra.analysis.percolation.record import Percolation, PercolationSettings
from frustra.errors import AnalysisError
from frustra.io.hints import TrajectoryHints
from frustra.sites import Sites
from frustra.surveys.runs import Tell
from frustra.surveys.sites import SiteChoice, places_of
from frustra.visits import Visits


@dataclass(frozen=True)
class PathPercolation:
    """What the ions of one temperature tell of the ways through the crystal."""

    temperature: float
    """K; NaN where nobody knows it."""
    runs: int
    duration: float
    """Of all runs together, ps."""
    visited: Percolation
    """Of occupancies."""
    hopped: Percolation | None
    """Of the rates of hops; None without hops."""
    vacancies: Vacancies
    notes: tuple[str, ...]
    """What to know before quoting a number."""


@dataclass(frozen=True)
class PercolationSurvey:
    """What the trajectories of one crystal tell, temperature by temperature."""

    specie: str
    settings: PercolationSettings
    temperatures: tuple[PathPercolation, ...]
    """In the order of the runs: by ascending temperature."""
    notes: tuple[str, ...]
    """What readers and the search for sites had to say."""


def percolation_survey(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    settings: PercolationSettings,
    choice: SiteChoice = SiteChoice(),  # noqa: B008 - frozen
    tell: Tell = lambda _: None,
) -> PercolationSurvey:
    """Derive the percolation of visited sites and of hops at every temperature.

    Parameters
    ----------
    paths, hints
        As for `runs_by_temperature`.
    specie
        The mobile element.
    settings
        Which sites are neighbours, and how errors come about.
    choice
        Which sites.
    tell
        Called with what is being done.

    Raises
    ------
    FrustraError
        A file that cannot be read, or a crystal without sites.
    """
    found: list[PathPercolation] = []
    notes: list[str] = []
    for places in places_of(paths, specie, hints, choice, tell):
        tell(f"looking for ways through {len(places.sites)} sites")
        found.append(paths_through(places.sites, places.visits, places.temperature, settings))
        notes += places.notes
    return PercolationSurvey(specie, settings, tuple(found), tuple(dict.fromkeys(notes)))


def paths_through(
    sites: Sites, visits: Sequence[Visits], temperature: float, settings: PercolationSettings
) -> PathPercolation:
    """Return what runs at one temperature tell; hops are counted with the usual re-crossing filter.

    Raises
    ------
    AnalysisError
        No ion on a site.
    """
    rng = np.random.default_rng(0)
    notes: list[str] = []
    visited = percolation_of_visits(visits, sites, settings, rng)
    try:
        hops = hop_table([hops_of(v, sites, HopSettings()) for v in visits])
        hopped = percolation_of_hops(hops, sites, settings, rng)
    except AnalysisError as refusal:  # no hop, or frames too far apart to tell hops
        hopped = None
        notes.append(f"no percolation of hops: {refusal}")
    nowhere = float(np.average([v.nowhere for v in visits], weights=[v.site.size for v in visits]))
    if nowhere > 0:
        notes.append(f"{100 * nowhere:.2g} % of ions and frames are on no site")
    return PathPercolation(
        temperature=temperature,
        runs=len(visits),
        duration=sum(v.duration for v in visits),
        visited=visited,
        hopped=hopped,
        vacancies=vacancies_of(visits, sites),
        notes=tuple(notes),
    )
