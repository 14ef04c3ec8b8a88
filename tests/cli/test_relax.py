import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from ase import Atoms
from ase.io import write
from typer.testing import CliRunner

import frustra.campaign.batches
from frustra.cli.relax import relax
from frustra.io import read_snapshots, read_states, write_trajectory
from frustra.trajectory import Trajectory
from tests.cli.wells import BOX, CHLORINE, LEVELS, OCT, TET

ROOT = Path(__file__).parents[2]
MODEL = "ase:tests.cli.wells:calculator"
NUMBERS = np.array([17] * len(CHLORINE) + [3] * 4)
HOLDS = {
    "a": [OCT[0], OCT[5], OCT[9], OCT[12]],
    "b": [OCT[0], OCT[5], OCT[9], OCT[20]],  # as many octahedra: the same energy
    "c": [OCT[0], OCT[5], OCT[9], TET[40]],
}

app = typer.Typer()
app.command()(relax)


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where the model's module is found


def run(*arguments: object, model: str = MODEL):
    return CliRunner().invoke(app, [str(a) for a in arguments] + ["--potential", model])


def told(*arguments: object) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: object, model: str = MODEL) -> str:
    result = run(*arguments, model=model)
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    return result.output


def positions(kinds: str, rng: np.random.Generator) -> np.ndarray:
    """Return frames that vibrate in the wells named; Li ions change names, and go to other cells."""
    frames = []
    for kind in kinds:
        li = rng.permutation(np.array(HOLDS[kind])) + BOX * rng.integers(-1, 2, (4, 3))
        frames.append(np.concatenate([CHLORINE, li]))
    return np.array(frames) + rng.normal(0, 0.1, (len(kinds), len(NUMBERS), 3))


def trajectory(kinds: str, temperature: float = 600.0, seed: int = 0, cells=None) -> Trajectory:
    box = np.broadcast_to(BOX * np.eye(3), (len(kinds), 3, 3))
    where = positions(kinds, np.random.default_rng(seed))
    if cells is not None:  # the fractional coordinates stay
        where, box = where @ np.linalg.inv(box) @ cells, cells
    return Trajectory(where, box, NUMBERS, 0.1, temperature)


def written(path: Path, *arguments: object, **options: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_trajectory(path, trajectory(*arguments, **options))
    return path


def energy(kinds: str) -> float:
    """Return the mean relaxed energy per Li."""
    tets = np.mean([kind == "c" for kind in kinds])
    return 8 * LEVELS["Cl"] + LEVELS["oct"] + tets * (LEVELS["tet"] - LEVELS["oct"]) / 4


def test_frames_fall_to_the_bottoms_of_their_wells(tmp_path: Path) -> None:
    kinds = {300: "aaaaaabaaa", 600: "abccbacacc"}
    for t, frames in kinds.items():
        written(tmp_path / f"{t}K/run.h5", frames, float(t), seed=t)
    out = tmp_path / "relaxed"
    answer = told(tmp_path, "--specie", "Li", "--out", out, "--fmax", 0.001)
    assert [at["T_K"] for at in answer["temperatures"]] == [300, 600]
    for at in answer["temperatures"]:
        frames = kinds[at["T_K"]]
        assert (at["frames"], at["converged"], at["ions"]) == (10, 10, 4)
        assert at["structures"] == len(set(frames))
        assert at["symmetry_classes"] == len(set(frames.replace("b", "a")))
        assert at["most_frequent"] == max(frames.count(k) for k in frames)
        assert at["left_basin"] == 0
        assert at["final_fmax_eV_A"] <= 0.001
        assert sum(at["reasons"].values()) == 10
        assert 1 <= at["steps"] <= at["force_calls"]
        assert at["energy_eV"]["value"] == pytest.approx(energy(frames), abs=1e-4)
        assert at["strain"] == pytest.approx(0, abs=1e-9)
        relaxed = read_snapshots(out / at["files"][0])
        assert relaxed.temperature == at["T_K"]
        np.testing.assert_allclose(relaxed.time, np.arange(10) * 0.1)
        np.testing.assert_allclose(relaxed.cell, BOX * np.eye(3), atol=1e-12)
        start = relaxed.positions - relaxed.moved
        drift = start - positions(frames, np.random.default_rng(int(at["T_K"])))
        np.testing.assert_allclose(drift, np.broadcast_to(drift[:, :1], drift.shape), atol=1e-5)
    states = read_states(out / "states.parquet")
    for t, frames in kinds.items():
        table = states.select(states["temperature"] == t)
        assert (table["site"] == "tet").sum() == frames.count("c")
        levels = np.vectorize(LEVELS.get)(table["site"])
        np.testing.assert_allclose(table["energy"], levels, atol=1e-5)
        numbers = {k: i for i, k in enumerate(dict.fromkeys(frames))}
        assert table["structure"][::4].tolist() == [numbers[k] for k in frames]
    assert not (out / "batches").exists()


def test_the_table_says_what_was_done_and_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    file, out = written(tmp_path / "run.h5", "ab"), tmp_path / "out"
    result = run(file, "--specie", "Li", "--out", out)
    assert result.exit_code == 0, result.output
    for said in ("600", "left", "force tolerance (2)", "per Li", "snapshots-600K.h5, states.parquet"):
        assert said in result.output
    before = {p: p.stat().st_mtime_ns for p in out.iterdir() if p.name != "lock"}
    again = run(file, "--specie", "Li", "--out", out)
    assert again.exit_code == 0
    assert "nothing to do" in again.output
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert "fmax = 0.01, now 0.005" in refused(file, "--specie", "Li", "--out", out, "--fmax", 0.005)
    (out / "states.parquet").unlink()
    mended = run(file, "--specie", "Li", "--out", out)
    assert "nothing to do" not in mended.output
    assert len(read_states(out / "states.parquet")) == 8
    written(file, "ba")
    assert "other files" in refused(file, "--specie", "Li", "--out", out)


def test_the_chosen_frames_are_relaxed(tmp_path: Path) -> None:
    file = written(tmp_path / "run.h5", "aaabbbccc")
    some = told(file, "--count", 3, "--out", tmp_path / "some")["temperatures"][0]
    assert (some["frames"], some["structures"], some["most_frequent"]) == (3, 3, 1)
    relaxed = read_snapshots(tmp_path / "some/snapshots-600K.h5")
    np.testing.assert_allclose(relaxed.time, [0.1, 0.4, 0.7])
    third = told(file, "--every", 4, "--out", tmp_path / "third")["temperatures"][0]
    assert third["frames"] == 3
    assert third["left_basin"] is third["ions"] is None


def test_frames_of_cells_that_vary_are_strained_to_their_mean(tmp_path: Path) -> None:
    lengths = BOX * (1 + np.array([-0.01, 0.0, 0.01, 0.02, -0.02, 0.0]))
    cells = lengths[:, None, None] * np.eye(3)
    file = written(tmp_path / "run.h5", "abcabc", cells=cells)
    at = told(file, "--out", tmp_path / "mean")["temperatures"][0]
    np.testing.assert_allclose(at["cell_A"], BOX * np.eye(3), atol=1e-9)
    assert at["strain"] == pytest.approx(1 / 0.98 - 1)
    assert "mean of all frames, by up to 2 %" in at["notes"][0]
    assert (at["structures"], at["most_frequent"]) == (3, 2)
    first = told(file, "--cell", "first", "--out", tmp_path / "first")["temperatures"][0]
    np.testing.assert_allclose(first["cell_A"], 0.99 * BOX * np.eye(3), atol=1e-9)
    assert "which varies" in refused(file, "--cell", "own", "--out", tmp_path / "own")


def test_replicas_share_their_cell_and_their_structures(tmp_path: Path) -> None:
    for number, kinds in enumerate(("aac", "cab"), 1):
        written(tmp_path / f"600K/{number}.h5", kinds, seed=number)
    at = told(tmp_path / "600K", "--specie", "Li", "--out", tmp_path / "out")["temperatures"][0]
    assert (at["runs"], at["frames"], at["structures"], at["most_frequent"]) == (2, 6, 3, 3)
    assert at["files"] == ["snapshots-600K-1.h5", "snapshots-600K-2.h5"]
    states = read_states(tmp_path / "out/states.parquet")
    assert states["run"][::4].tolist() == [0, 0, 0, 1, 1, 1]
    assert states["structure"][::4].tolist() == [0, 0, 1, 1, 0, 2]


def test_crystals_and_unrelated_frames_are_relaxed(tmp_path: Path) -> None:
    where = positions("ab", np.random.default_rng(1))
    crystals = [Atoms(NUMBERS, x, cell=BOX * np.eye(3), pbc=True) for x in where]
    for name, crystal in zip("ab", crystals, strict=True):
        write(tmp_path / f"POSCAR_{name}", crystal, format="vasp")
    alone = told(tmp_path / "POSCAR_a", "--specie", "Li", "--out", tmp_path / "alone")
    assert alone["temperatures"][0]["T_K"] is None
    assert alone["temperatures"][0]["files"] == ["snapshots.h5"]
    both = told(tmp_path / "POSCAR_a", tmp_path / "POSCAR_b", "--out", tmp_path / "both")
    assert both["temperatures"][0]["structures"] == 2
    # ions that are anywhere else in the next frame
    write(tmp_path / "frames.xyz", [crystals[0], crystals[1], crystals[0]], format="extxyz")
    frames = told(tmp_path / "frames.xyz", "--specie", "Li", "--out", tmp_path / "frames")["temperatures"][0]
    assert (frames["frames"], frames["structures"], frames["most_frequent"]) == (3, 2, 2)


def test_a_command_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, kinds = tmp_path / "run.h5", "abc" * 12
    written(file, kinds)
    whole = told(file, "--specie", "Li", "--out", tmp_path / "whole")
    sizes: list[int] = []
    relaxing = frustra.campaign.batches.relax_frames

    def counted(frames, *rest):
        sizes.append(len(frames))
        if len(sizes) == 2:
            raise KeyboardInterrupt
        return relaxing(frames, *rest)

    monkeypatch.setattr(frustra.campaign.batches, "relax_frames", counted)
    assert run(file, "--specie", "Li", "--out", tmp_path / "parts").exit_code == 130
    parts = told(file, "--specie", "Li", "--out", tmp_path / "parts")
    assert sizes == [16, 16, 16, 4]  # the first of them once
    assert parts["temperatures"] == whole["temperatures"]
    one, other = (read_states(tmp_path / name / "states.parquet") for name in ("whole", "parts"))
    for name, values in one.columns.items():
        np.testing.assert_array_equal(values, other[name])


def test_a_command_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "run.h5", "abc" * 10)
    words = [file, "--specie", "Li", "--out", tmp_path / "out", "--potential", MODEL, "--json"]
    command = [sys.executable, "-c", "from frustra.cli import main; main()", "relax", *map(str, words)]
    slow = os.environ | {"WELLS_SLEEP": "0.03"}
    with subprocess.Popen(command, cwd=ROOT, env=slow, stdout=subprocess.DEVNULL) as process:
        batch = tmp_path / "out/batches/snapshots-600K/000000.h5"
        deadline = time.monotonic() + 60
        while not batch.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert batch.exists()
    assert not (tmp_path / "out/relaxed.json").exists()
    sizes: list[int] = []
    relaxing = frustra.campaign.batches.relax_frames

    def counted(frames, *rest):
        sizes.append(len(frames))
        return relaxing(frames, *rest)

    monkeypatch.setattr(frustra.campaign.batches, "relax_frames", counted)
    at = told(*words[:-3])["temperatures"][0]
    assert sizes == [14]  # the first 16 were on disk
    assert (at["frames"], at["structures"], at["most_frequent"]) == (30, 3, 10)


def test_what_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file, out = written(tmp_path / "run.h5", "ab"), tmp_path / "out"
    assert "no file or folder" in refused(tmp_path / "none.h5", "--out", out)
    assert "FAMILY:ARGUMENT" in refused(file, "--out", out, model="nothing")
    assert "no model" in refused(file, "--out", out, model="")
    assert "no Na" in refused(file, "--specie", "Na", "--out", out)
    assert "no P in" in refused(file, "--specie", "PS4", "--out", out)
    assert "no anion Br" in refused(file, "--specie", "Li", "--anions", "Br", "--out", out)
    assert "--specie" in refused(file, "--anions", "Cl", "--out", out)
    assert "--fmax 1.0" in refused(file, "--fmax", 1, "--out", out)
    assert "--max-steps 0" in refused(file, "--max-steps", 0, "--out", out)
    assert "the cell 'box'" in refused(file, "--cell", "box", "--out", out)
    assert "3 frames of 2" in refused(file, "--count", 3, "--out", out)
    assert "--count or --every" in refused(file, "--count", 1, "--every", 1, "--out", out)
    assert "0 as a number of frames" in refused(file, "--every", 0, "--out", out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").touch()
    assert "holds something else" in refused(file, "--out", tmp_path / "full")
