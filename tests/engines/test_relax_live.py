"""A LAMMPS that stays alive says what one that is started anew says, and goes when it is not needed."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from frustra.engines.committee import Committee
from frustra.engines.live import forces_of, live_lammps
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.errors import EngineError, PotentialError
from frustra.structures import supercell
from tests.engines.toys import CUTOFF, EPSILON, SIGMA, lennard_jones


def argon() -> Atoms:
    return supercell(bulk("Ar", "fcc", a=5.3, cubic=True), (2, 2, 2))


def charged(kspace: str) -> LammpsPotential:
    commands = (
        "pair_style buck/coul/long 8.0",
        "pair_coeff 1 1 0.0 1.0 0.0",
        "pair_coeff 1 2 1272.8 0.2997 0.0",
        "pair_coeff 2 2 99731833.99 0.12013 17.02423",
        "pair_modify table 0",
        f"kspace_style {kspace} 1e-5",
    )
    return LammpsPotential("buck", ("Ca", "F"), 8.0, commands, "buck", charges=(2.0, -1.0))


def skewed(atoms: Atoms) -> Atoms:
    result = atoms.copy()
    cell = result.cell.array.copy()
    cell[1, 0] += 0.3 * cell[0, 0]
    cell[2, :2] += 0.2 * cell[1, 1]
    result.set_cell(cell, scale_atoms=True)
    return result


def turned(atoms: Atoms) -> Atoms:
    result = skewed(atoms)
    rotation = Rotation.from_euler("xyz", (0.4, -1.1, 2.0)).as_matrix()
    return Atoms(result.numbers, result.positions @ rotation.T, cell=result.cell @ rotation.T, pbc=True)


def fluorite() -> Atoms:
    return supercell(bulk("CaF2", "fluorite", a=5.46, cubic=True), (2, 2, 2))


CRYSTALS = {  # the last number, eV/Å: what positions rounded to 1e-10 Å may change
    "cubic": (argon(), lennard_jones(), 1e-8),
    "skewed": (skewed(argon()), lennard_jones(), 1e-8),
    "turned": (turned(argon()), lennard_jones(), 1e-8),
    "Ewald": (fluorite(), charged("ewald"), 1e-8),
    "mesh": (fluorite(), charged("pppm"), 2e-7),  # where an atom changes its mesh point
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_it_says_what_a_new_one_says(name: str, tmp_path: Path) -> None:
    crystal, potential, rounding = CRYSTALS[name]
    rng, frames = np.random.default_rng(1), []
    for amplitude in (0.0, 0.1, 0.01, 0.2, 0.1):  # far apart: its neighbour lists must be made anew
        frame = crystal.copy()
        frame.positions += rng.normal(0, amplitude, frame.positions.shape)
        frame.positions += rng.integers(-4, 5, frame.positions.shape) @ crystal.cell.array * (amplitude > 0)
        frames.append(frame)
    frames[4].positions += rng.uniform(0, 20, 3)
    expected = potential.evaluate(frames)
    with live_lammps(crystal, potential, tmp_path) as live:
        for number, frame in enumerate(frames):
            energy, forces = live.forces(frame.positions)
            assert energy == pytest.approx(expected.energies[number], abs=1e-7)
            np.testing.assert_allclose(forces, expected.forces[number], atol=rounding, rtol=1e-8)


def test_a_committee_is_the_mean_of_its_members(tmp_path: Path) -> None:
    softer = LammpsPotential(
        "soft",
        ("Ar",),
        CUTOFF,
        (f"pair_style lj/cut {CUTOFF}", f"pair_coeff * * {EPSILON / 2} {SIGMA}"),
        "soft",
    )
    both, frame = Committee([lennard_jones(), softer]), argon()
    frame.positions += np.random.default_rng(2).normal(0, 0.1, frame.positions.shape)
    expected = both.evaluate([frame])
    with forces_of(frame, both, tmp_path) as forces_at:
        energy, forces = forces_at(frame.positions)
    assert energy == pytest.approx(expected.energies[0], abs=1e-7)
    np.testing.assert_allclose(forces, expected.forces[0], atol=1e-8)
    relaxed = relax_frames([frame], both, RelaxSettings(fmax=1e-4))
    assert relaxed.converged.all()


def test_elements_that_the_potential_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PotentialError, match="Ne"), forces_of(bulk("Ne"), lennard_jones(), tmp_path):
        pass


def test_its_own_error_is_told(tmp_path: Path) -> None:
    wrong = LammpsPotential("wrong", ("Ar",), 8.0, ("pair_style nonsense",), "wrong")
    with pytest.raises(EngineError, match=r"LAMMPS failed.*nonsense"):
        relax_frames([argon()], wrong, folder=tmp_path)


def test_its_death_is_told(tmp_path: Path) -> None:
    before = children()
    with live_lammps(argon(), lennard_jones(), tmp_path) as live:
        live.forces(argon().positions)
        (lammps,) = set(children()) - set(before)
        os.kill(lammps, signal.SIGKILL)
        with pytest.raises(EngineError, match=r"LAMMPS failed with exit code -9"):
            live.forces(argon().positions)


def test_without_fix_ipi_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "lmp"
    fake.write_text(
        "#!/bin/sh\necho \"ERROR: Unrecognized fix style 'ipi' is part of the MISC package\"\nexit 1\n"
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("FRUSTRA_LMP", str(fake))
    with pytest.raises(EngineError, match="package MISC"):
        relax_frames([argon()], lennard_jones())


def children(parent: int | None = None) -> list[int]:
    """Return the processes that a process started and that have not ended."""
    parent = parent or os.getpid()
    return [int(p) for p in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_it_ends_when_it_is_left(tmp_path: Path) -> None:
    before = children()

    def stopped() -> None:
        with live_lammps(argon(), lennard_jones(), tmp_path):
            assert len(children()) == len(before) + 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert children() == before


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from frustra.engines.live import live_lammps; from tests.engines.test_relax_live import *\n"
        "with live_lammps(argon(), lennard_jones(), Path(sys.argv[1])) as live:\n"
        "    live.forces(argon().positions); print('up', flush=True); time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", code, str(tmp_path), root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        (lammps,) = children(parent.pid)
        parent.kill()
    for _ in range(200):
        state = Path(f"/proc/{lammps}/stat")
        if not state.exists() or state.read_text().split(")")[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("LAMMPS outlived its parent")
