"""What `frustra refine` proposes from a run, and what it adds to the study."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from frustra.campaign.materials import materials_of
from frustra.campaign.recall import read_results
from frustra.campaign.refine import NextRun, Plan, RefineResult, extend_study
from frustra.campaign.results import Results
from frustra.campaign.study import load_study
from frustra.cli import app
from frustra.io import read_json, write_json
from tests.campaign.program import complete, finished, frustra, redone, study
from tests.cli.test_app import refused
from tests.helpers import LYC

LADDER = "temperatures = [400, 500, 700]"


def plan(folder: Path, **production: float) -> Plan:
    """Return a plan for a run of the study in a folder, with the production (ps) at each new temperature."""
    runs = [
        NextRun(T_K=float(t.removeprefix("at")), production_ps=time, runs=1, cost_ps=time)
        for t, time in production.items()
    ]
    told = RefineResult(
        material="a",
        model="jump",
        Tc_K=None,
        width_K=None,
        expected_width_K=None,
        next=runs,
        cost_ps=0,
        hours=None,
        reason="",
        notes=[],
    )
    study_of_run = load_study(folder / "study.toml").model_dump(mode="json")
    return Plan(folder, Results.model_construct(study=study_of_run), told)


def written(folder: Path, ladder: str = LADDER, **replaced: str) -> Path:
    """Write a study whose ladder stands as given, at a structure beside it."""
    shutil.copy(LYC, folder / "crystal.cif")
    path = study(folder, "a", **replaced)
    text = path.read_text(encoding="utf-8").replace("temperatures = [400, 700]", ladder)
    path.write_text(text.replace(str(LYC), "crystal.cif"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("ladder", "after"),
    [
        ("temperatures = [400, 700]", "temperatures = [400, 425, 700, 725]"),
        ("temperatures = [ 400.0,700 ]  # K", "temperatures = [ 400.0,425, 700, 725 ]  # K"),
        (
            "temperatures = [\n  400, # cold, 500 K lower\n  700,\n]",
            "temperatures = [\n  400, # cold, 500 K lower\n  425, 700, 725,\n]",
        ),
    ],
    ids=["plain", "spaced", "commented"],
)
def test_temperatures_are_added_in_their_place_and_all_else_stays(
    tmp_path: Path, ladder: str, after: str
) -> None:
    path = written(tmp_path, ladder)
    before = path.read_text(encoding="utf-8")
    extend_study(plan(tmp_path, at425=1.0, at725=1.0))
    assert path.read_text(encoding="utf-8") == before.replace(ladder, after)
    assert (tmp_path / "study-1.toml").read_text(encoding="utf-8") == before
    assert load_study(path).md.temperatures == (400, 425, 700, 725)


def test_lengths_of_their_own_are_added_and_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "temperatures = [400, 700]  # K")
    extend_study(plan(tmp_path, at425=8.0))
    assert '# K\nproduction_at = { "425" = 8 }\n' in path.read_text(encoding="utf-8")
    extend_study(plan(tmp_path, at450=2.5, at475=1.0))
    assert load_study(path).md.production_at == {425: 8, 450: 2.5}
    assert path.read_text(encoding="utf-8").count("production_at") == 1
    assert "450" not in (tmp_path / "study-2.toml").read_text(encoding="utf-8")


def test_what_cannot_be_added_to_is_left_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "[md.production_at]\n400 = 2\n", encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    with pytest.raises(Exception, match="add 425 by hand"):
        extend_study(plan(tmp_path, at425=8.0))
    assert path.read_text(encoding="utf-8") == before


def test_results_of_another_study_are_not_added_to(tmp_path: Path) -> None:
    path = written(tmp_path)
    old = plan(tmp_path, at425=8.0)
    path.write_text(path.read_text(encoding="utf-8").replace("moves = 8", "moves = 9"), encoding="utf-8")
    with pytest.raises(Exception, match="run the study first"):
        extend_study(old)


def steps(path: Path, out: Path) -> dict[str, list[str]]:
    (material,) = materials_of(load_study(path), out, path.parent)
    return {job.name: [step.key for step in job.steps] for job in material.planned()}


def test_a_length_of_its_own_changes_the_steps_of_that_temperature_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = steps(path, tmp_path / "out")
    longer = LADDER + '\nproduction_at = { "500" = 3.0 }'
    path.write_text(path.read_text(encoding="utf-8").replace(LADDER, longer), encoding="utf-8")
    after = steps(path, tmp_path / "out")
    assert {name for name in before if before[name] != after[name]} == {"a 500 K"}
    path.write_text(path.read_text(encoding="utf-8").replace("3.0", "1.0"), encoding="utf-8")
    assert steps(path, tmp_path / "out") == before  # the usual length, said twice


@pytest.mark.parametrize(
    "table", ['{ "450" = 3.0 }', '{ "500" = 0 }', '{ "500" = -1.0 }', '{ "hot" = 1.0 }', '{ "500" = 0.5 }']
)
def test_lengths_that_make_no_sense_are_refused(tmp_path: Path, table: str) -> None:
    path = written(tmp_path, f"{LADDER}\nproduction_at = {table}")
    assert "production" in refused("run", path, "--out", tmp_path / "out", "--dry-run")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a tiny study, then write into its results what a longer one might have found."""
    folder = tmp_path_factory.mktemp("refine")
    out = folder / "out"
    complete(written(folder, moves="0"), out)
    results = read_json(out / "results.json")
    rows = results["materials"]["a"]["temperatures"]
    for row, value in zip(rows, (0.02, 0.4, 110.0), strict=True):
        row["conductivity"] = _measured(value)
    write_json(out / "results.json", results)
    return out


def _measured(value: float) -> dict[str, Any]:
    low, high = 0.8 * value, 1.2 * value
    return {
        "value": value,
        "std": 0.1 * value,
        "low": low,
        "high": high,
        "unit": "mS/cm",
        "is_upper_bound": False,
    }


def test_the_proposals_of_a_run(run: Path) -> None:
    done = CliRunner().invoke(app, ["refine", str(run)])
    assert done.exit_code == 0, done.output
    assert "T (K)" in done.stdout
    assert "whether there is a break" in done.stdout
    told = json.loads(CliRunner().invoke(app, ["refine", str(run), "--json"]).stdout)
    assert told == RefineResult.model_validate(told).model_dump(mode="json")
    assert told["material"] == "a"
    assert told["next"]
    assert 0 < told["cost_ps"] <= 3 * 1.5 + 1e-6  # three runs of 1 + 0.4 + 0.1 ps
    assert told["hours"] > 0


def test_run_computes_the_new_temperatures_and_nothing_else(run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(run, tmp_path / "moved")
    before = finished(run)
    comments = (run / "study.toml").read_text(encoding="utf-8")
    done = frustra("refine", run, "--run", "--json", "--workers", 2)
    assert done.returncode == 0, done.stderr
    new = {row["T_K"]: row["production_ps"] for row in json.loads(done.stdout)["next"]}
    after = redone(before, finished(run))
    assert after
    assert {Path(step).parent.name for step in after} == {f"{t:g}K" for t in new}
    assert before.keys() < finished(run).keys()
    found = read_results(run).materials["a"].temperatures
    assert {row.T_K for row in found} == {400, 500, 700, *new}
    for row in found:
        assert row.transport.duration_ps == pytest.approx(new.get(row.T_K, 1.0), abs=0.06)
    assert (run / "study-1.toml").read_text(encoding="utf-8") == comments

    done_by_then = finished(run)
    again = frustra("run", run / "study.toml", "--out", run, "--workers", 2)  # from the run's own copy
    assert again.returncode == 0, again.stderr
    assert not redone(done_by_then, finished(run))
    assert {row.T_K for row in read_results(run).materials["a"].temperatures} == {400, 500, 700, *new}


def test_what_cannot_be_refined_is_refused_in_a_sentence(run: Path, tmp_path: Path) -> None:
    assert "no results.json" in refused("refine", tmp_path)
    assert "one of a" in refused("refine", run, "--material", "b")
    assert "at least 1.5 ps" in refused("refine", run, "--cost", "1")
    (tmp_path / "results.json").write_text('{"schema_version": 1}', encoding="utf-8")
    assert "schema version 1" in refused("refine", tmp_path)
    (tmp_path / "results.json").write_text("[]", encoding="utf-8")
    assert "schema version" in refused("refine", tmp_path)
