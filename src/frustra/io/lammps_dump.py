"""LAMMPS' text dumps: any columns and order of atoms, orthogonal and triclinic boxes, fixed or varying."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.io.hints import (
    SAME_TIME,
    TrajectoryHints,
    numbers_of,
    require_elements,
    temperature_of,
    timestep_of,
)
from frustra.io.lammps_text import Columns, Printed, columns_of, printed_frames
from frustra.io.source import BLOCK, Block, Source, opened, other_atoms, whole
from frustra.units import FS

PICOSECONDS = {"metal": 1.0, "real": 1 / FS}
"""What LAMMPS' unit of time is in ps, by its style of units."""

POSITIONS = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
"""Columns that a dump may have, the best first; s is scaled, u unwrapped."""

IMAGES = ("ix", "iy", "iz")

SAME_PLACE = 1e-4
"""Distance, in cell vectors, of positions printed twice."""


@contextmanager
def lammps_dump(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open a LAMMPS dump (`dump custom` or `atom`, as text).

    The elements come from the column `element`, or else types are mapped by the hints. The time between
    frames is the difference of the steps times the time step of the hints, or comes from ITEM: TIME where
    ITEM: UNITS is metal or real. A frame that a restart printed once more is left out.

    Raises
    ------
    DataError
        No ids, positions, elements or time step; a box that is not periodic; or, while it is read, unequal
        times between frames, a damaged frame or one of other atoms.
    """
    with opened(path) as file:
        notes: list[str] = []
        frames = _evenly(path, whole(printed_frames(path, file), notes), notes)
        start = list(islice(frames, 2))
        if len(start) < 2:
            raise DataError(f"{path} has {len(start) or 'no'} whole frame", "at least two")
        numbers = _numbers(path, start[0], hints)
        timestep = _interval(path, start, hints)
        temperature = temperature_of(path, None, hints)
        blocks = _blocks(path, chain(start, frames), len(numbers))
        names = start[0].names
        beyond = "u" in _positions_in(path, names)[0] or set(_images_in(path, names)) == set(IMAGES)
        yield Source("LAMMPS text dump", numbers, timestep, temperature, blocks, beyond, notes)


def _positions_in(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    for found in POSITIONS:
        if set(found) <= set(names):
            return found
    raise DataError(f"{path} has the columns {' '.join(names)}", "positions such as xu yu zu")


def _images_in(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that say how far wrapped positions have gone, if there are any."""
    wrapped = "u" not in _positions_in(path, names)[0]
    return IMAGES if wrapped and set(IMAGES) <= set(names) else ()


def _kind_in(path: Path, names: Sequence[str]) -> str:
    for found in ("element", "type"):
        if found in names:
            return found
    raise DataError(f"{path} has neither a column type nor element", remedy="dump one of them too")


def _columns(path: Path, frames: Sequence[Printed]) -> Columns:
    """Decode what is needed of some frames, sorted by the atoms' ids."""
    names = frames[0].names
    if "id" not in names:
        raise DataError(f"{path} has no column id, so that no atom can be followed", remedy="dump id too")
    numbers = (*_positions_in(path, names), *_images_in(path, names))
    wanted = {"id": pa.int64(), _kind_in(path, names): pa.string()} | dict.fromkeys(numbers, pa.float64())
    columns = columns_of(path, frames, wanted)
    if (np.diff(columns["id"], axis=1) > 0).all():  # as with dump_modify sort id
        return columns
    order = np.argsort(columns["id"], axis=1)
    return {name: np.take_along_axis(values, order, axis=1) for name, values in columns.items()}


def _fractional(path: Path, frames: Sequence[Printed], columns: Columns) -> Array:
    """Return positions in units of the cell vectors, unwrapped where images or columns tell."""
    names = _positions_in(path, frames[0].names)
    positions: Array = np.stack([columns[name] for name in names], axis=2)
    if "s" not in names[0]:
        corners = np.stack([frame.corner for frame in frames])
        inverse = np.linalg.inv(np.stack([frame.cell for frame in frames]))
        positions = (positions - corners[:, None]) @ inverse
    images = _images_in(path, frames[0].names)
    if images:
        positions += np.stack([columns[name] for name in images], axis=2)
    return positions


def _blocks(path: Path, frames: Iterator[Printed], atoms: int) -> Iterator[Block]:
    first = None
    while together := list(islice(frames, max(1, BLOCK // atoms))):
        columns = _columns(path, together)
        kind = _kind_in(path, together[0].names)
        first = first or (columns["id"][0], columns[kind][0])
        same = ((columns["id"] == first[0]) & (columns[kind] == first[1])).all(axis=1)
        if not same.all():
            raise other_atoms(path, together[int(np.argmin(same))].number)
        yield Block(_fractional(path, together, columns), np.stack([frame.cell for frame in together]))


def _numbers(path: Path, frame: Printed, hints: TrajectoryHints) -> IntArray:
    """Return the atomic numbers in the order of the ids."""
    kinds = list(_columns(path, [frame])[_kind_in(path, frame.names)][0])
    if not all(kind.isdigit() for kind in kinds):  # LAMMPS can print its types as labels
        numbers = numbers_of(path, kinds)
        require_elements(path, numbers, hints)
        return numbers
    types = np.array(kinds, dtype=np.int64)
    if hints.elements is None or types.max() > len(hints.elements):
        given = f" but {len(hints.elements)} elements were given" if hints.elements else ""
        raise DataError(
            f"{path} has atoms of the types {', '.join(map(str, np.unique(types)))}{given}",
            remedy="give the elements of the types 1, 2, … in this order (--elements Li,Y,Cl)",
        )
    return numbers_of(path, list(hints.elements))[types - 1]


def _interval(path: Path, start: Sequence[Printed], hints: TrajectoryHints) -> float:
    """Return the time between frames, ps."""
    steps, units = start[1].step - start[0].step, start[0].units
    told = None
    if units in PICOSECONDS and start[0].time is not None and start[1].time is not None:
        told = (start[1].time - start[0].time) * PICOSECONDS[units] / steps
    return steps * timestep_of(path, told, hints, per="step")


def _evenly(path: Path, frames: Iterator[Printed], notes: list[str]) -> Iterator[Printed]:
    """Leave out a frame printed again by a restart; refuse steps that do not go on evenly."""
    last = interval = None
    for frame in frames:
        if last is not None:
            if frame.step == last.step and _same_place(path, frame, last):
                notes.append(f"frame {frame.number} repeats the one before, and was left out")
                continue
            since = (frame.step - last.step, (frame.time or 0.0) - (last.time or 0.0))
            interval = interval or since
            if since[0] <= 0 or since[0] != interval[0] or _differ(since[1], interval[1]):
                raise DataError(
                    f"frame {frame.number} of {path} comes {since[0]} steps ({since[1]:g}) after the last",
                    f"{interval[0]} steps ({interval[1]:g}), as first" if interval[0] > 0 else "later steps",
                    "read the parts one by one",
                )
        last = frame
        yield frame


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > SAME_TIME * abs(other)


def _same_place(path: Path, one: Printed, other: Printed) -> bool:
    first, second = (_fractional(path, [frame], _columns(path, [frame])) for frame in (one, other))
    gap = first - second
    return bool(np.abs(gap - np.rint(gap)).max() < SAME_PLACE)
