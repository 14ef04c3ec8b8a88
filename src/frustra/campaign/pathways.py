"""Sites, hops and ways through the crystal of one material, from its finished runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from frustra.analysis.assignment import visits_of
from frustra.analysis.hops import HopSettings
from frustra.analysis.percolation.record import PercolationSettings
from frustra.analysis.percolation.states import StatePercolation, percolation_of_states
from frustra.analysis.residence import Activation, activations_of
from frustra.analysis.volume.ions import IonDensity, ion_density
from frustra.campaign.run_job import RunJob
from frustra.errors import AnalysisError, FrustraError
from frustra.io import open_trajectory
from frustra.sites import Sites
from frustra.states import StateTable
from frustra.surveys.hops import HopsAt, hops_at
from frustra.surveys.percolation import PathPercolation, paths_through
from frustra.surveys.rdf import RdfSettings, RdfSurvey, rdf_along
from frustra.surveys.runs import Runs
from frustra.surveys.sites import Places
from frustra.trajectory import Frames

T = TypeVar("T")


@dataclass(frozen=True)
class PathwaysAt:
    """How ions move at one temperature."""

    temperature: float
    """K."""
    hops: HopsAt | None
    """None, with a note, where no hop can be told."""
    paths: PathPercolation | None
    """Percolation of visited sites and of hops; None where no ion was on a site."""
    states: StatePercolation | None
    """Percolation of the energies of states; None without states on sites."""
    density: IonDensity | None
    """Of the mobile ion, at the lowest and the highest temperature."""


@dataclass(frozen=True)
class Pathways:
    """Where the ions of a material are, and how they move."""

    sites: Sites
    temperatures: tuple[PathwaysAt, ...]
    """Ascending."""
    activations: Mapping[str, Activation | AnalysisError]
    """For each class of hops that was seen."""
    rdf: RdfSurvey | None
    """g(r) of the mobile ion with itself and all others."""
    notes: tuple[str, ...]
    """What was refused, and why."""


def pathways_of(sites: Sites, specie: str, runs: Sequence[Sequence[RunJob]], states: StateTable) -> Pathways:
    """Derive from finished runs where their ions are and how they move.

    What is refused, such as hops in frames that are too far apart, is left out with a note.

    Parameters
    ----------
    sites
        Of the ground state that all runs started from.
    specie
        The mobile element.
    runs
        For each temperature, ascending, its independent runs.
    states
        Of all runs, with places in these sites.
    """
    notes: list[str] = []
    found = []
    for number, replicas in enumerate(runs):
        with _opened(replicas) as frames:
            extreme = number in {0, len(runs) - 1}
            found.append(_at(sites, specie, replicas[0].temperature, frames, extreme, states, notes))
    hopped = [(f.temperature, f.hops.pathways) for f in found if f.hops is not None]
    return Pathways(
        sites=sites,
        temperatures=tuple(found),
        activations=activations_of([t for t, _ in hopped], [p for _, p in hopped]) if hopped else {},
        rdf=_attempt(lambda: rdf_along(_ladder(runs), specie, RdfSettings(reach=8.0)), "g(r)", notes),
        notes=tuple(notes),
    )


def _at(
    sites: Sites,
    specie: str,
    temperature: float,
    frames: Sequence[Frames],
    extreme: bool,
    states: StateTable,
    notes: list[str],
) -> PathwaysAt:
    visits = tuple(visits_of(run, sites, specie) for run in frames)
    places = Places(sites, visits, tuple(frames), temperature, ())
    rows = states.select((states["temperature"] == temperature) & states["converged"])
    at = f"{temperature:g} K: "
    settings = PercolationSettings()
    return PathwaysAt(
        temperature=temperature,
        hops=_attempt(lambda: hops_at(places, HopSettings()), f"{at}hops", notes),
        paths=_attempt(lambda: paths_through(sites, visits, temperature, settings), f"{at}ways", notes),
        states=_attempt(
            lambda: percolation_of_states(
                rows["energy"], rows["place"], rows["snapshot"], rows["run"], sites, settings=settings
            ),
            f"{at}percolation of energies",
            notes,
        ),
        density=_attempt(lambda: ion_density(frames, specie), f"{at}density", notes) if extreme else None,
    )


def _attempt(derive: Callable[[], T], what: str, notes: list[str]) -> T | None:
    """Return what is derived; None, with a note, where it is refused."""
    try:
        return derive()
    except FrustraError as refusal:
        notes.append(f"{what}: {str(refusal).removesuffix('.')}")
        return None


@contextmanager
def _opened(replicas: Sequence[RunJob]) -> Iterator[list[Frames]]:
    with ExitStack() as files:
        yield [files.enter_context(open_trajectory(r.trajectory_file)) for r in replicas]


def _ladder(runs: Sequence[Sequence[RunJob]]) -> Iterator[Runs]:
    for replicas in runs:
        with _opened(replicas) as frames:
            yield frames, []
