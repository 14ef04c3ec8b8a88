"""The whole chain on a tiny cell: what a run leaves behind, what a second run and a killed run do."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from frustra.campaign.results import Results
from frustra.io import read_json, read_snapshots, read_states, read_structure, read_trajectory
from tests.campaign.program import assert_same, surroundings

ROOT = Path(__file__).parents[1]
STUDY = f"""
name = "tiny"

[materials.lyc]
structure = "{ROOT / "examples/li3ycl6/Li3YCl6.cif"}"
supercell = [1, 1, 2]

[prepare]
walkers = 1
hold = 0.2
cool = 0.2
moves = 2

[md]
temperatures = [300, 700]
equilibration = 0.2
production = 4
interval = 0.05
npt_time = 0.6

[sampling]
snapshots = 5
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "frustra.cli", *(str(a) for a in arguments)]


def frustra(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, timeout=300, env=surroundings()
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the tiny study once; give its folder."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    done = frustra("run", folder / "study.toml", "--out", folder / "out", "--workers", 2)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def results(run: Path) -> Results:
    return Results.model_validate(read_json(run / "out/results.json"))


def test_the_terminal_ends_with_the_table_and_the_report(run: Path) -> None:
    printed = (run / "stdout.txt").read_text(encoding="utf-8")
    assert str(run / "out/report.html") in printed
    for text in ("300", "700", "oct", "tet", "mS/cm"):
        assert text in printed


def test_results_hold_every_promised_key(results: Results) -> None:
    material = results.materials["lyc"]
    assert (material.formula, material.atoms, material.ions, material.charge) == ("Li3YCl6", 60, 18, 1.0)
    assert [row.T_K for row in material.temperatures] == [300, 700]
    for row in material.temperatures:
        assert sum(row.site_fractions.values()) == pytest.approx(1)
        assert row.snapshots.n == 5
        assert row.states.n == 18 * row.snapshots.converged
        assert row.snapshots.fmax_eV_A <= 0.005 or row.snapshots.converged < 5
        assert row.diffusivity.value > 0
        assert row.diffusivity.is_upper_bound == row.conductivity.is_upper_bound
        assert (row.diffusivity.std is None) == row.diffusivity.is_upper_bound
        assert row.diffusivity.low <= row.diffusivity.value <= row.diffusivity.high
        assert row.transport.frames == 80
        assert row.transport.timestep_fs == pytest.approx(50)
        assert row.transport.ions == 18
    assert material.temperatures[0].diffusivity.is_upper_bound  # 4 ps at 300 K: nothing diffuses
    assert any("upper bounds" in w for w in results.warnings)


def test_two_temperatures_tell_of_no_transition_and_say_why(results: Results) -> None:
    material = results.materials["lyc"]
    fit = material.arrhenius
    assert (fit.model, fit.Tc_K, fit.sigma_300K_mS_cm) == ("undecided", None, None)
    assert "2 temperature(s)" in fit.reason
    assert sorted([*fit.temperatures_K, *fit.upper_bounds_K]) == [300, 700]
    assert any(fit.reason in w for w in results.warnings)
    assert material.agreement.verdict == "cannot tell"
    assert set(material.markers) >= {
        "relaxed_energy", "heat_capacity", "off_ground", "occupancy_entropy", "doas_entropy",
        "rdf_width_Li_Li", "rdf_width_Li_anion", "anisotropy", "cell_ratio",
    }  # fmt: skip
    for marker in material.markers.values():
        assert (marker.model, marker.Tc_K) == ("undecided", None)
        assert marker.reason.startswith("cannot tell: ")
    width = material.markers["rdf_width_Li_anion"]
    assert width.temperatures_K == [300, 700]
    assert width.values[1] > 1.5 * width.values[0]  # vibrations grow with T
    ratio = material.markers["cell_ratio"].values[0]
    lengths = material.temperatures[0].cell.lengths_A
    assert ratio == pytest.approx(lengths[0] / lengths[2])


def test_cells_are_those_that_were_used(run: Path, results: Results) -> None:
    for row in results.materials["lyc"].temperatures:
        trajectory = read_trajectory(next((run / "out/steps/lyc").glob(f"{row.T_K:g}K/md-*/trajectory.h5")))
        assert np.linalg.norm(trajectory.cells[0], axis=1) == pytest.approx(row.cell.lengths_A)
        assert trajectory.duration == pytest.approx(4 - 0.05)  # frames after every interval
        assert len(trajectory) == 80
        assert row.cell.lengths_A[0] == pytest.approx(row.cell.lengths_A[1])  # still hexagonal
        assert row.cell.angles_deg == pytest.approx((90, 90, 120))


def test_snapshots_partition_their_energy_and_the_table_repeats_them(run: Path, results: Results) -> None:
    states = read_states(run / "out/states.parquet")
    assert len(states) == 2 * 5 * 18
    for row in results.materials["lyc"].temperatures:
        file = next((run / "out/steps/lyc").glob(f"{row.T_K:g}K/snapshots-*/snapshots.h5"))
        snapshots = read_snapshots(file)
        assert snapshots.atomic_energies.sum(axis=1) == pytest.approx(snapshots.energies, abs=1e-4)
        rows = states.select(states["temperature"] == row.T_K)
        ions = rows["ion"][:18]
        assert rows["energy"].reshape(5, 18) == pytest.approx(snapshots.atomic_energies[:, ions])
        kept = rows["energy"][rows["converged"]]
        zero = results.materials["lyc"].energy_zero_eV
        assert row.states.mean_eV == pytest.approx(kept.mean() - zero)


def test_the_doas_of_the_figure_integrates_to_one(run: Path) -> None:
    table = np.genfromtxt(run / "out/figures/lyc_doas.csv", delimiter=",", names=True)
    for temperature in (300, 700):
        rows = table[table["T_K"] == temperature]
        width = np.diff(rows["energy_eV"])
        assert width == pytest.approx(0.005)
        assert (rows["total"] * 0.005).sum() == pytest.approx(1, abs=1e-6)
        assert rows["oct"] + rows["tet"] + rows["other"] == pytest.approx(rows["total"], abs=1e-6)


def test_the_ground_state_is_where_the_results_say(run: Path, results: Results) -> None:
    state = results.materials["lyc"].ground_state
    atoms = read_structure(run / "out" / state.file)
    assert len(atoms) == 60
    assert state.energy_eV <= min(state.walks[0]["energies_eV"].values()) + 1e-9


def test_the_report_is_one_page_without_network(run: Path) -> None:
    page = (run / "out/report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    pictures = len(list((run / "out/figures").glob("*.svg")))
    assert page.count("data:image/svg+xml;base64,") == pictures >= 12
    for link in re.findall(r'href="([^"]+)"', page):
        assert f'id="{link[1:]}"' in page if link[0] == "#" else (run / "out" / link).is_file()
    for text in ("Arrhenius", "Density of atomistic states", "Warnings", "cannot tell", "Haven", "lammps"):
        assert text in page


def test_every_figure_comes_as_svg_png_and_csv(run: Path) -> None:
    for name in ("arrhenius", "doas", "energy", "markers", "msd", "sites"):
        for suffix in ("svg", "png", "csv"):
            assert (run / f"out/figures/lyc_{name}.{suffix}").stat().st_size > 50


def test_the_csv_of_the_markers_holds_their_values(run: Path, results: Results) -> None:
    table = np.genfromtxt(
        run / "out/figures/lyc_markers.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    for name, marker in results.materials["lyc"].markers.items():
        rows = table[table["marker"] == name]
        assert rows["value"].tolist() == pytest.approx(marker.values, rel=1e-5)
        assert rows["std"].tolist() == pytest.approx(marker.std, rel=1e-5)


def test_a_second_run_computes_nothing_and_says_the_same(run: Path, results: Results) -> None:
    before = {p: p.stat().st_mtime_ns for p in (run / "out/steps").rglob("done.json")}
    again = frustra("run", run / "study.toml", "--out", run / "out")
    assert again.returncode == 0, again.stderr
    assert "already done" in again.stderr
    assert {p: p.stat().st_mtime_ns for p in (run / "out/steps").rglob("done.json")} == before
    repeated = Results.model_validate(read_json(run / "out/results.json"))
    assert repeated.materials == results.materials


def test_a_changed_setting_redoes_only_what_depends_on_it(run: Path, tmp_path: Path) -> None:
    out = copytree(run / "out", tmp_path / "out")
    before = set((out / "steps").rglob("done.json"))
    changed = tmp_path / "changed.toml"
    changed.write_text(STUDY.replace("snapshots = 5", "snapshots = 4"), encoding="utf-8")
    assert frustra("run", changed, "--out", out).returncode == 0
    new = set((out / "steps").rglob("done.json")) - before
    assert len(new) == 2
    assert all(p.parent.name.startswith("snapshots-") for p in new)


def test_a_killed_run_goes_on_where_it_was(run: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("run", run / "study.toml", "--out", tmp_path / "out", "--workers", 1),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=surroundings(),
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(
        (tmp_path / "out").glob("steps/lyc/300K/cell-*/done.json")
    ):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {
        p: p.stat().st_mtime_ns for p in (tmp_path / "out/steps").rglob("done.json") if ".part" not in str(p)
    }
    assert finished
    assert not (tmp_path / "out/results.json").exists()
    again = frustra("run", run / "study.toml", "--out", tmp_path / "out", "--workers", 2)
    assert again.returncode == 0, again.stderr
    assert all(p.stat().st_mtime_ns == t for p, t in finished.items())
    assert not list((tmp_path / "out/steps").rglob("*.part"))
    assert_same(tmp_path / "out", run / "out")  # the seeds decide, not the kill
