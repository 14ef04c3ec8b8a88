"""Trajectories in files: parts of them, in constant memory, and never half of one."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra import io
from frustra.errors import DataError
from frustra.trajectory import Trajectory
from tests.helpers import seeds, trajectory

FRAMES, ATOMS = 300, 40  # several chunks of frames and of atoms, the last ones not full


def whole(varying: bool = True) -> Trajectory:
    rng = np.random.default_rng(5)
    positions = rng.normal(0, 50, (FRAMES, ATOMS, 3)).astype(np.float32).astype(float)
    record = trajectory(positions[:, :29], positions[:, 29:], timestep=0.2)
    return replace(record, cells=rng.normal(0, 9, (FRAMES, 3, 3))) if varying else record


@pytest.fixture(scope="module", params=["varying cell", "fixed cell", "other chunks", "one chunk"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[io.TrajectoryFile, Trajectory]]:
    record = whole(request.param != "fixed cell")
    path = tmp_path_factory.mktemp("stored") / "t.h5"
    io.write_trajectory(path, record)
    if request.param in ("other chunks", "one chunk"):
        with h5py.File(path, "a") as file:
            values = file["particles/all/position/value"][()]
            del file["particles/all/position/value"]
            chunks = (37, 7, 2) if request.param == "other chunks" else None
            file.create_dataset("particles/all/position/value", data=values, chunks=chunks)
    with io.open_trajectory(path) as file:
        yield file, record


def slices(count: int) -> st.SearchStrategy[slice]:
    ends = st.none() | st.integers(-count - 5, count + 5)
    return st.builds(slice, ends, ends, st.none() | st.integers(1, count + 5))


atoms_wanted = st.none() | slices(ATOMS) | st.lists(st.integers(-ATOMS, ATOMS - 1), max_size=50)


def assert_part(found: Trajectory, record: Trajectory, frames: Any, rows: Any) -> None:
    """Check a part against NumPy's indexing of the whole."""
    rows = slice(None) if rows is None else rows if isinstance(rows, slice) else np.array(rows, dtype=int)
    np.testing.assert_array_equal(found.positions, record.positions[frames][:, rows])
    np.testing.assert_array_equal(found.cells, record.cells[frames])
    np.testing.assert_array_equal(found.numbers, record.numbers[rows])
    times = (0.2 * np.arange(FRAMES))[frames]
    np.testing.assert_allclose(found.timestep * np.arange(len(found)), times - times[:1], atol=1e-9)
    assert (found.temperature, found.info) == (record.temperature, record.info)


@given(slices(FRAMES), atoms_wanted)
def test_slices_and_strides_are_those_of_the_whole(
    stored: tuple[io.TrajectoryFile, Trajectory], frames: slice, atoms: Any
) -> None:
    file, record = stored
    assert_part(file.read(frames, atoms), record, frames, atoms)
    assert_part(record.read(frames, atoms), record, frames, atoms)


@given(st.integers(0, FRAMES - 1), st.integers(1, 150), st.integers(0, 40), st.booleans())
def test_evenly_spaced_indices_are_read_as_the_slice_that_they_are(
    stored: tuple[io.TrajectoryFile, Trajectory], start: int, step: int, count: int, as_list: bool
) -> None:
    file, record = stored
    index = np.arange(start, FRAMES, step)[:count]
    frames = index.tolist() if as_list else index
    assert_part(file.read(frames), record, index, None)
    assert_part(record.read(frames), record, index, None)


@given(st.integers(1, FRAMES + 50), atoms_wanted)
def test_chunks_are_the_whole_in_order(
    stored: tuple[io.TrajectoryFile, Trajectory], size: int, atoms: Any
) -> None:
    file, record = stored
    parts = list(file.chunks(size, atoms))
    assert [len(p) for p in parts[:-1]] == [size] * (len(parts) - 1)
    joined = [np.concatenate([getattr(p, name) for p in parts]) for name in ("positions", "cells")]
    assert_part(replace(parts[0], positions=joined[0], cells=joined[1]), record, slice(None), atoms)


def test_an_open_file_knows_what_the_record_knows(stored: tuple[io.TrajectoryFile, Trajectory]) -> None:
    file, record = stored
    for name in ("symbols", "timestep", "temperature", "info", "duration"):
        assert getattr(file, name) == getattr(record, name)
    assert len(file) == FRAMES
    np.testing.assert_array_equal(file.numbers, record.numbers)
    np.testing.assert_array_equal(file.masses, record.masses)
    np.testing.assert_array_equal(file.indices_of("Cl"), record.indices_of("Cl"))
    assert file.volume == pytest.approx(np.abs(np.linalg.det(record.cells)).mean(), rel=1e-12)
    for frame in (0, 137, -1):
        atoms = file.atoms(frame)
        np.testing.assert_array_equal(atoms.positions, record.positions[frame])
        np.testing.assert_array_equal(atoms.cell.array, record.cells[frame])


@pytest.mark.parametrize(
    ("frames", "atoms", "message"),
    [
        ([0, 1, 3], None, "unequal distances"),
        ([4, 4], None, "the same frame twice"),
        ([9, 8, 7], None, "backward"),
        (slice(None, None, -1), None, "backward"),
        ([FRAMES], None, "frames that are not there .* of 300 frames"),
        ([0.5], None, "frames that are not there"),
        (None, [0, ATOMS], "atoms that are not there"),
        (None, [True, False], "atoms that are not there"),
    ],
)
def test_parts_without_a_true_timestep_and_absent_ones_are_refused(
    stored: tuple[io.TrajectoryFile, Trajectory], frames: Any, atoms: Any, message: str
) -> None:
    for source in stored:
        with pytest.raises(DataError, match=message):
            source.read(frames, atoms)


@given(st.lists(st.integers(0, 150), min_size=1, max_size=8), st.booleans(), seeds)
def test_a_file_written_in_blocks_is_that_written_at_once(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], varying: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    frames, numbers = sum(sizes), np.array([3, 17, 39, 3, 17])
    positions, cells = rng.normal(0, 30, (frames, 5, 3)), rng.normal(0, 9, (frames, 3, 3))
    path, ends, cell = tmp_path_factory.mktemp("blocks") / "t.h5", np.cumsum([0, *sizes]), np.eye(3) * 7
    with io.TrajectoryWriter(path, numbers, 0.5, 300.0, cell=None if varying else cell) as writer:
        for first, last in pairwise(ends):
            writer.append(positions[first:last], cells[first:last] if varying else None)
    found = io.read_trajectory(path)
    np.testing.assert_array_equal(found.positions, positions.astype(np.float32))
    np.testing.assert_array_equal(found.cells, cells if varying else np.broadcast_to(cell, cells.shape))
    np.testing.assert_array_equal(found.numbers, numbers)


def test_a_fixed_cell_is_stored_once_and_takes_no_memory(tmp_path: Path) -> None:
    io.write_trajectory(tmp_path / "t.h5", whole(varying=False))
    with h5py.File(tmp_path / "t.h5") as file:
        edges = file["particles/all/box/edges"]  # H5MD 1.1: a time-independent element is a dataset
        assert edges.shape == (3, 3)
        assert edges.attrs["unit"] == "Angstrom"
    found = io.read_trajectory(tmp_path / "t.h5")
    assert found.cells.shape == (FRAMES, 3, 3)
    assert found.cells.base is not None
    assert found.cells.strides[0] == 0
    np.testing.assert_array_equal(found.fixed_cell, np.eye(3) * 20)
    assert whole().fixed_cell is None


def test_frames_and_ions_are_both_stored_in_small_pieces(tmp_path: Path) -> None:
    io.write_trajectory(tmp_path / "t.h5", whole())
    with h5py.File(tmp_path / "t.h5") as file:
        data = file["particles/all/position/value"]
        assert data.maxshape[0] is None
        assert data.fletcher32
        assert np.prod(data.chunks) * data.dtype.itemsize <= 2**16
        assert data.chunks[1] < ATOMS


@pytest.mark.parametrize(
    ("positions", "cells", "message"),
    [
        (np.zeros((2, 3, 3)), None, "the same number of frames and atoms"),
        (np.zeros((2, 2)), None, "the same number of frames and atoms"),
        (np.zeros((2, 2, 2)), None, "the same number of frames and atoms"),
        (np.full((2, 2, 3), np.nan), None, "not finite"),
        (np.zeros((2, 2, 3)), np.zeros((2, 3, 3)), "frames with cells of their own"),
    ],
)
def test_blocks_that_do_not_fit_are_refused_and_no_file_remains(
    tmp_path: Path, positions: np.ndarray, cells: np.ndarray | None, message: str
) -> None:
    def write() -> None:
        with io.TrajectoryWriter(tmp_path / "t.h5", np.array([3, 3]), 1.0, 300.0, cell=np.eye(3)) as writer:
            writer.append(np.zeros((5, 2, 3)))
            writer.append(positions, cells)

    with pytest.raises(DataError, match=message):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_varying_cell_must_come_with_the_frames(tmp_path: Path) -> None:
    with (
        io.TrajectoryWriter(tmp_path / "t.h5", np.array([3]), 1.0, 300.0) as writer,
        pytest.raises(DataError, match="frames without cells of their own"),
    ):
        writer.append(np.zeros((5, 1, 3)))


@pytest.mark.parametrize("changes", [{"timestep": 0.0}, {"temperature": -1.0}, {"cell": np.ones(3)}])
def test_a_writer_that_could_write_no_true_file_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"timestep": 1.0, "temperature": 300.0, "cell": np.eye(3), **changes}
    with pytest.raises(DataError, match="a trajectory with"):
        io.TrajectoryWriter(tmp_path / "t.h5", np.array([3, 3]), **settings)
    assert list(tmp_path.iterdir()) == []


WRITE_FOREVER = """
import sys
import numpy as np
from frustra.io import TrajectoryWriter
with TrajectoryWriter(sys.argv[1], np.full(50, 3), 1.0, 300.0, cell=np.eye(3)) as writer:
    for block in range(10**6):
        writer.append(np.random.default_rng(block).normal(size=(100, 50, 3)))
        print(block, flush=True)
"""


def test_a_writer_killed_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    path.write_bytes(b"old")
    program = [sys.executable, "-c", WRITE_FOREVER, str(path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        while writer.stdout.readline().strip() != "5":
            assert writer.poll() is None
        writer.kill()
    assert path.read_bytes() == b"old"


def test_a_torn_file_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    io.write_trajectory(path, whole())
    content = path.read_bytes()
    for kept in (0, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"t\.h5 is damaged or not written by frustra"):
            io.open_trajectory(path)
    path.unlink()
    with pytest.raises(DataError, match=r"no file .*t\.h5"):
        io.open_trajectory(path)


def test_flipped_bytes_of_the_positions_are_noticed_where_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    io.write_trajectory(path, whole())
    with h5py.File(path) as file:
        chunk = file["particles/all/position/value"].id.get_chunk_info_by_coord((128, 16, 0))
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 255
    path.write_bytes(content)
    with io.open_trajectory(path) as file:
        for part in (slice(0, 100), slice(256, None)):
            np.testing.assert_array_equal(file.read(part).positions, whole().positions[part])
        with pytest.raises(DataError, match=r"t\.h5 is damaged"):
            file.read([130])


def test_a_flipped_byte_anywhere_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    path, rng = tmp_path / "t.h5", np.random.default_rng(3)
    io.write_trajectory(path, whole())
    content = path.read_bytes()
    for place in rng.integers(0, [4000, len(content)], (100, 2)).ravel():  # more in the head
        path.write_bytes(
            content[:place] + bytes([content[place] ^ rng.integers(1, 256)]) + content[place + 1 :]
        )
        try:
            found = io.read_trajectory(path)
        except DataError as refusal:
            assert "t.h5 is damaged" in str(refusal)  # noqa: PT017 - the other way is right too
        else:
            assert_part(found, whole(), slice(None), None)


@pytest.mark.parametrize("name", ["species", "box/edges/value"])
def test_arrays_of_different_lengths_are_refused(tmp_path: Path, name: str) -> None:
    io.write_trajectory(tmp_path / "t.h5", whole())
    with h5py.File(tmp_path / "t.h5", "a") as file:
        group = file["particles/all"]
        values = group[name][1:]
        del group[name]
        group[name] = values
    with pytest.raises(DataError, match="damaged"):
        io.open_trajectory(tmp_path / "t.h5")


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    io.write_trajectory(tmp_path / "t.h5", whole())
    with io.open_trajectory(tmp_path / "t.h5") as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        file.read()


# Everything under a cap of the address space above what the imports take.
UNDER_A_CAP = """
import json, resource, sys
from pathlib import Path
import numpy as np
from frustra import diffusion_of, evenly_spaced, io

path, cap, frames, atoms = Path(sys.argv[1]), *(int(a) for a in sys.argv[2:])
np.linalg.det(np.eye(40) @ np.eye(40)), np.fft.irfft(np.fft.rfft(np.ones(64)))  # their libraries' buffers
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + cap, taken + cap))

def block(first):
    return np.random.default_rng(first).uniform(-1000, 1000, (min(500, frames - first), atoms, 3))

numbers = np.array([3] * 8 + [17] * (atoms - 8))
with io.TrajectoryWriter(path, numbers, 0.1, 600.0, cell=20 * np.eye(3)) as writer:
    for first in range(0, frames, 500):
        writer.append(block(first))
assert path.stat().st_size > 2 * cap, path.stat().st_size
with io.open_trajectory(path) as file:
    assert np.array_equal(file.read(slice(None, None, 500)).positions[-1], np.float32(block(frames - 500)[0]))
    assert np.array_equal(file.read(slice(1000, 1500)).positions, np.float32(block(1000)))
    assert np.array_equal(file.read(atoms=[150]).positions[500:1000, 0], np.float32(block(500)[:, 150]))
    assert len(evenly_spaced(file, 40)[0]) == 40
    assert sum(len(part) for part in file.chunks(1000)) == frames
    found = diffusion_of(file, "Li")
    assert (found.ions, len(found.msd)) == (8, frames)
    try:
        file.read()
    except MemoryError:
        print("done")  # the cap is one: the whole does not fit
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux caps the address space")
def test_trajectories_larger_than_the_memory_are_written_read_and_analysed(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "t.h5"), str(44 * 2**20), "40000", "240"]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    result = subprocess.run(
        [sys.executable, "-c", UNDER_A_CAP, *arguments],
        env={**os.environ, **one},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stdout == "done\n", result.stderr


def test_a_disk_without_space_is_told_before_hdf5_meets_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        with io.TrajectoryWriter(tmp_path / "t.h5", np.array([3] * 50), 0.1, 300.0, cell=np.eye(3)) as writer:
            writer.append(np.zeros((20, 50, 3)))
            monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000))
            writer.append(np.zeros((20, 50, 3)))

    with pytest.raises(OSError, match="No space left") as caught:
        fill()
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())
