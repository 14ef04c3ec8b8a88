"""`frustra transport` and `frustra arrhenius` as a user runs them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from click.testing import Result
from typer.testing import CliRunner

from frustra.cli import app
from frustra.io import write_trajectory
from tests.analysis.ladders import truth
from tests.helpers import random_walk, trajectory


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def complaint(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exit_code == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("frustra: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def csv(folder: Path, text: str) -> Path:
    path = folder / "ladder.csv"
    path.write_text(text)
    return path


def ladder_csv(folder: Path, energy: float, height: float, header: str = "T,D,D_error") -> Path:
    temperatures = np.arange(400.0, 900, 50)
    values = 1e-6 * np.exp(truth(temperatures, 620, energy, height))
    rows = [f"{t},{v:.6e},{0.1 * v:.6e}" for t, v in zip(temperatures, values, strict=True)]
    return csv(folder, "\n".join([header, *rows]) + "\n")


def walks(temperature: float, seed: int = 0) -> Any:
    walk, _ = random_walk(np.random.default_rng(seed), 30, 200, 400 * temperature / 600)
    return trajectory(walk, temperature=temperature)


def test_the_keys_of_an_arrhenius_answer_are_those_promised(tmp_path: Path) -> None:
    answer = told("arrhenius", ladder_csv(tmp_path, 0.4, 2.0, "T,sigma,sigma_error"))
    assert answer["model"] == "jump"
    for key in ("Tc_K", "Ea_low_eV", "Ea_high_eV", "sigma_300K_mS_cm"):
        assert answer[key]["low"] <= answer[key]["value"] <= answer[key]["high"]
    assert (answer["Tc_K"]["low"], answer["Tc_K"]["high"]) == (600, 650)
    assert answer["delta_bic"] > 6
    assert answer["log10_bayes"] > 1


def test_a_ladder_of_diffusivities_has_no_conductivity_without_a_crystal(tmp_path: Path, data: Path) -> None:
    file = ladder_csv(tmp_path, 0.0, 0.0)
    assert told("arrhenius", file)["sigma_300K_mS_cm"] is None
    crystal = data / "arrhenius_aimd/POSCAR"
    answer = told("arrhenius", file, "--structure", crystal, "--specie", "Li")
    assert answer["quantity"] == "conductivity"
    assert answer["sigma_300K_mS_cm"]["value"] > 0
    assert "no Cl" in complaint("arrhenius", file, "--structure", crystal, "--specie", "Cl")
    assert "without a mobile element" in complaint("arrhenius", file, "--structure", crystal)


def test_the_garnet_by_the_published_convention_and_by_ours(data: Path) -> None:
    folder = data / "arrhenius_aimd"
    options = ("arrhenius", folder / "D_T.csv", "--structure", folder / "POSCAR", "--specie", "Li")
    published = told(*options, "--method", "least-squares")
    energy, room = published["Ea_low_eV"], published["sigma_300K_mS_cm"]
    assert energy["value"] == pytest.approx(0.25813, abs=5e-5)
    assert energy["std"] == pytest.approx(0.01683, abs=5e-5)
    assert [room["value"], room["low"], room["high"]] == pytest.approx([1.0804, 0.545, 2.141], rel=1e-3)
    assert "68 %" in published["notes"][0]
    ours = told(*options)
    assert ours["model"] == "line"
    assert ours["Ea_low_eV"]["value"] == pytest.approx(0.25813, abs=0.002)


def test_what_people_read_says_the_verdict_and_writes_the_figure(tmp_path: Path) -> None:
    done = run("arrhenius", ladder_csv(tmp_path, 0.4, 2.0), "--plot", tmp_path / "plot.svg")
    assert done.exit_code == 0
    assert "(600–650) K" in done.stdout
    assert "Ea below" in done.stdout
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T,D,D_error\n500,1e-6,1e-7\n600,2e-6,2e-7\n", "2 temperature(s)"),
        ("T,D,D_error\n500,1e-6,1e-7\n600,2e-6,2e-7\n600,3e-6,2e-7\n", "600 K more than once"),
        ("T,D,D_error\n500,-1e-6,1e-7\n600,2e-6,2e-7\n700,3e-6,2e-7\n", "-1e-06 cm²/s at 500 K"),
        ("T,D,D_error\n500,1e-6,0\n600,2e-6,2e-7\n700,3e-6,2e-7\n", "an error of 0 cm²/s at 500 K"),
        ("T,D,D_error\n500,nan,1e-7\n600,2e-6,2e-7\n700,3e-6,2e-7\n", "nan"),
        ("T,D,D_error\n500,1e-6,1e-7\n600,2e-6,x\n700,3e-6,2e-7\n", "x"),
        ("A,B\n1,2\n", "A"),
        ("", "has no rows"),
        ("T,D,D_error\n500,<1e-6,\n600,<2e-6,\n700,3e-6,2e-7\n", "1 of 3 temperatures have a measured"),
    ],
)
def test_bad_ladders_end_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    assert words in complaint("arrhenius", csv(tmp_path, text))


def test_other_bad_sources_end_in_one_sentence(tmp_path: Path) -> None:
    assert "no results.json" in complaint("arrhenius", tmp_path)
    assert "nowhere.csv" in complaint("arrhenius", tmp_path / "nowhere.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(bytes(range(256)))
    complaint("arrhenius", binary)
    file = ladder_csv(tmp_path, 0.0, 0.0)
    assert "bayes or least-squares" in complaint("arrhenius", file, "--method", "magic")
    assert ".png, .svg or .pdf" in complaint("arrhenius", file, "--plot", tmp_path / "figure.doc")


def test_one_trajectory_has_its_numbers_at_the_top_and_in_the_list(tmp_path: Path) -> None:
    write_trajectory(tmp_path / "run.h5", walks(600))
    answer = told("transport", tmp_path / "run.h5", "--specie", "Li")
    assert answer["T_K"] == 600
    assert answer["D"]["unit"] == "cm²/s"
    assert answer["D"]["low"] < answer["D"]["value"] < answer["D"]["high"]
    assert answer["temperatures"][0]["D"] == answer["D"]
    assert answer["sigma_NE"]["value"] > 0
    assert answer["arrhenius"] is None


def test_folders_are_a_ladder_and_replicas_count_together(tmp_path: Path) -> None:
    for temperature in (500, 600, 700, 800):
        for replica in range(2):
            write_trajectory(tmp_path / f"{temperature}K/run{replica}.h5", walks(temperature, replica))
    answer = told("transport", tmp_path, "--specie", "Li", "--csv", tmp_path / "out.csv")
    assert [r["T_K"] for r in answer["temperatures"]] == [500, 600, 700, 800]
    assert {r["ions"] for r in answer["temperatures"]} == {60}
    assert answer["arrhenius"]["model"] in ("line", "undecided")
    other = complaint("transport", tmp_path, "--specie", "Li", "--temperature", 400)
    assert "500K is of 500 K, but 400 K were given" in other
    again = told("arrhenius", tmp_path / "out.csv")
    for key in ("value", "low", "high"):
        expected = answer["arrhenius"]["Ea_high_eV"][key]
        assert again["Ea_high_eV"][key] == pytest.approx(expected, rel=1e-4)


def test_the_time_step_and_the_element_are_asked_for_by_name(tmp_path: Path) -> None:
    frames = [
        Atoms("Li4Cl", np.random.default_rng(i).random((5, 3)) * 3, cell=[9] * 3, pbc=True) for i in range(30)
    ]
    write(tmp_path / "XDATCAR", frames, format="vasp-xdatcar")
    file = tmp_path / "XDATCAR"
    assert "--timestep" in complaint("transport", file, "--specie", "Li")
    assert "one of Cl, Li; name it: --specie" in complaint("transport", file, "--timestep", 10)
    assert "no Na in the trajectory" in complaint("transport", file, "--timestep", 10, "--specie", "Na")
    answer = told("transport", file, "--timestep", 10, "--specie", "Li")
    assert answer["T_K"] is None
    assert answer["sigma_NE"] is None
    assert any("temperature" in note for note in answer["notes"])
    assert answer["timestep_fs"] == pytest.approx(10)
    assert told("transport", file, "--timestep", 10, "--specie", "Li", "--temperature", 500)["T_K"] == 500


def test_bad_trajectories_end_in_one_sentence(tmp_path: Path) -> None:
    one = Atoms("Li2Cl", np.eye(3), cell=[9] * 3, pbc=True)
    far = one.copy()
    far.positions[0] += [4.4, 0, 0]  # nearly half a cell: forward or back?
    write(tmp_path / "one", [one], format="vasp-xdatcar")
    write(tmp_path / "jump", [one, far] * 15, format="vasp-xdatcar")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(5000))
    options = ("--specie", "Li", "--timestep", 10)
    assert "at least two" in complaint("transport", tmp_path / "one", *options)
    assert "half" in complaint("transport", tmp_path / "jump", *options) or "0.4" in complaint(
        "transport", tmp_path / "jump", *options
    )
    for name in ("nothing", "noise", "absent"):
        assert name in complaint("transport", tmp_path / name, *options)
    write_trajectory(tmp_path / "run.h5", walks(600))
    assert "--jump-length" in complaint(
        "transport", tmp_path / "run.h5", "--specie", "Li", "--jump-length", -1
    )
    assert "--method" in complaint("transport", tmp_path / "run.h5", "--specie", "Li", "--method", "magic")


def test_a_mean_square_displacement_needs_the_number_of_ions(data: Path) -> None:
    file = data / "arrhenius_aimd/msd-t.csv"
    assert "--ions" in complaint("transport", file, "--specie", "Li")
    answer = told("transport", file, "--specie", "Li", "--ions", 8, "--jump-length", 3.2)
    assert answer["D"]["value"] == pytest.approx(7.602e-5, rel=1e-3)
    assert answer["D"]["std"] / answer["D"]["value"] == pytest.approx(0.382, abs=5e-4)
    assert answer["N_jump"] == pytest.approx(100.5, abs=0.05)
