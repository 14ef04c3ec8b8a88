import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from ase import Atoms
from typer.testing import CliRunner

import frustra.campaign.models
from frustra.campaign import trajectories
from frustra.cli.models import models
from frustra.engines.relax import relax_frames
from frustra.engines.zoo import load_potential
from frustra.io import write_snapshots, write_structure
from tests.cli import wells
from tests.cli.other_wells import CONSTANT, DEEPER, SHARED
from tests.cli.wells import BOX, CHLORINE, OCT, TET

OWN = "ase:tests.cli.wells:calculator"
SHARES, DEEPER_TET, NO_TET = (f"ase:tests.cli.other_wells:{n}" for n in ("shares", "deeper", "no_tet"))
NUMBERS = np.array([17] * len(CHLORINE) + [3] * 4)
FRAMES = 5
GAP = wells.LEVELS["tet"] - wells.LEVELS["oct"]

app = typer.Typer()
app.command()(models)


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    return result.output


def frame(places: np.ndarray) -> Atoms:
    return Atoms(NUMBERS, np.concatenate([CHLORINE, places]), cell=3 * [BOX], pbc=True)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run with snapshots at two temperatures: the k-th has k % 3 tetrahedral ions, or one more."""
    potential, rows = load_potential(OWN), []
    rng = np.random.default_rng(0)
    for temperature in (300.0, 600.0):
        frames = []
        for k in range(FRAMES):
            tets = k % 3 + (temperature > 300)
            frames.append(
                frame(np.concatenate([rng.permutation(OCT)[: 4 - tets], TET[16 * np.arange(tets)]]))
            )
        name = f"lyc/{temperature:g}K/snapshots-ordered-1-aaa"
        step = tmp_path / "steps" / name
        step.mkdir(parents=True)
        found = relax_frames(frames, potential).with_origin(np.arange(FRAMES), temperature)
        write_snapshots(step / "snapshots.h5", found)
        (step / "done.json").write_text('{"files": {}}')
        rows.append({"job": name, "steps": [name]})
    (tmp_path / "steps/jobs.json").write_text(json.dumps(rows))
    write_structure(tmp_path / "lyc_ground_state.extxyz", frame(OCT[:4]))
    material = SimpleNamespace(start="ordered", specie="Li", anions=["Cl"], temperatures=[])
    study = {"materials": {"lyc": {}}, "potential": {"model": OWN}, "relax": {"fmax": 0.005}}
    results = SimpleNamespace(materials={"lyc": material}, study=study)
    monkeypatch.setattr(trajectories, "read_results", lambda _: results)
    return tmp_path


def number(answer: dict, name: str, temperature: float = 300) -> dict:
    (at,) = (t for t in answer["temperatures"] if t["T_K"] == temperature)
    return next(n for n in at["numbers"] if n["name"] == name)


def test_energy_shared_out_differently_moves_gaps_and_no_total(finished: Path) -> None:
    answer = told(finished, "--potential", SHARES)
    assert answer["models"] == answer["members"] == [OWN, SHARES]
    states = 2 * FRAMES * 4
    tets = sum(k % 3 + hot for k in range(FRAMES) for hot in (0, 1))
    assert answer["shifts_eV"] == pytest.approx([0, CONSTANT + SHARED * tets / states], abs=1e-6)
    for temperature in (300, 600):
        gap = number(answer, "gap oct → tet", temperature)["at"]
        assert gap["models"] == pytest.approx([GAP, GAP + SHARED], abs=1e-6)
        assert gap["spread"] == pytest.approx(SHARED / np.sqrt(2), abs=1e-6)
        assert not gap["unsure"]
        total = number(answer, "total energy per ion", temperature)["at"]
        assert total["spread"] == pytest.approx(0, abs=1e-6)
    mean = np.mean([k % 3 for k in range(FRAMES)])
    assert number(answer, "total energy per ion")["at"]["value"] == pytest.approx(mean * GAP / 4, abs=1e-5)
    for at in answer["temperatures"]:
        assert at["totals"][0]["pearson"]["value"] == pytest.approx(1)
        assert at["totals"][0]["points"] == FRAMES
    assert all(s["same"] == s["whole"] == 1 and s["converged"] == FRAMES for s in answer["survivors"])


def test_a_model_with_other_levels_differs_in_the_totals(finished: Path) -> None:
    answer = told(finished, "--potential", DEEPER_TET, "--count", 3, "--temperatures", "600")
    assert [t["T_K"] for t in answer["temperatures"]] == [600]
    models_say = number(answer, "total energy per ion", 600)["at"]["models"]
    assert models_say[1] / models_say[0] == pytest.approx(1 + DEEPER / GAP, abs=1e-4)
    (totals,) = answer["temperatures"][0]["totals"]
    assert totals["points"] == 3
    assert totals["slope"]["value"] == pytest.approx(1 + DEEPER / GAP, abs=1e-3)


def test_what_is_done_is_not_done_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = told(finished, "--potential", SHARES)
    monkeypatch.delattr(frustra.campaign.models.Relaxing, "relaxed")
    assert told(finished, "--potential", SHARES) == first
    assert run(finished, "--potential", DEEPER_TET).exit_code == 1  # which has work to do


def test_frames_can_be_evaluated_as_they_are_and_kept_elsewhere(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere"
    answer = told(finished, "--potential", SHARES, "--no-relax", "--out", out)
    assert not answer["relaxed"]
    assert {s["force_calls"] for s in answer["survivors"]} == {1 + FRAMES}
    assert number(answer, "gap oct → tet")["at"]["models"] == pytest.approx([GAP, GAP + SHARED], abs=1e-6)
    assert not (finished / "models").exists()
    assert len(list(out.glob("lyc/*K/evaluated-*/snapshots.h5"))) == 2


def test_ions_that_leave_their_sites_are_counted_and_left_out(finished: Path) -> None:
    answer = told(finished, "--potential", NO_TET)
    for s, hot in zip(answer["survivors"], (0, 1), strict=True):
        tets = [k % 3 + hot for k in range(FRAMES)]
        assert s["same"] == pytest.approx(1 - sum(tets) / (4 * FRAMES))
        assert s["whole"] == pytest.approx(tets.count(0) / FRAMES)
    assert not any("tet" in n["name"] for t in answer["temperatures"] for n in t["numbers"])


def test_the_members_of_a_committee_count_one_by_one(finished: Path) -> None:
    answer = told(finished, "--potential", f"committee:{SHARES}+{DEEPER_TET}", "--temperatures", "300")
    assert answer["members"] == [OWN, SHARES, DEEPER_TET]
    gap = number(answer, "gap oct → tet")["at"]
    assert gap["spread"] == pytest.approx(np.std([0, SHARED, DEEPER], ddof=1), abs=1e-6)


def test_the_terminal_says_which_models_only_share_out_differently(finished: Path, tmp_path: Path) -> None:
    figure = tmp_path / "models.png"
    result = run(finished, "--potential", SHARES, "--potential", DEEPER_TET, "--plot", figure)
    assert result.exit_code == 0, result.output
    assert figure.stat().st_size > 10_000
    for said in (
        "A: ase:",
        "the run's own",
        "gap oct → tet (meV)",
        "does not survive",
        "B: per-atom energies",
    ):
        assert said in result.output


def test_what_cannot_be_compared_is_refused(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no other potential" in refused(finished)
    assert "twice" in refused(finished, "--potential", OWN)
    assert "twice" in refused(finished, "--potential", SHARES, "--potential", SHARES)
    assert "no snapshots at 450 K" in refused(finished, "--potential", SHARES, "--temperatures", "450")
    assert "numbers in K" in refused(finished, "--potential", SHARES, "--temperatures", "hot")
    assert "two or more" in refused(finished, "--potential", SHARES, "--count", 1)
    monkeypatch.setitem(wells.LEVELS, "oct", -1.5)
    assert "that the run was made with" in refused(finished, "--potential", SHARES)
