import numpy as np
import pytest
from ase.cell import Cell
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from frustra.geometry import (
    lattice_type,
    minimum_image,
    nearest_neighbours,
    perpendicular_heights,
    with_images,
    with_lattice_type,
    wrap,
)
from tests.helpers import Lattice, heights, lattices, seeds, translations

CUBIC = 4.0 * np.eye(3)
LONG = Lattice(CUBIC, np.array([[1, 2, 0], [0, 1, 2], [2, 4, 1]]) @ CUBIC)
"""A cubic lattice of 4 Å by vectors of 9, 9 and 18 Å."""


def points_in(cell: np.ndarray, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-3, 3, (count, 3)) @ cell


def shortest(vector: np.ndarray, cell: np.ndarray) -> float:
    fractional = vector @ np.linalg.inv(cell)
    near = (fractional - np.round(fractional)) @ cell
    images = translations(cell, np.linalg.norm(cell, axis=1).sum() / 2)
    return float(np.linalg.norm(near + images, axis=1).min())


@given(lattices(), st.integers(1, 4), seeds)
@example(LONG, 1, 6)
def test_minimum_image_is_the_shortest_of_all_images_in_skewed_cells(
    lattice: Lattice, count: int, seed: int
) -> None:
    vectors = points_in(lattice.compact, count, seed)
    expected = [shortest(v, lattice.compact) for v in vectors]
    found = minimum_image(vectors, lattice.skewed)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), expected, atol=1e-8)
    shifts = (vectors - found) @ np.linalg.inv(lattice.skewed)
    np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-8)


def test_minimum_image_where_the_given_cell_vectors_are_long() -> None:
    # (3, 1, 2) in a cubic lattice of 4 Å is equivalent to (−1, 1, ±2)
    found = minimum_image([[3.0, 1.0, 2.0]], LONG.skewed)
    assert np.linalg.norm(found) == pytest.approx(np.sqrt(6))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 3), (2, 4, 3)])
def test_minimum_image_keeps_the_shape(shape: tuple[int, ...]) -> None:
    assert minimum_image(np.ones(shape), CUBIC).shape == shape


@given(lattices())
def test_perpendicular_heights_are_volume_over_face_area(lattice: Lattice) -> None:
    for cell in lattice:
        np.testing.assert_allclose(perpendicular_heights(cell), heights(cell), rtol=1e-8)


def test_perpendicular_heights_of_a_hexagonal_cell() -> None:
    cell = [[5.0, 0, 0], [-2.5, 2.5 * np.sqrt(3), 0], [0, 0, 7.0]]
    np.testing.assert_allclose(perpendicular_heights(cell), [2.5 * np.sqrt(3), 2.5 * np.sqrt(3), 7.0])


@given(lattices(), st.integers(0, 20), seeds)
def test_wrap_moves_points_by_lattice_vectors_into_the_cell(lattice: Lattice, count: int, seed: int) -> None:
    points, cell = points_in(lattice.compact, count, seed), lattice.skewed
    wrapped = wrap(points, cell)
    fractional, shifts = wrapped @ np.linalg.inv(cell), (wrapped - points) @ np.linalg.inv(cell)
    assert (fractional > -1e-8).all()
    assert (fractional < 1 + 1e-8).all()
    np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-8)


@given(lattices(), st.integers(1, 5), st.floats(0.0, 6.0), seeds)
def test_images_are_all_those_within_the_margin_of_the_faces(
    lattice: Lattice, count: int, margin: float, seed: int
) -> None:
    cell, points = lattice.compact, points_in(lattice.compact, count, seed)
    found = with_images(points, cell, margin)
    home = wrap(points, cell)
    np.testing.assert_allclose(found.positions[:count], home, atol=1e-9)
    np.testing.assert_array_equal(found.index[:count], np.arange(count))
    every = home[None] + translations(cell, 2 * margin)[:, None]
    # distance from the inner side of each pair of faces, as fractions of their separation
    depth = np.linalg.solve(cell.T, every.reshape(-1, 3).T).T * heights(cell)
    outside = np.maximum(-depth, depth - heights(cell)).max(axis=1)
    surely = outside < margin - 1e-7
    maybe = outside < margin + 1e-7
    assert max(surely.sum(), count) <= len(found.positions) <= max(maybe.sum(), count)
    gaps = np.linalg.norm(found.positions[:, None] - every.reshape(-1, 3)[None][:, maybe], axis=2)
    assert gaps.min(axis=1)[count:].max(initial=0) < 1e-7  # every image found is one of them
    assert gaps.min(axis=0)[surely[maybe]].max(initial=0) < 1e-7  # and each of them is found
    shifts = (found.positions - home[found.index]) @ np.linalg.inv(cell)
    np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_an_image_belongs_to_the_points_up_to_the_margin_itself(axis: int, side: int) -> None:
    cell, margin = np.diag([4.0, 5.0, 6.0]), 1.5
    for inside, images in ((1e-6, 1), (-1e-6, 0)):
        point = np.array([2.0, 2.5, 3.0])  # more than the margin from all other faces
        depth = margin - inside
        point[axis] = depth if side > 0 else cell[axis, axis] - depth
        found = with_images([point], cell, margin)
        expected = point + side * cell[axis]
        near = np.linalg.norm(found.positions - expected, axis=1) < 1e-9
        assert near.sum() == images


def test_just_beyond_the_middle_of_a_long_cell_the_image_is_nearer_than_the_point() -> None:
    length = 40.0
    for width in np.linspace(3, 9, 25):
        for x in np.linspace(0, 19.5, 20):
            centre = [x + length / 2 + 0.1, 0, 0]
            distance = nearest_neighbours([centre], [[x, 0, 0]], np.diag([length, width, width]), 1).distances
            assert distance[0, 0] == pytest.approx(length / 2 - 0.1, abs=1e-9)


@given(st.integers(1, 8), st.integers(1, 6), st.floats(0.01, 0.5), seeds)
def test_nearest_neighbours_are_found_where_all_points_lie_at_one_end_of_a_long_cell(
    count: int, k: int, spread: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cell = np.diag([3.0, 3.0, 40.0])
    points = rng.random((count, 3)) * [3.0, 3.0, 40 * spread]
    centre = rng.random(3) @ cell
    distance = nearest_neighbours([centre], points, cell, k).distances
    grids = np.meshgrid(np.arange(-14, 15), np.arange(-14, 15), np.arange(-1, 2), indexing="ij")
    images = np.stack(grids, axis=-1).reshape(-1, 3) @ cell
    every = np.linalg.norm(points[:, None] + images[None] - centre, axis=2)
    np.testing.assert_allclose(distance[0], np.sort(every, axis=None)[:k], atol=1e-9)


@given(lattices(shortest=2.0), st.integers(1, 5), st.integers(1, 3), st.integers(1, 14), seeds)
def test_nearest_neighbours_are_those_of_brute_force_in_small_and_skewed_cells(
    lattice: Lattice, count: int, centres: int, k: int, seed: int
) -> None:
    points = points_in(lattice.compact, count, seed)
    around = points_in(lattice.compact, centres, seed + 1)
    found = nearest_neighbours(around, points, lattice.skewed, k)
    distance, index = found.distances, found.index
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=2), distance, atol=1e-9)
    # a cube of side 4 × longest holds at least 14 lattice points around any of its points
    far = 2 * np.linalg.norm(lattice.compact, axis=1).max()
    images = translations(lattice.compact, far)
    for centre, row, which in zip(around, distance, index, strict=True):
        fractional = (points - centre) @ np.linalg.inv(lattice.compact)
        gaps = (fractional - np.round(fractional)) @ lattice.compact
        every = np.linalg.norm(gaps[:, None] + images[None], axis=2)
        np.testing.assert_allclose(row, np.sort(every, axis=None)[:k], atol=1e-7)
        for r, i in zip(row, which, strict=True):
            assert np.abs(every[i] - r).min() < 1e-7  # the named point has an image there


def test_nearest_neighbours_count_images_of_one_point_as_its_twelve_fcc_neighbours() -> None:
    a = 4.0
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    found = nearest_neighbours([[0, 0, 0]], [[0, 0, 0]], cell, 19)
    distance, index = found.distances, found.index
    np.testing.assert_allclose(distance[0], [0] + 12 * [a / np.sqrt(2)] + 6 * [a], atol=1e-12)
    assert (index == 0).all()


A = 5.0
SHAPES = {
    "isotropic": [A, A, A, 90, 90, 90],
    "rhombohedral": [A, A, A, 70, 70, 70],
    "tetragonal": [A, A, 7.3, 90, 90, 90],
    "hexagonal": [A, A, 7.3, 90, 90, 120],
    "orthogonal": [A, 6.1, 7.3, 90, 90, 90],
    "monoclinic": [A, 6.1, 7.3, 90, 105, 90],
    "general": [A, 6.1, 7.3, 81, 95, 110],
}
TYPES = {
    "rhombohedral": "isotropic",
    "tetragonal": "uniaxial",
    "hexagonal": "uniaxial",
    "monoclinic": "general",
}


@pytest.mark.parametrize("shape", SHAPES)
@given(seed=seeds)
def test_the_type_of_a_lattice_does_not_depend_on_its_orientation(shape: str, seed: int) -> None:
    cell = Cell.fromcellpar(SHAPES[shape]).array
    turned = cell @ Rotation.random(rng=np.random.default_rng(seed)).as_matrix().T
    assert lattice_type(cell) == lattice_type(turned) == TYPES.get(shape, shape)


@pytest.mark.parametrize("shape", SHAPES)
@given(seed=seeds)
def test_a_mean_cell_is_brought_to_the_type_of_its_crystal(shape: str, seed: int) -> None:
    like = Cell.fromcellpar(SHAPES[shape]).array
    rng = np.random.default_rng(seed)
    turn = Rotation.random(rng=rng).as_matrix().T
    wanted = like * rng.uniform(0.9, 1.1)
    np.testing.assert_allclose(  # what is of the type already stays, turned
        metric(with_lattice_type(wanted @ turn, like)), metric(wanted), rtol=1e-9, atol=1e-9
    )
    noisy = wanted @ (np.eye(3) + rng.uniform(-0.01, 0.01, (3, 3)))
    found = with_lattice_type(noisy @ turn, like)
    assert lattice_type(found) == lattice_type(like)
    assert np.abs(np.triu(found, 1)).max() < 1e-9  # in LAMMPS' orientation
    assert np.abs(metric(found) - metric(noisy)).max() < 0.1 * metric(noisy).max()
    if lattice_type(like) == "general":
        np.testing.assert_allclose(metric(found), metric(noisy), rtol=1e-9, atol=1e-9)


def metric(cell: np.ndarray) -> np.ndarray:
    """Return the scalar products of the edges, which do not depend on the orientation."""
    return cell @ cell.T
