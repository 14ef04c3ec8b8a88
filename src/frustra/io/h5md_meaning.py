"""What the numbers in an H5MD file of another program mean: lengths, times, elements.

H5MD leaves units out where a program has none, and species may be atomic numbers or any numbers at all.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase.data import atomic_numbers

from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.io.hints import SAME_TIME, TrajectoryHints, numbers_of, require_elements, timestep_of
from frustra.units import FS

LENGTHS = {"Angstrom": 1.0, "angstrom": 1.0, "Ang": 1.0, "A": 1.0, "nm": 10.0, "pm": 0.01, "m": 1e10}
TIMES = {"ps": 1.0, "fs": 1 / FS, "ns": 1e3, "us": 1e6, "s": 1e12, "AKMA": 0.04888821}
"""Å and ps, by the symbols of H5MD and those that programs write; AKMA is CHARMM's unit of time."""

IN_ANGSTROM = ("lammps", "MDAnalysis")
"""Programs that leave the unit of length out and mean Å."""

ATOMIC_NUMBERS = ("znh5md",)
"""Programs whose species are atomic numbers."""


def text(value: Any) -> str:
    """Return a string as HDF5 has it, of fixed or variable length, alone or as the only one of an array."""
    word = np.ravel(value)[0]
    return (word.decode() if isinstance(word, bytes) else str(word)).strip("\0 ")


def creator_of(file: Any) -> str:
    """Return the name of the program that wrote an H5MD file; nothing where it is not told."""
    head = file["h5md"]
    known = "creator" in head and "name" in head["creator"].attrs
    return text(head["creator"].attrs["name"]) if known else ""


def lengths_of(path: Path, position: Any, edges: Any, creator: str, notes: list[str]) -> tuple[float, float]:
    """Return what the unit of the positions and that of the edges are in Å.

    Raises
    ------
    DataError
        An unknown unit, or none and a program that may have meant any.
    """
    own = _unit(path, position, LENGTHS)
    if own is None:
        if creator not in IN_ANGSTROM:
            raise DataError(
                f"{path} does not tell the unit of its positions ({position.name} has no attribute 'unit')",
                "such as Angstrom or nm",
                "write it into the file",
            )
        notes.append("the file tells no unit of length: taken as Å")
        own = 1.0
    of_edges = _unit(path, edges, LENGTHS)
    return own, own if of_edges is None else of_edges


def _unit(path: Path, data: Any, known: dict[str, float]) -> float | None:
    """Return the value of a unit; None where the data have none."""
    if "unit" not in data.attrs:
        return None
    unit = text(data.attrs["unit"])
    if unit not in known:
        raise DataError(f"{path} has {data.name} in the unit {unit!r}", f"one of {', '.join(known)}")
    return known[unit]


def interval_of(path: Path, position: Any, creator: str, hints: TrajectoryHints) -> float:
    """Return the time between frames, ps.

    Raises
    ------
    DataError
        Unequal distances, an unknown unit, or no unit and no hint. The 1 fs per frame of znh5md counts as
        none: it is what that writes where nobody told it.
    """
    frames = len(position["value"])
    steps = _distance(path, position["step"], frames, "steps")
    told = None
    if "time" in position:
        time = _distance(path, position["time"], frames, "units of time")
        unit = _unit(path, position["time"], TIMES)
        if unit is not None and not (creator == "znh5md" and time * unit == 1 / FS):
            told = time * unit / steps
    return steps * timestep_of(path, told, hints, per="step")


def _distance(path: Path, data: Any, frames: int, what: str) -> float:
    """Return the distance of frames as a file counts them, by one increment or by a value for each."""
    values = np.asarray(data[()])
    if values.ndim == 0:
        values = np.arange(frames) * float(values)
    if values.shape != (frames,):
        raise DataError(f"{path} has {frames} frames, but {data.name} has the shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{data.name} is not finite")
    rounded = float(np.spacing(np.abs(values).max())) if values.dtype.kind == "f" else 0.0
    gaps = np.diff(values.astype(float))
    usual = float(np.median(gaps))
    even = (np.abs(gaps - usual) <= SAME_TIME * usual + rounded) & (usual > 0)
    if not even.all():
        first = int(np.argmin(even))
        raise DataError(
            f"frame {first + 2} of {path} comes {gaps[first]:g} {what} after the last",
            f"{usual:g}, as mostly" if usual > 0 else "later ones",
            "read the parts one by one",
        )
    return float(gaps.mean())


def numbers_of_species(
    path: Path, species: Array, kind: Any, creator: str, hints: TrajectoryHints
) -> IntArray:
    """Return atomic numbers from an enumeration or strings of symbols, atomic numbers, or types.

    Numbers are types 0, 1, … or 1, 2, …, whose elements the hints give in this order, unless they are the
    atomic numbers of those elements, or a program's that writes no others.

    Raises
    ------
    DataError
        Names that are no elements, numbers without hints, or hints that do not fit.
    """
    names = h5py.check_enum_dtype(kind)
    if names is None and kind.kind not in "OSU":
        return _numbers_of_types(path, species, creator, hints)
    symbol = {value: name for name, value in (names or {}).items()}
    symbols = [symbol[value] for value in species] if names else [text(value) for value in species]
    numbers = numbers_of(path, symbols)
    require_elements(path, numbers, hints)
    return numbers


def _numbers_of_types(path: Path, species: Array, creator: str, hints: TrajectoryHints) -> IntArray:
    if not np.array_equal(species, np.rint(species)):
        raise ValueError("species that are no whole numbers")
    kinds = species.astype(np.int64)
    types = set(kinds.tolist())
    if creator in ATOMIC_NUMBERS:
        if not types < set(atomic_numbers.values()) - {0}:
            raise ValueError("species that are no atomic numbers")
        require_elements(path, kinds, hints)
        return kinds
    elements = numbers_of(path, list(hints.elements or ()))
    if types == set(elements.tolist()):
        return kinds
    first = 0 if 0 in types else 1
    known = set(range(first, first + len(elements)))
    if types == known or (creator == "lammps" and types < known):  # LAMMPS may have types without atoms
        return elements[kinds - first]
    given = f" but the elements {','.join(hints.elements)} were given" if hints.elements else ""
    raise DataError(
        f"{path} has atoms of the species {', '.join(map(str, sorted(types)))}{given}",
        remedy="give the element of each species, in this order (--elements Li,Y,Cl)",
    )
