"""Trajectories in our own format: H5MD, written in constant memory, read in parts."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.io.files import replacing, require, require_space
from frustra.trajectory import Frames, Selection, Trajectory, frame_range, picked

H5MD_VERSION = (1, 1)

CHUNK = (128, 16)
"""Frames × atoms stored together (24 kB): to read one frame and to read one ion are both cheap."""

PIECE = 2**18
"""Frames × atoms read at once (3 MB)."""


@contextmanager
def blaming(path: Path, otherwise: str = "not written by frustra") -> Iterator[None]:
    """Turn whatever HDF5 raises into the sentence that the file is damaged, or otherwise that."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise DataError(f"{path} is damaged or {otherwise} ({error})", remedy="make it anew") from None


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
        K; NaN where nobody knows it.
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
        self._held = 2**18 + row  # what HDF5 may still have to write
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            require_space(self.path, self._held)
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
        require_space(self.path, self._held + block.positions.size * 4)
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


def write_trajectory(path: Path | str, trajectory: Trajectory) -> None:
    """Write a trajectory in memory as `TrajectoryWriter` does."""
    t, cell = trajectory, trajectory.fixed_cell
    with TrajectoryWriter(path, t.numbers, t.timestep, t.temperature, t.info, cell) as writer:
        writer.append(t.positions, t.cells if cell is None else None)


class TrajectoryFile(Frames):
    """A trajectory on disk; only what is asked for is read. `open_trajectory` makes it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        require(self.path)
        with blaming(self.path), ExitStack() as stack:
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
        with blaming(self.path):
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
