"""From relaxed snapshots to the StateTable."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from frustra.analysis.assignment import visits_of
from frustra.analysis.environment import distances_of, environment_of
from frustra.analysis.framework import mean_framework
from frustra.analysis.groups import groups_of, is_group, ligand_of
from frustra.analysis.inherent import inherent_structures, left_basin
from frustra.analysis.sampling import relaxed_frames
from frustra.arrays import IntArray
from frustra.errors import StructureError
from frustra.sites import Sites, sites_of
from frustra.snapshots import Snapshots
from frustra.states import StateTable, concatenate
from frustra.structures import ANION_ELEMENTS, anions_of, indices_of


def tabulate(
    snapshots: Snapshots,
    specie: str,
    anions: Sequence[str] | None = None,
    material: str = "material",
    run: int = 0,
    sites: Sites | None = None,
) -> StateTable:
    """Return one row per snapshot and mobile ion: its energy, its site, what is around it, how it relaxed.

    An ion is in the polyhedron of anions that contains it (`visits_of`). Of an element that is itself among
    the anions, every ion is a vertex and in no polyhedron; neither is a group. Any element of the crystal
    can be asked for, also one of the framework. Inherent structures are numbered in this table alone:
    `tabulate_runs` numbers those of several runs together.

    Parameters
    ----------
    snapshots
        Relaxed frames.
    specie
        The mobile element, or the formula of a poly-anion group such as PS4 (`groups_of`), whose energy is
        the sum over its atoms.
    anions
        Elements whose polyhedra are the sites; by default those of the given sites, else every anion element
        of the framework, and of an anion itself every anion element.
    material
        Name for the `material` column.
    run
        Number for the `run` column, of the independent run that the snapshots come from.
    sites
        Of this crystal, the same for all tables whose `place` is to be compared; by default those of the
        snapshots' mean framework.

    Raises
    ------
    StructureError
        The mobile element, the group or the anions are absent, or anions of which no sites can be made.
    AnalysisError
        No snapshots, or anions without places of their own.
    DataError
        Sites of another crystal.
    """
    relaxed_frames(snapshots)  # refuses none
    structure = inherent_structures([snapshots], _mobile_element(specie))[0]
    return _table(snapshots, specie, anions, sites, structure, material=material, run=run)


def tabulate_runs(
    parts: Sequence[Snapshots],
    specie: str,
    anions: Sequence[str] | None = None,
    material: str = "material",
    sites: Sites | None = None,
) -> StateTable:
    """Return the states of all runs at one temperature in one table; run 0 is the first.

    Inherent structures are numbered over all runs. Parameters and errors are those of `tabulate`.
    """
    structures = inherent_structures(parts, _mobile_element(specie))
    return concatenate(
        _table(part, specie, anions, sites, structure, material=material, run=run)
        for run, (part, structure) in enumerate(zip(parts, structures, strict=True))
    )


def sites_for(parts: Sequence[Snapshots], specie: str, anions: Sequence[str] | None = None) -> Sites | None:
    """Return the sites of the mean framework of snapshots; None for anions and groups, which are in none.

    Parameters and errors are those of `tabulate`.
    """
    first = parts[0].atoms(0)
    around = _anions(first, specie, anions, None)
    return None if specie in around or is_group(specie) else _sites(parts, specie, around)


def _mobile_element(specie: str) -> str | None:
    return None if is_group(specie) else specie


def _table(
    snapshots: Snapshots,
    specie: str,
    anions: Sequence[str] | None,
    sites: Sites | None,
    structure: IntArray,
    **shared: Any,
) -> StateTable:
    """Return the table of one run; `shared` are values that all its rows have."""
    first = relaxed_frames(snapshots).atoms(0)
    around = _anions(first, specie, anions, sites)
    if is_group(specie):
        own = _of_groups(snapshots, specie, around)
    else:
        own = _of_ions(snapshots, specie, around, sites)
    count, ions = len(snapshots), len(own["energy"]) // len(snapshots)
    rows = count * ions
    return StateTable(
        {
            **{name: np.full(rows, value) for name, value in shared.items()},
            "temperature": np.full(rows, snapshots.temperature),
            "snapshot": np.repeat(np.arange(count), ions),
            "time": np.repeat(snapshots.time, ions),
            "element": np.full(rows, specie),
            "structure": np.repeat(structure, ions),
            "converged": np.repeat(snapshots.converged, ions),
            **own,
        }
    )


def _of_ions(
    snapshots: Snapshots, specie: str, anions: Sequence[str], sites: Sites | None
) -> dict[str, NDArray[Any]]:
    """Return the columns of ions of one element."""
    frames, first = relaxed_frames(snapshots), snapshots.atoms(0)
    ions = indices_of(first, specie)
    if len(ions) == 0:
        raise StructureError(
            f"no {specie} in the snapshots", f"one of {', '.join(sorted(set(first.symbols)))}"
        )
    if specie in anions:
        sites, environment = None, distances_of(frames, ions, specie, anions)
    else:
        sites = sites or _sites([snapshots], specie, anions)
        environment = environment_of(frames, sites, visits_of(frames, sites, specie), specie, anions)
    return {
        "ion": np.tile(ions, len(snapshots)),
        "energy": snapshots.atomic_energies[:, ions].ravel(),
        "displacement": snapshots.displacements[:, ions].ravel(),
        "left_basin": left_basin(snapshots, ions, sites).ravel(),
        **environment,
    }


def _of_groups(snapshots: Snapshots, name: str, anions: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the columns of groups: sums over their atoms, what the farthest atom did, no sites."""
    frames = relaxed_frames(snapshots)
    groups = groups_of(frames, name)
    each = (len(snapshots), *groups.members.shape)
    atoms = groups.members.ravel()
    return {
        "ion": np.tile(groups.centres, len(snapshots)),
        "energy": snapshots.atomic_energies[:, atoms].reshape(each).sum(axis=2).ravel(),
        "displacement": snapshots.displacements[:, atoms].reshape(each).max(axis=2).ravel(),
        "left_basin": left_basin(snapshots, atoms).reshape(each).any(axis=2).ravel(),
        **distances_of(frames, groups.centres, groups.centre, anions),
    }


def _anions(first: Atoms, specie: str, named: Sequence[str] | None, sites: Sites | None) -> tuple[str, ...]:
    if named is None and sites is not None and sites.tiling is not None:
        vertices = sites.tiling.anions[sites.tiling.anions < len(first)]
        return tuple(sorted({first.symbols[i] for i in vertices}))
    if named is None and (specie in ANION_ELEMENTS or is_group(specie)):
        present = tuple(e for e in ANION_ELEMENTS if e in set(first.symbols))
        return present or (ligand_of(specie),)
    return anions_of(first, specie, named)


def _sites(parts: Sequence[Snapshots], specie: str, anions: Sequence[str]) -> Sites:
    runs = [relaxed_frames(part) for part in parts]
    return sites_of(mean_framework(runs, specie, anions), anions, specie)
