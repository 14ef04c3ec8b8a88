"""The levels that a finished run holds: of its mobile ion, of its other elements, and what else it knows."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from frustra.analysis.groups import is_group
from frustra.analysis.levels import LevelTable, levels_of
from frustra.analysis.tabulate import tabulate
from frustra.campaign.ledger import LEDGER
from frustra.campaign.material_levels import Parts, alike, elements_of, material_levels, plain_levels
from frustra.campaign.recall import material_of, read_results
from frustra.campaign.results import MaterialResult, Results
from frustra.campaign.workflow import is_whole
from frustra.errors import DataError
from frustra.io import read_json, read_snapshots
from frustra.snapshots import Snapshots
from frustra.states import concatenate
from frustra.surveys.doas_levels import (
    DoasChoice,
    MaterialLevels,
    read_levels,
    table_of,
)

STATES = "states.parquet"


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
            table = alike(_other(parts, choice, told), table)
        found.append(material_levels(folder, name, told, table, parts))
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
    elements = elements_of(parts)
    if choice.specie not in elements and not is_group(choice.specie):
        raise DataError(f"no {choice.specie} in {told.formula}", f"one of {', '.join(elements)}, or a group")
    if not choice.by and choice.specie in elements:
        return plain_levels(parts, choice.specie)
    tables = [
        tabulate(s, choice.specie, run=run) for snapshots in parts.values() for run, s in enumerate(snapshots)
    ]
    table = levels_of(concatenate(tables), choice.by or "site", choice.quantiles)
    if choice.by:
        return table
    levels = tuple(replace(one, number=np.zeros(len(one), dtype=np.int64)) for one in table.levels)
    return LevelTable(table.specie, levels)
