"""Energies of atoms as text, element by element: the `doas.out` of GPUMDkit.

A section for each element is a line `# Li`, then one energy (eV) to a line, in the order of the frames and of
the atoms in each, then an empty line. Temperatures and the number of atoms are not told.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.files import replacing, require

NAME = re.compile(r"[A-Z][A-Za-z0-9()]*")
"""What may stand behind the `#`: an element, or a group such as PS4."""

READ = csv.ReadOptions(column_names=["energy"], use_threads=False)
PARSE = csv.ParseOptions(quote_char=False)
CONVERT = csv.ConvertOptions(column_types={"energy": pa.float64()}, null_values=[])

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_levels_text(path: Path | str) -> dict[str, Array]:
    """Return the energies (eV) of every element of a text, in the order in which they stand there.

    Sections of one element are put together. Empty lines mean nothing.

    Raises
    ------
    DataError
        No such file, an empty section, or a line that is neither `# ELEMENT` nor one finite number; it is
        named by its number.
    """
    path = Path(path)
    require(path)
    text = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    found: dict[str, list[Array]] = {}
    first = text.find(b"#")
    if text[: max(first, 0) if first >= 0 else len(text)].strip():
        raise DataError(
            f"{path} line {_first_line(text)} is in no section", "a line `# Li` above the energies of Li"
        )
    for name, body, line in list(_sections(path, text)):  # all headlines are looked at first
        energies = _numbers(path, body, line)
        if not len(energies):
            raise DataError(f"{path} line {line}: no energies of {name}", f"one to a line below `# {name}`")
        found.setdefault(name, []).append(energies)
    if not found:
        raise DataError(f"{path} is empty", "sections `# Li` with one energy to a line")
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _sections(path: Path, text: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Give the element, the lines and the number of the headline of every section."""
    mark, line, counted = text.find(b"#"), 1, 0
    while mark >= 0:
        line, counted = line + text.count(b"\n", counted, mark), mark
        begin = text.rfind(b"\n", 0, mark) + 1
        end = text.find(b"\n", mark)
        end = len(text) if end < 0 else end
        name = text[mark + 1 : end].decode(errors="replace").strip()
        if text[begin:mark].strip() or not NAME.fullmatch(name):
            _refuse(path, line, text[begin:end])
        mark = text.find(b"#", end)
        stop = len(text) if mark < 0 else text.rfind(b"\n", 0, mark) + 1
        yield name, text[end:stop], line


def _numbers(path: Path, body: bytes, line: int) -> Array:
    """Return the numbers of lines, one in each; the first follows that with the given number."""
    if not body.strip():
        return np.zeros(0)
    try:
        table = csv.read_csv(pa.BufferReader(body), READ, PARSE, CONVERT)
    except pa.ArrowInvalid:
        _find_mistake(path, body, line)
        words = body.split()  # numbers as only Python reads them
        return np.array(words, dtype=float)
    energies: Array = table[0].to_numpy()
    if not np.isfinite(energies).all():
        _find_mistake(path, body, line)
    return energies


def _find_mistake(path: Path, body: bytes, line: int) -> None:
    for number, text in enumerate(body.split(b"\n"), line):
        words = text.split()
        try:
            right = all(np.isfinite(float(word)) for word in words) and len(words) < 2
        except ValueError:
            right = False
        if not right:
            _refuse(path, number, text)


def _refuse(path: Path, line: int, text: bytes) -> None:
    shown = text.decode(errors="replace").strip()[:40]
    raise DataError(f"{path} line {line}: {shown!r}", "`# ELEMENT`, or one finite energy in eV")


def _first_line(text: bytes) -> int:
    """Return the number of the first line that is not empty."""
    return 1 + (text[: len(text) - len(text.lstrip())]).count(b"\n")


def write_levels_text(path: Path, energies: Mapping[str, Array]) -> None:
    """Write energies (eV) of every element, as many digits as tell them exactly.

    Parameters
    ----------
    path
        The file; it appears in one piece.
    energies
        Element → energies in the order of the frames and of the atoms in each.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
        for name, values in energies.items():
            numbers = pa.array(np.asarray(values, dtype=float)).cast(pa.string()).to_pylist()
            file.write(f"# {name}\n" + "\n".join(numbers) + "\n\n")
