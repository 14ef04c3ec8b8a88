import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from ase.build import bulk
from typer.testing import CliRunner

import frustra.campaign.doas
from frustra.campaign.ledger import LEDGER
from frustra.cli.doas import doas
from frustra.io import write_json, write_snapshots, write_states
from frustra.io.levels_text import read_levels_text, write_levels_text
from frustra.states import StateTable, concatenate
from tests.helpers import snapshots, states

app = typer.Typer()
app.command()(doas)

IONS, FRAMES = 10, 40
KELVIN = (400.0, 600.0)


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    return result.output


def energies(temperature: float, ions: int = IONS) -> np.ndarray:
    """Return (frames, ions): the first half of the ions 0.1 eV below the others, wider when hot."""
    rng = np.random.default_rng(int(temperature))
    return -4 + 0.1 * (np.arange(ions) >= ions // 2) + rng.normal(0, temperature / 4e4, (FRAMES, ions))


def table(temperature: float, **changes: object) -> StateTable:
    site = np.tile(np.where(np.arange(IONS) < IONS // 2, "oct", "tet"), FRAMES)
    anions = np.tile(np.where(np.arange(IONS) % 2, "Cl6", "Br2Cl4"), FRAMES)
    columns = {"site": site, "anions": anions, "layer": np.tile(np.arange(IONS) % 3, FRAMES)}
    return states(energies(temperature), temperature, **columns | changes)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    write_states(tmp_path / "states.parquet", concatenate(table(t) for t in KELVIN))
    return tmp_path / "states.parquet"


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    for t in KELVIN:
        other = energies(t, 4).ravel() - 2
        write_levels_text(tmp_path / f"{t:g}.out", {"Li": energies(t).ravel(), "Cl": other})
    return [f"{t:g}={tmp_path / f'{t:g}.out'}" for t in KELVIN]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run in NaCl whose mobile ion is Na; 600 K is not equilibrated."""
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True) * (2, 1, 1)
    steps, tables, rows = tmp_path / "run/steps", [], []
    mobile = crystal.symbols == "Na"
    for t in KELVIN:
        atomic = np.full((FRAMES, len(crystal)), -3.0) + energies(t, len(crystal)) / 10
        atomic[:, mobile] = energies(t, mobile.sum())
        step = f"m/{t:g}K/snapshots-ordered-1-abc"
        write_snapshots(steps / step / "snapshots.h5", snapshots(crystal, FRAMES, atomic, temperature=t))
        rows.append({"job": "x", "work": 1, "steps": [step]})
        ion = np.tile(np.flatnonzero(mobile), FRAMES)
        element = np.full(len(ion), "Na")
        tables.append(states(energies(t, mobile.sum()), t, ion=ion, element=element))
    write_json(steps / LEDGER, rows)
    write_json(tmp_path / "run/results.json", {})
    write_states(tmp_path / "run/states.parquet", concatenate(tables))
    temperatures = [
        SimpleNamespace(
            T_K=t,
            doubts=["it drifts"] if t == 600 else [],
            relaxed_energy=SimpleNamespace(mean_eV=t / 1e5, std_eV=1e-4, lowest_eV=0.0),
        )
        for t in KELVIN
    ]
    material = SimpleNamespace(start="ordered", specie="Na", formula="NaCl", temperatures=temperatures)
    results = SimpleNamespace(materials={"m": material}, study={"materials": {"m": {}}})
    monkeypatch.setattr(frustra.campaign.doas, "read_results", lambda _: results)
    monkeypatch.setattr(frustra.campaign.doas, "is_whole", lambda step: step.is_dir())
    return tmp_path / "run"


def test_the_keys_are_those_that_are_promised(parquet: Path):
    found = told(parquet)
    assert [at["T_K"] for at in found["temperatures"]] == list(KELVIN)
    for at, kelvin in zip(found["temperatures"], KELVIN, strict=True):
        every = energies(kelvin)
        assert at["n_states"] == every.size
        assert at["n_snapshots"] == FRAMES
        assert at["mean_eV"] == pytest.approx(every.mean() - found["zero_eV"])
        assert at["std_eV"] == pytest.approx(every.std())
        assert {"iqr_eV", "entropy_nat", "entropy_error_nat", "mean_error_eV", "summary"} <= set(at)
        assert [set(b) >= {"center_eV", "width_eV", "weight"} for b in at["bands"]] == [True, True]
        assert [b["weight"] for b in at["bands"]] == pytest.approx([0.5, 0.5], abs=0.01)
        assert {c["name"]: c["weight"] for c in at["classes"]} == {"oct": 0.5, "tet": 0.5}
        assert sum(at["density_per_eV"]) * found["bin_eV"] == pytest.approx(1)
        assert np.sum([c["density_per_eV"] for c in at["classes"]], axis=0) == pytest.approx(
            np.array(at["density_per_eV"])
        )
    assert found["zero_eV"] == min(energies(t).min() for t in KELVIN)
    assert found["first_edge_eV"] == 0
    kinds = [(o["kind"], o["first"], o["second"]) for o in found["overlaps"]]
    assert kinds.count(("classes", "oct", "tet")) == 2
    assert sum(kind == "temperatures" for kind, *_ in kinds) == 1
    assert [o["verdict"] for o in found["overlaps"] if o["kind"] == "classes"] == ["apart", "apart"]
    assert "is not known" in found["onset"]["reason"] or "cannot tell" in found["onset"]["reason"]
    assert found["framework"] == []
    assert "folder of a run" in found["no_framework"]


def test_the_sublattice_energy_is_that_of_whole_snapshots(parquet: Path):
    found = told(parquet)["sublattice"]
    means = {t: energies(t).mean(axis=1) for t in KELVIN}
    lowest = min(m.min() for m in means.values())
    for at in found:
        assert at["zero_eV"] == pytest.approx(lowest)
        assert at["mean_eV"] == pytest.approx(means[at["T_K"]].mean() - lowest)
        assert at["std_eV"] == pytest.approx(means[at["T_K"]].std())
        assert at["n_snapshots"] == FRAMES
    assert found[0]["bin_eV"] == pytest.approx(0.001)  # 5 meV/√10, rounded down to 1, 2 or 5


def test_a_table_and_texts_of_the_same_energies_give_the_same(
    parquet: Path, texts: list[str], tmp_path: Path
):
    plain = pq.read_table(parquet).drop_columns(["place", "site"])
    pq.write_table(plain, tmp_path / "plain.parquet")
    first, second = told(tmp_path / "plain.parquet"), told(*texts, "--specie", "Li", "--ions", IONS)
    for key in ("temperatures", "overlaps", "sublattice", "zero_eV", "first_edge_eV", "onset", "bins"):
        assert first[key] == second[key]
    assert first["framework"] == []
    assert second["framework"][0]["name"] == "Cl"
    assert second["framework"][0]["temperatures"][0]["n_states"] == 4 * FRAMES


def test_texts_without_ions_tell_of_no_snapshots(texts: list[str]):
    found = told(*texts, "--specie", "Li")
    assert [at["n_snapshots"] for at in found["temperatures"]] == [None, None]
    assert [at["independent_groups"] for at in found["temperatures"]] == [32, 32]
    assert found["sublattice"] == []
    assert "snapshots are not known" in found["no_sublattice"]
    assert "32 consecutive parts" in " ".join(found["notes"])


def test_files_of_one_temperature_are_put_together(texts: list[str], tmp_path: Path):
    odd = tmp_path / "a=b.out"
    odd.write_bytes(Path(texts[0].partition("=")[2]).read_bytes())
    found = told(texts[0], f"400K={odd}", "--specie", "Li", "--ions", IONS)
    (at,) = found["temperatures"]
    assert at["n_states"] == 2 * FRAMES * IONS
    assert at["n_snapshots"] == 2 * FRAMES


def test_a_run_tells_of_its_framework_and_its_doubts(folder: Path, tmp_path: Path):
    found = told(folder, "--write-doas", tmp_path / "out/doas.out")
    assert found["specie"] == "Na"
    assert [f["name"] for f in found["framework"]] == ["Cl"]
    assert [e["mean_eV"] for e in found["relaxed_energy"]] == [0.004, 0.006]
    (slope,) = found["relaxed_energy_derivative"]
    assert slope["T_K"] == 500
    assert slope["dE_dT_eV_K"] == pytest.approx(1e-5)
    cold, hot = found["temperatures"]
    assert (cold["equilibrated"], hot["equilibrated"]) == (True, False)
    assert hot["doubts"] == ["it drifts"]
    assert "not equilibrated" in hot["summary"]
    written = [tmp_path / f"out/doas-{t:g}K.out" for t in KELVIN]
    assert list(read_levels_text(written[0])) == ["Na", "Cl"]
    again = told(*(f"{t:g}={p}" for t, p in zip(KELVIN, written, strict=True)), "--specie", "Na", "--ions", 8)
    for one, other in zip(found["temperatures"], again["temperatures"], strict=True):
        same = (
            "n_states",
            "mean_eV",
            "std_eV",
            "iqr_eV",
            "entropy_nat",
            "density_per_eV",
            "effective_levels",
        )
        assert {k: one[k] for k in same} == {k: other[k] for k in same}
    assert found["zero_eV"] == again["zero_eV"]
    shown = run(folder).output
    for text in ("600*", "* not equilibrated", "! 600 K: not equilibrated: it drifts", "Other atoms"):
        assert text in shown


def test_any_element_or_group_of_a_run_can_be_asked_for(folder: Path):
    found = told(folder, "--specie", "Cl")
    assert found["specie"] == "Cl"
    assert [f["name"] for f in found["framework"]] == ["Na"]
    resolved = told(folder, "--specie", "Cl", "--by", "coordination")
    assert resolved["by"] == "coordination"
    assert resolved["temperatures"][0]["mean_eV"] == pytest.approx(found["temperatures"][0]["mean_eV"])
    assert "Na, Cl" in refused(folder, "--specie", "Br")


@pytest.mark.parametrize(
    ("by", "names"),
    [("layer", ["0", "1", "2"]), ("n_Br", ["0", "2"]), ("anions", ["Br2Cl4", "Cl6"]), ("none", ["all"])],
)
def test_any_column_tells_classes_apart(parquet: Path, by: str, names: list[str]):
    found = told(parquet, "--by", by)
    assert [c["name"] for c in found["temperatures"][0]["classes"]] == names


def test_zeros_do_not_change_what_is_free_of_them(parquet: Path):
    least, none = told(parquet), told(parquet, "--zero", "none")
    low = told(parquet, "--zero", "quantile")
    assert none["zero_eV"] == 0
    every = np.concatenate([energies(t).ravel() for t in KELVIN])
    assert low["zero_eV"] == pytest.approx(np.quantile(every, 0.01))
    for a, b, c in zip(*(f["temperatures"] for f in (least, none, low)), strict=True):
        assert a["mean_eV"] + least["zero_eV"] == pytest.approx(b["mean_eV"])
        assert a["std_eV"] == pytest.approx(b["std_eV"]) == pytest.approx(c["std_eV"])
    assert none["first_edge_eV"] / 0.005 == pytest.approx(round(none["first_edge_eV"] / 0.005))


def test_materials_share_bins_and_have_zeros_of_their_own(tmp_path: Path):
    parts = [table(400), table(400, material=np.full(FRAMES * IONS, "n"))]
    moved = {**parts[1].columns, "energy": parts[1]["energy"] - 0.3}
    write_states(tmp_path / "two.parquet", concatenate([parts[0], StateTable(moved)]))
    first, second = told(tmp_path / "two.parquet")["materials"]
    assert (first["material"], second["material"]) == ("m", "n")
    assert first["zero_eV"] - second["zero_eV"] == pytest.approx(0.3)
    assert first["temperatures"][0]["entropy_nat"] == pytest.approx(second["temperatures"][0]["entropy_nat"])
    assert told(tmp_path / "two.parquet", "--material", "n")["material"] == "n"
    assert "one of m, n" in refused(tmp_path / "two.parquet", "--material", "o")
    pair = told(tmp_path / "two.parquet", tmp_path / "two.parquet", "--material", "n")["materials"]
    assert all(str(tmp_path) in one["material"] for one in pair)


def test_a_bandwidth_is_told_wherever_the_curve_is(parquet: Path, tmp_path: Path):
    found = told(parquet, "--kde")
    energy, width = np.array(found["kernel"]["energy_eV"]), found["kernel"]["bandwidth_eV"]
    assert found["kernel"]["chosen"] == "data"
    assert 0.0025 <= width < 0.01
    for at in found["temperatures"]:
        assert np.trapezoid(at["kernel_density_per_eV"], energy) == pytest.approx(1, abs=1e-3)
    assert told(parquet, "--bandwidth", 0.02)["kernel"]["bandwidth_eV"] == 0.02
    figure = tmp_path / "doas.svg"
    shown = run(parquet, "--kde", "--plot", figure).output
    assert f"bandwidth of {1e3 * width:.3g} meV" in shown
    assert figure.stat().st_size > 10_000
    assert "bandwidth" in refused(parquet, "--bandwidth", 1e-5)


def test_every_figure_can_be_drawn(folder: Path, parquet: Path, texts: list[str], tmp_path: Path):
    figures = [tmp_path / f"{k}.svg" for k in range(4)]
    options = ("--plot", figures[0], "--plot-sublattice", figures[1], "--plot-framework", figures[2])
    assert run(folder, *options).exit_code == 0
    assert run(parquet, *texts, "--specie", "Li", "--plot", figures[3], "--zero", "none").exit_code == 0
    assert all(f.stat().st_size > 5_000 for f in figures)
    assert "snapshots are not known" in refused(*texts, "--specie", "Li", "--plot-sublattice", figures[0])
    assert "no energies of other elements" in refused(parquet, "--plot-framework", figures[0])


def test_tables_fit_a_terminal_of_100_columns(parquet: Path):
    lines = run(parquet).output.splitlines()
    tables = [line for line in lines if "±" in line and ";" not in line]
    assert len(tables) > 10
    assert max(map(len, tables)) <= 100
    assert not any("…" in line for line in tables)


def test_snapshots_that_did_not_converge_are_left_out_and_counted(tmp_path: Path):
    converged = np.repeat(np.arange(FRAMES) % 4 > 0, IONS)
    write_states(tmp_path / "s.parquet", table(400, converged=converged))
    found = told(tmp_path / "s.parquet")
    assert found["temperatures"][0]["n_snapshots"] == 30
    assert "100 states of snapshots that did not converge" in " ".join(found["notes"])
    write_states(tmp_path / "s.parquet", table(400, converged=np.zeros(FRAMES * IONS, bool)))
    assert "from a converged snapshot" in refused(tmp_path / "s.parquet")


def test_anyones_parquet_is_read(tmp_path: Path):
    every = energies(400).ravel()
    plain = pa.table({"temperature": np.full(every.size, 400), "energy": every})
    pq.write_table(plain, tmp_path / "plain.parquet")
    found = told(tmp_path / "plain.parquet", "--specie", "Li")
    assert found["temperatures"][0]["std_eV"] == pytest.approx(every.std())
    assert found["temperatures"][0]["n_snapshots"] is None
    assert found["temperatures"][0]["classes"][0]["name"] == "all"
    assert told(tmp_path / "plain.parquet", "--ions", IONS)["temperatures"][0]["n_snapshots"] == FRAMES


def test_wrong_input_is_refused_in_one_sentence(parquet: Path, texts: list[str], tmp_path: Path):
    path = texts[0].partition("=")[2]
    assert f"600={Path(path).name}" in refused(path)
    assert "no file or folder" in refused(tmp_path / "none.parquet")
    assert "no file" in refused(f"600={tmp_path / 'none.out'}")
    assert "no results.json" in refused(tmp_path / "..")
    assert "Li, Cl" in refused(*texts)
    assert "no energies of Na" in refused(*texts, "--specie", "Na")
    assert "no whole snapshots of 7" in refused(*texts, "--specie", "Li", "--ions", 7)
    assert "a text tells energies alone" in refused(*texts, "--specie", "Li", "--by", "site")
    assert "tells its own" in refused(f"600={parquet}")
    assert "one of Li" in refused(parquet, "--specie", "Na")
    assert "nearest_anion" in refused(parquet, "--by", "colour")
    assert "one of Br, Cl" in refused(parquet, "--by", "n_I")
    for option, value in (("bin", 0), ("bin", "nan"), ("zero", "mean"), ("ions", 0), ("classes", 1)):
        assert refused(
            parquet, f"--{option}", value, *(["--by", "displacement"] if option == "classes" else [])
        )
    assert refused(f"0={path}", "--specie", "Li")
    table_of_nan = pa.table({"temperature": [400.0], "energy": [float("nan")]})
    pq.write_table(table_of_nan, tmp_path / "nan.parquet")
    assert "not finite" in refused(tmp_path / "nan.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    assert "not a Parquet file" in refused(tmp_path / "torn.parquet")
