"""Extended XYZ and .traj, written by ASE."""

import gzip
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from frustra.errors import DataError
from frustra.io import read_trajectory
from tests.io.test_vasp import assert_same_walk
from tests.io.walks import HINTS, Walk, cut, walk

both = pytest.mark.parametrize("name", ["a.extxyz", "a.traj"])


@both
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_ase_writes_is_read(tmp_path: Path, name: str, varying: bool, wrapped: bool) -> None:
    true = walk(np.random.default_rng(0), varying=varying)
    ase.io.write(tmp_path / name, true.images(wrapped))
    found = read_trajectory(tmp_path / name, hints=HINTS)
    assert_same_walk(found, true, 1e-6)
    assert np.isnan(found.temperature)
    assert found.timestep == 0.02


@both
def test_a_time_step_is_asked_for_by_name(tmp_path: Path, name: str) -> None:
    ase.io.write(tmp_path / name, walk(np.random.default_rng(0)).images())
    with pytest.raises(DataError, match=r"give the time step \(--timestep, fs per frame\)"):
        read_trajectory(tmp_path / name)


def test_a_packed_extxyz_is_read_under_any_name(tmp_path: Path) -> None:
    true = walk(np.random.default_rng(0))
    ase.io.write(tmp_path / "a.extxyz", true.images())
    (tmp_path / "frames").write_bytes(gzip.compress((tmp_path / "a.extxyz").read_bytes()))
    assert_same_walk(read_trajectory(tmp_path / "frames", hints=HINTS), true, 1e-6)


def test_gpumds_unwrapped_positions_are_taken(tmp_path: Path) -> None:
    true = walk(np.random.default_rng(1), largest=2.0)  # far too fast for the minimum image
    images = true.images()
    for image, positions in zip(images, true.positions, strict=True):
        image.set_array("unwrapped_position", positions)
    ase.io.write(tmp_path / "dump.xyz", images, format="extxyz")
    found = read_trajectory(tmp_path / "dump.xyz", hints=HINTS)
    np.testing.assert_allclose(found.positions, true.positions, atol=1e-6)
    assert found.info["positions"] == "unwrapped in the file"


def test_an_incomplete_last_frame_of_an_extxyz_is_left_out(tmp_path: Path) -> None:
    true, path = walk(np.random.default_rng(2)), tmp_path / "a.extxyz"
    ase.io.write(path, true.images())
    cut(path, 0.99)
    found = read_trajectory(path, hints=HINTS)
    assert_same_walk(found, Walk(true.fractional[:-1], true.cells[:-1]), 1e-6)
    assert "middle of a frame" in str(found.info["note"])


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_torn_traj_is_refused(tmp_path: Path, kept: float) -> None:
    ase.io.write(tmp_path / "a.traj", walk(np.random.default_rng(2)).images())
    cut(tmp_path / "a.traj", kept)
    with pytest.raises(DataError, match=r"a\.traj is (damaged|empty)|frame \d+ of .*damaged"):
        read_trajectory(tmp_path / "a.traj", hints=HINTS)


def other_order(images: list[Atoms]) -> list[Atoms]:
    return [*images[:-1], images[-1][::-1]]


def without_cell(images: list[Atoms]) -> list[Atoms]:
    for image in images:
        image.cell[:] = 0
        image.pbc = False
    return images


def a_slab(images: list[Atoms]) -> list[Atoms]:
    images[20].pbc = (True, True, False)
    return images


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_order, "frame 40 of .* other atoms than the first"),
        (lambda images: [*images[:-1], images[-1][:-1]], "frame 40 of .* has (5|other) atoms"),
        (without_cell, "frame 1 of .* not periodic in three directions"),
        (a_slab, "frame 21 of .* not periodic in three directions"),
        (lambda images: images[:1], "1 whole frame"),
    ],
)
def test_frames_of_which_no_trajectory_can_be_made_are_refused(
    tmp_path: Path, name: str, change: Callable[[list[Atoms]], list[Atoms]], message: str
) -> None:
    ase.io.write(tmp_path / name, change(walk(np.random.default_rng(3)).images()))
    with pytest.raises(DataError, match=message):
        read_trajectory(tmp_path / name, hints=HINTS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Li ", "Li x", "frame 1 of .*damaged"),
        ("Li ", "Qq ", "frame 1 of .*damaged"),
        ("Li ", "Li nan ", "frame 1 of .*damaged"),
        ("\n6\n", "\n7\n", "frame 2 of .* has 7 atoms"),
        ("\n6\n", "\nsix\n", "frame 2 of .*damaged"),
    ],
)
def test_a_damaged_extxyz_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "a.extxyz"
    ase.io.write(path, walk(np.random.default_rng(3)).images())
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_trajectory(path, hints=HINTS)


def test_positions_with_a_plain_comment_have_no_cell(tmp_path: Path) -> None:
    (tmp_path / "movie.xyz").write_text("1\n0\nLi 0 0 0\n1\n1\nLi 0 0 1\n", encoding="utf-8")
    with pytest.raises(DataError, match="not periodic in three directions; expected a cell with every frame"):
        read_trajectory(tmp_path / "movie.xyz", hints=HINTS)
