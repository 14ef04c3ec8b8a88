"""Files → the levels of one material: a state table as Parquet, or the energies of atoms as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from frustra.analysis.decorrelation import Decorrelation, independent_of
from frustra.analysis.level_columns import OPTIONAL, WANTED, chosen_rows, column_of, levels_from
from frustra.analysis.levels import Levels, LevelTable, blocked
from frustra.arrays import Array, IntArray
from frustra.errors import DataError, StudyError
from frustra.io.levels_text import read_levels_text
from frustra.io.records import read_state_columns
from frustra.states import Cells, Coded

MOST_PLACED = 2_000_000
"""States up to which it is asked how long their snapshots remember the places of the ions."""

NOT_PARQUET = "a state table or a text does not tell it; give the folder of a run"


@dataclass(frozen=True)
class DoasChoice:
    """Which states, and what tells them apart."""

    specie: str = ""
    """An element, or a group of atoms; empty where the files tell of one alone."""
    by: str | None = None
    """A column of the state table; empty for none, None for the site where it is known."""
    quantiles: int = 4
    """Classes into which a column of many numbers is divided."""
    ions: int | None = None
    """Ions in a snapshot, for files that do not tell it."""


@dataclass(frozen=True)
class RelaxedLevel:
    """Relaxed total energy at one temperature, per mobile ion above the ground state in the same cell."""

    temperature: float
    """K."""
    mean: float
    """eV."""
    std: float
    """Its standard error, eV; NaN where nobody knows it."""
    lowest: float
    """The lowest snapshot, eV."""


@dataclass(frozen=True)
class MaterialLevels:
    """Everything that is known of one material."""

    name: str
    """Of the material; of text files `text`."""
    source: str
    """The file or folder."""
    table: LevelTable
    framework: Mapping[str, LevelTable] = field(default_factory=dict)
    """Levels of the other elements."""
    no_framework: str = NOT_PARQUET
    """Why there are none."""
    relaxed: tuple[RelaxedLevel, ...] = ()
    no_relaxed: str = NOT_PARQUET
    """Why there is no relaxed energy."""
    doubts: Mapping[float, tuple[str, ...]] | None = None
    """Why a temperature is not equilibrated; None where nobody looked."""
    order: tuple[str, ...] = ()
    """All elements, in the order in which they first stand in the crystal or file."""
    notes: tuple[str, ...] = ()


def levels_of_table(path: Path, choice: DoasChoice, material: str = "") -> list[MaterialLevels]:
    """Return the levels of every material, or of one, of a state table.

    Raises
    ------
    DataError, AnalysisError
        As `read_state_columns`, `chosen_rows` and `levels_from`; or no such material or element.
    """
    columns, by = read_levels(path, choice)
    found = []
    for name in _materials(path, columns, material):
        specie = specie_of(path, columns, choice.specie, name)
        found.append(
            MaterialLevels(name, str(path), table_of(columns, name, specie, by, choice), order=(specie,))
        )
    return found


def read_levels(path: Path, choice: DoasChoice) -> tuple[dict[str, Cells], str]:
    """Return the columns of a state table that its levels take, and the column that tells the classes."""
    by = choice.by
    wanted = (*WANTED, *([column_of(by)] if by else []))
    optional = (*OPTIONAL, *(["site"] if by is None else []))
    columns = read_state_columns(path, wanted, optional)
    if len(columns["energy"]) <= MOST_PLACED:
        columns |= read_state_columns(path, (), ("time", "place"))
    return columns, ("site" if "site" in columns else "") if by is None else by


def _materials(path: Path, columns: Mapping[str, Cells], material: str) -> list[str]:
    known = _texts(columns, "material")
    if material and material not in known:
        raise DataError(f"no material {material!r} in {path}", f"one of {', '.join(known) or 'none'}")
    return [material] if material else known or [""]


def _texts(columns: Mapping[str, Cells], name: str) -> list[str]:
    """Return the texts of a column that some row holds."""
    column = columns.get(name)
    if not isinstance(column, Coded):
        return []
    held = np.bincount(column.number, minlength=len(column.names))
    return sorted(text for text, count in zip(column.names, held, strict=True) if count)


def specie_of(path: Path, columns: Mapping[str, Cells], specie: str, material: str = "") -> str:
    """Return which element of a material's states is meant.

    Raises
    ------
    DataError
        No such element, or several and none is named.
    """
    column, names = columns.get("element"), columns.get("material")
    if not isinstance(column, Coded):
        return specie or "ion"
    if isinstance(names, Coded) and len(names.names) > 1:
        column = column[names.number == names.names.index(material)]
    known = _texts({"element": column}, "element")
    if specie and specie not in known:
        raise DataError(f"no states of {specie} in {path}", f"one of {', '.join(known)}")
    if not specie and len(known) != 1:
        raise DataError(f"states of {', '.join(known) or 'nothing'} in {path}", "one", "name it: --specie")
    return specie or known[0]


def table_of(
    columns: Mapping[str, Cells], material: str, specie: str, by: str, choice: DoasChoice
) -> LevelTable:
    """Return the levels of one material and element, with how many snapshots count as one."""
    mine = chosen_rows(columns, material, specie)
    table = levels_from(mine, specie, by, choice.quantiles)
    if table.levels[0].frame is None and choice.ions:
        table = replace(table, levels=tuple(_framed(one, choice.ions) for one in table.levels), notes=())
    lost = len(columns["energy"]) - len(mine["energy"])
    if lost and "converged" in columns and not np.asarray(columns["converged"]).all():
        table = replace(table, notes=(*table.notes, *_unconverged(columns, material, specie)))
    return _blocked(table, mine)


def _unconverged(columns: Mapping[str, Cells], material: str, specie: str) -> list[str]:
    """Return a note on the states of snapshots that did not converge."""
    plain = {k: v for k, v in columns.items() if k != "converged"}
    every = chosen_rows({**plain, "rows": np.arange(len(columns["energy"]))}, material, specie)
    lost = int((~np.asarray(columns["converged"])[np.asarray(every["rows"])]).sum())
    return [f"{lost} states of snapshots that did not converge are left out"] if lost else []


def _framed(levels: Levels, ions: int) -> Levels:
    if len(levels) % ions:
        raise DataError(
            f"{len(levels)} states at {levels.temperature:g} K, which are no whole snapshots of {ions} ions",
            "a multiple",
            "check --ions",
        )
    return replace(levels, frame=np.arange(len(levels)) // ions)


def _blocked(table: LevelTable, columns: Mapping[str, Cells]) -> LevelTable:
    """Return the levels with neighbouring snapshots counting as one that hold the same arrangement of ions.

    How long they do is told by the places of the ions; where these are not known, or too many, by the mean
    energies of the snapshots.
    """
    if any(one.frame is None for one in table.levels):
        return table
    needed = ("temperature", "run", "time", "snapshot", "place", "energy")
    if all(isinstance(columns.get(name), np.ndarray) for name in needed):
        return blocked(table, independent_of({name: np.asarray(columns[name]) for name in needed}))
    run = columns.get("run")
    temperature = np.asarray(columns["temperature"])
    runs = [
        run[temperature == one.temperature] if isinstance(run, np.ndarray) else np.zeros(len(one), np.int64)
        for one in table.levels
    ]
    return blocked_by_energy(table, runs)


def blocked_by_energy(table: LevelTable, runs: Sequence[IntArray]) -> LevelTable:
    """Return the levels with neighbouring snapshots counting as one whose mean energies are alike.

    Parameters
    ----------
    table
        Its snapshots must be known.
    runs
        For each temperature (n,) the independent run of every state.
    """
    found: dict[float, Decorrelation] = {}
    for one, run in zip(table.levels, runs, strict=True):
        frame = np.asarray(one.frame)
        count = np.bincount(frame)
        of_frame = np.zeros(len(count), dtype=np.int64)
        of_frame[frame] = run
        number = np.arange(len(count))
        found |= independent_of({
            "temperature": np.full(len(count), one.temperature), "run": of_frame,
            "time": number.astype(float), "snapshot": number, "place": np.full(len(count), -1),
            "energy": np.bincount(frame, one.energy) / count,
        })  # fmt: skip
    return blocked(table, found)


def levels_of_texts(files: Mapping[float, Sequence[Path]], choice: DoasChoice) -> MaterialLevels:
    """Return the levels of text files, each with its temperature (K).

    Files of one temperature are independent runs and are put together.

    Raises
    ------
    DataError
        As `read_levels_text`; no such element, or several and none is named; or a number of states that is
        no multiple of the ions in a snapshot.
    StudyError
        Classes, which texts do not tell.
    """
    if choice.by:
        raise StudyError(f"--by {choice.by}", "no classes: a text tells energies alone", "leave it away")
    read = {t: [read_levels_text(path) for path in paths] for t, paths in sorted(files.items())}
    paths = {t: list(p) for t, p in files.items()}
    order = tuple(dict.fromkeys(name for parts in read.values() for part in parts for name in part))
    specie = _specie_of_texts(paths, read, choice.specie)
    frames = {t: _snapshots(paths[t], parts, specie, choice.ions) for t, parts in read.items()}
    tables = {name: _table_of_texts(name, read, frames) for name in order}
    table = tables.pop(specie)
    if not choice.ions:
        told = "the snapshots are not known: errors come from 32 consecutive parts; --ions tells them"
        table = replace(table, notes=(told,))
    elif all(one.frame is not None for one in table.levels):
        table = blocked_by_energy(table, [_runs(read[t], specie) for t in table.temperatures])
        tables = {k: t.with_blocks(_blocks(t, table)) for k, t in tables.items()}
    source = ", ".join(f"{t:g}={p}" for t, mine in sorted(paths.items()) for p in mine)
    return MaterialLevels(
        "text", source, table, tables,
        no_framework="the files hold no other element", no_relaxed=NOT_PARQUET, order=order,
    )  # fmt: skip


def _runs(parts: Sequence[Mapping[str, Array]], specie: str) -> IntArray:
    """Return which file each energy comes from."""
    return np.repeat(np.arange(len(parts)), [len(part[specie]) for part in parts])


def _blocks(table: LevelTable, mobile: LevelTable) -> list[int]:
    known = {one.temperature: one.block for one in mobile.levels}
    return [known.get(one.temperature, 1) for one in table.levels]


Texts = Mapping[float, Sequence[Mapping[str, Array]]]
"""For each temperature the contents of its files."""


def _specie_of_texts(paths: Mapping[float, Sequence[Path]], read: Texts, specie: str) -> str:
    for t, parts in read.items():
        for path, part in zip(paths[t], parts, strict=True):
            if not specie and len(part) == 1:
                specie = next(iter(part))
            if not specie:
                raise DataError(f"energies of {', '.join(part)} in {path}", "one", "name it: --specie")
            if specie not in part:
                raise DataError(f"no energies of {specie} in {path}", f"one of {', '.join(part)}")
    return specie


def _snapshots(
    paths: Sequence[Path], parts: Sequence[Mapping[str, Array]], specie: str, ions: int | None
) -> list[int] | None:
    """Return how many snapshots each file of one temperature holds; None where nobody knows it."""
    if not ions:
        return None
    for path, part in zip(paths, parts, strict=True):
        if len(part[specie]) % ions:
            raise DataError(
                f"{len(part[specie])} energies of {specie} in {path}, which are no whole snapshots of {ions} "
                "ions", f"a multiple of {ions}", "check --ions",
            )  # fmt: skip
    return [len(part[specie]) // ions for part in parts]


def _table_of_texts(name: str, read: Texts, frames: Mapping[float, list[int] | None]) -> LevelTable:
    """Return the levels of one element at the temperatures whose files tell of it."""
    levels = []
    for temperature, parts in read.items():
        held = [part.get(name, np.zeros(0)) for part in parts]
        energy = np.concatenate(held)
        if len(energy):
            frame = _numbered(held, frames[temperature])
            levels.append(Levels(temperature, energy, np.zeros(len(energy), dtype=np.int64), frame))
    return LevelTable(name, tuple(levels))


def _numbered(parts: Sequence[Array], frames: list[int] | None) -> IntArray | None:
    """Return the snapshot of each energy; None where nobody knows it, or not all snapshots are alike."""
    if frames is None or any(len(p) % f or not len(p) for p, f in zip(parts, frames, strict=True)):
        return None
    starts = np.append(0, np.cumsum(frames))
    numbers = [s + np.arange(len(p)) // (len(p) // f) for s, p, f in zip(starts, parts, frames, strict=False)]
    return np.concatenate(numbers)
