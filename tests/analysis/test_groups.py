from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from hypothesis import given

from frustra.analysis.groups import groups_of, is_group, ligand_of
from frustra.analysis.tabulate import tabulate
from frustra.errors import StructureError
from frustra.io import read_structure
from frustra.structures import indices_of
from frustra.trajectory import Trajectory
from tests.helpers import LYC, another_view, seeds, snapshots, unimodular

CRYSTAL = read_structure(LYC)


def still(*frames: Atoms) -> Trajectory:
    positions, cells = (np.array([getattr(a, x) for a in frames]) for x in ("positions", "cell"))
    return Trajectory(positions, cells, frames[0].numbers, 1.0, 300.0)


def salt(bond: float = 1.2) -> Atoms:
    """Return tetrahedra BH4 on a bcc lattice of 8 Å, with Li between them."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    centres = np.array([[0, 0, 0], [4, 4, 4]], dtype=float)
    hydrogen = (centres[:, None] + bond * corners).reshape(-1, 3)
    lithium = centres + np.array([4, 0, 0])
    order = np.random.default_rng(0).permutation(12)
    symbols = np.array(["B"] * 2 + ["H"] * 8 + ["Li"] * 2)
    positions = np.concatenate([centres, hydrogen, lithium])
    return Atoms(symbols[order], positions[order], cell=8 * np.eye(3), pbc=True)


def test_only_formulas_of_two_elements_are_groups() -> None:
    assert all(is_group(name) for name in ("PS4", "BH4", "YCl6", "OH", "CO"))
    assert not any(is_group(name) for name in ("Li", "Cl", "Co", "P4", "S", "", "PS0", "XS4", "SS4", "P2S7"))
    assert ligand_of("YCl6") == "Cl"


@given(seeds, unimodular())
def test_groups_are_the_same_in_any_view_of_the_crystal(seed: int, matrix: np.ndarray) -> None:
    atoms = salt()
    seen = another_view(atoms, matrix, np.random.default_rng(seed))
    found = groups_of(still(seen), "BH4")
    np.testing.assert_array_equal(found.members, groups_of(still(atoms), "BH4").members)
    assert set(np.array(atoms.symbols)[found.centres]) == {"B"}
    for row in found.members:
        assert atoms.get_distances(row[0], row[1:], mic=True) == pytest.approx(1.2)


def test_isolated_octahedra_are_groups() -> None:
    found = groups_of(still(CRYSTAL), "YCl6")
    assert found.members.shape == (3, 7)
    assert sorted(found.members[:, 1:].ravel()) == indices_of(CRYSTAL, "Cl").tolist()


def test_groups_that_share_atoms_are_refused() -> None:
    perovskite = Atoms(
        "TiO3", [[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2]], cell=4 * np.eye(3), pbc=True
    ).repeat(2)
    with pytest.raises(StructureError, match="24 O for 8 groups TiO6"):
        groups_of(still(perovskite), "TiO6")
    three = 2 * np.array([[-0.33, 0.94, 0], [-0.33, -0.47, 0.82], [-0.33, -0.47, -0.82]])
    bridged = [[0, 0, 0], [4, 0, 0], [2, 0, 0], *three, *(three * [-1, 1, 1] + [4, 0, 0]), [9, 9, 9]]
    dimer = Atoms("P2S8", bridged, cell=16 * np.eye(3), pbc=True)  # P2S7 and a free S
    with pytest.raises(StructureError, match="1 S that belong to more than one PS4"):
        groups_of(still(dimer), "PS4")


def test_a_wrong_number_of_ligands_is_refused() -> None:
    with pytest.raises(StructureError, match="clear end of BH3"):
        groups_of(still(salt()), "BH3")
    with pytest.raises(StructureError, match="8 H for 2 groups BH5"):
        groups_of(still(salt()), "BH5")
    with pytest.raises(StructureError, match="no P in"):
        groups_of(still(salt()), "PS4")
    with pytest.raises(StructureError, match="such as PS4"):
        groups_of(still(salt()), "Li")
    with pytest.raises(StructureError):
        groups_of(still(bulk("NaCl", "rocksalt", a=5.6, cubic=True)), "NaCl6")


def test_groups_that_exchange_atoms_are_refused() -> None:
    atoms, later = salt(), salt()
    groups = groups_of(still(atoms), "BH4")
    one, other = groups.members[:, 1]
    later.positions[[one, other]] = later.positions[[other, one]]
    with pytest.raises(StructureError, match="exchange atoms before frame 1"):
        groups_of(still(atoms, later), "BH4")


def test_the_energy_of_a_group_is_the_sum_over_its_atoms() -> None:
    record = snapshots(salt(), 3)
    table = tabulate(record, "BH4", run=1)
    members = groups_of(still(salt()), "BH4").members
    expected = [record.atomic_energies[frame, row].sum() for frame in range(3) for row in members]
    np.testing.assert_allclose(table["energy"], expected)
    lithium = tabulate(record, "Li", anions=["H"])
    totals = sum(np.bincount(t["snapshot"], t["energy"]) for t in (table, lithium))
    np.testing.assert_allclose(totals, record.energies)
    assert table["ion"].tolist() == 3 * members[:, 0].tolist()
    farthest = record.displacements[:, members].max(axis=2).ravel()
    np.testing.assert_array_equal(table["displacement"], farthest)
    assert set(table["element"]) == {"BH4"}
    assert set(table["site"]) == {"other"}
    assert set(table["place"]) == {-1}
    assert set(table["run"]) == {1}
    assert (np.abs(table["nearest_anion"] - 1.2) < 0.1).all()


def test_argyrodites_are_made_of_thiophosphate_and_free_sulphur(data: Path) -> None:
    path = data / "argyrodite_Li6PS5I/50p_run1_inherent_XDATCAR.gz"
    frames = read(path, index="::40", format="vasp-xdatcar")
    positions = np.array([f.positions for f in frames])
    record = snapshots(frames[0], len(frames), positions=positions)
    table = tabulate(record, "PS4")
    phosphorus = indices_of(frames[0], "P")
    assert len(table) == len(frames) * len(phosphorus)
    members = groups_of(still(*frames), "PS4").members
    bonds = [f.get_distances(row[0], row[1:], mic=True) for f in frames for row in members]
    assert 1.9 < np.min(bonds) < np.max(bonds) < 2.3  # P–S bonds of thiophosphates: 2.05 Å
    free = set(indices_of(frames[0], "S")) - set(members.ravel())
    assert len(free) == len(phosphorus)  # Li6PS5I: one of five S
    with pytest.raises(StructureError, match="PS3"):
        tabulate(record, "PS3")
