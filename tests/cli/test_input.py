"""What is wrong with the input of the commands that read trajectories is told at once."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from ase import Atoms
from ase.build import bulk
from ase.io import write
from click.testing import Result
from typer.testing import CliRunner

from frustra.cli import app, density, hops, percolation, rdf, sites
from frustra.terminal.notes import grouped

COMMANDS = {
    "sites": sites.sites, "hops": hops.hops, "rdf": rdf.rdf,
    "density": density.density, "percolation": percolation.percolation,
}  # fmt: skip
WITH_SITES = ("sites", "hops", "percolation")
TELLING = ("--specie", "Li", "--timestep", 100, "--temperature", 600)
A = 5.1


def crystal(a: float = A) -> Atoms:
    """Return rock salt, all Li before all Cl."""
    salt = bulk("LiCl", "rocksalt", a=a, cubic=True)
    return salt[np.argsort(salt.numbers, kind="stable")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a short run and some crystals."""
    monkeypatch.chdir(tmp_path)
    rng, frames = np.random.default_rng(0), []
    for _ in range(10):
        frames.append(crystal())
        frames[-1].positions += 0.05 * rng.normal(size=(8, 3))
    write("run.xyz", frames)
    write("same.cif", crystal())
    write("larger.cif", crystal(1.3 * A))
    write("double.cif", crystal().repeat((2, 1, 1)))
    write("order.cif", crystal()[::-1])
    (tmp_path / "empty").mkdir()
    return tmp_path


def run(command: str, *arguments: object) -> Result:
    app = typer.Typer()
    app.command()(COMMANDS[command])
    return CliRunner().invoke(app, [str(a) for a in arguments])


def complaint(command: str, *arguments: object) -> str:
    done = run(command, *arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("frustra: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", WITH_SITES)
def test_another_crystal_is_refused(command: str) -> None:
    given = ("run.xyz", *TELLING, "--structure")
    assert run(command, *given, "same.cif").exit_code == 0
    assert "the framework of double.cif has 8 Cl; expected 4 Cl" in complaint(command, *given, "double.cif")
    assert "order.cif has its atoms in another order" in complaint(command, *given, "order.cif")
    assert "larger.cif is strained by 23 %" in complaint(command, *given, "larger.cif")
    assert "no structure file none.cif; check the path" in complaint(command, *given, "none.cif")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", WITH_SITES)
def test_the_mobile_element_is_no_anion_and_must_be_there(command: str) -> None:
    said = complaint(command, "run.xyz", *TELLING, "--anions", "Li,Cl")
    assert "Li as mobile ion and as anion" in said
    said = complaint(command, "run.xyz", "--specie", "Na", "--timestep", 100)
    assert "no Na in the trajectory; expected one of Cl, Li" in said
    assert "the list 'Cl,'" in complaint(command, "run.xyz", *TELLING, "--anions", "Cl,")


@pytest.mark.parametrize("command", WITH_SITES)
def test_runs_of_different_crystals_are_refused(command: str, folder: Path) -> None:
    double = crystal().repeat((2, 1, 1))
    write(folder / "double.xyz", [double, double])
    assert "runs of different crystals" in complaint(command, "run.xyz", "double.xyz", *TELLING)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("command", "option"),
    [*((c, "--plot") for c in COMMANDS), ("sites", "--cif"), ("hops", "--table"), ("rdf", "--csv"),
     ("density", "--cube"), ("density", "--chgcar")],
)  # fmt: skip
def test_what_cannot_be_written_is_told_before_a_file_is_read(command: str, option: str) -> None:
    given = ("none.xyz", *TELLING, option)
    assert "run.xyz, which is a file" in complaint(command, *given, "run.xyz/a.png")
    if option == "--plot":
        assert "ends in .png, .svg or .pdf" in complaint(command, *given, "a.txt")
    else:
        assert "empty is a folder" in complaint(command, *given, "empty")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("shells", [("--rmax", "inf"), ("--bin", "1e-9")])
def test_too_many_shells_are_refused(shells: tuple[str, str]) -> None:
    assert "expected at most 100000 of them" in complaint("rdf", "run.xyz", *TELLING, *shells)


@pytest.mark.usefixtures("folder")
def test_maxima_of_a_density_are_named_so() -> None:
    done = run("sites", "run.xyz", *TELLING, "--sites-from", "density")
    assert done.exit_code == 0, done.output
    assert "LiCl, Fm-3m (225): 4 maxima of the density of Li" in done.stdout
    assert "Wyckoff positions" not in done.stdout
    assert "face to face" not in done.stdout


@pytest.mark.usefixtures("folder")
def test_a_file_is_replaced_and_a_folder_made() -> None:
    for _ in range(2):
        assert run("rdf", "run.xyz", *TELLING, "--csv", "new/g.csv").exit_code == 0
    assert Path("new/g.csv").read_text().startswith("pair,")


def test_notes_alike_at_several_temperatures_are_told_once() -> None:
    notes = ["300 K: hot", "400 K: hot", "400 K: cold", "a note", "300 K: hot"]
    assert grouped(notes) == ["300, 400 K: hot", "400 K: cold", "a note"]


@pytest.mark.parametrize("command", ["sites", "density"])
def test_where_time_does_not_matter_nobody_is_asked_for_it(data: Path, command: str) -> None:
    file = data / "argyrodite_Li6PS5I/50p_run1_inherent_XDATCAR.gz"
    done = CliRunner().invoke(app, [command, str(file), "--specie", "Li", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["specie"] == "Li"
    asked = CliRunner().invoke(app, ["hops", str(file), "--specie", "Li", "--json"])
    assert asked.exit_code == 2
    assert "--timestep" in asked.stderr
