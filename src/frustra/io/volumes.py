"""Number densities on a grid as files that other programs draw: VASP's CHGCAR and Gaussian's cube."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np
from ase import Atoms
from ase.units import Bohr

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.files import replacing, require

PER_LINE = {"chgcar": 5, "cube": 6}
"""Values in a line; in a cube, the last line of every row along the third vector may have fewer."""

AT_ONCE = 2**16
"""Numbers that are written at once."""


@dataclass(frozen=True)
class Volume:
    """A number density in the cell of a crystal."""

    values: Array
    """(n1, n2, n3), Å⁻³, at the points m/n of the cell."""
    atoms: Atoms
    """The crystal around it, with the cell."""


def write_chgcar(path: Path, volume: Volume, title: str) -> None:
    """Write a density as VASP's CHGCAR: ρ times the volume of the cell, the first index fastest.

    The mean of the values is the number of ions. VESTA, pymatgen and ASE read it.

    Parameters
    ----------
    path
        Any name; VESTA knows `CHGCAR…` and `….vasp`.
    volume, title
        The density with its atoms, which are written element by element, and the first line.

    Raises
    ------
    DataError
        A crystal without atoms, which the format has no place for.
    """
    atoms = volume.atoms
    if len(atoms) == 0:
        raise DataError("no framework atoms for a CHGCAR", "at least one atom", "write a cube file")
    symbols = np.array(atoms.get_chemical_symbols())
    elements = list(dict.fromkeys(symbols.tolist()))
    counts = [int((symbols == e).sum()) for e in elements]
    places = np.concatenate([atoms.get_scaled_positions()[symbols == e] for e in elements])
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f"{_one_line(title)}\n   1.00000000000000\n")
        file.writelines(_row(vector, " 21.16f") for vector in atoms.cell.array)
        file.write("".join(f"{e:>5}" for e in elements) + "\n")
        file.write("".join(f"{n:6d}" for n in counts) + "\nDirect\n")
        file.writelines(_row(place, "20.16f") for place in places)
        file.write("\n" + "".join(f"{n:5d}" for n in volume.values.shape) + "\n")
        scaled = volume.values.ravel(order="F") * atoms.get_volume()
        file.writelines(_lines(scaled, PER_LINE["chgcar"], "%18.11E"))


def write_cube(path: Path, volume: Volume, title: str) -> None:
    """Write a density as a Gaussian cube: lengths in Bohr, ρ in Bohr⁻³, the last index fastest.

    Parameters
    ----------
    path
        Ends in `.cube` for most programs.
    volume, title
        The density with its atoms, and the first line; the second tells the unit.
    """
    atoms, shape = volume.atoms, volume.values.shape
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f"{_one_line(title)}\nnumber density in Bohr^-3, lengths in Bohr\n")
        file.write(f"{len(atoms):5d}" + _row(np.zeros(3), "12.6f"))
        for points, vector in zip(shape, atoms.cell.array, strict=True):
            file.write(f"{points:5d}" + _row(vector / points / Bohr, "18.12f"))
        for number, position in zip(atoms.numbers, atoms.positions / Bohr, strict=True):
            file.write(f"{number:5d}{float(number):12.6f}" + _row(position, "12.6f"))
        for row in (volume.values * Bohr**3).reshape(-1, shape[2]):
            file.writelines(_lines(row, PER_LINE["cube"], "%13.5E"))


def _one_line(title: str) -> str:
    return " ".join(title.split())


def _row(values: Iterable[float], form: str) -> str:
    return "".join(f"{v:{form}}" for v in values) + "\n"


def _lines(values: Array, per_line: int, form: str) -> Iterator[str]:
    """Give the lines of many numbers, some at once."""
    some = per_line * max(1, AT_ONCE // per_line)
    for first in range(0, len(values), some):
        part = values[first : first + some]
        full, left = divmod(len(part), per_line)
        text = (form * per_line + "\n") * full + (form * left + "\n") * (left > 0)
        yield text % tuple(part)


def read_chgcar(path: Path) -> Volume:
    """Read the first density of a CHGCAR whose values are ρ times the volume of the cell.

    Raises
    ------
    DataError
        No such file, or one that is not a whole CHGCAR.
    """
    require(path)
    with path.open(encoding="utf-8") as file:
        try:
            return _chgcar(file)
        except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
            raise _damaged(path, "CHGCAR", error) from None


def _chgcar(file: TextIO) -> Volume:
    lines = [file.readline() for _ in range(8)]
    cell = float(lines[1]) * np.array([line.split() for line in lines[2:5]], dtype=float)
    counts = [int(n) for n in lines[6].split()]
    symbols = list(chain.from_iterable([e] * n for e, n in zip(lines[5].split(), counts, strict=True)))
    places = np.array([file.readline().split()[:3] for _ in symbols], dtype=float)
    atoms = Atoms(symbols, cell=cell, pbc=True)
    if lines[7].strip().lower().startswith("d"):
        atoms.set_scaled_positions(places)
    else:
        atoms.set_positions(places * float(lines[1]))
    file.readline()
    shape = [int(n) for n in file.readline().split()]
    values = _numbers(file, int(np.prod(shape))).reshape(shape, order="F")
    return Volume(values / atoms.get_volume(), atoms)


def read_cube(path: Path) -> Volume:
    """Read a Gaussian cube of one density, in Bohr⁻³, in a cell that the grid fills.

    Raises
    ------
    DataError
        No such file, or one that is not a whole cube with its origin at zero and lengths in Bohr.
    """
    require(path)
    with path.open(encoding="utf-8") as file:
        try:
            return _cube(file)
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise _damaged(path, "cube", error) from None


def _cube(file: TextIO) -> Volume:
    head = [file.readline() for _ in range(6)]
    rows = np.array([line.split()[:4] for line in head[2:]], dtype=float)
    if rows[0, 1:].any() or (rows[:, 0] < 0).any():
        raise ValueError("an origin away from zero, or orbitals")
    shape = rows[1:, 0].astype(int)
    lines = [file.readline().split() for _ in range(int(rows[0, 0]))]
    numbers = [int(line[0]) for line in lines]
    positions = np.array([line[2:5] for line in lines], dtype=float).reshape(-1, 3)
    atoms = Atoms(numbers, positions=positions * Bohr, cell=rows[1:, 1:] * shape[:, None] * Bohr, pbc=True)
    return Volume(_numbers(file, int(shape.prod())).reshape(shape) / Bohr**3, atoms)


def _numbers(file: TextIO, count: int) -> Array:
    """Read so many numbers, whatever the lines, and nothing after them."""
    values: list[float] = []
    while len(values) < count and (line := file.readline()):
        values += map(float, line.split())
    if len(values) != count:
        raise ValueError(f"{len(values)} values where {count} were announced")
    return np.array(values)


def _damaged(path: Path, form: str, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({error})", f"a whole {form}", "write it anew")
