from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from frustra.analysis.assignment import visits_of
from frustra.errors import DataError
from frustra.io import TrajectoryHints, read_structure, read_trajectory
from frustra.sites import Sites, sites_of
from frustra.surveys.sites import run_sites
from frustra.trajectory import Trajectory
from tests.helpers import LYC, seeds, translations


def run_of(frames: Sequence[Atoms]) -> Trajectory:
    """Return frames as a run, their positions unwrapped as they are."""
    return Trajectory(
        np.array([f.positions for f in frames]),
        np.array([f.cell.array for f in frames]),
        frames[0].numbers.astype(np.int64),
        1.0,
        500.0,
    )


def thermal(atoms: Atoms, frames: int, amplitude: float, rng: np.random.Generator) -> Trajectory:
    """Return a run in which every atom vibrates."""
    run = run_of([atoms] * frames)
    return replace(run, positions=run.positions + amplitude * rng.normal(size=run.positions.shape))


def twin(run: Trajectory, sites: Sites, specie: str) -> np.ndarray:
    """Return the site of every ion by the convex hulls of every image of every polyhedron, (frames, ions)."""
    assert sites.tiling is not None
    ions, found = run.indices_of(specie), np.full((len(run), 0), -1)
    found = np.full((len(run), len(ions)), -1)
    for t, (positions, cell) in enumerate(zip(run.positions, run.cells, strict=True)):
        images = translations(cell, 12.0)
        for s, count in enumerate(sites.tiling.triangles):
            corners = sites.tiling.corners[s, :count].ravel()
            shifts = sites.tiling.shifts[s, :count].reshape(-1, 3)
            hull = Delaunay(np.unique(positions[sites.tiling.anions[corners]] + shifts @ cell, axis=0))
            inside = hull.find_simplex(positions[ions][:, None] - images) >= 0
            found[t, inside.any(axis=1)] = s
    return found


@settings(max_examples=8)
@given(seeds, st.floats(0.0, 0.25))
def test_every_ion_is_in_the_polyhedron_that_contains_it(seed: int, amplitude: float) -> None:
    rng = np.random.default_rng(seed)
    crystal = read_structure(LYC)
    sites = sites_of(crystal, ["Cl"], "Li")
    run = thermal(crystal, 2, amplitude, rng)
    run.positions[:, run.numbers == 3] += rng.uniform(-6, 6, (2, 9, 3))  # anywhere, not only in the middle
    visits = visits_of(run, sites, "Li")
    assert not visits.torn.any()
    np.testing.assert_array_equal(visits.site, twin(run, sites, "Li"))


@settings(max_examples=8)
@given(seeds)
def test_drift_a_far_origin_and_the_order_of_atoms_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystal = read_structure(LYC)
    sites = sites_of(crystal, ["Cl"], "Li")
    run = thermal(crystal, 12, 0.15, rng)
    run.positions[:, run.numbers == 3] += np.cumsum(rng.normal(0, 0.8, (12, 9, 3)), axis=0)
    expected = visits_of(run, sites, "Li")
    drift = np.linspace(0, 40, 12)[:, None, None] * rng.normal(size=3)
    moved = visits_of(replace(run, positions=run.positions + 1000.0 + drift), sites, "Li")
    np.testing.assert_array_equal(moved.site, expected.site)
    np.testing.assert_array_equal(np.diff(moved.image, axis=0), np.diff(expected.image, axis=0))
    order = rng.permutation(len(crystal))
    shuffled = sites_of(crystal[order], ["Cl"], "Li")
    again = visits_of(run.read(None, order), shuffled, "Li")
    twins = np.array(
        [int(np.argmin(np.linalg.norm(shuffled.positions - p, axis=1))) for p in sites.positions]
    )
    column = np.searchsorted(expected.ions, order[again.ions])
    np.testing.assert_array_equal(again.site, twins[expected.site[:, column]])


def test_a_cell_that_breathes_and_one_that_shears_keep_their_sites() -> None:
    crystal = read_structure(LYC)
    sites = sites_of(crystal, ["Cl"], "Li")
    frames = []
    for strain in np.linspace(-0.04, 0.04, 9):
        frame = crystal.copy()
        shear = np.eye(3) + strain * np.array([[1, 1, 0], [0, 1, 0], [0, 0, -1]])
        frame.set_cell(crystal.cell.array @ shear, scale_atoms=True)
        frames.append(frame)
    visits = visits_of(run_of(frames), sites, "Li")
    assert (visits.site == visits.site[4]).all()
    assert (sites.kind[visits.site] == "oct").all()


def test_images_tell_how_far_an_ion_went() -> None:
    # from octahedron to octahedron along c, ten times through the faces and across the cell's
    crystal = read_structure(LYC)
    sites = sites_of(crystal, ["Cl"], "Li")
    ion = int(np.flatnonzero(crystal.numbers == 3)[0])
    frames = []
    for step in range(81):
        frame = crystal.copy()
        frame.positions[ion] += step / 16 * crystal.cell.array[2]
        frames.append(frame)
    visits = visits_of(run_of(frames), sites, "Li")
    assert set(sites.kind[visits.site[:, 0]]) == {"oct"}
    np.testing.assert_array_equal(visits.site[16:], visits.site[:-16])
    np.testing.assert_array_equal(visits.image[16:, 0] - visits.image[:-16, 0], [[0, 0, 1]] * 65)
    np.testing.assert_array_equal(visits.site[:, 1:], np.tile(visits.site[0, 1:], (81, 1)))


def test_the_synthetic_walker_is_followed_exactly_from_octahedron_over_tetrahedron() -> None:
    lattice = bulk("Cl", "fcc", a=5.2, cubic=True).repeat(2)
    sites = sites_of(lattice, ["Cl"])
    links, rng = sites.links.faces, np.random.default_rng(3)
    site, image, path, places = 0, np.zeros(3, int), [], []
    for _ in range(300):
        ways = [(j, s) for (i, j), s in zip(links.pairs, links.shifts, strict=True) if i == site]
        ways += [(i, -s) for (i, j), s in zip(links.pairs, links.shifts, strict=True) if j == site]
        target, shift = ways[rng.integers(len(ways))]
        site, image = int(target), image + shift
        path.append((site, *image))
        places.append(sites.positions[site] + image @ sites.cell)
    frames = [lattice + Atoms("Li", [p + rng.uniform(-0.2, 0.2, 3)]) for p in places]
    visits = visits_of(run_of(frames), sites, "Li")
    walked = np.column_stack([visits.site[:, 0], visits.image[:, 0] - visits.image[0, 0]])
    np.testing.assert_array_equal(walked, np.array(path) - [0, *path[0][1:]])


def test_anions_that_turn_around_a_cation_leave_the_sites_where_they_are(data: Path) -> None:
    hints = TrajectoryHints(timestep=0.1, temperature=500.0)
    run = read_trajectory(data / "argyrodite_Li6PS5I/0p_run1_actual_XDATCAR.gz", hints=hints)
    sites = run_sites([run], "Li")
    expected = visits_of(run, sites, "Li").site
    thiophosphate = sites.vertices[int(np.flatnonzero(sites.held == "P")[0])]
    turned = np.arange(len(run.numbers))
    turned[thiophosphate] = np.roll(thiophosphate, 1)  # a turn about a threefold axis and more
    positions = run.positions.copy()
    near = positions[70:, turned] - positions[70:]
    positions[70:] += near - run.cells[0, 0, 0] * np.round(near / run.cells[0, 0, 0])
    found = visits_of(replace(run, positions=positions), sites, "Li")
    np.testing.assert_array_equal(found.site, expected)
    assert not found.torn.any()


@pytest.mark.parametrize(
    ("disorder", "published"), [("0p", (0.9735, 0.0266, 0.0)), ("50p", (0.7103, 0.2840, 0.0057))]
)
def test_relaxed_argyrodites_have_the_published_fractions(
    data: Path, disorder: str, published: tuple[float, ...]
) -> None:
    # T5, T2 and T4 touch two PS4 by corners, one by an edge, and three by corners. Published are means over
    # all runs, of which this is one.
    hints = TrajectoryHints(timestep=0.1, temperature=500.0)
    run = read_trajectory(data / f"argyrodite_Li6PS5I/{disorder}_run1_inherent_XDATCAR.gz", hints=hints)
    sites = run_sites([run], "Li")
    assert len(sites) == 8 * 136
    assert set(sites.kind) == {"tet"}
    visits = visits_of(run, sites, "Li")
    assert visits.nowhere == 0
    assert not visits.torn.any()
    label = sites.label[visits.site]
    types = ("tet: 2 P corners", "tet: 1 P edge", "tet: 3 P corners")
    found = np.array([(label == t).mean() for t in types])
    assert found.sum() == 1
    np.testing.assert_allclose(found, published, atol=0.005)


@given(seeds)
def test_without_polyhedra_the_nearest_site_counts_however_few_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell = np.array([[9.0, 0, 0], [4, 8, 0], [3, -3, 11]])
    crystal = Atoms("Cl", [[0, 0, 0]], cell=cell, pbc=True) + Atoms("Li3", rng.uniform(-20, 20, (3, 3)))
    places = rng.uniform(0, 0.2, (2, 3)) @ cell  # in one corner of the cell
    whole = sites_of(crystal, ["Cl"], "Li")
    few = replace(whole, positions=places, kind=whole.kind[:2], tiling=None)
    visits = visits_of(run_of([crystal]), few, "Li")
    images = translations(cell, 60.0)
    gaps = np.linalg.norm(crystal.positions[1:, None, None] - places[:, None] - images, axis=3)
    np.testing.assert_array_equal(visits.site[0], gaps.min(axis=2).argmin(axis=1))
    found = places[visits.site[0]] + visits.image[0] @ cell
    np.testing.assert_allclose(np.linalg.norm(crystal.positions[1:] - found, axis=1), gaps.min(axis=(1, 2)))


def test_another_crystal_is_refused() -> None:
    crystal = read_structure(LYC)
    sites = sites_of(crystal, ["Cl"], "Li")
    other = crystal.copy()
    other.positions[other.numbers == 17] = other.positions[other.numbers == 17][::-1]
    with pytest.raises(DataError, match=r"anions that are .* from those of the crystal"):
        visits_of(run_of([other]), sites, "Li")
    with pytest.raises(DataError, match="no Na"):
        visits_of(run_of([crystal]), sites, "Na")
