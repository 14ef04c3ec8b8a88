"""From anyone's crystal or trajectories to its sites, and to the site that every ion is in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frustra.analysis.assignment import visits_of
from frustra.analysis.framework import mean_framework
from frustra.analysis.volume.ions import ion_density
from frustra.errors import DataError, StudyError
from frustra.io import read_structure
from frustra.io.hints import TrajectoryHints
from frustra.sites import Sites, sites_of
from frustra.sites.symmetry import SYMMETRY
from frustra.structures import anions_of, indices_of
from frustra.surveys.density import maxima_of_density
from frustra.surveys.runs import Tell, runs_by_temperature
from frustra.trajectory import Frames
from frustra.visits import Visits

MEAN_SYMMETRY = 0.4
"""Å: how far the mean places of a run's atoms may be off their symmetric ones."""


@dataclass(frozen=True)
class Places:
    """The sites of a crystal and who is in them, at one temperature."""

    sites: Sites
    """The same at all temperatures."""
    visits: tuple[Visits, ...]
    """One for each run."""
    runs: tuple[Frames, ...]
    """The runs, open as long as no other temperature is asked for."""
    temperature: float
    """K; NaN where nobody knows it."""
    notes: tuple[str, ...]
    """What the readers had to say, and what is doubtful about the places."""


@dataclass(frozen=True)
class SiteChoice:
    """Which sites."""

    anions: tuple[str, ...] | None = None
    """Elements whose polyhedra are the sites; by default every anion element of the framework."""
    crystal: Path | None = None
    """File of a crystal with the atoms of the runs in the same order; by default their mean framework."""
    symmetry: float | None = None
    """How far atoms may be off their symmetric places, Å; by default 0.1 in a crystal, 0.4 in a mean."""
    from_density: bool = False
    """Whether the sites are the maxima of the mobile ion's density instead, for want of an anion lattice."""

    def __post_init__(self) -> None:
        if self.from_density and (self.anions or self.crystal):
            raise StudyError("sites from the density and from anions or a crystal", "one of them")
        if self.symmetry is not None and not 0 < self.symmetry <= 1:
            raise StudyError(f"a symmetry to within {self.symmetry:g} Å", "above 0 and up to 1 Å")


def places_of(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    choice: SiteChoice = SiteChoice(),
    tell: Tell = lambda _: None,
) -> Iterator[Places]:
    """Give the sites and their visitors at each temperature, the coldest first.

    The sites are those of the mean framework of the first temperature's runs, of a crystal, or the maxima of
    the mobile ion's density in those runs; polyhedra follow the anions of every frame at every temperature.

    Parameters
    ----------
    paths
        As for `ladder_files`.
    specie
        The mobile element.
    hints
        What the files do not tell.
    choice
        Which sites.
    tell
        Called with what is being done.

    Raises
    ------
    FrustraError
        A file that cannot be read, or a framework without sites.
    """
    sites: Sites | None = None
    for runs, notes in runs_by_temperature(paths, hints, tell):
        if sites is None:
            tell("finding the sites")
            sites = chosen_sites(runs, specie, choice)
        at = runs[0].temperature
        tell(f"assigning ions to {len(sites)} sites in {sum(len(r) for r in runs)} frames")
        visits = tuple(visits_of(run, sites, specie) for run in runs)
        yield Places(sites, visits, tuple(runs), at, (*notes, *_doubts(visits)))


def chosen_sites(runs: Sequence[Frames], specie: str, choice: SiteChoice) -> Sites:
    """Return the sites that are asked for, of runs at one temperature."""
    if choice.from_density:
        return maxima_of_density(ion_density(runs, specie)).sites
    if choice.crystal is not None:
        return crystal_sites(choice.crystal, specie, choice.anions, choice.symmetry or SYMMETRY)
    return run_sites(runs, specie, choice.anions, choice.symmetry or MEAN_SYMMETRY)


def crystal_sites(
    path: Path, specie: str, anions: Sequence[str] | None = None, symmetry: float = SYMMETRY
) -> Sites:
    """Return the sites of a crystal in a file; it need not hold a mobile ion."""
    atoms = read_structure(path)
    return sites_of(atoms, anions_of(atoms, specie, anions), specie, symmetry)


def run_sites(
    runs: Sequence[Frames],
    specie: str,
    anions: Sequence[str] | None = None,
    symmetry: float = MEAN_SYMMETRY,
) -> Sites:
    """Return the sites of the mean framework of runs at one temperature."""
    first = runs[0].atoms(0)
    if len(indices_of(first, specie)) == 0:
        raise DataError(f"no {specie} in the trajectory", "the mobile element", "check --specie")
    around = anions_of(first, specie, anions)
    return sites_of(mean_framework(runs, specie, around), around, specie, symmetry)


def _doubts(visits: Sequence[Visits]) -> list[str]:
    torn, places = sum(int(v.torn.sum()) for v in visits), sum(v.site.size for v in visits)
    if not torn:
        return []
    told = (
        f"{100 * torn / places:.2g} % of the places are doubtful: the anions around the ion had turned a "
        "polyhedron inside out, and it was given to the site that it was deepest in"
    )
    return [told]
