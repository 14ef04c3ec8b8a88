from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import cell_to_cellpar
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from frustra.errors import StructureError
from frustra.io import read_structure, write_structure
from frustra.structures import (
    OVERLAP_FRACTION,
    anions_of,
    check_structure,
    fingerprint,
    formula,
    indices_of,
    strained,
    supercell,
)
from tests.helpers import LYC, Lattice, distances, heights, lattices, seeds, translations

ROCK_SALT = Atoms(
    "Li4Cl4",
    scaled_positions=[
        [0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0],
        [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5],
    ],
    cell=5.14 * np.eye(3),
    pbc=True,
)  # fmt: skip
KNOWN = ("Li", "Y", "Cl")


def random_crystal(cell: np.ndarray, atoms: int, seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-2, 2, (atoms, 3)) @ cell
    return Atoms(rng.choice(["Li", "Y", "Cl"], atoms), positions, cell=cell, pbc=True)


def test_formula_is_reduced_with_the_cations_first() -> None:
    assert formula(read_structure(LYC)) == "Li3YCl6"
    assert formula(ROCK_SALT) == "LiCl"


def test_indices_are_those_of_the_elements_in_order() -> None:
    atoms = Atoms("LiClLiYCl")
    assert indices_of(atoms, "Li").tolist() == [0, 2]
    assert indices_of(atoms, "Cl", "Li").tolist() == [0, 1, 2, 4]
    assert indices_of(atoms, "Na").tolist() == []


def test_anions_are_those_of_the_framework_only() -> None:
    assert anions_of(read_structure(LYC), "Li") == ("Cl",)
    assert set(anions_of(Atoms("Li6PS5I"), "Li")) == {"S", "I"}


def test_a_mobile_anion_wants_its_cations_named() -> None:
    # other anions keep away from it: their polyhedra would look like sites and be none
    with pytest.raises(StructureError, match="--anions Ca"):
        anions_of(Atoms("CaF2"), "F")
    with pytest.raises(StructureError, match=r'anions = \["La", "Li"\] in the study file'):
        anions_of(Atoms("LaLiOF"), "F")
    assert anions_of(Atoms("CaF2"), "F", ["Ca"]) == ("Ca",)


@pytest.mark.parametrize(("symbols", "specie"), [("LiY", "Li"), ("CaF2", "F")])
def test_a_structure_without_framework_anions_is_refused(symbols: str, specie: str) -> None:
    with pytest.raises(StructureError, match="no anion element"):
        anions_of(Atoms(symbols), specie)


@given(lattices(), st.tuples(*3 * [st.integers(1, 3)]), st.integers(1, 3), seeds)
def test_a_supercell_keeps_every_distance_and_lies_as_lammps_wants_it(
    lattice: Lattice, repeat: tuple[int, int, int], atoms: int, seed: int
) -> None:
    crystal = random_crystal(lattice.skewed, atoms, seed)
    large = supercell(crystal, repeat)
    copies = int(np.prod(repeat))
    assert len(large) == copies * atoms
    assert large.pbc.all()
    assert (np.diag(large.cell.array) > 0).all()
    np.testing.assert_allclose(np.triu(large.cell.array, 1), 0, atol=1e-9)
    expected = cell_to_cellpar(lattice.skewed * np.array(repeat)[:, None])
    np.testing.assert_allclose(large.cell.cellpar(), expected, rtol=1e-7)
    assert large.get_chemical_symbols() == copies * crystal.get_chemical_symbols()
    # the first copy: all distances within 4 Å, as sets, seen from each atom
    for atom in range(atoms):
        around = [
            np.sort(_distances_from(a, atom, 4.0)) for a in (crystal, large)
        ]  # every neighbour, however many images
        np.testing.assert_allclose(around[0], around[1], atol=1e-7)


def _distances_from(atoms: Atoms, centre: int, radius: float) -> np.ndarray:
    cell = atoms.cell.array
    fractional = (atoms.positions - atoms.positions[centre]) @ np.linalg.inv(cell)
    gaps = (fractional - np.round(fractional)) @ cell
    reach = translations(cell, radius + np.linalg.norm(cell, axis=1).sum() / 2)
    every = np.linalg.norm(gaps[:, None] + reach[None], axis=2).ravel()
    return every[(every < radius - 1e-6)]


@pytest.mark.parametrize(
    "cell", [[[0, 5.14, 0], [5.14, 0, 0], [0, 0, 5.14]], [[5.14, 0, 0], [0, 5.14, 0], [0, 0, -5.14]]]
)
def test_a_left_handed_cell_becomes_a_right_handed_one_with_the_same_distances(
    cell: list[list[float]],
) -> None:
    crystal = Atoms(ROCK_SALT.numbers, ROCK_SALT.positions, cell=cell, pbc=True)
    turned = supercell(crystal, (1, 1, 1))
    np.testing.assert_allclose(
        distances(turned.positions, turned.cell.array),
        distances(crystal.positions, crystal.cell.array),
        atol=1e-9,
    )
    assert (np.diag(turned.cell.array) > 0).all()


def test_a_supercell_of_a_supercell_in_place_is_itself() -> None:
    once = supercell(read_structure(LYC), (2, 1, 1))
    assert fingerprint(supercell(once, (1, 1, 1))) == fingerprint(once)


def test_strain_keeps_the_fractional_positions_and_the_original() -> None:
    crystal = read_structure(LYC)
    before = crystal.copy()
    cell = crystal.cell.array @ (np.eye(3) + 0.02 * np.random.default_rng(0).normal(size=(3, 3)))
    result = strained(crystal, cell)
    np.testing.assert_allclose(result.cell.array, cell)
    np.testing.assert_allclose(
        result.positions @ np.linalg.inv(cell),
        crystal.positions @ np.linalg.inv(crystal.cell.array),
        atol=1e-12,
    )
    assert crystal == before


def test_the_fingerprint_survives_copying_rounding_and_a_file(tmp_path: Path) -> None:
    crystal = supercell(ROCK_SALT, (2, 1, 1))
    expected = fingerprint(crystal)
    assert fingerprint(crystal.copy()) == expected
    rounded = crystal.copy()
    rounded.positions += 1e-9
    rounded.positions[0] = -0.0
    assert fingerprint(rounded) == expected
    write_structure(tmp_path / "a.extxyz", crystal)
    assert fingerprint(read_structure(tmp_path / "a.extxyz")) == expected


def test_the_fingerprint_tells_elements_positions_and_cells_apart() -> None:
    kinds = [ROCK_SALT.copy() for _ in range(4)]
    kinds[1].numbers[0] = 11
    kinds[2].positions[3, 1] += 1e-3
    kinds[3].set_cell(5.15 * np.eye(3), scale_atoms=False)
    assert len({fingerprint(a) for a in kinds}) == 4


def test_a_sound_crystal_passes_the_check_and_a_small_one_is_warned_of() -> None:
    crystal = read_structure(LYC)
    height = heights(crystal.cell.array).min()
    assert check_structure(crystal, "Li", KNOWN, height / 2.01) == []
    (warning,) = check_structure(crystal, "Li", KNOWN, height / 1.99)
    assert f"{height:.1f} Å" in warning


@pytest.mark.parametrize(
    ("specie", "species", "cutoff", "message"),
    [
        ("Na", KNOWN, 3.0, "no Na in Li3YCl6"),
        ("Li", ("Li", "Cl"), 3.0, "^Y in Li3YCl6; expected only elements the potential knows"),
        ("Li", KNOWN, 6.05, r"only 6\.0. Å high"),  # c = 6.04 Å
    ],
)
def test_a_crystal_that_the_potential_cannot_simulate_is_refused(
    specie: str, species: tuple[str, ...], cutoff: float, message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        check_structure(read_structure(LYC), specie, species, cutoff)


def test_the_height_of_a_skewed_cell_counts_not_the_length_of_its_vectors() -> None:
    skewed = ROCK_SALT.repeat(2)
    skewed.set_cell(np.array([[1, 0, 0], [2, 1, 0], [2, 2, 1]]) @ skewed.cell.array, scale_atoms=False)
    height = heights(skewed.cell.array).min()
    assert height < 0.5 * 10.28 < skewed.cell.lengths().min()
    with pytest.raises(StructureError, match=f"only {height:.2f} Å high"):
        check_structure(skewed, "Li", KNOWN, 1.01 * height)


@given(lattices(longest=6.0), st.integers(1, 4), seeds)
def test_overlaps_are_found_across_every_boundary(lattice: Lattice, atoms: int, seed: int) -> None:
    crystal = random_crystal(lattice.skewed, atoms, seed)
    crystal.numbers[0] = 3
    radii = covalent_radii[crystal.numbers]
    ratio = distances(crystal.positions, lattice.compact) / np.add.outer(radii, radii)
    own = np.linalg.norm(translations(lattice.compact, 4.0), axis=1)
    closest = min(ratio[~np.eye(atoms, dtype=bool)].min(initial=9), own[own > 0].min() / (2 * radii.max()))
    if closest < OVERLAP_FRACTION:
        with pytest.raises(StructureError, match="overlapping atoms"):
            check_structure(crystal, "Li", KNOWN, 0.1)
    else:
        assert check_structure(crystal, "Li", KNOWN, 0.1) is not None


def test_an_overlap_is_named_by_its_atoms_and_its_distance() -> None:
    crystal = ROCK_SALT.copy()
    crystal.positions[0] = [0, 0, 5.14 - 0.3]
    crystal.positions[7] = [0, 0, 5.14 + 0.2]  # in the next cell
    with pytest.raises(StructureError, match=r"Li \(atom 0\) and Cl \(atom 7\) are 0\.50 Å apart"):
        check_structure(crystal, "Li", KNOWN, 2.0)


def test_an_atom_that_overlaps_with_its_own_image_is_found() -> None:
    chain = Atoms("LiCl", positions=[[0, 0, 0], [0.5, 5, 5]], cell=[1.0, 10, 10], pbc=True)
    with pytest.raises(StructureError, match="overlapping atoms"):
        check_structure(chain, "Li", KNOWN, 0.5)


@pytest.mark.parametrize(
    "cell",
    [
        [5.0, 5.0, 0.0],
        [[5, 0, 0], [0, 5, 0], [5, 5, 0]],
    ],
)
def test_a_cell_without_volume_is_refused(cell: list) -> None:
    flat = Atoms("LiCl", positions=[[0, 0, 0], [2.5, 0, 0]], cell=cell, pbc=True)
    with pytest.raises(StructureError, match="no three-dimensional cell"):
        check_structure(flat, "Li", KNOWN, 2.0)


def test_positions_that_are_not_finite_are_refused() -> None:
    crystal = ROCK_SALT.copy()
    crystal.positions[2, 1] = np.nan
    with pytest.raises(StructureError, match="not finite"):
        check_structure(crystal, "Li", KNOWN, 2.0)


def test_the_check_does_not_depend_on_the_orientation() -> None:
    crystal = read_structure(LYC)
    turn = Rotation.random(rng=np.random.default_rng(4)).as_matrix().T
    turned = Atoms(crystal.numbers, crystal.positions @ turn + 7, cell=crystal.cell.array @ turn, pbc=True)
    assert check_structure(turned, "Li", KNOWN, 3.0) == []
