from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.spatial.transform import Rotation

from frustra.analysis.framework import mean_framework, places_left, rigid_shift
from frustra.errors import AnalysisError
from frustra.io import read_structure
from frustra.trajectory import Trajectory
from tests.helpers import LYC, seeds

CRYSTAL = read_structure(LYC)
FIXED = CRYSTAL.numbers != 3


def vibrating(frames: int, amplitude: float, rng: np.random.Generator) -> Trajectory:
    positions = CRYSTAL.positions + amplitude * rng.normal(size=(frames, len(CRYSTAL), 3))
    cells = np.broadcast_to(CRYSTAL.cell.array, (frames, 3, 3))
    return Trajectory(positions, cells, CRYSTAL.numbers.astype(np.int64), 0.1, 600.0)


def gaps(run: Trajectory, rng_shift: np.ndarray) -> np.ndarray:
    """Return how far the mean framework is from the crystal's, a common shift taken off, Å."""
    mean = mean_framework([run], "Li", ["Cl"])
    offset = mean.positions[FIXED] - CRYSTAL.positions[FIXED] - rng_shift
    inverse = np.linalg.inv(mean.cell.array)
    fractional = offset @ inverse
    fractional -= np.round(fractional)
    fractional -= fractional.mean(axis=0)
    return np.linalg.norm(fractional @ mean.cell.array, axis=1)


@settings(max_examples=8)
@given(seeds)
def test_the_mean_is_where_atoms_vibrate_about_with_the_error_of_a_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    run = vibrating(200, 0.2, rng)
    expected = 0.2 * np.sqrt(3 / 200)
    assert np.sqrt((gaps(run, np.zeros(3)) ** 2).mean()) == pytest.approx(expected, rel=0.35)


@settings(max_examples=8)
@given(seeds)
def test_drift_and_a_far_origin_do_not_blur_the_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    run = vibrating(100, 0.1, rng)
    start, way = rng.normal(0, 500, 3), np.cumsum(rng.normal(0, 1.0, (100, 1, 3)), axis=0)
    moved = replace(run, positions=run.positions + start + way)
    assert gaps(moved, start).max() < 0.1 * np.sqrt(3 / 100) * 4


def test_the_mean_of_a_breathing_cell_lies_in_the_mean_cell() -> None:
    run = vibrating(40, 0.0, np.random.default_rng(1))
    scale = 1 + 0.05 * np.sin(np.arange(40))[:, None, None]
    mean = mean_framework(
        [replace(run, positions=run.positions * scale, cells=run.cells * scale)], "Li", ["Cl"]
    )
    np.testing.assert_allclose(mean.cell.array, CRYSTAL.cell.array * scale.mean(), rtol=1e-12)
    np.testing.assert_allclose(
        mean.get_scaled_positions()[FIXED], CRYSTAL.get_scaled_positions()[FIXED], atol=1e-9
    )


def test_anions_that_changed_places_are_named_anew() -> None:
    rng = np.random.default_rng(2)
    run = vibrating(60, 0.1, rng)
    chlorine = np.flatnonzero(CRYSTAL.numbers == 17)
    order = np.arange(len(CRYSTAL))
    order[chlorine[:3]] = chlorine[[1, 2, 0]]
    positions = run.positions.copy()
    positions[30:] = positions[30:][:, order]
    assert gaps(replace(run, positions=positions), np.zeros(3)).max() < 0.1 * np.sqrt(3 / 60) * 4


def test_a_molten_sublattice_is_refused() -> None:
    rng = np.random.default_rng(3)
    run = vibrating(60, 0.1, rng)
    melted = run.positions + (CRYSTAL.numbers == 17)[:, None] * np.cumsum(
        rng.normal(0, 0.8, run.positions.shape), axis=0
    )
    with pytest.raises(AnalysisError, match=r"Cl without a place of their own .*--structure"):
        mean_framework([replace(run, positions=melted)], "Li", ["Cl"])


@given(seeds)
def test_a_rigid_shift_is_found_on_the_torus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.uniform(-3, 3, (30, 3))
    shift = rng.uniform(-0.5, 0.5, 3)
    seen = reference + shift + rng.integers(-4, 5, (30, 3)) + rng.normal(0, 0.01, (30, 3))
    gap = rigid_shift(seen, reference) - shift
    np.testing.assert_allclose(gap - np.round(gap), 0, atol=0.01)


@given(seeds)
def test_a_turned_tetrahedron_has_its_corners_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell = np.diag([14.0, 15.0, 16.0])
    corners = 2.05 / np.sqrt(3) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    others = np.array([[7.0, 7.0, 7.0], [-7.0, 7.0, 0.0]])
    reference = np.concatenate([corners, others])
    group = Rotation.create_group("T")[rng.integers(1, 12)]
    turned = np.concatenate([group.apply(corners), others]) + rng.normal(0, 0.05, (6, 3))
    inverse = np.linalg.inv(cell)
    found = places_left(turned @ inverse, reference @ inverse, cell, 1.2)
    assert np.linalg.norm(found @ cell - reference, axis=1).max() < 0.3
