"""Sites from maxima of a density: wells at known places, in any cell, however the cell is chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.errors import AnalysisError
from frustra.geometry import minimum_image
from frustra.sites.basins import basins_of, joints_of
from frustra.sites.peaks import PeakSettings, maxima_of, sites_from_density
from tests.helpers import Lattice, distances, lattices, seeds, translations

TETRAHEDRAL = np.array([[0, 0.5, 0.25], [0, 0.5, 0.75], [0.5, 0, 0.25], [0.5, 0, 0.75]])
BCC_SITES = np.concatenate([np.roll(TETRAHEDRAL, k, axis=1) for k in range(3)])
"""12d of Im-3m: the tetrahedral sites of α-AgI."""


def grid_of(cell: np.ndarray, spacing: float = 0.32) -> tuple[int, ...]:
    return tuple(np.ceil(np.linalg.norm(cell, axis=1) / spacing).astype(int))


def wells(
    places: np.ndarray, weights: np.ndarray, cell: np.ndarray, shape: tuple[int, ...], sigma: float = 0.4
) -> np.ndarray:
    """Return Gaussians at places in cell vectors, in every image."""
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1)
    values = np.zeros(shape)
    for place, weight in zip(places, weights, strict=True):
        away = minimum_image((points - place) @ cell, cell)
        values += weight * np.exp(-(away**2).sum(axis=-1) / (2 * sigma**2)) / (2 * np.pi * sigma**2) ** 1.5
    return values


def nearest(found: np.ndarray, true: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return for each true position the distance to the nearest found one, and which that is."""
    gaps = minimum_image(found[None] - true[:, None], cell)
    lengths = np.linalg.norm(gaps, axis=2)
    return np.stack([lengths.min(axis=1), lengths.argmin(axis=1)])


@settings(max_examples=60)
@given(lattices(5.0, 7.0), seeds, st.integers(1, 4))
def test_wells_are_found_where_they_are_in_compact_and_in_skewed_cells(
    lattice: Lattice, seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    true = np.empty((0, 3))
    for _ in range(200):  # places at least 2.4 Å apart, also from their own images
        more = np.vstack([true, rng.random(3) @ lattice.compact])
        if len(more) <= count and (distances(more, lattice.compact) + 9 * np.eye(len(more))).min() > 2.4:
            true = more
    weights = rng.uniform(0.4, 1, len(true))
    for cell in lattice:
        values = wells(true @ np.linalg.inv(cell), weights, cell, grid_of(cell))
        found = maxima_of(values, cell)
        gap, which = nearest(found.sites.positions, true, cell)
        assert len(found.sites) == len(true)
        assert gap.max() < 0.1
        assert found.weights[which.astype(int)] == pytest.approx(weights, abs=0.05)
        assert found.weights.sum() + found.outside == pytest.approx(weights.sum(), rel=0.02)
        assert found.sites.volume.sum() <= abs(np.linalg.det(cell)) * (1 + 1e-9)
        assert (np.diff(found.weights) <= 0).all()


def test_silver_iodide_has_one_class_of_twelve_sites_linked_to_their_neighbours() -> None:
    cell = 5.06 * np.eye(3)
    values = wells(BCC_SITES, np.full(12, 1 / 6), cell, (24, 24, 24), 0.35)
    swap = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    generators = (np.array([swap, turn]), np.zeros((2, 3)))
    sites = sites_from_density(values, cell, generators)
    assert len(sites) == 12
    gap, which = nearest(sites.positions, BCC_SITES @ cell, cell)
    assert gap.max() < 0.02
    assert sorted(which) == list(range(12))
    assert set(sites.orbit) == {0}
    assert set(sites.label) == {"max 1"}
    assert sites.volume.sum() == pytest.approx(5.06**3, rel=1e-3)
    assert sites.volume == pytest.approx(
        5.06**3 / 12, rel=0.15
    )  # points between two basins go to one of them
    assert (set(sites.kind), set(sites.shape)) == ({"other"}, {"density maximum"})
    first, second = sites.links.pairs.T
    vectors = sites.positions[second] + sites.links.shifts @ cell - sites.positions[first]
    lengths = np.linalg.norm(vectors, axis=1)
    near = lengths < 5.06 / np.sqrt(8) + 0.05
    assert near.sum() == 12 * 4 / 2  # each site has four at a/√8
    assert lengths[near] == pytest.approx(5.06 / np.sqrt(8), abs=0.03)
    assert len(sites.links.faces) == len(sites.links)


def test_sites_move_with_the_grid_and_double_with_the_cell() -> None:
    cell = np.array([[6.0, 0, 0], [-2.5, 6.2, 0], [1.4, 2.0, 6.6]])
    places = np.array([[0.1, 0.2, 0.3], [0.6, 0.4, 0.95], [0.35, 0.8, 0.55]])
    weights, shape = np.array([1.0, 0.7, 0.4]), (24, 26, 28)
    values = wells(places, weights, cell, shape)
    one = maxima_of(values, cell)
    moved = maxima_of(np.roll(values, (5, -9, 13), axis=(0, 1, 2)), cell)
    shift = np.array([5, -9, 13]) / shape @ cell
    gap, which = nearest(moved.sites.positions, one.sites.positions + shift, cell)
    assert gap == pytest.approx(0, abs=1e-6)
    assert which.tolist() == [0, 1, 2]
    assert len(moved.sites.links) == len(one.sites.links)
    assert np.sort(moved.saddles) == pytest.approx(np.sort(one.saddles))
    given_origin = maxima_of(values, cell, origin=np.array([0.1, 1000, -3]))
    assert given_origin.sites.positions == pytest.approx(one.sites.positions + np.array([0.1, 1000, -3]))
    large = np.diag([1, 2, 1]) @ cell
    twice = maxima_of(np.concatenate([values, values], axis=1), large)
    assert len(twice.sites) == 6
    assert len(twice.sites.links) == 2 * len(one.sites.links)
    both = np.vstack([one.sites.positions, one.sites.positions + cell[1]])
    gap, which = nearest(twice.sites.positions, both, large)
    assert gap == pytest.approx(0, abs=1e-6)
    assert twice.weights == pytest.approx(np.repeat(one.weights, 2))
    assert np.sort(twice.saddles) == pytest.approx(np.sort(np.repeat(one.saddles, 2)))


def test_links_lead_to_the_image_that_touches() -> None:
    """One well in a long, narrow cell touches itself across the short sides."""
    cell = np.diag([2.5, 2.5, 9.0])
    found = maxima_of(wells(np.array([[0.02, 0.97, 0.5]]), np.ones(1), cell, (12, 12, 40), 0.5), cell)
    assert len(found.sites) == 1
    assert found.sites.links.pairs.tolist() == [[0, 0]] * len(found.sites.links)
    steps = {tuple(s) for s in found.sites.links.shifts.tolist()}
    assert {(1, 0, 0), (0, 1, 0)} <= steps
    assert all(s[2] == 0 for s in steps)
    assert all(tuple(-c for c in s) not in steps for s in steps)


def test_what_is_one_site_and_what_are_two() -> None:
    cell, shape = np.diag([7.0, 4, 4]), (35, 20, 20)
    sharp = PeakSettings(smearing=0, barrier=0.05)

    def count(gap: float, sigma: float, **changes: float) -> int:
        places = np.array([[0.3, 0.5, 0.5], [0.3 + gap / 7, 0.5, 0.5]])
        values = wells(places, np.array([1, 0.9]), cell, shape, sigma)
        return len(maxima_of(values, cell, settings=sharp.model_copy(update=changes)).sites)

    assert count(2.0, 0.4) == 2
    assert count(0.9, 0.2) == 1  # within 1 Å
    assert count(0.9, 0.2, separation=0.5) == 2
    assert count(2.0, 0.4, barrier=3.0) == 1  # the saddle is 2.5 kT deep: e^(-1/(2·0.16))·2 of the height
    assert count(2.0, 0.4, smearing=1.0) == 1


def test_a_merged_site_lies_between_its_maxima() -> None:
    cell = 7.0 * np.eye(3)
    places = np.array([[0.3, 0.5, 0.5], [0.4, 0.5, 0.5]])
    sites = sites_from_density(wells(places, np.ones(2), cell, (35, 35, 35), 0.2), cell)
    assert sites.positions == pytest.approx(np.array([[0.35, 0.5, 0.5]]) * 7, abs=0.02)


def test_noise_makes_no_sites_where_it_is_told() -> None:
    """Counts of few frames: two wells of 0.98 and 0.02 ions, and nothing but noise elsewhere."""
    rng, cell, shape, frames = np.random.default_rng(0), 7.0 * np.eye(3), (35, 35, 35), 3000
    exact = wells(np.array([[0.3, 0.5, 0.5], [0.75, 0.5, 0.5]]), np.array([0.96, 0.02]), cell, shape)
    exact += 0.02 / 7.0**3
    voxel = 7.0**3 / exact.size
    counts = rng.poisson(exact * voxel * frames)
    values = counts / (frames * voxel)
    told = maxima_of(values, cell, samples=frames, settings=PeakSettings(height=0.02))
    assert len(told.sites) == 2
    assert told.weights == pytest.approx([0.97, 0.03], abs=0.02)
    believed = maxima_of(values, cell, settings=PeakSettings(height=0.02))
    assert len(believed.sites) > 5


def test_steepest_ascent_is_that_of_a_naive_walk() -> None:
    rng, cell = np.random.default_rng(1), np.array([[3.0, 0, 0], [1.0, 2.6, 0], [0.4, -0.8, 3.1]])
    density = rng.random((5, 6, 7))
    basins = basins_of(density, cell)
    voxel = cell / np.array(density.shape)[:, None]
    for start in range(density.size):
        here = np.array(np.unravel_index(start, density.shape))
        while True:
            best, towards = 0.0, None
            for step in translations(np.eye(3), 0.1).astype(int):
                if np.abs(step).max() != 1:
                    continue
                to = here + step
                gain = density[tuple(to % density.shape)] - density[tuple(here % density.shape)]
                if gain / np.linalg.norm(step @ voxel) > best:
                    best, towards = gain / np.linalg.norm(step @ voxel), to
            if towards is None:
                break
            here = towards
        home = here % density.shape
        assert basins.peaks[basins.label[start]] == np.ravel_multi_index(tuple(home), density.shape)
        assert basins.shift[start].tolist() == ((here - home) // density.shape).tolist()
    joints = joints_of(density, basins)
    assert len(joints) > 0
    assert (joints.heights <= basins.heights[joints.pairs].min(axis=1)).all()


@pytest.mark.parametrize("values", [np.zeros((4, 4, 4)), np.full((4, 4, 4), np.nan), -np.ones((4, 4, 4))])
def test_what_is_no_density_is_refused(values: np.ndarray) -> None:
    with pytest.raises(AnalysisError, match="empty, negative or not finite"):
        maxima_of(values, np.eye(3))


def test_a_uniform_density_has_no_maximum() -> None:
    with pytest.raises(AnalysisError, match="without a maximum"):
        maxima_of(np.ones((8, 8, 8)), 4 * np.eye(3))
