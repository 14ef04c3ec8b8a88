from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from frustra.analysis.tabulate import sites_for, tabulate, tabulate_runs
from frustra.errors import AnalysisError, DataError, FrustraError, StructureError
from frustra.geometry import minimum_image
from frustra.io import read_structure
from frustra.sites import sites_of
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


def test_an_ion_that_is_itself_an_anion_is_in_no_polyhedron() -> None:
    table = tabulate(snapshots(ATOMS, 2), "Cl", anions=["Cl"])
    assert set(table["place"]) == set(table["layer"]) == {-1}
    assert (set(table["site"]), set(table["coordination"]), set(table["label"])) == ({"other"}, {0}, {""})
    assert set(table["vacant_oct"]) == set(table["near_tet"]) == set(table["site_ions"]) == {0}
    assert np.isnan(table["mean_anion"]).all()
    assert (table["nearest_anion"] > 3).all()  # the nearest other one


def test_places_are_rows_of_the_given_sites() -> None:
    sites = sites_of(ATOMS, ["Cl"], "Li")
    record = snapshots(ATOMS, 3)
    table = tabulate(record, "Li", run=2, sites=sites)
    assert set(table["run"]) == {2}
    for column in ("kind", "label", "layer", "coordination"):
        expected = getattr(sites, column)[table["place"]]
        np.testing.assert_array_equal(table["site" if column == "kind" else column], expected)
    gaps = sites.positions[table["place"]] - record.positions[:, LITHIUM].reshape(-1, 3)
    assert np.linalg.norm(minimum_image(gaps, record.cell), axis=1).max() < 0.8


def test_snapshots_of_another_crystal_than_the_sites_are_refused() -> None:
    sites = sites_of(ATOMS.repeat((1, 1, 2)), ["Cl"], "Li")
    with pytest.raises(DataError, match="crystal of this run"):
        tabulate(snapshots(ATOMS), "Li", sites=sites)


def test_no_snapshots_are_refused() -> None:
    with pytest.raises(AnalysisError, match="no snapshots"):
        tabulate(snapshots(ATOMS).select(slice(0)), "Li")


@pytest.mark.parametrize(("disorder", "kinds"), [("0p", {"I1S3"}), ("50p", {"I1S3", "I2S2", "S4"})])
def test_lithium_of_argyrodites_has_the_anions_of_their_order(
    data: Path, disorder: str, kinds: set[str]
) -> None:
    # in the ordered crystal every tetrahedron has one I, one free S and two S of PS4 at its corners
    path = data / f"argyrodite_Li6PS5I/{disorder}_run1_inherent_XDATCAR.gz"
    frames = read(path, index="::40", format="vasp-xdatcar")
    record = snapshots(frames[0], len(frames), positions=np.array([f.positions for f in frames]))
    table = tabulate(record, "Li")
    assert set(table["anions"]) == kinds
    assert set(table["site"]) == {"tet"}
    # each ion's own four are its nearest, but for the few near a face
    anions = indices_of(frames[0], "S", "I")
    same = []
    for row in range(0, len(table), 7):
        frame = frames[table["snapshot"][row]]
        near = frame.get_distances(int(table["ion"][row]), anions, mic=True)
        iodine = (frame.symbols[anions[np.argsort(near)[:4]]] == "I").sum()
        same.append({0: "S4", 1: "I1S3", 2: "I2S2"}.get(int(iodine)) == table["anions"][row])
    assert np.mean(same) > 0.95


def test_anions_and_framework_cations_can_be_asked_for_without_naming_sites() -> None:
    record = snapshots(ATOMS, 2)
    for element, inside in (("Cl", False), ("Y", True)):
        table, atoms = tabulate(record, element), indices_of(ATOMS, element)
        np.testing.assert_array_equal(table["energy"], record.atomic_energies[:, atoms].ravel())
        assert (set(table["site"]) == {"oct"}) == inside
        assert (set(table["place"]) != {-1}) == inside
        assert not table["left_basin"].any()
        assert (sites_for([record], element) is not None) == inside
    assert set(tabulate(record, "Y")["coordination"]) == {6}


def test_structures_are_numbered_over_all_runs_at_one_temperature() -> None:
    crystal, other = ATOMS.positions, ATOMS.positions.copy()
    other[LITHIUM[0]] += [0.0, 0.0, 1.5]
    energies = np.full((2, len(ATOMS)), -3.0)
    runs = [
        snapshots(ATOMS, 2, energies, positions=np.array(frames))
        for frames in ((other, crystal), (crystal, other))
    ]
    together = tabulate_runs(runs, "Li", material="lyc")
    assert together["structure"][:: len(LITHIUM)].tolist() == [0, 1, 1, 0]
    assert together["run"][:: len(LITHIUM)].tolist() == [0, 0, 1, 1]
    assert tabulate(runs[1], "Li")["structure"][:: len(LITHIUM)].tolist() == [0, 1]


def test_ions_that_left_their_basin_are_marked() -> None:
    far = np.zeros((2, len(ATOMS)))
    far[1, LITHIUM[3]] = 1.6  # Å; the next tetrahedron is at 2.3
    record = snapshots(ATOMS, 2, displacements=far, positions=np.array([ATOMS.positions] * 2))
    table = tabulate(record, "Li")
    assert table["left_basin"].tolist() == [False] * (9 + 3) + [True] + [False] * 5
