"""`frustra sites` as a user runs it."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from ase import Atoms
from ase.build import bulk
from ase.io import read
from click.testing import Result
from typer.testing import CliRunner

from frustra.campaign import trajectories
from frustra.cli.sites import sites
from frustra.io import write_frames, write_structure, write_trajectory
from frustra.trajectory import Trajectory
from tests.helpers import LYC

app = typer.Typer()
app.command()(sites)

A = 5.2
"""Å: cubic lattice parameter of the close packing of Cl in the trajectories."""

FRAMES = 40


def hopper(temperature: float, on_tetrahedra: int, seed: int = 0) -> Trajectory:
    """Return three Li in octahedra of a close packing of Cl; one is on a tetrahedron in some frames.

    Its visits are spread evenly over the run. Cl vibrates by 0.05 Å.
    """
    rng = np.random.default_rng([int(temperature), seed])
    cl = bulk("Cl", "fcc", a=A, cubic=True).repeat(2)
    octahedra = A * np.array([[0.5, 0.5, 0.5], [1.5, 0.5, 0.5], [0.5, 1.5, 1.5]])
    li = np.tile(octahedra, (FRAMES, 1, 1))
    away = np.linspace(0, FRAMES - 1, on_tetrahedra).round().astype(int)
    li[away, 0] = A * np.array([0.25, 0.25, 0.25])
    chlorine = cl.positions + 0.05 * rng.normal(size=(FRAMES, len(cl), 3))
    cells = np.broadcast_to(cl.cell.array, (FRAMES, 3, 3))
    numbers = np.array([3] * 3 + [17] * len(cl))
    return Trajectory(np.concatenate([li, chlorine], axis=1), cells, numbers, 0.1, temperature)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    for temperature, visits in ((300.0, 0), (600.0, 20)):
        at = folder / f"{temperature:.0f}K"
        at.mkdir()
        for seed in range(2):
            write_trajectory(at / f"run{seed}.h5", hopper(temperature, visits, seed))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def complaint(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exit_code == 2, done.stdout + done.stderr
    assert done.stderr.startswith("frustra: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_published_cell_has_its_18_octahedra_and_36_tetrahedra_half_of_them_next_to_yttrium() -> None:
    answer = told(LYC, "--specie", "Li")
    assert answer["counts"] == {"oct": 18, "tet": 36, "other": 0}
    assert answer["open"] == {"oct": 15, "tet": 36, "other": 0}
    assert answer["held"] == {"Y": 3}
    assert answer["shapes"] == {"octahedron": 18, "tetrahedron": 36}
    assert answer["tet_face_sharing"] == {"Y": 18}
    assert answer["oct_face_sharing"] == {"Y": 3}
    assert answer["space_group"] == "P-3m1 (164)"
    assert answer["anions"] == ["Cl"]
    assert answer["temperatures"] == answer["notes"] == []
    layers = [(one["octahedra"], one["held"], one["axis"]) for one in answer["layers"]]
    assert sorted(layers, key=str) == [(9, {"Y": 1}, "c"), (9, {"Y": 2}, "c")]
    assert sum(c["number"] for c in answer["classes"]) == len(answer["sites"]) == 54
    assert {w for c in answer["classes"] if c["kind"] == "oct" for w in c["wyckoff"]} == {
        "1a", "1b", "2d", "6g", "6h",
    }  # fmt: skip


def test_the_list_of_sites_agrees_with_itself_and_with_the_crystal() -> None:
    answer = told(LYC, "--specie", "Li")
    listed, cell = answer["sites"], np.array(answer["cell_A"])
    assert [s["index"] for s in listed] == list(range(54))
    for site in listed:
        np.testing.assert_allclose(np.array(site["fractional"]) @ cell, site["position_A"], atol=2e-5)
        for beyond in site["face_neighbours"]:
            back = {"site": site["index"], "shift": [-s for s in beyond["shift"]]}
            assert back in listed[beyond["site"]]["face_neighbours"]
        assert len(site["vertices"]) == site["coordination"] == {"oct": 6, "tet": 4}[site["kind"]]
        held = [listed[b["site"]]["held"] for b in site["face_neighbours"]]
        assert site["face_cations"] == dict(Counter(h for h in held if h))
    assert sum(s["volume_A3"] for s in listed) == pytest.approx(np.linalg.det(cell))
    assert sum("Y" in s["face_cations"] for s in listed if s["kind"] == "tet") == 18
    for one in answer["classes"]:
        mine = [s for s in listed if s["label"] == one["label"]]
        assert len(mine) == one["number"]
        assert np.mean([s["volume_A3"] for s in mine]) == pytest.approx(one["mean_volume_A3"])
        assert one["open"] == all(s["held"] is None for s in mine)


def test_people_get_a_table_a_figure_and_a_cif_that_other_programs_read(tmp_path: Path) -> None:
    done = run(LYC, "--specie", "Li", "--cif", tmp_path / "all.cif", "--plot", tmp_path / "all.svg")
    assert done.exit_code == 0, done.stderr
    assert "Li3YCl6, P-3m1 (164): 54 sites of Cl for Li" in done.stdout
    assert "18 oct, 36 tet; 3 hold Y; open: 15 oct, 36 tet; 18 tet share a face with Y" in done.stdout
    assert (tmp_path / "all.svg").read_text().startswith("<?xml")
    atoms = read(tmp_path / "all.cif")
    assert atoms.symbols.formula.count() == {"Y": 3, "Cl": 18, "He": 15, "Ne": 36}
    crystal = read(LYC)
    np.testing.assert_allclose(atoms.cell.cellpar(), crystal.cell.cellpar(), atol=1e-6)
    answer = told(LYC, "--specie", "Li")
    dummies = atoms.get_scaled_positions()[np.isin(atoms.symbols, ["He", "Ne"])]
    places = np.array([s["fractional"] for s in answer["sites"] if s["held"] is None])
    gaps = dummies - places
    np.testing.assert_allclose(gaps, np.round(gaps), atol=1e-5)
    assert not list(tmp_path.glob(".*"))


def test_occupancies_follow_the_ions_at_every_temperature(ladder: Path, tmp_path: Path) -> None:
    answer = told(*sorted(ladder.glob("*K")), "--specie", "Li", "--cif", tmp_path / "all.cif")
    assert answer["counts"] == {"oct": 32, "tet": 64, "other": 0}
    cold, hot = answer["temperatures"]
    assert (cold["T_K"], hot["T_K"]) == (300, 600)
    assert (cold["runs"], cold["frames"]) == (2, 80)
    assert {c["label"]: c["occupancy"]["value"] for c in cold["classes"]} == {"oct": 3 / 32, "tet": 0}
    found = {c["label"]: c for c in hot["classes"]}
    assert found["tet"]["occupancy"]["value"] == pytest.approx(
        0.5 / 64
    )  # one of three ions, half of the time
    assert found["oct"]["occupancy"]["value"] == pytest.approx(2.5 / 32)
    assert found["tet"]["share"] == pytest.approx(0.5 / 3)
    assert found["tet"]["occupancy"]["low"] <= 0.5 / 64 <= found["tet"]["occupancy"]["high"]
    assert sum(hot["sites"]) == pytest.approx(3, abs=1e-4)
    assert hot["nowhere"]["value"] == hot["shared_sites"] == 0
    assert cold["entropy_nat"] == 0
    exact = 2 * np.log(2) / 3  # two sites half full, for three ions
    assert abs(hot["entropy_nat"] - exact) < 2 * hot["entropy_std_nat"] < 0.01
    assert answer["notes"] == ["the sites are those of the mean framework at 300 K"]
    lines = (tmp_path / "all.cif").read_text()
    assert "# occupancies at 300 K" in lines
    held = [row for row in lines.splitlines() if " He " in row and "1.0000" in row]
    assert len(held) == 3


def test_the_table_of_a_ladder_has_a_column_for_each_temperature(ladder: Path, tmp_path: Path) -> None:
    done = run(ladder, "--specie", "Li", "--plot", tmp_path / "sites.svg")
    assert done.exit_code == 0, done.stderr
    assert "Li per site" in done.stdout
    assert "300 K" in done.stdout
    assert "600 K" in done.stdout
    assert "! the sites are those of the mean framework at 300 K" in done.stdout


def test_one_frame_of_a_trajectory_format_is_a_crystal(tmp_path: Path) -> None:
    atoms = bulk("Cl", "fcc", a=A, cubic=True)
    write_structure(tmp_path / "one.extxyz", atoms)
    answer = told(tmp_path / "one.extxyz", "--specie", "Li")
    assert answer["counts"] == {"oct": 4, "tet": 8, "other": 0}
    assert answer["notes"] == [f"no Li in {tmp_path / 'one.extxyz'}: all atoms count as framework"]
    write_frames(tmp_path / "two.extxyz", [atoms, atoms])
    # a trajectory, which must hold the mobile ion
    assert "no Li in the trajectory" in complaint(tmp_path / "two.extxyz", "--specie", "Li")


def test_a_crystal_may_give_the_sites_of_a_trajectory(ladder: Path, tmp_path: Path) -> None:
    mean = hopper(300.0, 0)
    crystal = Atoms(mean.numbers, mean.positions[0], cell=mean.cells[0], pbc=True)
    write_structure(tmp_path / "crystal.cif", crystal)
    answer = told(ladder / "600K", "--specie", "Li", "--structure", tmp_path / "crystal.cif")
    assert answer["counts"] == {"oct": 32, "tet": 64, "other": 0}
    assert answer["notes"] == [n for n in answer["notes"] if "Wyckoff" in n]


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run with one finished temperature and one that was begun with other settings."""
    steps = tmp_path / "steps"
    rows = []
    for name in ("md-ordered-1-aaa", "md-quenched-1-bbb"):
        step = steps / "lyc/300K" / name
        step.mkdir(parents=True)
        write_trajectory(step / "trajectory.h5", hopper(300.0, 20 if "quenched" in name else 0))
        (step / "done.json").write_text('{"files": {}}')
        rows.append({"job": name, "steps": [f"lyc/300K/{name}"]})
    (steps / "jobs.json").write_text(json.dumps(rows))
    (tmp_path / "results.json").write_text("{}")
    ordered = SimpleNamespace(start="ordered", specie="Li", anions=["Cl"], temperatures=[])
    quenched = SimpleNamespace(start="quenched", specie="Li", anions=["Cl"], temperatures=[])
    results = SimpleNamespace(
        materials={"lyc": ordered, "lyc-quenched": quenched}, study={"materials": {"lyc": {}}}
    )
    monkeypatch.setattr(trajectories, "read_results", lambda _: results)
    return tmp_path


def test_the_folder_of_a_run_needs_no_options_but_the_material(finished: Path) -> None:
    ordered = told(finished, "--material", "lyc")
    assert ordered["specie"] == "Li"
    assert {c["label"]: c["share"] for c in ordered["temperatures"][0]["classes"]} == {"oct": 1, "tet": 0}
    quenched = told(finished, "--material", "lyc-quenched")
    shares = {c["label"]: c["share"] for c in quenched["temperatures"][0]["classes"]}
    assert shares["tet"] == pytest.approx(1 / 6)
    assert "2 materials" in complaint(finished)
    assert "the mobile element of the run" in complaint(finished, "--material", "lyc", "--specie", "Na")
    (finished / "steps/jobs.json").unlink()
    assert "no trajectories of lyc" in complaint(finished, "--material", "lyc")


def test_what_cannot_be_answered_is_one_sentence(ladder: Path, tmp_path: Path) -> None:
    assert "expected one of Cl, Li, Y" in complaint(LYC)
    assert "expected one of Cl, Li" in complaint(ladder)
    assert "'li'" in complaint(LYC, "--specie", "li")
    assert "no anion Br" in complaint(LYC, "--specie", "Li", "--anions", "Br")
    assert "no file" in complaint(tmp_path / "none.cif", "--specie", "Li")
    assert "symmetry to within -1" in complaint(LYC, "--specie", "Li", "--symmetry", "-1")
    assert "--structure" in complaint(LYC, "--specie", "Li", "--structure", LYC)
    assert ".png, .svg or .pdf" in complaint(LYC, "--specie", "Li", "--plot", tmp_path / "sites.jpg")
