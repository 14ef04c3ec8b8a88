"""Drift, axes, streaming and the mean-square displacement by Fourier transform."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.displacement import crystal_axes, displacements_of, mean_square_displacement, motion_of
from frustra.analysis.transport import diffusion_of
from frustra.io import open_trajectory, write_trajectory
from frustra.trajectory import Trajectory
from tests.helpers import Lattice, lattices, seeds, trajectory


def naive_msd(displacements: np.ndarray) -> np.ndarray:
    frames, ions, _ = displacements.shape
    result = np.zeros((frames, ions))
    for lag in range(frames):
        for ion in range(ions):
            squares = [
                ((displacements[t + lag, ion] - displacements[t, ion]) ** 2).sum()
                for t in range(frames - lag)
            ]
            result[lag, ion] = np.mean(squares)
    return result


@given(st.integers(1, 40), st.integers(1, 3), seeds)
def test_msd_by_fourier_transform_is_that_of_the_double_loop(frames: int, ions: int, seed: int) -> None:
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(frames, ions, 3)), axis=0)
    np.testing.assert_allclose(mean_square_displacement(walk - walk[0]), naive_msd(walk), atol=1e-9)


@given(st.floats(100, 1000), st.integers(20, 60), seeds)
def test_msd_does_not_change_far_from_the_origin(offset: float, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    record = trajectory(np.cumsum(rng.normal(size=(frames, 2, 3)), axis=0))
    far = replace(record, positions=record.positions + offset)
    near, away = (diffusion_of(r, "Li") for r in (record, far))
    np.testing.assert_allclose(away.msd, near.msd, atol=1e-6)
    # even where the first frame is not subtracted
    moved = mean_square_displacement(record.positions[:, :2] + offset)
    np.testing.assert_allclose(moved.mean(axis=1), near.msd, atol=1e-6)


@given(st.integers(20, 50), st.integers(1, 4), st.integers(1, 5), st.floats(0, 50), seeds)
def test_a_drift_of_all_atoms_changes_nothing(
    frames: int, ions: int, others: int, size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    record = trajectory(
        np.cumsum(rng.normal(size=(frames, ions, 3)), axis=0), rng.normal(size=(frames, others, 3))
    )
    drift = size * np.cumsum(rng.normal(size=(frames, 1, 3)), axis=0)
    drifting = replace(record, positions=record.positions + drift)
    still, moving = (displacements_of(r, "Li") for r in (record, drifting))
    np.testing.assert_allclose(moving[0], still[0], atol=1e-9 * (1 + np.abs(drift).max()))
    assert still[1] == moving[1] == "framework"


@given(st.integers(1, 5), seeds)
def test_drift_is_that_of_the_centre_of_mass_of_the_framework_as_ase_computes_it(
    others: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.array([3, 3, *rng.choice([8, 17, 39], others)])
    positions = rng.normal(size=(6, len(numbers), 3))
    record = Trajectory(positions, np.tile(np.eye(3) * 9, (6, 1, 1)), numbers, 1.0, 300.0)
    centres = np.array([Atoms(numbers[2:], frame[2:]).get_center_of_mass() for frame in positions])
    expected = positions[:, :2] - centres[:, None]
    np.testing.assert_allclose(displacements_of(record, "Li")[0], expected - expected[0], atol=1e-12)


@given(st.integers(20, 400), st.integers(1, 30), st.integers(0, 20), seeds)
def test_a_file_gives_what_its_trajectory_in_memory_gives(
    tmp_path_factory: pytest.TempPathFactory, frames: int, ions: int, others: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(frames, ions + others, 3))
    numbers = rng.permutation(np.repeat([3, 17], [ions, others]))
    cells = rng.normal(0, 9, (frames if seed % 2 else 1, 3, 3))
    record = Trajectory(np.cumsum(steps, axis=0), np.broadcast_to(cells, (frames, 3, 3)), numbers, 0.1, 300.0)
    path = tmp_path_factory.mktemp("file") / "t.h5"
    write_trajectory(path, record)
    with pytest.MonkeyPatch.context() as patch, open_trajectory(path) as file:
        memory = diffusion_of(file.read(), "Li")
        displacements = displacements_of(file.read(), "Li")
        patch.setattr("frustra.analysis.displacement.BLOCK", 64)  # several blocks even of these
        patch.setattr("frustra.analysis.displacement.FEWEST", (7, 3))
        streamed = diffusion_of(file, "Li")
        for one, other in zip(displacements, displacements_of(file, "Li"), strict=True):
            np.testing.assert_array_equal(one, other)
    size = float(np.max(memory.msd))
    assert_same(astuple(streamed), astuple(memory), 1e-9 * size)


def assert_same(one: object, other: object, tolerance: float) -> None:
    if isinstance(one, tuple) and isinstance(other, tuple):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b, tolerance)
    elif one is None or isinstance(one, str):
        assert one == other
    else:
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=tolerance)


@given(lattices())
def test_the_axes_are_orthonormal_with_z_along_c_and_y_across_the_plane_of_c_and_a(lattice: Lattice) -> None:
    for cell in lattice:
        axes = crystal_axes(cell)
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(axes) == pytest.approx(1)
        np.testing.assert_allclose(axes[2], cell[2] / np.linalg.norm(cell[2]), atol=1e-9)
        assert axes[1] @ cell[0] == pytest.approx(0, abs=1e-9)
        assert axes[0] @ cell[0] > 0


@pytest.mark.parametrize("cell", [[3, 4, 5, 90, 90, 90], [5, 5, 9, 90, 90, 120], [4, 4, 7, 90, 90, 60]])
def test_the_axes_of_orthogonal_and_hexagonal_cells_are_those_of_lammps(cell: list[float]) -> None:
    np.testing.assert_allclose(crystal_axes(Cell.fromcellpar(cell).array), np.eye(3), atol=1e-9)


@given(seeds)
def test_the_streamed_parts_are_the_displacements_along_the_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = np.tile(rng.normal(0, 9, (3, 3)), (30, 1, 1))
    record = Trajectory(rng.normal(size=(30, 9, 3)), cells, np.repeat([3, 17], [6, 3]), 1.0, 300.0)
    motion = motion_of(record, "Li")
    streamed = np.concatenate(list(motion)).transpose(2, 0, 1)
    np.testing.assert_allclose(streamed @ motion.axes, displacements_of(record, "Li")[0], atol=1e-12)
