from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.inherent import (
    NOT_RELAXED,
    SAME_PLACE,
    inherent_structures,
    left_basin,
    symmetry_classes,
)
from frustra.errors import DataError
from frustra.io import read_structure
from frustra.sites import sites_of
from frustra.snapshots import Snapshots
from frustra.structures import indices_of
from tests.helpers import LYC, distances, seeds, snapshots, translations

CRYSTAL = read_structure(LYC)
LITHIUM = indices_of(CRYSTAL, "Li")
SITES = sites_of(CRYSTAL, ["Cl"], "Li")
CELL = CRYSTAL.cell.array
EMPTY = [
    s for s in range(len(SITES))
    if SITES.open[s] and SITES.kind[s] == "oct"
    and min(np.linalg.norm(translations(CELL, 9.0) + SITES.positions[s] - p, axis=1).min()
            for p in CRYSTAL.positions[LITHIUM]) > 1.5
]  # fmt: skip


def hopped(ion: int, site: int) -> np.ndarray:
    """Return the positions of the crystal with one ion in another site."""
    positions = CRYSTAL.positions.copy()
    positions[LITHIUM[ion]] = SITES.positions[site]
    return positions


def relaxed(positions: np.ndarray, energies: np.ndarray | None = None, **changes: object) -> Snapshots:
    """Return frames that all have the same energy unless they are given, (frames,)."""
    atomic = np.full(positions.shape[:2], -3.0)
    if energies is not None:
        atomic += (energies / positions.shape[1])[:, None]
    return snapshots(CRYSTAL, len(positions), atomic, positions=positions, **changes)


def disguised(positions: np.ndarray, rng: np.random.Generator, off: float = 0.02) -> np.ndarray:
    """Return the same structure drifted, with its Li named anew, atoms in other cells, not quite at rest."""
    seen = positions.copy()
    seen[LITHIUM] = seen[rng.permutation(LITHIUM)]
    seen = seen + rng.integers(-2, 3, seen.shape) @ CELL
    return seen + rng.uniform(-20, 20, 3) + rng.uniform(-off, off, seen.shape)


def naive_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Compare two structures by trying every drift that takes a Y to one, and all distances.

    The drift of the first Y to itself is the only one here: ions alone change their names.
    """
    yttrium = indices_of(CRYSTAL, "Y")
    moved = other - (other[yttrium[0]] - one[yttrium[0]])
    apart = (one[:, None] - moved) @ np.linalg.inv(CELL)
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    vectors = (apart - np.round(apart))[:, :, None] + images
    gaps = np.linalg.norm(vectors @ CELL, axis=3).min(axis=2)
    partner = gaps.argmin(axis=1)
    alone = sorted(partner) == list(range(len(one)))
    near = gaps.min(axis=1).max() < 2 * SAME_PLACE
    return alone and near and bool((CRYSTAL.numbers[partner] == CRYSTAL.numbers).all())


@given(seeds, st.booleans())
def test_copies_that_drifted_wrapped_and_changed_names_are_one_structure(seed: int, knows: bool) -> None:
    rng = np.random.default_rng(seed)
    start = hopped(int(rng.integers(9)), int(rng.choice(EMPTY)))
    copies = np.array([disguised(start, rng) for _ in range(4)])
    (found,) = inherent_structures([relaxed(copies)], "Li" if knows else None)
    assert found.tolist() == [0, 0, 0, 0]


@given(seeds, st.integers(0, 8), st.sampled_from(EMPTY))
def test_an_ion_in_another_site_makes_another_structure(seed: int, ion: int, site: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [CRYSTAL.positions, hopped(ion, site), CRYSTAL.positions]
    (found,) = inherent_structures([relaxed(np.array([disguised(f, rng) for f in frames]))], "Li")
    assert found.tolist() == [0, 1, 0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_pair_is_judged_as_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, 7)
    places = [CRYSTAL.positions, *(hopped(ion, EMPTY[0]) for ion in (0, 4, 8))]
    frames = np.array([disguised(places[k], rng) for k in kinds])
    part = relaxed(frames, 1e-4 * rng.random(7))
    (found,) = inherent_structures([part], "Li")
    for i in range(7):
        for j in range(i):
            assert (found[i] == found[j]) == naive_same(frames[i], frames[j])


def test_numbers_are_those_of_all_runs_in_the_order_of_their_frames() -> None:
    a, b, c = CRYSTAL.positions, hopped(0, EMPTY[0]), hopped(3, EMPTY[1])
    one = relaxed(np.array([b, a, b]), np.array([0.2, 0.0, 0.2]))
    other = relaxed(np.array([c, a]), np.array([-0.3, 0.0]))
    assert [f.tolist() for f in inherent_structures([one, other], "Li")] == [[0, 1, 0], [2, 1]]


def test_the_same_places_with_another_energy_are_another_structure() -> None:
    (found,) = inherent_structures([relaxed(np.array([CRYSTAL.positions] * 2), np.array([0.0, 0.1]))])
    assert found.tolist() == [0, 1]


def test_frames_that_did_not_converge_have_no_structure() -> None:
    part = relaxed(np.array([CRYSTAL.positions] * 3), converged=np.array([False, True, True]))
    assert inherent_structures([part])[0].tolist() == [NOT_RELAXED, 0, 0]
    assert symmetry_classes([part])[0].tolist() == [NOT_RELAXED, 0, 0]
    nothing = part.select(slice(0, 1))
    assert inherent_structures([nothing])[0].tolist() == [NOT_RELAXED]


def test_atoms_that_traded_places_with_another_element_are_another_structure() -> None:
    traded = CRYSTAL.positions.copy()
    y, li = indices_of(CRYSTAL, "Y")[0], LITHIUM[0]
    traded[[y, li]] = traded[[li, y]]
    assert inherent_structures([relaxed(np.array([CRYSTAL.positions, traded]))])[0].tolist() == [0, 1]


def test_frames_in_different_cells_are_different() -> None:
    one = relaxed(CRYSTAL.positions[None])
    other = replace(one, cell=1.01 * one.cell)
    assert [f.tolist() for f in inherent_structures([one, other])] == [[0], [1]]


def test_snapshots_of_other_atoms_are_refused() -> None:
    one = relaxed(CRYSTAL.positions[None])
    with pytest.raises(DataError, match="different crystals"):
        inherent_structures([one, replace(one, numbers=one.numbers[::-1])])
    with pytest.raises(DataError, match="no snapshots"):
        inherent_structures([])


def test_structures_that_symmetry_maps_on_each_other_are_of_one_class() -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(-3, 0.1, len(CRYSTAL))
    swapped = levels.copy()
    swapped[LITHIUM] = levels[LITHIUM[::-1]]  # the same levels at other places
    other = levels + np.where(np.arange(len(levels)) == LITHIUM[0], 0.05, 0.0)
    other[LITHIUM[1]] -= 0.05  # the same total
    frames = np.array([CRYSTAL.positions, hopped(0, EMPTY[0]), hopped(3, EMPTY[1])])
    part = snapshots(CRYSTAL, 3, np.array([levels, swapped, other]), positions=frames)
    assert symmetry_classes([part])[0].tolist() == [0, 0, 1]
    assert inherent_structures([part], "Li")[0].tolist() == [0, 1, 2]


def moved(step: float, where: np.ndarray) -> Snapshots:
    """Return the crystal after its first Li was moved by `step` of the way from its site to another place."""
    way = (step * (where - CRYSTAL.positions[LITHIUM[0]]))[None]
    by = np.zeros((1, len(CRYSTAL), 3))
    by[0, LITHIUM[0]] = way
    end = CRYSTAL.positions + by[0]
    return relaxed(end[None], moved=by, displacements=np.linalg.norm(by, axis=2))


def test_an_ion_left_its_basin_when_it_came_more_than_half_way_to_the_nearest_site() -> None:
    gaps = SITES.positions[SITES.open][:, None] + translations(CELL, 9.0)[None]
    away = gaps.reshape(-1, 3) - CRYSTAL.positions[LITHIUM[0]]
    order = np.argsort(np.linalg.norm(away, axis=1))
    own, nearest = away[order[0]], away[order[1:]]
    site = CRYSTAL.positions[LITHIUM[0]] + own
    half = np.linalg.norm(nearest - own, axis=1).min() / 2
    target = CRYSTAL.positions[LITHIUM[0]] + nearest[0]
    length = float(np.linalg.norm(target - CRYSTAL.positions[LITHIUM[0]]))
    assert np.linalg.norm(site - CRYSTAL.positions[LITHIUM[0]]) < half
    below = left_basin(moved((half - 0.01) / length, target), LITHIUM, SITES)
    above = left_basin(moved((half + 0.01) / length, target), LITHIUM, SITES)
    assert not below.any()
    assert above.tolist() == [[True] + [False] * 8]


def test_an_atom_in_no_site_left_its_basin_half_way_to_one_of_its_kind() -> None:
    chlorine = indices_of(CRYSTAL, "Cl")
    gaps = distances(CRYSTAL.positions[chlorine], CELL)
    half = np.sort(gaps, axis=1)[:, 1] / 2
    part = relaxed(CRYSTAL.positions[None])
    for factor, left in ((0.99, False), (1.01, True)):
        by = np.zeros((1, len(CRYSTAL)))
        by[0, chlorine] = factor * half
        assert (left_basin(replace(part, displacements=by), chlorine) == left).all()


def test_files_that_do_not_tell_where_ions_came_from_are_read_by_where_they_are() -> None:
    part = replace(moved(0.1, SITES.positions[EMPTY[0]]), moved=None)
    assert not left_basin(part, LITHIUM, SITES).any()


def test_one_atom_alone_has_its_images_as_neighbours() -> None:
    atoms = Atoms("Ar", positions=[[0, 0, 0]], cell=4 * np.eye(3), pbc=True)
    part = snapshots(atoms, 2, displacements=np.array([[1.9], [2.1]]))
    assert left_basin(part, np.array([0])).tolist() == [[False], [True]]
