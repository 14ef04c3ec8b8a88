import json
from pathlib import Path

import numpy as np
import pytest
import typer
from ase.build import bulk
from typer.testing import CliRunner

import frustra.surveys.hops
from frustra.cli.hops import hops
from frustra.io import write_trajectory
from frustra.io.hops import read_hops
from frustra.sites import Sites
from frustra.surveys.sites import Places
from frustra.trajectory import Trajectory
from tests.analysis.walkers import chain, jumps, on_chain, sampled

app = typer.Typer()
app.command()(hops)

SITES = 20


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def places(sites: Sites, temperature: float, runs: int = 1, timestep: float = 0.1) -> Places:
    """Return walks that leave oct sites with Ea 0.2 eV and tet sites with 0.1 eV."""
    rng = np.random.default_rng(int(temperature))
    rates = tuple(2.0 * np.exp(-e / (8.617e-5 * temperature)) for e in (0.2, 0.1))
    visits, frames = [], []
    for _ in range(runs):
        place = sampled(jumps(rng, rates, 100, 24), timestep, int(100 / timestep))
        visits.append(on_chain(place, SITES, timestep=timestep, temperature=temperature))
        still = np.zeros((len(place), 124, 3))
        cells = np.broadcast_to(sites.cell, (len(place), 3, 3))
        frames.append(Trajectory(still, cells, np.full(124, 3), timestep, temperature))
    return Places(sites, tuple(visits), tuple(frames), temperature, ("a note",))


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch):
    """Let the command find walks on a row of sites instead of reading files."""

    def give(*temperatures: float, **options: float):
        found = [places(chain(SITES), t, **options) for t in temperatures]
        monkeypatch.setattr(frustra.surveys.hops, "places_of", lambda *_: iter(found))

    return give


def test_everything_is_told_as_json(walks, tmp_path: Path):
    walks(500, 600, 700, 800, runs=2)
    table = tmp_path / "hops.parquet"
    result = run("x", "--specie", "Li", "--json", "--settle", 100, "--table", table)
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert [t["T_K"] for t in told["temperatures"]] == [500, 600, 700, 800]
    energies = {a["pathway"]: a["Ea_eV"] for a in told["activation"] if a["Ea_eV"]}
    assert energies["oct–tet along c"]["low"] < 0.2 < energies["oct–tet along c"]["high"]
    assert energies["tet–oct along c"]["low"] < 0.1 < energies["tet–oct along c"]["high"]
    stored = read_hops(table)
    for at in told["temperatures"]:
        assert at["hops"] == (stored["temperature"] == at["T_K"]).sum() > 0
        assert (
            at["hops"]
            == sum(p["hops"] for p in at["pathways"])
            == sum(r["departures"] for r in at["residence"])
        )
        assert at["crossings"] >= at["hops"] >= at["lasting"]
        assert "frames 100 fs apart" in at["attempt_frequency_refused"]
        assert at["notes"][0] == "a note"
        assert sum(o["share"] for o in at["occupancy"]) == pytest.approx(1)
        assert [v["pair"] for v in at["face_sharing"]] == ["oct–tet"]
    assert set(stored["run"]) == {0, 1}
    assert stored["ion"].min() >= 100
    assert (stored["arrived"] > stored["left"]).all()
    assert stored["z"] == pytest.approx(stored["z"].round())


def test_everything_is_told_in_the_terminal(walks, tmp_path: Path):
    walks(600, 800)
    figure = tmp_path / "hops.png"
    result = run("x", "--specie", "Li", "--plot", figure, "--settle", 100)
    assert result.exit_code == 0, result.output
    assert figure.stat().st_size > 10_000
    for said in (
        "600 K",
        "oct–tet along c",
        "No attempt frequency",
        "In concert",
        "Face to face, % of the ions (% of frames): oct–tet",
        "a note",
    ):
        assert said in result.output


def test_what_limits_the_numbers_is_said(walks):
    walks(600, timestep=5.0)
    notes = " ".join(json.loads(run("x", "--specie", "Li", "--json").output)["temperatures"][0]["notes"])
    assert "5000 fs apart, more than the 200 fs" in notes
    assert "half of the stays last less than 3 frames" in notes
    walks(100)
    told = json.loads(run("x", "--specie", "Li", "--json").output)["temperatures"][0]
    assert told["hops"] == 0
    assert "24 ions hopped 0 times" in " ".join(told["notes"])
    assert all(p["per_ion_THz"]["is_upper_bound"] for p in told["pathways"])
    assert next(r for r in told["residence"] if r["label"] == "oct")["low_ps"] > 700


def test_pathways_can_be_told_apart_by_the_labels_of_sites(monkeypatch: pytest.MonkeyPatch):
    label = np.array([f"site {'even' if k % 4 < 2 else 'odd'} {k % 2}" for k in range(SITES)])
    found = places(chain(SITES, label=label), 600)
    monkeypatch.setattr(frustra.surveys.hops, "places_of", lambda *_: iter([found]))
    told = json.loads(run("x", "--specie", "Li", "--json", "--by-label").output)["temperatures"][0]
    ways = {p["pathway"] for p in told["pathways"] if p["hops"] > 5}
    assert "site even 0–site even 1 along c" in ways
    assert "site odd 0–site even 1 along c" in ways
    assert sum(p["hops"] for p in told["pathways"]) == told["hops"]


def test_a_figure_of_a_run_without_hops_is_drawn(walks, tmp_path: Path):
    walks(100)
    assert run("x", "--specie", "Li", "--plot", tmp_path / "none.svg").exit_code == 0


def test_wrong_options_are_refused(walks):
    walks(600)
    assert run("x", "--specie", "Li", "--settle", 0).exit_code == 2
    assert run("x", "--specie", "Li", "--window", "nan").exit_code == 2
    assert run("x").exit_code == 2


def salt(rng: np.random.Generator) -> tuple[Trajectory, int]:
    """Return Li in LiCl that goes from its octahedron by a tetrahedron to the next, and its index."""
    cl = bulk("NaCl", "rocksalt", a=5.2, cubic=True)
    cl = cl[[a.symbol == "Cl" for a in cl]] * (2, 2, 2)
    frames, a = 120, 5.2
    octs = cl.positions[0] + a * np.array([[0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0.5]])
    ways = np.tile(octs, (frames, 1, 1))
    to = octs[0] + a * np.array([0, 0.5, 0.5])
    ways[40:, 0] = to
    ways[40:80, 0] = octs[0] + a * np.array([-0.25, 0.25, 0.25])  # the tetrahedron between them
    positions = np.concatenate([np.tile(cl.positions, (frames, 1, 1)), ways], axis=1)
    positions += rng.normal(0, 0.08, positions.shape)
    numbers = np.array([17] * len(cl) + [3] * 3)
    cells = np.broadcast_to(cl.cell.array, (frames, 3, 3))
    return Trajectory(positions, cells, numbers, 0.1, 600.0), len(cl)


def test_hops_in_a_crystal_are_found_without_any_input(tmp_path: Path):
    trajectory, first = salt(np.random.default_rng(0))
    write_trajectory(tmp_path / "run.h5", trajectory)
    result = run(tmp_path / "run.h5", "--specie", "Li", "--json", "--table", tmp_path / "hops.parquet")
    assert result.exit_code == 0, result.output
    at = json.loads(result.output)["temperatures"][0]
    assert {p["pathway"]: p["hops"] for p in at["pathways"] if p["hops"]} == {"oct–tet": 1, "tet–oct": 1}
    stored = read_hops(tmp_path / "hops.parquet")
    assert stored["ion"].tolist() == [first, first]
    assert stored["arrived"] == pytest.approx([4.0, 8.0])
    moved = np.stack([stored[k] for k in "xyz"], axis=1)
    assert moved[0] == pytest.approx(5.2 * np.array([-0.25, 0.25, 0.25]), abs=0.05)
    assert moved[1] == pytest.approx(5.2 * np.array([0.25, 0.25, 0.25]), abs=0.05)
    assert stored["residence"][1] == pytest.approx(4.0)
