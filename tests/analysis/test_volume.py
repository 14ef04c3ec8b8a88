"""The density of the mobile ion against histograms, closed forms and ions moved by every operation."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.io import read
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.analysis.volume.ions import IonDensity, VolumeSettings, folded, ion_density
from frustra.analysis.volume.symmetry import averaged, fitting_grid, symmetry_of
from frustra.errors import AnalysisError, DataError
from frustra.sites.peaks import smeared
from frustra.trajectory import Trajectory
from tests.helpers import Lattice, lattices, seeds, translations

PLAIN = VolumeSettings(symmetry=False)
SKEWED = np.array([[5.0, 0, 0], [-2.4, 4.1, 0], [1.3, 1.9, 4.4]])


def run(places: np.ndarray, cell: np.ndarray, framework: Atoms | None = None) -> Trajectory:
    """Return Li at places in cell vectors (frames, ions, 3), in a framework at rest; Cl at zero if none."""
    framework = Atoms("Cl", positions=[[0, 0, 0]]) if framework is None else framework
    rest = np.broadcast_to(framework.positions, (len(places), len(framework), 3))
    positions = np.concatenate([places @ cell, rest], axis=1)
    numbers = np.array([3] * places.shape[1] + framework.numbers.tolist())
    return Trajectory(positions, np.broadcast_to(cell, (len(places), 3, 3)), numbers, 1.0, 600.0)


def rock_salt(times: int = 1) -> Atoms:
    """Return Y and Cl, turned and shifted away from every element of symmetry."""
    atoms = crystal(["Y", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[5.5] * 3 + [90] * 3)
    atoms = atoms.repeat(times)
    atoms.positions += [0.313, 1.171, 0.729]
    return atoms


def hexagonal() -> Atoms:
    """Return a layered crystal without inversion, P3m1, of 2 × 2 × 1 cells."""
    basis = [(0, 0, 0), (1 / 3, 2 / 3, 0.21), (2 / 3, 1 / 3, 0.68)]
    atoms = crystal(["Y", "Cl", "Br"], basis, spacegroup=156, cellpar=[3.9, 3.9, 6.1, 90, 90, 120])
    return atoms.repeat((2, 2, 1))


@given(lattices(), seeds)
def test_the_integral_is_the_number_of_ions_and_every_count_is_numpys(lattice: Lattice, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.uniform(-3, 3, (7, 5, 3))
    found = ion_density([run(places, lattice.skewed)], "Li", VolumeSettings(symmetry=False, grid=1.1))
    assert found.values.sum() * found.voxel == pytest.approx(5, rel=1e-12)
    assert (np.linalg.norm(lattice.skewed, axis=1) / found.values.shape <= 1.1).all()
    half = 0.5 / np.array(found.values.shape)
    home = (places.reshape(-1, 3) + half) % 1.0
    counts, _ = np.histogramdd(home, bins=found.values.shape, range=[(0, 1)] * 3)
    assert found.values * found.voxel * 7 == pytest.approx(counts, abs=1e-9)


@given(seeds)
def test_neither_a_rigid_shift_nor_drift_nor_another_image_changes_anything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain = run(rng.random((40, 6, 3)), SKEWED)
    expected = ion_density([plain], "Li", PLAIN).values
    images = rng.integers(-4, 5, (7, 3)) @ SKEWED
    drift = np.linspace(0, 30, 40)[:, None, None] * rng.normal(size=3)
    moved = replace(plain, positions=plain.positions + images + drift)
    assert np.array_equal(ion_density([moved], "Li", PLAIN).values, expected)
    # one that is no multiple of the grid moves the framework, and the density with it
    shifted = replace(plain, positions=plain.positions + 1000 * SKEWED[0] / 25)
    found = ion_density([shifted], "Li", PLAIN)
    assert np.array_equal(np.roll(expected, 1000, axis=0), found.values)
    expected_place = Atoms("Cl", positions=[1000 * SKEWED[0] / 25], cell=SKEWED, pbc=True)
    expected_place.wrap()
    assert found.framework.positions == pytest.approx(expected_place.positions, abs=1e-9)


def test_a_cell_that_breathes_smears_nothing() -> None:
    rng = np.random.default_rng(0)
    places = np.broadcast_to(rng.random((4, 3)), (50, 4, 3))
    fixed = np.concatenate([places, np.broadcast_to(rng.random((3, 3)), (50, 3, 3))], axis=1) + 7.0
    cells = SKEWED * (1 + 0.03 * rng.normal(size=(50, 1, 1)))
    found = ion_density([Trajectory(fixed @ cells, cells, np.array([3] * 4 + [17] * 3), 1.0, 600.0)], "Li")
    assert np.count_nonzero(found.values) == 4
    assert found.cell == pytest.approx(cells.mean(axis=0))


def test_a_harmonic_ion_is_a_gaussian_whose_variance_grows_by_that_of_the_smearing() -> None:
    rng = np.random.default_rng(1)
    cell, sigma, smear = 1.6 * SKEWED, 0.25, 0.3
    places = np.array([0.41, 0.07, 0.93]) + sigma * rng.normal(size=(40000, 1, 3)) @ np.linalg.inv(cell)
    for extra in (0.0, smear):
        found = ion_density([run(places, cell)], "Li", VolumeSettings(symmetry=False, smear=extra))
        grids = [np.arange(n) / n for n in found.values.shape]
        away = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, 3) - [0.41, 0.07, 0.93]
        away = (away - np.rint(away)) @ cell
        weights = found.values.ravel() * found.voxel
        assert weights.sum() == pytest.approx(1, rel=1e-12)
        assert weights @ away == pytest.approx(0, abs=0.01)
        covariance = (weights[:, None] * away).T @ away
        steps = cell / np.array(found.values.shape)[:, None]
        expected = (sigma**2 + extra**2) * np.eye(3) + steps.T @ steps / 12  # ions go to the nearest point
        assert covariance == pytest.approx(expected, abs=0.03 * (sigma**2 + extra**2))


@settings(max_examples=10)
@given(lattices(3.0, 6.0), st.floats(0.3, 0.9))
def test_smearing_one_point_gives_the_periodic_gaussian(lattice: Lattice, sigma: float) -> None:
    cell = lattice.compact
    shape = np.ceil(np.linalg.norm(cell, axis=1) / 0.45).astype(int)
    values = np.zeros(shape)
    values[1, 2, 3] = 2.0
    found = smeared(values, cell, sigma)
    assert found.sum() == pytest.approx(2, rel=1e-12)
    assert found.min() >= 0
    grids = [(np.arange(n) - s) / n for n, s in zip(shape, (1, 2, 3), strict=True)]
    away = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1) @ cell
    images = translations(cell, 7 * sigma + np.linalg.norm(cell, axis=1).sum())
    exact = np.zeros(shape)
    for image in images:
        exact += np.exp(-((away + image) ** 2).sum(axis=-1) / (2 * sigma**2))
    exact *= 2 / exact.sum()  # of a Gaussian narrower than the grid, the sampled one has another sum
    assert found == pytest.approx(exact, abs=1e-6 * exact.max())


def images_of(places: np.ndarray, cell: np.ndarray, framework: Atoms) -> tuple[np.ndarray, int]:
    """Return the ions moved by every operation that spglib finds, straight from its list."""
    atoms = (cell.tolist(), framework.get_scaled_positions().tolist(), framework.numbers.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = spglib.get_symmetry(atoms, symprec=0.01)
    moved = np.einsum("kij,faj->fkai", found["rotations"], places) + found["translations"][:, None]
    return moved.reshape(len(places), -1, 3), len(found["rotations"])


@pytest.mark.parametrize(
    ("framework", "group", "operations"),
    [
        (rock_salt(), "Fm-3m (225)", 192),
        (rock_salt(2), "Fm-3m (225)", 192 * 8),
        (rock_salt().repeat((1, 1, 2)), "Fm-3m (225)", 128),  # the box is tetragonal
        (hexagonal(), "P3m1 (156)", 24),
    ],
)
def test_the_mean_over_symmetry_is_that_of_the_ions_moved_by_every_operation(
    framework: Atoms, group: str, operations: int
) -> None:
    rng, cell = np.random.default_rng(2), framework.cell.array
    wanted = VolumeSettings(grid=0.6, symprec=0.01)  # as below: the same of several equal origins
    symmetry = symmetry_of(cell, framework.get_scaled_positions(), framework.numbers, 0.01)
    shape = np.array(fitting_grid(cell, 0.6, symmetry))
    origin = symmetry.origin % (1 / shape)
    # at points of the grid: an oblique voxel turned is another voxel
    places = rng.integers(0, shape, (3, 4, 3)) / shape + origin
    found = ion_density([run(places, cell, framework)], "Li", wanted)
    assert (found.symmetry.space_group, found.symmetry.operations) == (group, operations)
    moved, count = images_of(places, cell, framework)
    assert count == operations
    points = np.rint((moved - found.origin @ np.linalg.inv(cell)) * shape).astype(int) % shape
    counts = np.zeros(shape)
    np.add.at(counts, tuple(points.reshape(-1, 3).T), 1 / (3 * operations * found.voxel))
    assert found.values == pytest.approx(counts, abs=1e-12)
    assert found.values.sum() * found.voxel == pytest.approx(4, rel=1e-12)
    assert averaged(found.values, found.symmetry) == pytest.approx(found.values, abs=1e-12)
    assert np.abs(found.origin @ np.linalg.inv(cell) * shape).max() <= 0.5 + 1e-9


def test_a_doubled_cell_has_the_same_density_twice_and_folds_back() -> None:
    rng, framework = np.random.default_rng(3), rock_salt()
    framework.positions += 0.02 * rng.normal(size=(8, 3))
    places = rng.random((5, 3, 3))
    small = ion_density([run(places, framework.cell.array, framework)], "Li", VolumeSettings(grid=0.3))
    twice = np.concatenate([places, places + np.array([1, 0, 0])], axis=1) * [0.5, 1, 1]
    large = framework.repeat((2, 1, 1))
    double = ion_density([run(twice, large.cell.array, large)], "Li", VolumeSettings(grid=0.3))
    assert double.symmetry.operations == 2 * small.symmetry.operations / 3  # cubic → tetragonal
    part = folded(double)
    assert part.ions == pytest.approx(3)
    assert part.values.sum() * part.voxel == pytest.approx(3)
    assert part.values == pytest.approx(double.values[len(part.values) :])
    assert part.cell == pytest.approx(framework.cell.array)
    assert len(part.framework) == 8
    coarse = VolumeSettings(symmetry=False, grid=0.55)
    plain = ion_density([run(twice, large.cell.array, large)], "Li", coarse)
    alone = ion_density([run(places, framework.cell.array, framework)], "Li", coarse)
    assert plain.values == pytest.approx(np.concatenate([alone.values] * 2))


def test_runs_are_laid_upon_each_other_whatever_their_origin_and_thermal_motion() -> None:
    rng, framework = np.random.default_rng(4), rock_salt()
    cell = framework.cell.array
    sites = rng.random((3, 3))
    runs = []
    for shift in ([0, 0, 0], [2.3, -4.9, 111.0]):
        first = run(np.broadcast_to(sites, (60, 3, 3)), cell, framework)
        jitter = np.zeros_like(first.positions)
        jitter[:, 3:] = 0.05 * rng.normal(size=(60, 8, 3))
        runs.append(replace(first, positions=first.positions + jitter + shift))
    runs[1].positions[:, 5] += cell[1]  # an atom in another image
    both = ion_density(runs, "Li", VolumeSettings(symmetry=False, smear=0.2))
    one = ion_density(runs[:1], "Li", VolumeSettings(symmetry=False, smear=0.2))
    assert (both.frames, both.runs, both.notes) == (120, 2, ())
    assert np.abs(both.values - one.values).sum() * both.voxel / 2 < 0.2  # 5 % of 0.2 Å, of 3 ions


def test_runs_of_other_crystals_are_refused() -> None:
    places = np.zeros((4, 1, 3))
    one = run(places, SKEWED)
    with pytest.raises(DataError, match="run 2 has other framework atoms"):
        ion_density([one, run(places, SKEWED, Atoms("Br", positions=[[0, 0, 0]]))], "Li")
    with pytest.raises(DataError, match="cell of run 2 differs"):
        ion_density([one, run(places, 1.1 * SKEWED)], "Li")
    with pytest.raises(DataError, match="no Na"):
        ion_density([one], "Na")
    with pytest.raises(DataError, match="no runs"):
        ion_density([], "Li")
    with pytest.raises(AnalysisError, match="--grid"):
        ion_density([run(places, 20 * SKEWED)], "Li", VolumeSettings(grid=0.1))
    with pytest.raises(DataError, match="no Br"):
        ion_density([one], "Li", VolumeSettings(alike=("Br",)))


def test_what_is_doubtful_is_told() -> None:
    rng, framework = np.random.default_rng(5), rock_salt()
    cell = framework.cell.array
    places = rng.random((40, 3, 3))
    framework.positions += rng.uniform(-0.6, 0.6, (8, 3))
    notes = ion_density([run(places, cell, framework)], "Li").notes
    assert "no symmetry within 0.3 Å" in notes[0]
    bare = Trajectory(places @ cell, np.broadcast_to(cell, (40, 3, 3)), np.array([3] * 3), 1.0, 600.0)
    found = ion_density([bare], "Li")
    assert "no framework" in found.notes[0]
    assert len(found.framework) == 0
    restless = run(places, cell, framework)
    restless.positions[::2, -1] += 3.0
    assert "1 of 8 framework atoms do not stay" in " ".join(ion_density([restless], "Li").notes)
    strained = rock_salt()
    strained.set_cell(strained.cell.array * [1, 1, 1.015], scale_atoms=True)
    told = ion_density([run(places, strained.cell.array, strained)], "Li", VolumeSettings(symprec=0.3))
    assert told.symmetry.operations == 192
    assert "departs from Fm-3m (225) by 1.5% in length" in " ".join(told.notes)


def test_elements_that_share_sites_may_count_as_one() -> None:
    framework = rock_salt()
    framework.numbers[np.flatnonzero(framework.numbers == 17)[:2]] = 35
    moving = run(np.random.default_rng(6).random((5, 2, 3)), framework.cell.array, framework)
    assert ion_density([moving], "Li").symmetry.operations < 192
    assert ion_density([moving], "Li", VolumeSettings(alike=("Cl", "Br"))).symmetry.operations == 192


def test_ions_on_half_of_the_equivalent_sites_depart_by_half() -> None:
    rng, framework = np.random.default_rng(7), rock_salt()
    cubes = np.array([[x, y, z] for x in (0.25, 0.75) for y in (0.25, 0.75) for z in (0.25, 0.75)])
    sites = cubes + rock_salt().get_scaled_positions()[0]
    chosen = np.broadcast_to(sites[:4], (200, 4, 3)) + 0.01 * rng.normal(size=(200, 4, 3))
    ordered = ion_density([run(chosen, framework.cell.array, framework)], "Li")
    assert ordered.departure == pytest.approx(0.5, abs=0.02)
    assert "ordered" in ordered.notes[-1]
    hopping = np.array([sites[rng.permutation(8)[:4]] for _ in range(200)]) + 0.01 * rng.normal(
        size=(200, 4, 3)
    )
    free = ion_density([run(hopping, framework.cell.array, framework)], "Li")
    assert free.notes == ()
    assert free.departure < 2 * free.scatter


def test_the_scatter_is_the_distance_from_the_truth() -> None:
    """Independent ions of a known density: the error told is the error made."""
    cell, ratios = 6.0 * np.eye(3), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        places = 0.5 + 0.9 / 6 * rng.normal(size=(4000, 1, 3))
        found = ion_density([run(places, cell)], "Li", VolumeSettings(symmetry=False, grid=0.3))
        seen = smeared(found.values, cell, 0.3)
        axis = (np.arange(20) - 10) * 0.3
        line = np.exp(-(axis**2) / (2 * (0.81 + 0.09 + 0.3**2 / 12)))
        exact = np.einsum("i,j,k->ijk", line, line, line)
        exact /= exact.sum() * found.voxel
        ratios.append(0.5 * np.abs(seen - exact).sum() * found.voxel / found.scatter)
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert np.std(ratios) < 0.2


def test_levels_and_projections_of_a_known_density() -> None:
    places = np.random.default_rng(8).random((300, 4, 3)) ** 2
    found = ion_density([run(places, SKEWED)], "Li", VolumeSettings(symmetry=False, grid=0.4))
    for part in (0.3, 0.9, 1.0):
        inside = found.values[found.values >= found.level(part)].sum()
        above = found.values[found.values > found.level(part)].sum()
        assert above * found.voxel <= part * 4 * (1 + 1e-12)
        assert inside * found.voxel >= part * 4 * (1 - 1e-12)
    for axis in range(3):
        shown = found.projection(axis)
        area = abs(np.linalg.det(SKEWED)) / np.linalg.norm(SKEWED[axis])
        assert shown.mean() * area == pytest.approx(4)


def test_one_frame_has_no_scatter_and_any_reading_in_parts_gives_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving = run(np.random.default_rng(9).random((300, 2, 3)), SKEWED)
    assert np.isnan(ion_density([moving.read([0])], "Li").scatter)
    whole = ion_density([moving], "Li")
    monkeypatch.setattr("frustra.analysis.volume.ions.FEWEST", (7, 8))
    monkeypatch.setattr("frustra.analysis.volume.ions.BLOCK", 1)
    parts = ion_density([moving], "Li")
    assert np.array_equal(parts.values, whole.values)
    assert parts.scatter == whole.scatter


def na3ps4(folder: Path) -> Trajectory:
    """Return the published walk, unwrapped."""
    atoms = read(folder / "Na3PS4_800K/cNa3PS4.cif")
    places = np.load(folder / "Na3PS4_800K/cNa3PS4_trajectories.npy")
    steps = np.diff(places, axis=0, prepend=places[:1])
    places = places[0] + np.cumsum(steps - np.rint(steps), axis=0)
    cell = atoms.cell.array
    return Trajectory(places @ cell, np.broadcast_to(cell, (len(places), 3, 3)), atoms.numbers, 0.1, 800.0)


def test_cubic_na3ps4_has_its_space_group(data: Path) -> None:
    found = ion_density([na3ps4(data)], "Na")
    assert found.symmetry.space_group == "I-43m (217)"
    assert found.symmetry.operations == 384  # 48 of the point group, I centring, 2 × 2 × 2 cells
    assert found.values.sum() * found.voxel == pytest.approx(48)
    part: IonDensity = folded(found)
    assert part.ions == pytest.approx(6)
    assert sorted(part.framework.symbols) == sorted(["P"] * 2 + ["S"] * 8)
