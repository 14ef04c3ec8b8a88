"""Crystals: CIF, POSCAR, extended XYZ and whatever else ASE reads."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import iread as ase_iread
from ase.io import read as ase_read
from ase.io import write as ase_write

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.files import replacing, require, write_text
from frustra.io.trajectories import format_of
from frustra.sites.record import Sites
from frustra.structures import formula, has_volume, supercell

MAYBE_SINGLE = {"extended XYZ": "extxyz", "ASE .traj": "traj"}
"""Formats of trajectories that also hold single crystals, and ASE's names of them."""

DUMMIES = {"oct": "He", "tet": "Ne", "other": "Ar"}
"""Elements that stand for sites in a CIF, as programs know no others."""


def read_structure(path: Path | str) -> Atoms:
    """Read a crystal in any format that ASE knows, in LAMMPS' orientation of the cell.

    Raises
    ------
    DataError
        No such file, an unknown or damaged format, partial occupancies, or no periodic cell.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no structure file {path}", remedy="check the path")
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


def is_crystal(path: Path) -> bool:
    """Return whether a file is a single crystal rather than a trajectory."""
    require(path)
    found = format_of(path)
    if found not in MAYBE_SINGLE:
        return found is None
    try:
        return sum(1 for _ in ase_iread(path, index=":2", format=MAYBE_SINGLE[found])) == 1
    except Exception:  # noqa: BLE001 - ASE's readers raise anything; who reads it next will tell what it is
        return False


def write_sites(
    path: Path, framework: Atoms, sites: Sites, occupancy: Array | None = None, note: str = ""
) -> None:
    """Write the framework and all its sites as CIF.

    An open site is a dummy atom at the middle of its vertices: He in an octahedron, Ne in a tetrahedron,
    Ar in another polyhedron. Its label is its kind and number (`oct12`), its description its class. A site
    that holds a framework cation is marked by the cation alone.

    Parameters
    ----------
    framework
        Atoms without the mobile ones.
    sites
        Of this framework, in the same cell.
    occupancy
        (n,) mean number of ions in each site, cut at 1; by default no occupancies are written.
    note
        One line for whoever opens the file.
    """
    lengths = framework.cell.cellpar()
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [
        f"data_{formula(framework)}_sites",
        "# He: octahedral site, Ne: tetrahedral, Ar: other; sites with a framework cation are that cation",
        *([f"# {note}"] if note else []),
        *(f"_cell_{n} {v:.8f}" for n, v in zip(names, lengths, strict=True)),
        "_space_group_name_H-M_alt 'P 1'",
        "loop_\n  _space_group_symop_operation_xyz\n  'x, y, z'",
        "loop_",
        *(
            f"  _atom_site_{column}"
            for column in _CIF_COLUMNS
            if column != "occupancy" or occupancy is not None
        ),
        *_atom_lines(framework, occupancy is not None),
        *_site_lines(sites, occupancy),
    ]
    write_text(path, "\n".join(lines) + "\n")


_CIF_COLUMNS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy", "description")


def _atom_lines(framework: Atoms, occupied: bool) -> Iterator[str]:
    number: Counter[str] = Counter()
    for symbol, place in zip(framework.symbols, framework.get_scaled_positions(), strict=True):
        number[symbol] += 1
        yield _cif_line(f"{symbol}{number[symbol]}", symbol, place, 1.0 if occupied else None, "framework")


def _site_lines(sites: Sites, occupancy: Array | None) -> Iterator[str]:
    places = sites.positions @ np.linalg.inv(sites.cell) % 1
    for i in np.flatnonzero(sites.open):
        kind = str(sites.kind[i])
        part = None if occupancy is None else min(1.0, float(occupancy[i]))
        yield _cif_line(f"{kind}{i}", DUMMIES[kind], places[i], part, str(sites.label[i]))


def _cif_line(label: str, symbol: str, place: Array, occupancy: float | None, text: str) -> str:
    x, y, z = (f"{v:.8f}" for v in place)
    part = [] if occupancy is None else [f"{occupancy:.4f}"]
    return "  ".join(["", label, symbol, x, y, z, *part, f"'{text}'"])
