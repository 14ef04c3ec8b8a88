"""The only module that knows file formats.

Every file is written beside its place and renamed into it, so that a kill never leaves half a file.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ase import Atoms
from ase.io import read as ase_read
from ase.io import write as ase_write

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.snapshots import Snapshots
from frustra.states import COLUMNS, StateTable
from frustra.structures import has_volume, supercell
from frustra.trajectory import Trajectory

H5MD_VERSION = (1, 1)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in one piece."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no file {path}", remedy="check the path") from None
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error})", remedy="make it anew") from None


def write_csv(path: Path, columns: dict[str, Any]) -> None:
    """Write named columns of equal length as CSV."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns)] + [",".join(_csv_cell(v) for v in row) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def _csv_cell(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float | np.floating) else str(value)


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


def write_trajectory(path: Path, trajectory: Trajectory) -> None:
    """Write a trajectory as H5MD 1.1: float32 unwrapped positions in Å, times in ps, compressed."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        head = file.create_group("h5md")
        head.attrs["version"] = H5MD_VERSION
        head.create_group("author").attrs["name"] = "frustra"
        creator = head.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "frustra", "1"
        group = file.create_group("particles/all")
        group.create_dataset("species", data=trajectory.numbers.astype(np.int32))
        box = group.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = ["periodic"] * 3
        _write_element(box, "edges", trajectory.cells, "Angstrom", trajectory.timestep)
        _write_element(group, "position", trajectory.positions, "Angstrom", trajectory.timestep)
        file.attrs["temperature"] = trajectory.temperature
        file.attrs["info"] = json.dumps(trajectory.info)


def _write_element(group: h5py.Group, name: str, values: Array, unit: str, timestep: float) -> None:
    """Write one time-dependent H5MD element with evenly spaced steps."""
    element = group.create_group(name)
    dtype = np.float32 if name == "position" else np.float64
    data = element.create_dataset(
        "value", data=values.astype(dtype), compression="gzip", compression_opts=4, fletcher32=True
    )
    data.attrs["unit"] = unit
    element.create_dataset("step", data=1)
    time = element.create_dataset("time", data=timestep)
    time.attrs["unit"] = "ps"


def read_trajectory(path: Path | str) -> Trajectory:
    """Read a trajectory written by `write_trajectory`, in float64."""
    path = Path(path)
    with _opened(path) as file:
        group = file["particles/all"]
        return Trajectory(
            positions=group["position/value"][()].astype(float),
            cells=group["box/edges/value"][()].astype(float),
            numbers=group["species"][()].astype(np.int64),
            timestep=float(group["position/time"][()]),
            temperature=float(file.attrs["temperature"]),
            info=json.loads(file.attrs["info"]),
        )


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if not path.is_file():
        raise DataError(f"no file {path}", remedy="check the path")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise DataError(
            f"{path} is damaged or not written by frustra ({error})", remedy="make it anew"
        ) from None


_SNAPSHOT_ARRAYS = (
    "positions", "cell", "numbers", "energies", "atomic_energies", "fmax", "converged", "force_calls",
    "max_displacement", "displacements", "time",
)  # fmt: skip


def write_snapshots(path: Path, snapshots: Snapshots) -> None:
    """Write relaxed frames as HDF5, float64."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name in _SNAPSHOT_ARRAYS:
            file.create_dataset(name, data=getattr(snapshots, name))
        file.create_dataset("reason", data=[str(r) for r in snapshots.reason], dtype=h5py.string_dtype())
        file.attrs["temperature"] = snapshots.temperature


def read_snapshots(path: Path | str) -> Snapshots:
    """Read relaxed frames written by `write_snapshots`."""
    with _opened(Path(path)) as file:
        arrays = {name: file[name][()] for name in _SNAPSHOT_ARRAYS}
        reason = np.array([r.decode() for r in file["reason"][()]], dtype=str)
        return Snapshots(**arrays, reason=reason, temperature=float(file.attrs["temperature"]))


def write_states(path: Path, states: StateTable) -> None:
    """Write a StateTable as Parquet; units and meanings go into the columns' metadata."""
    schema = [
        pa.field(c.name, pa.array(states[c.name][:0]).type, metadata={"unit": c.unit, "doc": c.doc})
        for c in COLUMNS
    ]
    table = pa.table([pa.array(states[c.name]) for c in COLUMNS], schema=pa.schema(schema))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_states(path: Path | str) -> StateTable:
    """Read a StateTable."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no state table {path}", remedy="check the path")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file ({error})", remedy="make it anew") from None
    return StateTable({name: table[name].to_numpy() for name in table.column_names})
