"""Crystals: CIF, POSCAR, extended XYZ and whatever else ASE reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io import read as ase_read
from ase.io import write as ase_write

from frustra.errors import DataError
from frustra.io.files import replacing
from frustra.structures import has_volume, supercell


def read_structure(path: Path | str) -> Atoms:
    """Read a crystal in any format that ASE knows, in LAMMPS' orientation of the cell.

    Raises
    ------
    DataError
        No such file, an unknown or damaged format, partial occupancies, or no periodic cell.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no structure file {path}", remedy="check `structure` in the study file")
    try:
        atoms: Any = ase_read(path)
    except Exception as error:  # noqa: BLE001 - ASE's readers raise anything at all
        raise DataError(
            f"{path} cannot be read as a structure ({type(error).__name__}: {error})",
            "a CIF, POSCAR, extxyz or other file that ASE reads",
        ) from None
    _refuse_partial_occupancy(atoms, path)
    if not has_volume(atoms):
        raise DataError(f"{path} has no three-dimensional cell", "a periodic crystal")
    plain = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    return supercell(plain, (1, 1, 1))


def _refuse_partial_occupancy(atoms: Atoms, path: Path) -> None:
    occupancy = atoms.info.get("occupancy") or {}
    for label, site in occupancy.items():
        if sum(site.values()) < 0.999 or len(site) > 1:
            kinds = ", ".join(f"{e} {x:g}" for e, x in site.items())
            raise DataError(
                f"{path} has a partially occupied site (number {label}: {kinds})",
                "an ordered cell",
                "choose one ordering; frustra then searches for the lowest one itself",
            )


def write_structure(path: Path, atoms: Atoms) -> None:
    """Write a crystal; the suffix of the path chooses the format."""
    with replacing(path) as temporary:
        ase_write(temporary, atoms, format={".cif": "cif"}.get(path.suffix, "extxyz"))


def write_frames(path: Path, frames: Sequence[Atoms]) -> None:
    """Write several structures and what their `info` holds as extended XYZ."""
    with replacing(path) as temporary:
        ase_write(temporary, list(frames), format="extxyz")


def read_frames(path: Path) -> list[Atoms]:
    """Read all structures of an extended XYZ file, with their `info`."""
    try:
        frames: Any = ase_read(path, index=":", format="extxyz")
    except Exception as error:  # noqa: BLE001 - ASE's readers raise anything at all
        raise DataError(f"{path} cannot be read ({error})", "extended XYZ", "make it anew") from None
    return list(frames)
