import numpy as np
import pytest
from ase import Atoms

from frustra.analysis.tabulate import tabulate
from frustra.errors import FrustraError, StructureError
from frustra.io import read_structure
from frustra.structures import indices_of
from tests.helpers import LYC, snapshots

ATOMS = read_structure(LYC)
LITHIUM = indices_of(ATOMS, "Li")


def test_every_row_holds_what_belongs_to_its_snapshot_and_ion() -> None:
    record = snapshots(ATOMS, 4, converged=np.array([True, False, True, True]))
    table = tabulate(record, "Li", material="lyc")
    assert len(table) == 4 * 9
    rows = [(frame, ion) for frame in range(4) for ion in LITHIUM]
    for row, (frame, ion) in enumerate(rows):
        assert (table["snapshot"][row], table["ion"][row]) == (frame, ion)
        assert table["energy"][row] == record.atomic_energies[frame, ion]
        assert table["displacement"][row] == record.displacements[frame, ion]
        assert table["converged"][row] == record.converged[frame]
        assert table["time"][row] == record.time[frame]
        distances = record.atoms(frame).get_distances(ion, indices_of(ATOMS, "Cl"), mic=True)
        assert table["nearest_anion"][row] == pytest.approx(distances.min(), abs=1e-9)
    assert set(table["material"]) == {"lyc"}
    assert set(table["element"]) == {"Li"}
    assert set(table["temperature"]) == {record.temperature}


def test_lithium_of_the_published_cell_is_octahedral_and_a_displaced_ion_tetrahedral() -> None:
    atoms = ATOMS.copy()
    anions = atoms.positions[indices_of(atoms, "Cl")]
    corner = anions[0]
    near = atoms.get_distances(
        int(indices_of(atoms, "Cl")[0]), indices_of(atoms, "Cl"), mic=True, vector=True
    )
    # three neighbours that touch one another and the corner make a tetrahedron
    close = near[np.argsort(np.linalg.norm(near, axis=1))][1:13]
    triples = [
        (a, b, c)
        for i, a in enumerate(close)
        for j, b in enumerate(close[:i])
        for c in close[:j]
        if max(np.linalg.norm(v) for v in (a - b, b - c, a - c)) < 4.2
    ]
    atoms.positions[LITHIUM[0]] = corner + sum(triples[0]) / 4
    record = snapshots(atoms, 1, positions=atoms.positions[None])
    table = tabulate(record, "Li")
    assert table["site"].tolist() == ["tet"] + 8 * ["oct"]
    assert table["coordination"].tolist() == [4] + 8 * [6]


def test_the_energies_of_all_elements_add_up_to_the_total() -> None:
    record = snapshots(ATOMS, 3)
    tables = [tabulate(record, e, anions=["Cl"]) for e in ("Li", "Y", "Cl")]
    totals = sum(np.bincount(t["snapshot"], t["energy"]) for t in tables)
    np.testing.assert_allclose(totals, record.energies, atol=1e-9)


def test_the_named_anions_make_the_polyhedra() -> None:
    record = snapshots(ATOMS, 2)
    everyone = tabulate(record, "Li", anions=["Cl", "Y"])
    expected = [
        record.atoms(f).get_distances(i, indices_of(ATOMS, "Cl", "Y"), mic=True).min()
        for f in range(2)
        for i in LITHIUM
    ]
    np.testing.assert_allclose(everyone["nearest_anion"], expected, atol=1e-9)


def test_snapshots_without_anions_are_refused() -> None:
    metal = Atoms("LiY", positions=[[0, 0, 0], [2, 2, 2]], cell=4 * np.eye(3), pbc=True)
    with pytest.raises(StructureError, match="no anion element"):
        tabulate(snapshots(metal), "Li")


def test_named_anions_that_are_absent_are_refused() -> None:
    with pytest.raises(FrustraError, match="Br"):
        tabulate(snapshots(ATOMS), "Li", anions=["Br"])


def test_an_absent_ion_is_refused() -> None:
    with pytest.raises(FrustraError, match="Na"):
        tabulate(snapshots(ATOMS), "Na")
