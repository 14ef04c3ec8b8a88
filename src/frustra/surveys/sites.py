"""From anyone's crystal or trajectories to its sites, and to the site that every ion is in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.symbols import Symbols
from numpy.typing import NDArray

from frustra.analysis.assignment import visits_of
from frustra.analysis.framework import mean_framework
from frustra.analysis.site_occupancy import Occupancy
from frustra.analysis.volume.framework import framework_of
from frustra.analysis.volume.ions import ion_density
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError, DataError, StudyError
from frustra.io import read_structure
from frustra.io.hints import TrajectoryHints
from frustra.sites import Sites, sites_of
from frustra.sites.symmetry import SYMMETRY
from frustra.structures import anions_of
from frustra.surveys.density import maxima_of_density
from frustra.surveys.runs import Tell, runs_by_temperature
from frustra.trajectory import Frames
from frustra.visits import Visits

MEAN_SYMMETRY = 0.4
"""Å: how far the mean places of a run's atoms may be off their symmetric ones."""


LOOSE = 1.0
"""Å: root-mean-square fluctuation of an atom that does not stay in place."""

OUTSIDE = 0.01
"""Part of the ions in the basin of no maximum that is mentioned."""

STRAIN = 0.15
"""By how much the cell of a crystal may be strained against that of a run whose sites it is to give."""


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
class Chosen:
    """Sites, and what is needed to tell who is in them."""

    sites: Sites
    numbers: IntArray
    """(atoms,) atomic numbers of the run that they are of."""
    framework: Array | None = None
    """(n, 3) of the maxima of a density: fractional places of all atoms but the mobile ones."""
    notes: tuple[str, ...] = ()
    """What is doubtful."""


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
    chosen: Chosen | None = None
    for runs, notes in runs_by_temperature(paths, hints, tell):
        if chosen is None:
            tell("finding the sites")
            chosen = chosen_sites(runs, specie, choice)
            notes.extend(chosen.notes)
        sites, framework = chosen.sites, chosen.framework
        require_alike(runs, chosen.numbers)
        at = runs[0].temperature
        tell(f"assigning ions to {len(sites)} sites in {sum(len(r) for r in runs)} frames")
        visits = tuple(visits_of(run, sites, specie, framework) for run in runs)
        yield Places(sites, visits, tuple(runs), at, (*notes, *_doubts(visits)))


def chosen_sites(runs: Sequence[Frames], specie: str, choice: SiteChoice) -> Chosen:
    """Return the sites that are asked for, of runs at one temperature.

    Raises
    ------
    FrustraError
        Runs without the mobile element, another crystal than theirs, or one without sites.
    """
    symbols, numbers = runs[0].symbols, runs[0].numbers
    if specie not in symbols:
        others = ", ".join(sorted(set(symbols)))
        raise DataError(f"no {specie} in the trajectory", f"one of {others}", "check --specie")
    if choice.from_density:
        return density_sites(runs, specie)
    if choice.crystal is not None:
        require_crystal_of(choice.crystal, runs[0], specie)
        tolerance = choice.symmetry or SYMMETRY
        return Chosen(crystal_sites(choice.crystal, specie, choice.anions, tolerance), numbers)
    tolerance = choice.symmetry or MEAN_SYMMETRY
    return Chosen(run_sites(runs, specie, choice.anions, tolerance), numbers)


def density_sites(runs: Sequence[Frames], specie: str) -> Chosen:
    """Return the maxima of the density of the mobile ion in runs at one temperature, with what is doubtful.

    Raises
    ------
    AnalysisError
        A framework that flows, or a density without a maximum.
    """
    framework = framework_of(runs[0], specie)
    loose = int((framework.spread > LOOSE).sum())
    if 2 * loose > len(framework.spread):
        raise AnalysisError(
            f"{loose} of {len(framework.spread)} framework atoms do not stay in place (rms above "
            f"{LOOSE:g} Å)",
            "a lattice, in which maxima of the density are sites",
        )
    density = ion_density(runs, specie)
    maxima, notes = maxima_of_density(density), list(density.notes)
    if maxima.outside > OUTSIDE * density.ions:
        notes.append(f"{maxima.outside:.1f} of {density.ions:g} ions are in the basin of no maximum")
    if len(maxima.sites) < density.ions:
        notes.append(f"the density of {density.ions:g} ions has {len(maxima.sites)} maxima only")
    return Chosen(maxima.sites, runs[0].numbers, framework.places, tuple(notes))


def crystal_sites(
    path: Path, specie: str, anions: Sequence[str] | None = None, symmetry: float = SYMMETRY
) -> Sites:
    """Return the sites of a crystal in a file; it need not hold a mobile ion."""
    atoms = read_structure(path)
    return sites_of(atoms, vertices_of(atoms, specie, anions), specie, symmetry)


def vertices_of(atoms: Atoms, specie: str, anions: Sequence[str] | None) -> tuple[str, ...]:
    """Return the elements whose atoms are the vertices; the mobile one is refused."""
    if specie in (anions or ()):
        raise StudyError(f"{specie} as mobile ion and as anion", "another element", "check --anions")
    return anions_of(atoms, specie, anions)


def require_crystal_of(path: Path, run: Frames, specie: str) -> None:
    """Refuse a crystal whose framework is not that of a run, atom by atom and in its size.

    Raises
    ------
    DataError
        Another number or order of framework atoms, or a cell that is strained by more than `STRAIN`.
    """
    crystal, there, again = read_structure(path), np.array(run.symbols), "give the crystal of this run"
    here = np.array(crystal.get_chemical_symbols())
    fixed, meant = np.flatnonzero(here != specie), np.flatnonzero(there != specie)
    if sorted(here[fixed]) != sorted(there[meant]):
        raise DataError(
            f"the framework of {path} has {_counted(here[fixed])}", f"{_counted(there[meant])}", again
        )
    if not (np.array_equal(fixed, meant) and np.array_equal(here[fixed], there[meant])):
        raise DataError(f"{path} has its atoms in another order than the run", "the same order", again)
    cell = run.read([0], []).cells[0]
    strain = np.linalg.svd(np.linalg.solve(crystal.cell.array, cell), compute_uv=False) - 1
    if np.abs(strain).max() > STRAIN:
        raise DataError(
            f"the cell of {path} is strained by {100 * np.abs(strain).max():.0f} % against that of the run",
            f"at most {100 * STRAIN:.0f} %",
            again,
        )


def _counted(symbols: NDArray[np.str_]) -> str:
    elements, count = np.unique(symbols, return_counts=True)
    return ", ".join(f"{n} {e}" for e, n in zip(elements, count, strict=True)) or "no atoms"


def require_alike(runs: Sequence[Frames], numbers: IntArray) -> None:
    """Refuse runs of other atoms than the first one's (atomic numbers): its sites would not be theirs."""
    for run in runs:
        if not np.array_equal(run.numbers, numbers):
            raise DataError(
                f"runs of different crystals: {Symbols(numbers)} and {Symbols(run.numbers)}",
                "the same atoms in the same order",
                "look at one crystal at a time",
            )


def run_sites(
    runs: Sequence[Frames],
    specie: str,
    anions: Sequence[str] | None = None,
    symmetry: float = MEAN_SYMMETRY,
) -> Sites:
    """Return the sites of the mean framework of runs at one temperature."""
    around = vertices_of(runs[0].atoms(0), specie, anions)
    return sites_of(mean_framework(runs, specie, around), around, specie, symmetry)


def faces_told(occupancy: Occupancy, sites: Sites) -> Occupancy:
    """Return who is in sites, without ions face to face where sites have no faces: maxima touch anyway."""
    return occupancy if sites.coordination.any() else replace(occupancy, violations=())


def _doubts(visits: Sequence[Visits]) -> list[str]:
    torn, places = sum(int(v.torn.sum()) for v in visits), sum(v.site.size for v in visits)
    if not torn:
        return []
    told = (
        f"{100 * torn / places:.2g} % of the places are doubtful: the atoms around the ion had turned a "
        "polyhedron inside out, and it was given to the site that it was deepest in"
    )
    return [told]
