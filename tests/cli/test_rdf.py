"""`frustra rdf` as a user runs it."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from frustra.cli.rdf import rdf
from frustra.io import TrajectoryHints, write_trajectory
from frustra.plots.rdf import plot_rdf
from frustra.surveys.rdf import RdfSettings, rdf_of
from frustra.surveys.runs import runs_by_temperature
from frustra.surveys.sites import Places
from frustra.trajectory import Trajectory

app = typer.Typer()
app.command()(rdf)

SITES = 3.0 * np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)


def rocksalt(temperature: float, seed: int = 0, count: int = 40) -> Trajectory:
    """Return Li and Cl on a simple cubic lattice of 3 Å, whose mean square displacement grows with T."""
    rng = np.random.default_rng([int(temperature), seed])
    chloride = (np.round(SITES / 3).sum(axis=1) % 2).astype(int)
    order = np.argsort(chloride, kind="stable")
    moved = SITES[order] + np.sqrt(1e-5 * temperature) * rng.normal(size=(count, 64, 3))
    cells = np.broadcast_to(12.0 * np.eye(3), (count, 3, 3))
    return Trajectory(moved, cells, np.where(chloride[order], 17, 3), 0.1, temperature)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    for temperature in (400.0, 800.0, 1200.0):
        at = folder / f"{temperature:.0f}K"
        at.mkdir()
        for seed in range(2):
            write_trajectory(at / f"run{seed}.h5", rocksalt(temperature, seed))
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


def folders(ladder: Path) -> list[Path]:
    return sorted(ladder.glob("*K"))


def test_every_pair_and_temperature_is_told_with_errors(ladder: Path) -> None:
    answer = told(*folders(ladder), "--specie", "Li", "--rmax", 6.2, "--bin", 0.1)
    assert [p["pair"] for p in answer["pairs"]] == ["Li-Li", "Li-Cl"]
    chloride = answer["pairs"][1]
    assert len(chloride["r_A"]) == len(chloride["reach_A"]) == 62
    assert chloride["r_A"][:2] == [0.05, 0.15]
    for k, curve in enumerate(chloride["temperatures"]):
        assert curve["T_K"] == 400 * (k + 1)
        assert curve["frames"] == 80
        assert curve["blocks"] == 16
        peak = curve["first_peak"]
        assert abs(peak["position_A"]["value"] - 3) < 0.03
        assert peak["coordination"]["value"] == pytest.approx(6, abs=0.1)
        assert 0 < peak["width_A"]["std"] < 0.01
        assert peak["width2_A2"]["value"] == pytest.approx(2e-5 * curve["T_K"], rel=0.1)
        assert len(curve["g"]) == len(curve["g_std"]) == len(curve["coordination"]) == 62
        assert curve["g_std"][0] is None
        assert curve["maximum_r_A"] == pytest.approx(3, abs=0.11)
        assert curve["maximum_g"]["value"] == max(curve["g"])
    broadening = chloride["broadening"]
    slope = broadening["slope_A2_per_K"]
    assert abs(slope["value"] - 2e-5) < 3.5 * slope["std"] + 1e-6
    assert broadening["chi2_per_dof"] is not None
    assert [n.split(",")[0] for n in answer["notes"]] == ["beyond 6.0 Å"]


def test_people_get_a_table_and_the_figure_and_the_columns(ladder: Path, tmp_path: Path) -> None:
    done = run(
        *folders(ladder), "--pairs", "Cl-Li/Cl", "--rmax", 5, "--csv", tmp_path / "g.csv",
        "--plot", tmp_path / "g.svg", "--frames", 20,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "Cl–Li/Cl" in done.stdout
    assert "squared width" in done.stdout
    assert "one frame in 2 was looked at, of 40" in done.stdout
    assert (tmp_path / "g.svg").read_text().startswith("<?xml")
    rows = (tmp_path / "g.csv").read_text().splitlines()
    assert rows[0] == "pair,T_K,r_A,g,g_std,reach_A,coordination,coordination_std"
    assert len(rows) == 1 + 3 * 100


def test_the_published_convention_has_its_own_grid(ladder: Path, tmp_path: Path) -> None:
    options = (folders(ladder)[0], "--pairs", "Li-Li", "--bin", 0.1, "--method", "pymatgen")
    answer = told(*options, "--csv", tmp_path / "g.csv")
    assert answer["method"] == "pymatgen"
    assert len(answer["pairs"][0]["r_A"]) == 101
    assert len((tmp_path / "g.csv").read_text().splitlines()) == 101


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put every fourth ion on a tetrahedron, whatever the trajectory."""

    def places_of(paths: Any, _specie: str, hints: Any, *_: object) -> Iterator[Places]:
        for runs, _notes in runs_by_temperature(paths, hints):
            site = np.tile(np.arange(32) % 4 > 0, (40, 1)).astype(np.int32)
            kinds: Any = SimpleNamespace(
                kind=np.array(["tet", "oct"]), label=np.array(["tet Cl4", "oct Cl6"])
            )
            visits: Any = tuple(SimpleNamespace(site=site) for _ in runs)
            yield Places(kinds, visits, tuple(runs), runs[0].temperature, ("two sites",))

    monkeypatch.setattr("frustra.surveys.rdf.places_of", places_of)


@pytest.mark.usefixtures("sites")
def test_ions_are_told_apart_by_site(ladder: Path, tmp_path: Path) -> None:
    plot = tmp_path / "g.png"
    answer = told(*folders(ladder), "--specie", "Li", "--rmax", 5, "--by-site", "--plot", plot)
    names = [p["pair"] for p in answer["pairs"]]
    assert names[:4] == ["Li(oct)-Li(oct)", "Li(oct)-Li(tet)", "Li(tet)-Li(oct)", "Li(tet)-Li(tet)"]
    assert names[4:] == ["Li(oct)-Cl", "Li(tet)-Cl"]
    curves = {p["pair"]: p["temperatures"][0] for p in answer["pairs"]}
    for kind in ("oct", "tet"):
        assert curves[f"Li({kind})-Cl"]["first_peak"]["coordination"]["value"] == pytest.approx(6, abs=0.05)
    near = [curves[f"Li(oct)-Li({kind})"]["coordination"][-1] for kind in ("oct", "tet")]
    assert sum(near) == pytest.approx(12, abs=0.5)
    assert curves["Li(oct)-Li(tet)"]["g"] == pytest.approx(curves["Li(tet)-Li(oct)"]["g"])
    assert "two sites" in answer["notes"]
    labelled = told(*folders(ladder), "--pairs", "Cl-Cl,Li-Cl", "--specie", "Li", "--rmax", 5, "--by-label")
    assert [p["pair"] for p in labelled["pairs"]] == ["Cl-Cl", "Li(oct Cl6)-Cl", "Li(tet Cl4)-Cl"]
    assert plot.stat().st_size > 10_000


@pytest.mark.usefixtures("sites")
def test_two_sides_of_one_pair_are_drawn_once(ladder: Path) -> None:
    settings = RdfSettings(reach=5.0, by_site="kind")
    survey = rdf_of(folders(ladder), "Li", TrajectoryHints(), settings)
    assert len(survey.pairs) == 6
    axes = plot_rdf(survey.pairs)
    names = [ax.texts[0].get_text() for ax in axes]
    assert names == ["Li(oct)–Li(oct)", "Li(oct)–Li(tet)", "Li(tet)–Li(tet)", "Li(oct)–Cl", "Li(tet)–Cl"]
    drawn = [line.get_label() for line in axes[0].get_lines()[:3]]
    assert drawn == ["400 K", "800 K", "1200 K"]
    highest = max(c.values.max() for c in survey.pairs[0].curves)
    assert axes[0].get_ylim()[1] > highest


def test_what_cannot_be_done_ends_in_one_sentence(ladder: Path) -> None:
    one = folders(ladder)[0]
    assert "no mobile element" in complaint(one)
    assert "no Na" in complaint(one, "--specie", "Na")
    assert "no Br" in complaint(one, "--pairs", "Li-Br")
    assert "the pair 'LiCl'" in complaint(one, "--pairs", "LiCl")
    assert "the pair 'Li-'" in complaint(one, "--pairs", "Li-,Li-Cl")
    assert "shells of 0 Å" in complaint(one, "--specie", "Li", "--bin", 0)
    assert "shells of 2 Å" in complaint(one, "--specie", "Li", "--bin", 2)
    assert "the method 'vmd'" in complaint(one, "--specie", "Li", "--method", "vmd")
    assert "0 frames" in complaint(one, "--specie", "Li", "--frames", 0)
    assert "by site" in complaint(one, "--specie", "Li", "--method", "pymatgen", "--by-site")
    assert "no mobile element" in complaint(one, "--pairs", "Li-Cl", "--by-site")


def test_a_single_ion_has_only_other_elements_around_it(tmp_path: Path) -> None:
    crystal = rocksalt(300.0, count=4)
    rows = np.concatenate([[0], np.flatnonzero(crystal.numbers == 17)])
    write_trajectory(tmp_path / "run.h5", crystal.read(None, rows))
    answer = told(tmp_path / "run.h5", "--specie", "Li", "--rmax", 5)
    assert [p["pair"] for p in answer["pairs"]] == ["Li-Cl"]
    assert "a single Li" in complaint(tmp_path / "run.h5", "--pairs", "Li-Li")
    write_trajectory(tmp_path / "frame.h5", crystal.read([0]))
    answer = told(tmp_path / "frame.h5", "--specie", "Li", "--rmax", 5)
    assert answer["pairs"][0]["temperatures"][0]["first_peak"]["height"]["std"] is None
    assert "a single frame" in answer["pairs"][0]["notes"][0]
