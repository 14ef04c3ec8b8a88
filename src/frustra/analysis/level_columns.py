"""Levels from single columns of a state table: of ten million states without the rest of their rows."""

from collections.abc import Mapping

import numpy as np

from frustra.analysis.classes import StateClasses, classes_of, counted_anion
from frustra.analysis.levels import Levels, LevelTable
from frustra.arrays import BoolArray, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.states import Cells, Coded

WANTED = ("temperature", "energy")
"""Columns without which there are no levels."""

OPTIONAL = ("material", "element", "run", "snapshot", "converged")
"""Columns that are used where they are there."""

SPARSE = 8
"""Numbers of snapshots that are missing for each that is there, above which they are sorted."""


def column_of(by: str) -> str:
    """Return the column from which classes follow: `anions` for `n_Br`, else the column itself."""
    return "anions" if counted_anion(by) else by


def chosen_rows(columns: Mapping[str, Cells], material: str, specie: str) -> Mapping[str, Cells]:
    """Return the rows of one material and element whose snapshots converged.

    Columns that are missing exclude nothing.

    Raises
    ------
    AnalysisError
        No such row, or none from a converged snapshot.
    """
    masks: list[BoolArray] = []
    for name, value in (("material", material), ("element", specie)):
        column = columns.get(name)
        if isinstance(column, Coded) and len(set(column.names)) > 1:
            masks.append(np.isin(column.number, [k for k, n in enumerate(column.names) if n == value]))
    converged = columns.get("converged")
    if isinstance(converged, np.ndarray) and not converged.all():
        masks.append(converged.astype(bool))
    rows = np.logical_and.reduce(masks) if masks else None
    if not len(columns["energy"]) or (rows is not None and not rows.any()):
        who = " ".join(filter(None, (specie, "in" if material else "", material)))
        raise AnalysisError(
            f"no state of {who or 'any ion'} from a converged snapshot", "at least one",
            "raise the steps of the relaxation",
        )  # fmt: skip
    return columns if rows is None else {name: values[rows] for name, values in columns.items()}


def levels_from(columns: Mapping[str, Cells], specie: str, by: str = "", quantiles: int = 4) -> LevelTable:
    """Return the levels of columns of one material and element, all from converged snapshots.

    Parameters
    ----------
    columns
        `temperature` (K), `energy` (eV), and the column by which classes are told; `run` and `snapshot`
        where they are known.
    specie
        What the ion is called.
    by, quantiles
        The column that tells the classes, `n_Br`, or nothing; see `classes_by`.

    Raises
    ------
    DataError
        Temperatures or energies that are not finite numbers.
    """
    temperature, energy = (_numbers(columns, name) for name in WANTED)
    classes = None if not by else classes_of(by, columns[column_of(by)], quantiles)
    run, snapshot = columns.get("run"), columns.get("snapshot")
    found = []
    for value, rows in _by_temperature(temperature):
        frame = None
        if isinstance(snapshot, np.ndarray):
            frame = frames_of(run[rows] if isinstance(run, np.ndarray) else None, snapshot[rows])
        number = classes.number[rows] if classes else np.zeros(len(energy[rows]), dtype=np.int64)
        found.append(Levels(value, energy[rows], number, frame))
    notes = () if isinstance(snapshot, np.ndarray) else (NO_SNAPSHOTS,)
    return _table(specie, found, classes, notes)


NO_SNAPSHOTS = (
    "which states are of one snapshot is not known: errors come from 32 consecutive parts, and are too small "
    "if there are fewer independent ones"
)


def _table(
    specie: str, levels: list[Levels], classes: StateClasses | None, notes: tuple[str, ...]
) -> LevelTable:
    if classes is None:
        return LevelTable(specie, tuple(levels), notes=notes)
    return LevelTable(specie, tuple(levels), classes.column, classes.names, classes.ordered, notes)


def _numbers(columns: Mapping[str, Cells], name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = columns[name]
    if isinstance(values, Coded) or values.dtype.kind not in "iuf":
        raise DataError(f"a column {name} that holds no numbers", "numbers")
    values = values.astype(float, copy=False)
    if not np.isfinite(values).all():
        raise DataError(f"a column {name} with values that are not finite", "numbers", "check the relaxation")
    return values


def _by_temperature(
    temperature: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> list[tuple[float, slice | IntArray]]:
    """Return every temperature with its rows, ascending; a slice where they follow one another."""
    starts = np.append(0, np.flatnonzero(temperature[1:] != temperature[:-1]) + 1)
    ends = np.append(starts[1:], len(temperature))
    values = temperature[starts]
    found: list[tuple[float, slice | IntArray]] = []
    for value in np.unique(values):
        mine = np.flatnonzero(values == value)
        if len(mine) == 1:
            found.append((float(value), slice(int(starts[mine[0]]), int(ends[mine[0]]))))
        else:
            found.append((float(value), np.flatnonzero(temperature == value)))
    return found


def frames_of(run: Cells | None, snapshot: IntArray) -> IntArray:
    """Return the number of every row's snapshot, 0 … f − 1 in the order of runs and snapshots.

    Parameters
    ----------
    run, snapshot
        (n,) whole numbers; no run if there is only one.
    """
    low = int(snapshot.min())
    span = int(snapshot.max()) - low + 1
    keys = snapshot.astype(np.int64) - low
    if isinstance(run, np.ndarray):
        keys += (run.astype(np.int64) - int(run.min())) * span
    size = int(keys.max()) + 1
    if size > SPARSE * len(keys) + 10**6:
        found: IntArray = np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return found
    present = np.zeros(size, dtype=bool)
    present[keys] = True
    number: IntArray = (np.cumsum(present) - 1)[keys]
    return number
