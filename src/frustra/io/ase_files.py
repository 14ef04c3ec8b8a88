"""Extended XYZ and ASE's .traj, frame by frame, by ASE's own readers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from ase import Atoms
from ase.io import Trajectory as AseTrajectory
from ase.io import read

from frustra.errors import DataError
from frustra.io.hints import TrajectoryHints, require_elements, temperature_of, timestep_of
from frustra.io.source import Cut, Frame, Source, blocks_of, damaged, lines, opened, other_atoms, whole

BEYOND = "unwrapped_position"
"""GPUMD's column of positions that go on beyond the cell."""


@contextmanager
def extxyz(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open an extended XYZ file; it tells neither time nor temperature.

    Raises
    ------
    DataError
        No periodic cell, no time step, or, while it is read, a damaged frame or one of other atoms.
    """
    with opened(path) as file:
        notes: list[str] = []
        yield _source(path, "extended XYZ", whole(_xyz_frames(path, file), notes), hints, notes)


def _xyz_frames(path: Path, file: BinaryIO) -> Iterator[Atoms]:
    frame, first = 0, None
    while head := file.readline():
        if not head.strip():
            continue
        frame += 1
        try:
            count = int(head)
            first = count if first is None else first
            if count != first:  # else a wrong number might swallow the rest of the file
                raise other_atoms(path, frame, f"{count} atoms")
            text = b"".join([head, *lines(file, 1 + count)])
            atoms: Any = read(StringIO(text.decode()), format="extxyz")
        except (Cut, DataError):
            raise
        except Exception as error:  # noqa: BLE001 - ASE's readers raise anything at all
            raise damaged(path, frame, error) from None
        yield atoms


@contextmanager
def ase_trajectory(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open an ASE .traj file; it tells neither time nor temperature.

    Raises
    ------
    DataError
        A damaged file, no periodic cell, no time step, or, while it is read, a damaged frame or one of other
        atoms.
    """
    with path.open("rb") as raw:  # ASE would leave a damaged file open
        try:
            file: Any = AseTrajectory(raw)
        except Exception as error:  # noqa: BLE001 - ASE's readers raise anything at all
            raise DataError(f"{path} is damaged ({error})", "a .traj file of ASE", "make it anew") from None
        yield _source(path, "ASE .traj", _traj_frames(path, file), hints, [])


def _traj_frames(path: Path, file: Any) -> Iterator[Atoms]:
    for frame in range(len(file)):
        try:
            yield file[frame]
        except Exception as error:  # noqa: BLE001 - ASE's readers raise anything at all
            raise damaged(path, frame + 1, error) from None


def _source(
    path: Path, kind: str, frames: Iterator[Atoms], hints: TrajectoryHints, notes: list[str]
) -> Source:
    first = next(frames, None)
    if first is None:
        raise DataError(f"{path} has no whole frame", "at least two")
    numbers = first.numbers.astype(np.int64)
    require_elements(path, numbers, hints)
    beyond = BEYOND in first.arrays
    blocks = blocks_of(_periodic(path, chain([first], frames), beyond), len(first))
    timestep, temperature = timestep_of(path, None, hints), temperature_of(path, None, hints)
    return Source(kind, numbers, timestep, temperature, blocks, unwrapped=beyond, notes=notes)


def _periodic(path: Path, frames: Iterable[Atoms], beyond: bool) -> Iterator[Frame]:
    """Give positions in units of the cell vectors; refuse other atoms and cells that are not periodic."""
    numbers = None
    for frame, atoms in enumerate(frames, 1):
        numbers = atoms.numbers if numbers is None else numbers
        if not np.array_equal(atoms.numbers, numbers):
            raise other_atoms(path, frame)
        if not (atoms.pbc.all() and atoms.cell.rank == 3):
            raise DataError(
                f"frame {frame} of {path} is not periodic in three directions", "a cell with every frame"
            )
        if beyond and BEYOND not in atoms.arrays:
            raise damaged(path, frame, f"no {BEYOND}")
        positions = atoms.arrays[BEYOND] if beyond else atoms.positions
        yield Frame(positions @ np.linalg.inv(atoms.cell.array), atoms.cell.array)
