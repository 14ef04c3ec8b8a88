"""The one seam to other programs' trajectories: what a file tells, and its frames in blocks."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, cast

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.errors import DataError

BLOCK = 2**15
"""Frames × atoms read at once (0.8 MB of positions, so that a processor's cache holds them)."""

Item = TypeVar("Item")

BUFFER = 2**20
"""Bytes read from the disk at once."""


class Frame(NamedTuple):
    """One frame as a file has it."""

    positions: Array
    """(atoms, 3), in units of the cell vectors."""
    cell: Array
    """(3, 3), Å."""


class Block(NamedTuple):
    """Some successive frames."""

    positions: Array
    """(frames, atoms, 3)."""
    cells: Array
    """(frames, 3, 3), Å."""


@dataclass(frozen=True)
class Source:
    """A trajectory of another program, open, in the order of its frames."""

    format: str
    """What the file is, for messages and `info`."""
    numbers: IntArray
    """(atoms,) atomic numbers."""
    timestep: float
    """Time between frames, ps."""
    temperature: float
    """K; NaN where nobody tells it."""
    blocks: Iterator[Block]
    """Positions in units of the cell vectors; atoms in the same order in every frame."""
    unwrapped: bool = False
    """Whether the format says that positions go on beyond the cell."""
    notes: list[str] = field(default_factory=list)
    """What the user should know; complete when the blocks are exhausted."""

    def __post_init__(self) -> None:
        if len(self.numbers) == 0:
            raise DataError(f"{self.format} without atoms", "a crystal")


class Cut(Exception):  # noqa: N818 - no error: a killed run leaves this
    """The file ends in the middle of a frame."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read its bytes, decompressed where it is a gzip file whatever its name.

    Raises
    ------
    DataError
        A compressed file that is torn or damaged, also while it is read.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb", 0) as raw:
            yield io.BufferedReader(cast("io.RawIOBase", raw), BUFFER)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged ({error})", "a whole gzip file", "copy it again") from None


def lines(file: BinaryIO, count: int) -> list[bytes]:
    """Return that many whole lines; raise `Cut` where the file ends before."""
    found = list(islice(file, count))
    if len(found) < count or (found and not found[-1].endswith(b"\n")):
        raise Cut
    return found


def whole(frames: Iterable[Item], notes: list[str]) -> Iterator[Item]:
    """Give the frames up to where the file ends in the middle of one, and then note that."""
    try:
        yield from frames
    except Cut:
        notes.append("the file ends in the middle of a frame, which was left out")


def blocks_of(frames: Iterator[Frame], atoms: int) -> Iterator[Block]:
    """Put successive frames together to blocks."""
    while together := list(islice(frames, max(1, BLOCK // atoms))):
        yield Block(*(np.stack(parts) for parts in zip(*together, strict=True)))


def damaged(path: Path, frame: int, why: object = "") -> DataError:
    """Return the error for a frame, counted from one, that cannot be understood."""
    reason = f" ({why})" if str(why) else ""
    return DataError(f"frame {frame} of {path} is damaged{reason}", remedy="make the file anew")


def other_atoms(path: Path, frame: int, what: str = "other atoms than the first") -> DataError:
    """Return the error for a frame, counted from one, whose atoms are not those of the first."""
    return DataError(
        f"frame {frame} of {path} has {what}",
        "the same atoms in the same order in every frame",
        "read runs of different cells one by one",
    )
