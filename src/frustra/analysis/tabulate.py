"""From relaxed snapshots to the StateTable."""

from collections.abc import Sequence

import numpy as np

from frustra.errors import StructureError
from frustra.sites import coordination_in
from frustra.snapshots import Snapshots
from frustra.states import StateTable, concatenate
from frustra.structures import anions_of, indices_of


def tabulate(
    snapshots: Snapshots,
    specie: str,
    anions: Sequence[str] | None = None,
    material: str = "material",
    run: int = 0,
) -> StateTable:
    """Return one row per snapshot and mobile ion: its energy, its site and how its frame relaxed.

    Parameters
    ----------
    snapshots
        Relaxed frames.
    specie
        The mobile element.
    anions
        Elements whose polyhedra are the sites; by default every anion element of the framework.
    material
        Name for the `material` column.
    run
        Number for the `run` column, of the independent run that the snapshots come from.

    Raises
    ------
    StructureError
        The mobile element or the anions are absent.
    """
    first = snapshots.atoms(0)
    mobile = indices_of(first, specie)
    if len(mobile) == 0:
        raise StructureError(
            f"no {specie} in the snapshots", f"one of {', '.join(sorted(set(first.symbols)))}"
        )
    around_whom = anions_of(first, specie, anions)
    tables = []
    for frame in range(len(snapshots)):
        around = coordination_in(snapshots.atoms(frame), specie, around_whom)
        rows = len(mobile)
        tables.append(
            StateTable(
                {
                    "material": np.full(rows, material),
                    "temperature": np.full(rows, snapshots.temperature),
                    "run": np.full(rows, run),
                    "snapshot": np.full(rows, frame),
                    "time": np.full(rows, snapshots.time[frame]),
                    "ion": mobile,
                    "element": np.full(rows, specie),
                    "energy": snapshots.atomic_energies[frame, mobile],
                    "site": around.kind,
                    "coordination": around.number,
                    "nearest_anion": around.nearest,
                    "displacement": snapshots.displacements[frame, mobile],
                    "converged": np.full(rows, snapshots.converged[frame]),
                }
            )
        )
    return concatenate(tables)
