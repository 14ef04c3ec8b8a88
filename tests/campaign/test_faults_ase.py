"""The same through ASE's engine: a calculator of the user's own, killed and gone on with; one that fails."""

import subprocess
from pathlib import Path

import pytest
from ase.build import bulk

from frustra.io import read_json
from tests.campaign.program import assert_same, comes_true, complete, finished, frustra, running, sentences

SALT = '''
"""A rock salt: Born-Mayer repulsion and screened charges."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

CUTOFF, DECAY, RANGE, STRENGTH = 6.0, 0.32, 2.5, 14.4


class Salt(Calculator):
    implemented_properties = ["energy", "energies", "forces", "stress"]
    calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        if len(self.atoms) == 8 and self.calls > 40:
            raise RuntimeError("the model is tired")
        i, j, d, D = neighbor_list("ijdD", self.atoms, CUTOFF)
        charges = np.where(self.atoms.numbers == 3, 1.0, -1.0)
        product = STRENGTH * charges[i] * charges[j]
        wall = 900.0 * np.exp(-d / DECAY)
        screened = product * np.exp(-d / RANGE) / d
        cut = (1 - (d / CUTOFF) ** 2) ** 3
        slope_of_cut = -6 * d / CUTOFF**2 * (1 - (d / CUTOFF) ** 2) ** 2
        pair = (wall + screened) * cut
        slope = (-wall / DECAY - screened * (1 / RANGE + 1 / d)) * cut + (wall + screened) * slope_of_cut
        count = len(self.atoms)
        pull = (slope / d)[:, None] * D
        forces = np.stack([np.bincount(i, pull[:, k], count) for k in range(3)], axis=1)
        energies = np.bincount(i, pair, count) / 2
        stress = (D.T @ pull) / (2 * self.atoms.get_volume())
        self.results = {
            "energy": energies.sum(), "energies": energies, "forces": forces,
            "stress": stress[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)],
        }


def salt():
    return Salt()
'''

# the ions are cooled by Bussi's thermostat and go on with a Nosé–Hoover chain
STUDY = """
name = "salt"
[potential]
model = "ase:salt:salt"
[prepare]
walkers = 2
moves = 2
hold = 0.06
cool = 0.06
[md]
temperatures = [700]
equilibration = 0.1
production = 0.6
interval = 0.03
npt_time = 0.3
checkpoint = 0.1
thermostat = "nose-hoover"
[start]
order = "quenched"
hold = 0.05
cool = 0.05
[sampling]
snapshots = 2
[doas]
bootstrap = 20
"""


def study(folder: Path, **repeats: str) -> Path:
    (folder / "salt.py").write_text(SALT, encoding="utf-8")
    bulk("LiCl", "rocksalt", a=5.1, cubic=True).write(folder / "salt.cif")
    materials = (
        f'[materials.{name}]\nstructure = "salt.cif"\nsupercell = {repeat}\n'
        for name, repeat in repeats.items()
    )
    path = folder / "study.toml"
    path.write_text(STUDY + "".join(materials), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run two materials, undisturbed; the model fails for one of them. Give the run's folder."""
    folder = tmp_path_factory.mktemp("salt")
    file = study(folder, good="[1, 1, 2]", bad="[1, 1, 1]")
    return folder / "out", frustra("run", file, "--out", folder / "out", "--workers", 2)


def test_a_material_whose_model_fails_does_not_stop_the_other(
    broken: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = broken
    assert done.returncode == 1
    results = read_json(out / "results.json")
    assert list(results["materials"]) == ["good"]
    assert list(results["failures"]) == ["bad"]
    (sentence,) = sentences(done.stderr)
    assert sentence.startswith("frustra: bad failed at bad walker 2: ")
    assert "the model is tired" in sentence
    shown = frustra("status", out).stdout
    assert " 1 failed" in shown
    assert "the model is tired" in shown
    cell = results["materials"]["good"]["temperatures"][0]["cell"]
    assert cell["lengths_A"][0] == pytest.approx(cell["lengths_A"][1], rel=1e-9)  # still tetragonal
    assert cell["angles_deg"] == pytest.approx((90, 90, 90))


def test_a_killed_run_through_ase_goes_on_and_ends_with_the_same_numbers(
    broken: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    file, out = study(tmp_path, good="[1, 1, 2]"), tmp_path / "out"
    kept: dict[str, str] = {}
    for sign in ("good/walk-2*.part/cool/piece-000000.npz", "good/*/md-*.part/md/piece-000002.npz"):
        with running(file, out) as run:
            run.wait_for_file(sign)
            run.kill()
            assert comes_true(lambda alive=run: not alive.processes(), within=8)
        now = finished(out)
        assert now.items() >= kept.items()
        kept = now
    complete(file, out)
    assert finished(out).items() >= kept.items()
    assert_same(out, broken[0], "good")
