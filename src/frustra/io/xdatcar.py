"""VASP's XDATCAR: fractional positions of every so many steps, in a fixed or varying cell."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.io.decode import decoded
from frustra.io.hints import TrajectoryHints, numbers_of, require_elements, temperature_of, timestep_of
from frustra.io.source import BLOCK, Block, Cut, Source, damaged, lines, opened, other_atoms, whole

MARK = b"Direct configuration="


class _Head(NamedTuple):
    cell: Array
    numbers: IntArray


class _Text(NamedTuple):
    """One frame, not decoded."""

    counted: int
    """The number that the file gives it."""
    cell: Array
    body: bytes


@contextmanager
def xdatcar(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open an XDATCAR; it tells neither time nor temperature.

    Raises
    ------
    DataError
        A damaged header, elements that it does not name, no time step, or, while it is read, a damaged
        frame.
    """
    with opened(path) as file:
        try:
            head = _head(path, lines(file, 7), hints)
        except (Cut, ValueError, IndexError) as error:
            raise DataError(f"{path} has a damaged header ({error})", "an XDATCAR of VASP 5 or 6") from None
        timestep, temperature = timestep_of(path, None, hints), temperature_of(path, None, hints)
        notes: list[str] = []
        blocks = _blocks(path, file, head, hints, notes)
        yield Source("VASP XDATCAR", head.numbers, timestep, temperature, blocks, notes=notes)


def _head(path: Path, text: list[bytes], hints: TrajectoryHints) -> _Head:
    """Understand a header: comment, scale, three cell vectors, elements, how many of each."""
    scale = float(text[1])
    cell = np.array([line.split() for line in text[2:5]], dtype=float).reshape(3, 3)
    if scale < 0:  # as in a POSCAR: the volume
        scale = (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
    words, counts = text[5].decode().split(), [int(word) for word in text[6].split()]
    symbols = [word.split("/")[0].split("_")[0] for word in words]  # VASP 6 adds the potential's name
    if symbols and symbols[0].isdigit():
        raise DataError(f"{path} does not name its elements", "an XDATCAR of VASP 5 or 6")
    if len(symbols) != len(counts) or min(counts) < 1:
        raise ValueError(f"{len(symbols)} elements with {len(counts)} numbers of atoms")
    numbers = np.repeat(numbers_of(path, symbols), counts)
    require_elements(path, numbers, hints)
    return _Head(cell * scale, numbers)


def _blocks(
    path: Path, file: BinaryIO, head: _Head, hints: TrajectoryHints, notes: list[str]
) -> Iterator[Block]:
    frames = _evenly_counted(path, whole(_texts(path, file, head, hints), notes), notes)
    atoms, done = len(head.numbers), 0
    while batch := list(islice(frames, max(1, BLOCK // atoms))):
        positions = _decoded(path, [text.body for text in batch], atoms, done)
        yield Block(positions, np.stack([text.cell for text in batch]))
        done += len(batch)


def _texts(path: Path, file: BinaryIO, head: _Head, hints: TrajectoryHints) -> Iterator[_Text]:
    """Give the frames as text; a header may stand before each."""
    cell, atoms, frame = head.cell, len(head.numbers), 0
    while mark := file.readline():
        if not mark.strip():
            continue
        frame += 1
        try:
            if not mark.startswith(MARK):
                *rest, after = lines(file, 7)
                new = _head(path, [mark, *rest], hints)
                if not np.array_equal(new.numbers, head.numbers):
                    raise other_atoms(path, frame)
                cell, mark = new.cell, after
            body = b"".join(lines(file, atoms))
            yield _Text(_count(mark), cell, body)
        except (ValueError, IndexError) as error:
            raise damaged(path, frame, error) from None


def _count(mark: bytes) -> int:
    if not mark.startswith(MARK):
        raise ValueError(f"no '{MARK.decode()}'")
    return int(mark[len(MARK) :])


def _evenly_counted(path: Path, frames: Iterator[_Text], notes: list[str]) -> Iterator[_Text]:
    """Refuse frames that the file counts at unequal distances; note where it counts anew (a restart)."""
    first = last = step = None
    for number, text in enumerate(frames, 1):
        if first is None:
            first = text.counted
        elif step is None or last is None:
            step = text.counted - first
        elif text.counted == first:
            notes.append(f"counted anew from frame {number}: taken as one run that goes on")
        elif text.counted - last != step:
            raise DataError(
                f"frames {number - 1} and {number} of {path} are counted {last} and {text.counted}",
                f"a distance of {step} as before",
                "read the parts one by one",
            )
        last = text.counted
        yield text


def _decoded(path: Path, bodies: list[bytes], atoms: int, done: int) -> Array:
    """Return the positions of some frames, (frames, atoms, 3)."""
    try:
        return decoded(b"".join(bodies), 3).reshape(len(bodies), atoms, 3)
    except ValueError as error:
        if len(bodies) == 1:
            raise damaged(path, done + 1, error) from None
    parts = [_decoded(path, [body], atoms, done + k) for k, body in enumerate(bodies)]
    return np.concatenate(parts)  # pragma: no cover - one of them was refused
