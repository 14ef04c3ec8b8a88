"""From anyone's crystal or runs to a table of its sites: their classes, neighbours, and who is in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from frustra.analysis.framework import mean_framework
from frustra.analysis.site_occupancy import Occupancy, occupancy_of
from frustra.analysis.volume.framework import framework_of
from frustra.errors import DataError
from frustra.io import read_structure
from frustra.io.hints import TrajectoryHints
from frustra.sites import Sites, sites_of
from frustra.sites.symmetry import SYMMETRY, space_group_of
from frustra.structures import anions_of, formula, indices_of
from frustra.surveys.runs import Tell
from frustra.surveys.sites import MEAN_SYMMETRY, Places, SiteChoice, faces_told, places_of, vertices_of


@dataclass(frozen=True)
class Filled:
    """Who is in the sites at one temperature."""

    temperature: float
    """K; NaN where nobody knows it."""
    runs: int
    frames: int
    """Of all runs together."""
    occupancy: Occupancy
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SiteSurvey:
    """The sites of a crystal, or of the mean framework of runs."""

    specie: str
    """The mobile element."""
    anions: tuple[str, ...]
    """Elements whose atoms are the vertices."""
    atoms: Atoms
    """The crystal; of runs the mean framework with the mobile ions of the first frame."""
    sites: Sites
    space_group: str
    """Of the framework, such as `P-3m1 (164)`; empty where spglib finds none."""
    temperatures: tuple[Filled, ...]
    """By ascending temperature; none of a crystal."""
    notes: tuple[str, ...]

    @property
    def coldest(self) -> Filled | None:
        """The occupancies at the temperature whose framework the sites are of."""
        return self.temperatures[0] if self.temperatures else None

    @property
    def framework(self) -> Atoms:
        """The atoms that are not mobile."""
        fixed: Atoms = self.atoms[np.array(self.atoms.get_chemical_symbols()) != self.specie]
        return fixed


@dataclass(frozen=True)
class LayerContent:
    """One layer of sites."""

    layer: int
    """Its number, as in `Sites.layer`."""
    height: float
    """Mean of its octahedra along the axis of the layers, in fractions of the cell, 0 to 1."""
    octahedra: int
    held: dict[str, int]
    """Framework cations in its sites."""


def layers_in(sites: Sites) -> list[LayerContent]:
    """Return what tells the layers apart; none where the crystal has no layers."""
    if sites.layer_axis < 0:
        return []
    fractional = (sites.positions @ np.linalg.inv(sites.cell))[:, sites.layer_axis]
    main = sites.kind == "oct" if (sites.kind == "oct").any() else np.ones(len(sites), bool)
    found = []
    for number in range(int(sites.layer.max()) + 1):
        mine = sites.layer == number
        angles = 2j * np.pi * fractional[mine & main]  # a layer may lie across the face of the cell
        height = float(np.angle(np.exp(angles).mean()) / (2 * np.pi))
        held = Counter(h for h in sites.held[mine].tolist() if h)
        found.append(
            LayerContent(number, round(height % 1, 4) % 1, int((mine & (sites.kind == "oct")).sum()), held)
        )
    return found


def elements_in(path: Path) -> list[str]:
    """Return the elements of a crystal."""
    return sorted(set(read_structure(path).get_chemical_symbols()))


def crystal_survey(
    path: Path,
    specie: str,
    choice: SiteChoice = SiteChoice(),  # noqa: B008 - frozen
) -> SiteSurvey:
    """Find the sites of a crystal.

    Parameters
    ----------
    path
        A file that ASE reads.
    specie
        The mobile element; the crystal need not hold any of it.
    choice
        Which sites; without a density, which a crystal does not have.

    Raises
    ------
    FrustraError
        A file that cannot be read, no such element, or a framework without sites.
    """
    require_element(specie)
    if choice.from_density:
        raise DataError(f"{path} is a crystal", "a trajectory, for sites from the density")
    atoms = read_structure(path)
    around = vertices_of(atoms, specie, choice.anions)
    tolerance = choice.symmetry or SYMMETRY
    sites = sites_of(atoms, around, specie, tolerance)
    absent = len(indices_of(atoms, specie)) == 0
    notes = [f"no {specie} in {path}: all atoms count as framework"] if absent else []
    return _survey(specie, around, atoms, sites, tolerance, [], notes)


def run_survey(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    choice: SiteChoice = SiteChoice(),  # noqa: B008 - frozen
    tell: Tell = lambda _: None,
) -> SiteSurvey:
    """Find the sites of runs and how often they are occupied at every temperature.

    Parameters
    ----------
    paths, specie, hints, choice, tell
        As for `places_of`.

    Raises
    ------
    FrustraError
        As `places_of`.
    """
    require_element(specie)
    filled: list[Filled] = []
    sites: Sites | None = None
    atoms: Atoms | None = None
    around: tuple[str, ...] = ()
    for places in places_of(paths, specie, hints, choice, tell):
        if sites is None:
            sites, (atoms, around) = places.sites, _crystal_of(places, specie, choice)
        tell("counting the ions in the sites")
        occupancy = faces_told(occupancy_of(places.visits, sites), sites)
        frames = sum(len(v) for v in places.visits)
        filled.append(Filled(places.temperature, len(places.runs), frames, occupancy, places.notes))
    if sites is None or atoms is None:
        raise DataError("no trajectory", "one at least", "check the paths")
    tolerance = choice.symmetry or (MEAN_SYMMETRY if choice.crystal is None else SYMMETRY)
    return _survey(specie, around, atoms, sites, tolerance, filled, [])


def _crystal_of(places: Places, specie: str, choice: SiteChoice) -> tuple[Atoms, tuple[str, ...]]:
    """Return the atoms among which the sites are, and the elements of their vertices."""
    first = places.runs[0].atoms(0)
    if choice.from_density:
        framework = framework_of(places.runs[0], specie)
        first.set_cell(framework.cell, scale_atoms=True)
        first.positions[np.array(first.get_chemical_symbols()) != specie] = framework.places @ framework.cell
        return first, ()
    around = anions_of(first, specie, choice.anions)
    if choice.crystal is not None:
        return read_structure(choice.crystal), around
    return mean_framework(places.runs, specie, around), around


def require_element(specie: str) -> None:
    """Refuse a name that is no element: everything would count as framework."""
    if specie not in atomic_numbers or specie == "X":
        raise DataError(
            f"a mobile element {specie!r}", "the symbol of an element, such as Li", "check --specie"
        )


def _survey(
    specie: str,
    anions: tuple[str, ...],
    atoms: Atoms,
    sites: Sites,
    symmetry: float,
    filled: Sequence[Filled],
    notes: list[str],
) -> SiteSurvey:
    fixed = atoms[np.array(atoms.get_chemical_symbols()) != specie]
    crowded = Counter(h for h in sites.held.tolist() if "+" in h)
    notes += [f"{n} polyhedra hold several cations ({h}): check --anions" for h, n in crowded.items()]
    group = space_group_of(fixed, symmetry)
    if sites.tiling is not None and not any(sites.wyckoff):
        alone = f"; the framework alone has {group}" if group not in {"", "P1 (1)"} else ""
        notes.append(
            f"no Wyckoff positions: the sites have no symmetry but translations within {symmetry:g} Å{alone}"
        )
    several = len({round(f.temperature, 3) for f in filled}) > 1
    if several:
        notes.append(f"the sites are those of the mean framework at {filled[0].temperature:g} K")
    return SiteSurvey(specie, anions, atoms, sites, group, tuple(filled), tuple(notes))


def title_of(survey: SiteSurvey) -> str:
    """Return what was looked at in a few words: `Li3YCl6, P-3m1 (164): 54 sites of Cl for Li`."""
    group = f", {survey.space_group}" if survey.space_group else ""
    what = f"{formula(survey.atoms)}{group}: {len(survey.sites)}"
    if survey.sites.tiling is None:
        return f"{what} maxima of the density of {survey.specie}"
    return f"{what} sites of {', '.join(survey.anions)} for {survey.specie}"


def occupied_at(survey: SiteSurvey) -> str:
    """Return which occupancies figures and files of the survey hold; empty if none."""
    if survey.coldest is None:
        return ""
    at = survey.coldest.temperature
    return f"occupancies at {at:g} K" if np.isfinite(at) else "occupancies of the run"
