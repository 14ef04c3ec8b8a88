"""The only module that knows file formats.

Every file is written beside its place and renamed into it, so that a kill never leaves half a file.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ase import Atoms
from ase.io import read as ase_read
from ase.io import write as ase_write

from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.snapshots import Snapshots
from frustra.states import COLUMNS, StateTable
from frustra.structures import has_volume, supercell
from frustra.trajectory import Frames, Selection, Trajectory, frame_range, picked

H5MD_VERSION = (1, 1)

CHUNK = (128, 16)
"""Frames × atoms stored together (24 kB): to read one frame and to read one ion are both cheap."""

PIECE = 2**18
"""Frames × atoms read at once (3 MB)."""


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


class TrajectoryWriter:
    """Write the frames of one simulation as they come, in constant memory.

        with TrajectoryWriter(path, numbers, 0.1, 600.0, {"seed": 1}, cell) as writer:
            writer.append(positions)

    The file is H5MD 1.1 (HDF5 1.10 or later reads it): unwrapped positions in Å, times in ps, compressed,
    all with checksums; a fixed cell is stored once. It appears at `path` when the block ends without an
    exception; until then, and after an exception, `path` is what it was.

    Positions are rounded to single precision, 24 bits: to 2e-6 Å within 32 Å of the origin, and to 6e-5 Å
    at 1000 Å, where unwrapped positions may come by diffusion or drift. That is accepted.

    Parameters
    ----------
    path
        Where the file goes; its folder is made.
    numbers
        (atoms,) atomic numbers.
    timestep
        Time between frames, ps.
    temperature
        K.
    info
        Where the frames come from.
    cell
        (3, 3), Å, if it is fixed; without it, cells are appended with the positions.

    Raises
    ------
    DataError
        A time or temperature that is not above zero, or a cell that is not finite.
    """

    def __init__(
        self,
        path: Path | str,
        numbers: IntArray,
        timestep: float,
        temperature: float,
        info: dict[str, str | float | int] | None = None,
        cell: Array | None = None,
    ) -> None:
        self.path = Path(path)
        cells = np.empty((0, 3, 3)) if cell is None else np.asarray(cell, dtype=float)[None]
        start = np.zeros((len(cells), len(numbers), 3))
        self._head = Trajectory(start, cells, np.asarray(numbers), timestep, temperature, info or {})

    @property
    def _fixed(self) -> bool:
        return len(self._head) > 0

    def __enter__(self) -> Self:
        columns = len(self._head.numbers) // CHUNK[1] + 1
        row = columns * 4 * 3 * CHUNK[0] * CHUNK[1]  # the cache holds what is not full yet, and as much more
        cache = {"rdcc_nbytes": 2**20 + 2 * row, "rdcc_nslots": 521 + 10 * columns}
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            file = h5py.File(
                temporary, "w", libver=("v110", "v110"), **cache
            )  # checksums of all but the data
            self._file = stack.enter_context(file)
            self._write_head()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.__exit__(*exception)  # type: ignore[arg-type]

    def _write_head(self) -> None:
        head = self._file.create_group("h5md")
        head.attrs["version"] = H5MD_VERSION
        head.create_group("author").attrs["name"] = "frustra"
        creator = head.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "frustra", "1"
        group = self._file.create_group("particles/all")
        group.create_dataset("species", data=self._head.numbers.astype(np.int32))
        box = group.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = ["periodic"] * 3
        if self._fixed:
            box.create_dataset("edges", data=self._head.cells[0]).attrs["unit"] = "Angstrom"
        else:
            _create_element(box, "edges", 3, np.float64, self._head.timestep)
        _create_element(group, "position", len(self._head.numbers), np.float32, self._head.timestep)
        self._file.attrs["temperature"] = self._head.temperature
        self._file.attrs["info"] = np.bytes_(json.dumps(self._head.info))

    def append(self, positions: Array, cells: Array | None = None) -> None:
        """Append frames.

        Parameters
        ----------
        positions
            (n, atoms, 3), Å, unwrapped.
        cells
            (n, 3, 3), Å, if the cell varies.

        Raises
        ------
        DataError
            Shapes that do not fit, values that are not finite, cells for a fixed cell or none for a
            varying one.
        """
        if (cells is None) != self._fixed:
            raise DataError(
                f"frames with{'out' if cells is None else ''} cells of their own",
                "either one cell for all frames or a cell with each",
            )
        given = np.broadcast_to(self._head.cells, (len(positions), 3, 3)) if cells is None else cells
        block = replace(self._head, positions=np.asarray(positions), cells=np.asarray(given))
        group = self._file["particles/all"]
        _append(group["position/value"], block.positions)
        if cells is not None:
            _append(group["box/edges/value"], block.cells)


def _create_element(group: h5py.Group, name: str, rows: int, dtype: type, timestep: float) -> None:
    """Create one time-dependent H5MD element (frames, rows, 3) with evenly spaced steps."""
    element = group.create_group(name)
    data = element.create_dataset(
        "value",
        shape=(0, rows, 3),
        maxshape=(None, rows, 3),
        dtype=dtype,
        chunks=(CHUNK[0], max(1, min(rows, CHUNK[1])), 3),
        shuffle=True,
        compression="gzip",
        compression_opts=4,
        fletcher32=True,
    )
    data.attrs["unit"] = "Angstrom"
    element.create_dataset("step", data=1)
    time = element.create_dataset("time", data=timestep)
    time.attrs["unit"] = "ps"


def _append(data: h5py.Dataset, values: Array) -> None:
    """Append to a dataset; HDF5 converts to its type without a copy of the whole."""
    before = len(data)
    data.resize(before + len(values), axis=0)
    data[before:] = values


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


def write_trajectory(path: Path | str, trajectory: Trajectory) -> None:
    """Write a trajectory in memory as `TrajectoryWriter` does."""
    t, cell = trajectory, trajectory.fixed_cell
    with TrajectoryWriter(path, t.numbers, t.timestep, t.temperature, t.info, cell) as writer:
        writer.append(t.positions, t.cells if cell is None else None)


def read_trajectory(path: Path | str, frames: Selection = None, atoms: Selection = None) -> Trajectory:
    """Read a trajectory, or only some frames and atoms of it, in float64; see `TrajectoryFile.read`."""
    with open_trajectory(path) as file:
        return file.read(frames, atoms)


def open_trajectory(path: Path | str) -> "TrajectoryFile":
    """Open a trajectory to read parts of it; use it as a context manager.

    Raises
    ------
    DataError
        No such file, or a damaged one, or one that frustra did not write.
    """
    return TrajectoryFile(path)


class TrajectoryFile(Frames):
    """A trajectory on disk; only what is asked for is read. `open_trajectory` makes it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        _require(self.path)
        with _blaming(self.path), ExitStack() as stack:
            self._file = stack.enter_context(h5py.File(self.path, "r"))
            group = self._file["particles/all"]
            edges = group["box/edges"]
            self._positions = group["position/value"]
            self._cells = edges if isinstance(edges, h5py.Dataset) else edges["value"]
            self.numbers = group["species"][()].astype(np.int64)
            self.timestep = float(group["position/time"][()])
            self.temperature = float(self._file.attrs["temperature"])
            self.info = json.loads(self._file.attrs["info"])
            frames = len(self._positions)
            if self._positions.shape != (frames, len(self.numbers), 3) or self._cells.shape not in (
                (3, 3),
                (frames, 3, 3),
            ):
                raise ValueError("numbers of frames or atoms differ")
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def __len__(self) -> int:
        """Return the number of frames."""
        if not self._file:
            raise ValueError(f"{self.path} is closed")
        return len(self._positions)

    def read(self, frames: Selection = None, atoms: Selection = None) -> Trajectory:
        """Read some of the frames and some of the atoms, in float64, and nothing else; see `Frames.read`.

        Beyond the result it takes some MB of memory. A fixed cell comes as a broadcast view.

        Raises
        ------
        DataError
            As `Frames.read`, or a checksum tells that the file is damaged.
        """
        chosen = frame_range(len(self), frames)
        rows = picked(len(self.numbers), slice(None) if atoms is None else atoms, "atom")
        with _blaming(self.path):
            positions = _read_rows(self._positions, chosen, rows)
            cells = self._read_cells(chosen)
        timestep = self.timestep * chosen.step
        return Trajectory(positions, cells, self.numbers[rows], timestep, self.temperature, self.info)

    def _read_cells(self, frames: range) -> Array:
        if self._cells.ndim == 2:
            return np.broadcast_to(self._cells[()], (len(frames), 3, 3))
        return _read_rows(self._cells, frames, np.arange(3))


def _read_rows(data: h5py.Dataset, frames: range, rows: IntArray) -> Array:
    """Read (frames, rows, 3) of a dataset by contiguous pieces of whole chunks, each chunk once.

    HDF5's own selections of points and strides take longer than to read what is between.
    """
    result = np.empty((len(frames), len(rows), 3))
    chunk = data.chunks or CHUNK
    for among, span in _runs(rows, chunk[1]):
        chosen = _as_slice(rows[among] - span.start)
        tall = max(1, PIECE // (span.stop - span.start) // chunk[0]) * chunk[0]
        for part in _pieces(frames, chunk[0] if frames.step > chunk[0] else tall):
            wanted = frames[part]
            block = data[wanted[0] : wanted[-1] + 1, span][:: frames.step]
            result[part, _as_slice(among)] = block[:, chosen]
    return result


def _pieces(frames: range, length: int) -> Iterator[slice]:
    """Cut a range, by position in it, where a multiple of `length` is crossed."""
    done = 0
    while done < len(frames):
        edge = (frames[done] // length + 1) * length
        end = done + len(range(frames[done], min(edge, frames.stop), frames.step))
        yield slice(done, end)
        done = end


def _runs(rows: IntArray, width: int) -> Iterator[tuple[IntArray, slice]]:
    """Group rows that lie in neighbouring columns of chunks: which of them, and the span they lie in."""
    columns = rows // width
    used = np.unique(columns)
    first = used[np.diff(used, prepend=-2) > 1]
    group = np.searchsorted(first, columns, side="right")
    for g in range(1, len(first) + 1):
        among = np.flatnonzero(group == g)
        yield among, slice(int(rows[among].min()), int(rows[among].max()) + 1)


def _as_slice(index: IntArray) -> IntArray | slice:
    """Return an index that counts up by one as the slice that it is, which NumPy copies faster."""
    steady = len(index) > 0 and (np.diff(index) == 1).all()
    return slice(int(index[0]), int(index[-1]) + 1) if steady else index


def _require(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"no file {path}", remedy="check the path")


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 raises into the sentence that the file is damaged."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise DataError(
            f"{path} is damaged or not written by frustra ({error})", remedy="make it anew"
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    _require(path)
    with _blaming(path), h5py.File(path, "r") as file:
        yield file


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
