"""The text of LAMMPS' dumps: headers, boxes and columns, without their meaning."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.source import damaged, lines, other_atoms

Columns = dict[str, Any]
"""Arrays by the names of columns, each (frames, atoms)."""


class Printed(NamedTuple):
    """One frame as it is printed, its atoms not decoded."""

    number: int
    """Counted from one."""
    step: int
    time: float | None
    units: str | None
    """LAMMPS' style of units, which only the first frame tells."""
    cell: Array
    corner: Array
    names: tuple[str, ...]
    """Of the columns."""
    body: bytes
    """One line per atom."""


def printed_frames(path: Path, file: BinaryIO) -> Iterator[Printed]:
    """Give the frames of a dump; all must have the same number of atoms and the same columns.

    Raises
    ------
    Cut
        The file ends in the middle of a frame.
    DataError
        A damaged frame, another number of atoms, or a box that is not periodic.
    """
    number, first = 0, None
    while line := file.readline():
        if not line.strip():
            continue
        number += 1
        try:
            items: dict[str, list[str]] = {}
            while not line.startswith(b"ITEM: ATOMS"):
                name, count, rest = _item(line)
                items[name] = rest + [text.decode().strip() for text in lines(file, count)]
                (line,) = lines(file, 1)
            atoms, names = int(items["NUMBER OF ATOMS"][0]), tuple(line.decode().split()[2:])
            first = first or (atoms, names)
            if (atoms, names) != first or atoms < 1:
                raise other_atoms(path, number, f"{atoms} atoms with the columns {' '.join(names)}")
            time = float(items["TIME"][0]) if "TIME" in items else None
            cell, corner = _box(path, *items["BOX"])
            body = b"".join(lines(file, atoms))
            step, units = int(items["TIMESTEP"][0]), items.get("UNITS", [None])[0]
            yield Printed(number, step, time, units, cell, corner, names, body)
        except (ValueError, KeyError, IndexError) as error:
            raise damaged(path, number, error) from None


def _item(line: bytes) -> tuple[str, int, list[str]]:
    """Return the name of a section of the header, how many lines follow, and what else the line says."""
    first, *words = line.decode().split()
    if first != "ITEM:":
        raise ValueError(f"no ITEM: in {line.decode().strip()[:40]!r}")
    if words[:2] == ["BOX", "BOUNDS"]:
        return "BOX", 3, [" ".join(words[2:])]
    return " ".join(words), 1, []


def _box(path: Path, kind: str, *rows: str) -> tuple[Array, Array]:
    """Return the cell vectors and the corner of an orthogonal, triclinic or general triclinic box, Å."""
    bounds = np.array([row.split() for row in rows], dtype=float)
    edges = [word for word in kind.split() if len(word) == 2 and word not in ("xy", "xz", "yz")]
    if set(edges) - {"pp"}:
        raise DataError(f"{path} has a box with the edges {' '.join(edges)}", "a periodic crystal (pp pp pp)")
    if kind.startswith("abc origin"):
        return bounds[:, :3], bounds[:, 3]
    xy, xz, yz = bounds[:, 2] if kind.startswith("xy xz yz") else (0.0, 0.0, 0.0)
    low, high = bounds[:, 0], bounds[:, 1]
    low[:2] -= min(0.0, xy, xz, xy + xz), min(0.0, yz)
    high[:2] -= max(0.0, xy, xz, xy + xz), max(0.0, yz)
    lx, ly, lz = high - low
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]), low


def columns_of(path: Path, frames: Sequence[Printed], wanted: dict[str, pa.DataType]) -> Columns:
    """Decode some columns of some frames.

    Raises
    ------
    DataError
        The first frame of these that cannot be decoded.
    """
    text = b"".join(frame.body for frame in frames)
    try:
        return _decoded(text, frames[0].names, wanted, len(frames))
    except ValueError as error:
        if len(frames) == 1:
            raise damaged(path, frames[0].number, error) from None
    parts = [columns_of(path, [frame], wanted) for frame in frames]
    return {name: np.concatenate([part[name] for part in parts]) for name in wanted}


def _decoded(text: bytes, names: Sequence[str], wanted: dict[str, pa.DataType], frames: int) -> Columns:
    if text[: text.find(b"\n")].endswith(b" "):  # as older versions of LAMMPS end their lines
        text = text.replace(b" \n", b"\n")
    try:
        table = _table(text, names, wanted)
    except pa.ArrowInvalid:  # more than one blank between numbers
        table = _table(b"\n".join(b" ".join(line.split()) for line in text.splitlines()), names, wanted)
    return {name: table[name].to_numpy().reshape(frames, -1) for name in wanted}


def _table(text: bytes, names: Sequence[str], wanted: dict[str, pa.DataType]) -> pa.Table:
    return pc.read_csv(
        io.BytesIO(text),
        pc.ReadOptions(column_names=list(names), use_threads=False),
        pc.ParseOptions(delimiter=" ", quote_char=False),
        pc.ConvertOptions(include_columns=list(wanted), column_types=wanted),
    )
