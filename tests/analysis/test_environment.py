"""What is around ions: closed forms in close packings, a naive count over images, and invariances."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.analysis.surroundings import surroundings_of
from frustra.analysis.tabulate import tabulate
from frustra.errors import AnalysisError
from frustra.io import read_structure
from frustra.sites import Sites, sites_of
from frustra.snapshots import Snapshots
from frustra.states import StateTable
from tests.helpers import LYC, another_view, seeds, snapshots, translations, unimodular

A = 5.0
CRYSTAL = read_structure(LYC)
OWN = {"structure", "place", "layer", "ion", "energy", "displacement", "snapshot", "time"}
"""Columns that depend on how sites and atoms are numbered, or on the energies of `snapshots`."""


def still(atoms: Atoms, *more: np.ndarray) -> Snapshots:
    """Return frames that are exactly the given positions."""
    frames = [atoms.positions, *more]
    return snapshots(atoms, len(frames), positions=np.array(frames))


def fcc(repeat: int, ions: Any = (), cations: Any = ()) -> Atoms:
    """Return an fcc lattice of Cl, with Li and Y at places in units of its lattice constant."""
    atoms = bulk("Cl", "fcc", A, cubic=True).repeat(repeat)
    for element, named in (("Li", ions), ("Y", cations)):
        places = np.reshape(named, (-1, 3))
        atoms += Atoms([element] * len(places), A * places, cell=atoms.cell, pbc=True)
    return atoms


def row(table: StateTable, number: int = 0) -> dict[str, Any]:
    return {name: table[name][number] for name in table.columns}


OCT, TET = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def test_an_octahedral_ion_alone_in_fcc_has_8_empty_tetrahedra_and_12_empty_octahedra() -> None:
    found = row(tabulate(still(fcc(2, [OCT])), "Li"))
    told = {"site": "oct", "coordination": 6, "anions": "Cl6", "layer": found["layer"], "label": "oct"}
    told |= {"vacant_tet": 8, "vacant_oct": 12, "vacant_other": 0, "face_cations": 0, "edge_cations": 0}
    told |= {"near_oct": 0, "near_tet": 0, "near_other": 0, "face_ions": 0, "site_ions": 0}
    assert {name: found[name] for name in told} == told
    assert found["nearest_anion"] == pytest.approx(A / 2)
    assert found["mean_anion"] == pytest.approx(A / 2)
    assert found["off_centre"] == pytest.approx(0, abs=1e-9)
    assert found["nearest_ion"] == pytest.approx(2 * A)  # its own image
    assert np.isnan(found["nearest_cation"])


def test_a_tetrahedral_ion_beside_it_shares_a_face() -> None:
    table = tabulate(still(fcc(2, [OCT, TET])), "Li")
    octahedral, tetrahedral = row(table), row(table, 1)
    expected = {"near_tet": 1, "near_oct": 0, "vacant_tet": 7, "vacant_oct": 12, "face_ions": 1}
    assert {name: octahedral[name] for name in expected} == expected
    # a tetrahedron has four octahedra at its faces and six tetrahedra at its edges
    expected = {"near_tet": 0, "near_oct": 1, "vacant_tet": 6, "vacant_oct": 3, "face_ions": 1}
    assert {name: tetrahedral[name] for name in expected} == expected
    assert (tetrahedral["site"], tetrahedral["coordination"], tetrahedral["anions"]) == ("tet", 4, "Cl4")
    assert table["nearest_ion"] == pytest.approx(2 * [A * np.sqrt(3) / 4])
    assert tetrahedral["mean_anion"] == pytest.approx(A * np.sqrt(3) / 4)


def test_framework_cations_are_counted_by_what_they_share_and_are_no_vacancies() -> None:
    table = tabulate(still(fcc(2, [TET, (0.5, 1.0, 1.0)], [OCT])), "Li")
    tetrahedral, octahedral = row(table), row(table, 1)
    assert (tetrahedral["face_cations"], tetrahedral["edge_cations"]) == (1, 0)
    assert tetrahedral["vacant_oct"] == 3
    assert (octahedral["face_cations"], octahedral["edge_cations"]) == (0, 1)
    assert octahedral["vacant_oct"] == 11
    assert table["nearest_cation"] == pytest.approx([A * np.sqrt(3) / 4, A / np.sqrt(2)])
    assert table["label"].tolist() == ["tet: 1 Y face", "oct: 1 Y edge"]


def test_every_image_of_a_neighbour_counts_in_a_small_cell() -> None:
    # the cubic cell has four octahedra; each of the three others is a neighbour of the first in four images
    found = row(tabulate(still(fcc(1, [OCT, (0.5, 0.0, 0.0)])), "Li"))
    assert (found["near_oct"], found["vacant_oct"], found["vacant_tet"]) == (4, 8, 8)


def test_an_ion_off_its_centre_is_told_by_how_much() -> None:
    off = np.array([0.3, -0.2, 0.1])
    found = row(tabulate(still(fcc(2, [OCT + off / A])), "Li"))
    assert found["off_centre"] == pytest.approx(np.linalg.norm(off))
    corners = A / 2 * np.concatenate([np.eye(3), -np.eye(3)])
    assert found["mean_anion"] == pytest.approx(np.linalg.norm(corners - off, axis=1).mean())
    assert found["nearest_anion"] == pytest.approx(np.linalg.norm(corners - off, axis=1).min())


def test_a_very_skewed_cell_is_the_same_crystal() -> None:
    atoms = fcc(2, [OCT + np.array([0.1, -0.05, 0.12]), TET])
    skewed = atoms.copy()
    skewed.set_cell(np.array([[1, 7, 0], [0, 1, -9], [0, 0, 1]]) @ atoms.cell.array)
    one, other = (tabulate(still(a), "Li") for a in (atoms, skewed))
    same(one, other)
    assert one["off_centre"][0] == pytest.approx(A * np.linalg.norm([0.1, -0.05, 0.12]))


def test_two_ions_in_one_polyhedron_are_not_hidden() -> None:
    table = tabulate(still(fcc(2, [(0.42, 0.5, 0.5), (0.58, 0.5, 0.5)])), "Li")
    assert table["site_ions"].tolist() == [1, 1]
    assert table["near_oct"].tolist() == [0, 0]
    assert table["nearest_ion"] == pytest.approx(2 * [0.16 * A])


def test_octahedra_of_hcp_share_faces_along_c_and_edges_in_the_plane() -> None:
    c = np.sqrt(8 / 3)
    atoms = bulk("Cl", "hcp", 4.0, 4.0 * c).repeat((3, 3, 2))
    middle = sites_of(atoms, ["Cl"]).positions[sites_of(atoms, ["Cl"]).kind == "oct"]
    first = middle[0]
    ions = first + np.array([[0, 0, 0], [0, 0, 2.0 * c], [4.0, 0, 0]])
    atoms += Atoms("Li3", ions, cell=atoms.cell, pbc=True)
    found = row(tabulate(still(atoms), "Li"))
    # faces: two octahedra and six tetrahedra; edges: six octahedra in the plane
    assert (found["near_oct"], found["face_ions"], found["vacant_oct"]) == (2, 1, 6)


def test_hydrogen_is_no_cation_and_elements_are_spelt_in_their_order() -> None:
    atoms = fcc(2, [OCT])
    atoms.symbols[np.argmin(np.linalg.norm(atoms.positions - [A / 2, A / 2, 0], axis=1))] = "Br"
    atoms += Atoms("H", [[0.8, 0.8, 0.8]], cell=atoms.cell, pbc=True)
    found = row(tabulate(still(atoms), "Li"))
    assert found["anions"] == "Br1Cl5"
    assert np.isnan(found["nearest_cation"])


def test_an_anion_that_went_to_anothers_place_is_told_by_what_it_is_now() -> None:
    atoms = fcc(2, [OCT])
    near = int(np.argmin(np.linalg.norm(atoms.positions - [A / 2, A / 2, 0], axis=1)))
    far = int(np.argmax(np.linalg.norm(atoms.positions[:-1] - atoms.positions[-1], axis=1)))
    atoms.symbols[far] = "Br"
    swapped = atoms.positions.copy()
    swapped[[near, far]] = swapped[[far, near]]
    table = tabulate(still(atoms, swapped), "Li", sites=sites_of(atoms, ["Cl", "Br"], "Li"))
    assert table["anions"].tolist() == ["Cl6", "Br1Cl5"]
    assert table["off_centre"] == pytest.approx([0, 0], abs=1e-9)


def naive(atoms: Atoms, sites: Sites, table: StateTable) -> dict[str, np.ndarray]:
    """Count neighbours by going through all images: polyhedra are the nearest anions of their centres."""
    cell = atoms.cell.array
    images = translations(cell, 7.0)
    anions = (atoms.positions[atoms.symbols == "Cl"][:, None] + images).reshape(-1, 3)
    ions = atoms.positions[atoms.symbols == "Li"]
    held = atoms.positions[atoms.symbols == "Y"]

    def corners(centre: np.ndarray, count: int) -> set[tuple[float, ...]]:
        order = np.argsort(np.linalg.norm(anions - centre, axis=1))[:count]
        return {tuple(np.round(a, 4)) for a in anions[order]}

    names = [f"{w}_{k}" for w in ("near", "vacant") for k in ("oct", "tet", "other")]
    found = {n: np.zeros(len(ions), int) for n in [*names, "face_ions", "face_cations", "edge_cations"]}
    for number, place in enumerate(table["place"]):
        home = sites.positions[place]
        own = corners(home, sites.coordination[place])
        for j, centre in enumerate(sites.positions):
            for image in images:
                away = np.linalg.norm(centre + image - home)
                if away < 1e-6 or away > 6.5:
                    continue
                shared = len(own & corners(centre + image, sites.coordination[j]))
                if shared < 2:
                    continue
                inside = [np.linalg.norm(p - centre + images, axis=1).min() < 0.9 for p in ions]
                cation = any(np.linalg.norm(p - centre + images, axis=1).min() < 0.9 for p in held)
                found[f"near_{sites.kind[j]}"][number] += sum(inside)
                found[f"vacant_{sites.kind[j]}"][number] += not (any(inside) or cation)
                found["face_ions"][number] += sum(inside) if shared > 2 else 0
                found["face_cations" if shared > 2 else "edge_cations"][number] += cation
    return found


def filled(seed: int) -> Atoms:
    """Return the published cell with its nine Li on sites drawn at random."""
    rng = np.random.default_rng(seed)
    sites = sites_of(CRYSTAL, ["Cl"], "Li")
    chosen = rng.choice(np.flatnonzero(sites.open), 9, replace=False)
    atoms = CRYSTAL.copy()
    atoms.positions[atoms.symbols == "Li"] = sites.positions[chosen] + rng.normal(0, 0.05, (9, 3))
    return atoms


@pytest.mark.parametrize("seed", [0, 1])
def test_the_counts_are_those_of_a_naive_search_over_images(seed: int) -> None:
    atoms, sites = filled(seed), sites_of(CRYSTAL, ["Cl"], "Li")
    table = tabulate(still(atoms), "Li", sites=sites)
    for name, expected in naive(atoms, sites, table).items():
        np.testing.assert_array_equal(table[name], expected, err_msg=name)


def same(one: StateTable, other: StateTable, *but: str) -> None:
    """Check that two tables tell the same of every row."""
    for name in one.columns.keys() - OWN - {*but}:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(one[name], other[name], atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@given(seeds, unimodular())
@settings(max_examples=8)
def test_the_order_of_the_atoms_the_choice_of_the_cell_and_rigid_motions_change_nothing(
    seed: int, matrix: np.ndarray
) -> None:
    rng = np.random.default_rng(seed)
    atoms = filled(seed)
    order = rng.permutation(len(atoms))
    moved = another_view(atoms[order], matrix, rng)
    moved.positions += rng.uniform(-1000, 1000, 3)
    ions = np.flatnonzero(atoms.symbols == "Li")
    there = np.array([int(np.flatnonzero(order == i)[0]) for i in ions])
    table, other = tabulate(still(atoms), "Li"), tabulate(still(moved), "Li")
    same(table, other.select(np.array([int(np.flatnonzero(other["ion"] == i)[0]) for i in there])))


@given(seeds, st.sampled_from([(2, 1, 1), (1, 1, 2), (2, 2, 1)]))
@settings(max_examples=4)
def test_a_repeated_cell_has_the_same_surroundings(seed: int, repeat: tuple[int, int, int]) -> None:
    atoms = filled(seed)
    table, other = tabulate(still(atoms), "Li"), tabulate(still(atoms.repeat(repeat)), "Li")
    same(table.select(np.tile(np.arange(9), int(np.prod(repeat)))), other)


def test_frames_of_a_drifting_run_have_the_surroundings_that_each_has_alone() -> None:
    one, other = filled(3), filled(4)
    sites = sites_of(CRYSTAL, ["Cl"], "Li")
    later = other.positions + 2.7 * CRYSTAL.cell[0] + 0.4
    both = tabulate(still(one, one.positions, later), "Li", sites=sites)
    alone = [tabulate(still(a), "Li", sites=sites) for a in (one, one, other)]
    for number, table in enumerate(alone):
        same(both.select(both["snapshot"] == number), table)
        np.testing.assert_array_equal(both["place"][both["snapshot"] == number], table["place"])


@given(seeds)
@settings(max_examples=6)
def test_what_is_drawn_around_an_ion_is_what_the_table_counts(seed: int) -> None:
    atoms, sites = filled(seed), sites_of(CRYSTAL, ["Cl"], "Li")
    record = still(atoms)
    table = tabulate(record, "Li", sites=sites)
    images = translations(atoms.cell.array, 8.0)
    for number, ion in enumerate(table["ion"]):
        found, told = surroundings_of(record, 0, int(ion), sites), row(table, number)
        assert found.kind == told["site"]
        assert len(found.vertices) == told["coordination"]
        assert np.linalg.norm(found.vertices, axis=1).mean() == pytest.approx(told["mean_anion"])
        assert np.linalg.norm(found.vertices.mean(axis=0)) == pytest.approx(told["off_centre"])
        for kind in ("oct", "tet", "other"):
            assert (found.ion_kinds == kind).sum() == told[f"near_{kind}"]
            assert (found.vacancy_kinds == kind).sum() == told[f"vacant_{kind}"]
        assert len(found.cations) == told["face_cations"] + told["edge_cations"]
        # polyhedra that touch are near, and an empty one is where the crystal has a site
        for places in (found.ions, found.vacancies, found.cations):
            assert np.linalg.norm(places, axis=1).max(initial=0) < 5.5
        there = (sites.positions[:, None] + images).reshape(-1, 3) - atoms.positions[ion]
        for place in found.vacancies:
            assert np.linalg.norm(there - place, axis=1).min() < 1e-6
        drawn = [(found.ions, "Li"), (found.cations, "Y"), (found.vertices, "Cl")]
        for places, element in drawn:  # there is such an atom in the crystal
            there = (atoms.positions[atoms.symbols == element][:, None] + images).reshape(-1, 3)
            for place in places:
                away = np.linalg.norm(there - place - atoms.positions[ion], axis=1)
                assert away.min() == pytest.approx(0, abs=1e-6)


def test_an_ion_without_a_polyhedron_is_not_drawn() -> None:
    atoms = fcc(2, [OCT])
    found = sites_of(atoms, ["Cl"], "Li")
    peaks = Sites(**{**vars(found), "tiling": None})
    with pytest.raises(AnalysisError, match="sites made of anions"):
        surroundings_of(still(atoms), 0, len(atoms) - 1, peaks)
    table = tabulate(still(atoms), "Li", anions=["Cl"], sites=peaks)
    assert (table["site"][0], table["anions"][0], table["vacant_oct"][0]) == ("oct", "", 12)
    assert np.isnan(table["mean_anion"]).all()
