"""The levels that a finished run holds: of its mobile ion, of its other elements, and what else it knows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from frustra.analysis.groups import is_group
from frustra.analysis.levels import Levels, LevelTable, levels_of
from frustra.analysis.tabulate import tabulate
from frustra.arrays import Array
from frustra.campaign.ledger import LEDGER
from frustra.campaign.recall import material_of, read_results
from frustra.campaign.results import MaterialResult, Results
from frustra.campaign.workflow import is_whole
from frustra.errors import DataError
from frustra.io import read_json, read_snapshots
from frustra.snapshots import Snapshots, joined
from frustra.states import concatenate
from frustra.surveys.doas_levels import (
    DoasChoice,
    MaterialLevels,
    RelaxedLevel,
    read_levels,
    table_of,
)

STATES = "states.parquet"

Parts = Mapping[float, Sequence[Snapshots]]
"""For each temperature (K, ascending) the relaxed frames of its runs."""


def levels_of_run(folder: Path, choice: DoasChoice, material: str = "") -> list[MaterialLevels]:
    """Return the levels of every material of a run, or of one.

    Those of its mobile ion come from its state table. Other elements, and groups of atoms, come from its
    snapshots; unless classes are asked for, they are not told apart.

    Raises
    ------
    DataError
        No results, no such material, or snapshots that are not there any more.
    StructureError
        No such element or group.
    """
    results = read_results(folder)
    names = [material_of(results, material)[0]] if material else list(results.materials)
    states: Any = None
    found = []
    for name in names:
        told = results.materials[name]
        parts = snapshots_of(folder, results, name)
        mine = choice.specie in {"", told.specie}
        states = states or read_levels(folder / STATES, choice if mine else replace(choice, by=""))
        table = table_of(states[0], name, told.specie, states[1], choice)
        if not mine:
            table = _alike(_other(parts, choice, told), table)
        found.append(_told(folder, name, told, table, parts))
    return found


def snapshots_of(folder: Path, results: Results, name: str) -> Parts:
    """Return the relaxed frames of one material of a run; nothing where they are not there any more."""
    start = results.materials[name].start
    base = name if name in results.study.get("materials", {}) else name.removesuffix(f"-{start}")
    steps = folder / "steps"
    rows: Any = read_json(steps / LEDGER) if (steps / LEDGER).is_file() else []
    folders = [Path(step) for row in rows for step in row["steps"]]
    mine = [f for f in folders if f.parts[0] == base and f.name.startswith(f"snapshots-{start}-")]
    found: dict[float, list[Snapshots]] = defaultdict(list)
    for step in dict.fromkeys(mine):
        if is_whole(steps / step):
            snapshots = read_snapshots(steps / step / "snapshots.h5")
            found[snapshots.temperature].append(snapshots)
    return dict(sorted(found.items()))


def _other(parts: Parts, choice: DoasChoice, told: MaterialResult) -> LevelTable:
    """Return the levels of an element, or of groups of atoms, that is not the mobile ion."""
    if not parts:
        raise DataError(
            f"no snapshots of {told.formula} in the run", f"those that hold {choice.specie}",
            "run the study again: finished steps are kept",
        )  # fmt: skip
    elements = _elements(parts)
    if choice.specie not in elements and not is_group(choice.specie):
        raise DataError(f"no {choice.specie} in {told.formula}", f"one of {', '.join(elements)}, or a group")
    if not choice.by and choice.specie in elements:
        return _plain(parts, choice.specie)
    tables = [
        tabulate(s, choice.specie, run=run) for snapshots in parts.values() for run, s in enumerate(snapshots)
    ]
    table = levels_of(concatenate(tables), choice.by or "site", choice.quantiles)
    if choice.by:
        return table
    levels = tuple(replace(one, number=np.zeros(len(one), dtype=np.int64)) for one in table.levels)
    return LevelTable(table.specie, levels)


def _alike(table: LevelTable, mobile: LevelTable) -> LevelTable:
    """Return levels with as many snapshots counting as one as those of the mobile ion."""
    blocks = {one.temperature: one.block for one in mobile.levels}
    return table.with_blocks([blocks.get(one.temperature, 1) for one in table.levels])


def _elements(parts: Parts) -> list[str]:
    """Return the elements of a crystal, in the order in which they first stand in it."""
    first = next(iter(parts.values()))[0]
    return [chemical_symbols[z] for z in dict.fromkeys(first.numbers.tolist())]


def _plain(parts: Parts, element: str) -> LevelTable:
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


def _told(folder: Path, name: str, told: MaterialResult, table: LevelTable, parts: Parts) -> MaterialLevels:
    """Return the levels with everything that the run knows beside them."""
    elements = _elements(parts) if parts else []
    framework = {e: _alike(_plain(parts, e), table) for e in elements if e != table.specie}
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
