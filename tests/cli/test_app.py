"""Bad input ends in one clear sentence and exit code 2; nothing the user had is touched."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner

from frustra.cli import app

ROOT = Path(__file__).parents[2]
CELL = ROOT / "examples/li3ycl6/Li3YCl6.cif"
QUICK = """
[prepare]
walkers = 1
hold = 0
cool = 0
moves = 0
[md]
temperatures = [300]
equilibration = 0.1
production = 2
npt_time = 0.4
[sampling]
snapshots = 2
"""


def study(folder: Path, structure: Path = CELL, extra: str = "", repeat: str = "[1, 1, 1]") -> Path:
    path = folder / "study.toml"
    head = f'name = "bad"\n{extra}\n[materials.m]\nstructure = "{structure}"\nsupercell = {repeat}\n'
    path.write_text(head + QUICK, encoding="utf-8")
    return path


def refused(*arguments: object) -> str:
    """Run the command line; return its one sentence after checking that it is one, with exit code 2."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("frustra: ")
    assert "Traceback" not in result.output
    return lines[0]


def written(folder: Path, atoms: Atoms) -> Path:
    atoms.write(folder / "structure.cif")
    return folder / "structure.cif"


def test_a_missing_study_file(tmp_path: Path) -> None:
    assert "frustra init" in refused("run", tmp_path / "none.toml")


def test_a_misspelt_key_names_the_nearest(tmp_path: Path) -> None:
    path = study(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("npt_time", "ntp_time"), encoding="utf-8")
    assert "did you mean 'npt_time'" in refused("run", path)


def test_a_misspelt_key_comes_before_what_it_leaves_out(tmp_path: Path) -> None:
    path = study(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("temperatures", "temperature"), encoding="utf-8")
    assert "did you mean 'temperatures'" in refused("run", path)


def test_a_missing_structure(tmp_path: Path) -> None:
    assert "no structure file" in refused("run", study(tmp_path, tmp_path / "none.cif"))


def test_a_structure_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.cif").write_text("hello\n", encoding="utf-8")
    assert "cannot be read" in refused("run", study(tmp_path, tmp_path / "x.cif"))


def test_an_element_that_the_potential_does_not_know(tmp_path: Path) -> None:
    sentence = refused("run", study(tmp_path, written(tmp_path, bulk("LiBr", "rocksalt", a=5.5, cubic=True))))
    assert "Br" in sentence
    assert "Li, Y, Cl" in sentence


def test_no_mobile_ion(tmp_path: Path) -> None:
    assert "no Na" in refused("run", study(tmp_path, extra='specie = "Na"'))


def test_overlapping_atoms(tmp_path: Path) -> None:
    crystal = bulk("LiCl", "rocksalt", a=6.0, cubic=True)
    crystal.positions[1] = crystal.positions[0] + [0.5, 0, 0]
    assert "overlapping atoms" in refused("run", study(tmp_path, written(tmp_path, crystal)))


def test_a_cell_smaller_than_the_cutoff(tmp_path: Path) -> None:
    small = bulk("LiCl", "rocksalt", a=5.1)
    assert "cutoff" in refused("run", study(tmp_path, written(tmp_path, small)))


def test_partial_occupancy(tmp_path: Path) -> None:
    lines = CELL.read_text(encoding="utf-8").splitlines()
    lines = [line[: line.rindex("1.0000")] + "0.5000" if " Li1 " in line else line for line in lines]
    (tmp_path / "half.cif").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "partially occupied" in refused("run", study(tmp_path, tmp_path / "half.cif"))


def test_an_unknown_potential(tmp_path: Path) -> None:
    path = study(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + '[potential]\nmodel = "dp:x"\n', encoding="utf-8")
    assert "pod:li-y-cl" in refused("run", path)


def test_a_start_of_another_composition(tmp_path: Path) -> None:
    path = study(tmp_path, repeat="[1, 1, 2]")
    text = path.read_text(encoding="utf-8").replace("[prepare]", f'starts = ["{CELL}"]\n[prepare]')
    path.write_text(text, encoding="utf-8")
    assert "supercell" in refused("run", path)


def test_lammps_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUSTRA_LMP", "no-such-lammps")
    assert "no-such-lammps" in refused("run", study(tmp_path))


def test_lammps_crashing_shows_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "lmp"
    fake.write_text("#!/bin/sh\necho 'ERROR: Lost atoms: original 30 current 29'\nexit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("FRUSTRA_LMP", str(fake))
    sentence = refused("run", study(tmp_path), "--out", tmp_path / "out", "--dry-run")
    assert "Lost atoms" in sentence


def test_no_space_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "results")

    monkeypatch.setattr("frustra.io.write_text", full)
    sentence = refused("init", tmp_path / "new.toml")
    assert "No space left" in sentence
    assert not (tmp_path / "new.toml").exists()


def test_init_writes_a_study_and_never_over_one(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    assert CliRunner().invoke(app, ["init", str(path)]).exit_code == 0
    before = path.read_text(encoding="utf-8")
    assert "exists" in refused("init", path)
    assert path.read_text(encoding="utf-8") == before


def test_a_dry_run_computes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["run", str(study(tmp_path)), "--dry-run", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0
    assert "force calls" in result.stdout
    assert "m 300 K" in result.stdout
    assert "min" in result.stdout
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    path = study(tmp_path)
    before = path.read_text(encoding="utf-8")
    assert "something else than a run" in refused("run", path, "--out", tmp_path)
    assert "something else than a run" in refused("run", path, "--out", path)
    assert path.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("frustra ")


@pytest.mark.parametrize("code", ["import frustra", "import frustra.cli"])
def test_importing_loads_nothing_heavy(code: str) -> None:
    heavy = ("numpy", "scipy", "ase", "matplotlib", "pydantic", "torch", "tensorflow")
    check = f"{code}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
