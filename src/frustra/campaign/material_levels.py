"""The levels of a material: of its mobile ion, of its other elements, and what else its run knows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from frustra.analysis.levels import Levels, LevelTable
from frustra.arrays import Array
from frustra.campaign.results import MaterialResult
from frustra.snapshots import Snapshots, joined
from frustra.surveys.doas_levels import MaterialLevels, RelaxedLevel

Parts = Mapping[float, Sequence[Snapshots]]
"""For each temperature (K, ascending) the relaxed frames of its runs."""


def alike(table: LevelTable, mobile: LevelTable) -> LevelTable:
    """Return levels with as many snapshots counting as one as those of the mobile ion."""
    blocks = {one.temperature: one.block for one in mobile.levels}
    return table.with_blocks([blocks.get(one.temperature, 1) for one in table.levels])


def elements_of(parts: Parts) -> list[str]:
    """Return the elements of a crystal, in the order in which they first stand in it."""
    first = next(iter(parts.values()))[0]
    return [chemical_symbols[z] for z in dict.fromkeys(first.numbers.tolist())]


def plain_levels(parts: Parts, element: str) -> LevelTable:
    """Return the levels of all atoms of an element, of converged snapshots."""
    levels = []
    for temperature, energies in _energies(parts, element):
        frames, ions = energies.shape
        number = np.zeros(energies.size, dtype=np.int64)
        levels.append(Levels(temperature, energies.ravel(), number, np.repeat(np.arange(frames), ions)))
    return LevelTable(element, tuple(levels))


def _energies(parts: Parts, element: str) -> Iterator[tuple[float, Array]]:
    """Give the energies of the atoms of an element at every temperature, (frames, atoms)."""
    for temperature, snapshots in parts.items():
        kept = joined(snapshots)
        kept = kept.select(kept.converged)
        if len(kept):
            mine = kept.numbers == chemical_symbols.index(element)
            yield temperature, kept.atomic_energies[:, mine]


def material_levels(
    folder: Path, name: str, told: MaterialResult, table: LevelTable, parts: Parts
) -> MaterialLevels:
    """Return the levels of a material with everything that its run knows beside them.

    Parameters
    ----------
    folder, name
        The run's folder, and what the material is called in it.
    told
        What its results say.
    table, parts
        Levels of the mobile ion; relaxed frames, of which the levels of all other elements are made.
    """
    elements = elements_of(parts) if parts else []
    framework = {e: alike(plain_levels(parts, e), table) for e in elements if e != table.specie}
    relaxed = [
        RelaxedLevel(row.T_K, e.mean_eV, np.nan if e.std_eV is None else e.std_eV, e.lowest_eV)
        for row in told.temperatures
        for e in [row.relaxed_energy]
        if e.mean_eV is not None and e.lowest_eV is not None
    ]
    return MaterialLevels(
        name=name,
        source=str(folder),
        table=table,
        framework=framework,
        no_framework="" if framework else "the run's snapshots are not there any more",
        relaxed=tuple(relaxed),
        no_relaxed="" if relaxed else "no snapshot converged",
        doubts={row.T_K: tuple(row.doubts) for row in told.temperatures},
        order=tuple(elements) or (table.specie,),
    )
