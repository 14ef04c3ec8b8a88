"""`frustra density` as a user runs it, and its figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from ase import Atoms
from ase.spacegroup import crystal
from click.testing import Result
from typer.testing import CliRunner

from frustra.analysis.volume.ions import IonDensity, VolumeSettings, ion_density
from frustra.cli.density import density
from frustra.io import write_trajectory
from frustra.io.volumes import read_chgcar, read_cube
from frustra.plots.density import plot_density, plot_projections
from frustra.plots.surface import balls, camera, isosurface
from frustra.trajectory import Trajectory

app = typer.Typer()
app.command()(density)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def fluorite(temperature: float = 600.0, frames: int = 60) -> Trajectory:
    """Return Li that hops at random over the eight cubes of a rock salt, six ions."""
    rng = np.random.default_rng(int(temperature))
    rest = crystal(["Y", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[5.5] * 3 + [90] * 3)
    cubes = np.array([[x, y, z] for x in (0.25, 0.75) for y in (0.25, 0.75) for z in (0.25, 0.75)]) * 5.5
    mobile = np.array([cubes[rng.permutation(8)[:6]] for _ in range(frames)]) + 0.15 * rng.normal(
        size=(frames, 6, 3)
    )
    still = np.broadcast_to(rest.positions, (frames, 8, 3)) + 0.05 * rng.normal(size=(frames, 8, 3))
    positions = np.concatenate([mobile, still], axis=1) + 0.3
    numbers = np.array([3] * 6 + rest.numbers.tolist())
    cells = np.broadcast_to(rest.cell.array, (frames, 3, 3))
    return Trajectory(positions, cells, numbers, 0.1, temperature)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("density") / "run.h5"
    write_trajectory(path, fluorite())
    return path


def test_the_answer_holds_what_was_counted_and_the_maxima(file: Path) -> None:
    answer = told(file, "--specie", "Li", "--grid", "0.3")
    assert (answer["T_K"], answer["ions"], answer["frames"], answer["runs"]) == (600, 6, 60, 1)
    assert (answer["space_group"], answer["operations"]) == ("Fm-3m (225)", 192)
    assert len(answer["temperatures"]) == 1
    only = answer["maxima"][0]
    assert (only["label"], only["count"]) == ("max 1", 8)
    assert only["ions"] == pytest.approx(0.75)
    assert answer["outside"] == pytest.approx(0, abs=1e-3)
    places = np.array(only["places"]) * 5.5 - 0.3  # in the coordinates of the run, not of the grid
    assert np.sort(places % 2.75, axis=0) == pytest.approx(np.full((8, 3), 1.375), abs=0.05)
    assert 0 < answer["volume_90"] < 0.2
    assert answer["departure"] < 1
    plain = told(file, "--specie", "Li", "--no-symmetry", "--grid", "0.3")
    assert (plain["space_group"], plain["operations"], plain["departure"]) == ("P1 (1)", 1, None)
    assert sum(m["count"] * m["ions"] for m in plain["maxima"]) == pytest.approx(6 - plain["outside"])


def test_files_hold_the_density_with_the_framework_where_it_belongs(file: Path, tmp_path: Path) -> None:
    chgcar, cube, picture = tmp_path / "li.vasp", tmp_path / "li.cube", tmp_path / "li.png"
    options = ("--specie", "Li", "--grid", "0.4", "--chgcar", chgcar, "--cube", cube, "--plot", picture)
    done = run(file, *options)
    assert done.exit_code == 0, done.stderr
    assert "6 Li in 60 frames" in done.stdout
    assert "max 1" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    for found in (read_chgcar(chgcar), read_cube(cube)):
        assert found.values.mean() * found.atoms.get_volume() == pytest.approx(6, rel=1e-5)
        assert sorted(found.atoms.symbols) == ["Cl"] * 4 + ["Y"] * 4
        centre = np.unravel_index(np.argmax(found.values), found.values.shape)
        place = np.array(centre) / found.values.shape @ found.atoms.cell.array
        with_ion = found.atoms + Atoms("Li", positions=[place])
        nearest = np.sort(with_ion.get_distances(8, range(8), mic=True))
        assert nearest == pytest.approx(np.full(8, 5.5 * np.sqrt(3) / 4), abs=0.35)  # one grid spacing


def test_every_temperature_has_its_own_files(tmp_path: Path) -> None:
    for temperature in (500.0, 600.0):
        (tmp_path / f"{temperature:g}K").mkdir()
        write_trajectory(tmp_path / f"{temperature:g}K/run.h5", fluorite(temperature))
    out = tmp_path / "out"
    answer = told(tmp_path, "--specie", "Li", "--grid", "0.5", "--cube", out / "li.cube")
    assert [t["T_K"] for t in answer["temperatures"]] == [500, 600]
    assert sorted(p.name for p in out.iterdir()) == ["li_500K.cube", "li_600K.cube"]
    assert "T_K" not in answer


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no mobile element"),
        (("--specie", "Na"), "no Na in the trajectory"),
        (("--specie", "Li", "--grid", "0"), "--grid 0"),
        (("--specie", "Li", "--smear", "-1"), "--smear -1"),
        (("--specie", "Li", "--alike", "Br,I"), "no Br, I in the framework"),
        (("--specie", "Li", "--grid", "0.5", "--plot", "a.gif"), "a.gif"),
    ],
)
def test_bad_options_end_in_one_sentence(file: Path, options: tuple[str, ...], words: str) -> None:
    done = run(file, *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def known() -> IonDensity:
    return ion_density([fluorite()], "Li", VolumeSettings(grid=0.3))


def test_the_figure_shows_the_level_that_encloses_the_ions(known: IonDensity) -> None:
    ax = plot_density(known)
    assert "Li at 600 K: 90%" in ax.get_title()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Li", "Y", "Cl"]
    triangles = ax.collections[0].get_paths()
    assert len(triangles) > 1000
    assert {t.get_text() for t in ax.texts} == {"a", "b", "c"}


def test_projections_hold_all_ions(known: IonDensity) -> None:
    axes = plot_projections(known)
    assert [ax.get_title() for ax in axes] == ["along a", "along b", "along c"]
    for ax in axes:
        shown = np.asarray(ax.collections[0].get_array()).reshape(known.values.shape[0] + 1, -1)
        assert shown[:-1, :-1].mean() * 5.5**2 == pytest.approx(6, rel=1e-6)


def test_the_surface_of_a_ball_is_that_of_a_ball_and_closed_where_the_cell_cuts_it() -> None:
    cell = np.array([[6.0, 0, 0], [-2.0, 6.0, 0], [1.0, 1.5, 6.5]])
    shape = (30, 32, 34)
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1)
    for centre in ([0.5, 0.5, 0.5], [0.0, 0.5, 0.5]):
        away = points - centre
        away -= np.rint(away)
        values = np.exp(-((away @ cell) ** 2).sum(axis=-1) / 2)
        mesh = isosurface(values, cell, float(np.exp(-(1.5**2) / 2)), "C0")
        # volume by the theorem of Gauss: closed, and oriented everywhere in one way
        a, b, c = mesh.corners.transpose(1, 0, 2)
        volume = abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)
        assert volume == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.02)
        assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1)
    one = balls(np.zeros((1, 3)), np.array([2.0]), np.ones((1, 3)))
    assert len(one) == 320
    assert np.linalg.norm(one.corners, axis=2) == pytest.approx(2)


def test_the_view_has_c_upward_and_turns_nothing_inside_out() -> None:
    for cell in (np.eye(3), np.array([[4.0, 0, 0], [-2, 3.4, 0], [0.5, 0.3, 6]]), np.diag([1.0, 1, -1])):
        view = camera(cell)
        assert view @ view.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(view) == pytest.approx(1)
        assert (cell[2] @ view[1]) > 0


def test_a_liquid_without_framework_has_a_density_and_a_figure_but_no_chgcar(tmp_path: Path) -> None:
    rng, cell = np.random.default_rng(3), 6.0 * np.eye(3)
    positions = rng.random((50, 4, 3)) @ cell
    cells = np.broadcast_to(cell, (50, 3, 3))
    path = tmp_path / "gas.h5"
    write_trajectory(path, Trajectory(positions, cells, np.array([3] * 4), 0.1, 900.0))
    answer = told(path, "--specie", "Li", "--grid", "0.5", "--plot", tmp_path / "gas.png")
    assert answer["operations"] == 1
    assert "no framework" in answer["notes"][0]
    done = run(path, "--specie", "Li", "--grid", "0.5", "--chgcar", tmp_path / "gas.vasp")
    assert done.exit_code == 2
    assert "write a cube file" in done.stderr
