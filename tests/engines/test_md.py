from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from frustra.engines.md import MDSettings, StartSettings, cool, mean_cell, measured_speed, run_md
from frustra.errors import DataError, PotentialError
from frustra.io import read_json
from frustra.stats import block_error
from frustra.structures import supercell
from frustra.trajectory import Trajectory
from tests.engines.toys import lennard_jones, lennard_jones_calculator


def argon(repeat: int = 3) -> Atoms:
    return supercell(bulk("Ar", "fcc", a=5.30, cubic=True), (repeat,) * 3)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


HEAT = StartSettings(hot=60.0, hold=2.0, cool=10.0)
QUICK = MDSettings(
    temperatures=(40.0,), timestep=5, equilibration=2, production=10, interval=0.1, npt_time=10
)


def test_frames_times_and_cell_are_as_asked(tmp_path: Path) -> None:
    trajectory = run_md(argon(), lennard_jones(), QUICK, 40.0, rng(7), tmp_path)
    assert len(trajectory) == 100  # after every interval of 10 ps
    assert trajectory.timestep == pytest.approx(0.1)
    assert trajectory.duration == pytest.approx(9.9)
    assert trajectory.cells[5] == pytest.approx(argon().cell.array)
    assert trajectory.info["discarded_ps"] == 2


def test_atoms_vibrate_as_equipartition_demands(tmp_path: Path) -> None:
    # for stiff modes the kinetic temperature is that of the bath: displacements between close frames give it
    settings = QUICK.model_copy(update={"interval": 0.005, "production": 10.0})
    trajectory = run_md(argon(2), lennard_jones(), settings, 40.0, rng(3), tmp_path)
    velocity = np.diff(trajectory.positions, axis=0) / trajectory.timestep  # Å/ps
    kinetic = 0.5 * trajectory.masses[0] * (velocity**2).sum(axis=(1, 2)) * 1.0364e-4  # amu Å²/ps² in eV
    freedom = 3 * (len(trajectory.numbers) - 1)  # the centre of mass is at rest
    temperature = 2 * kinetic.mean() / (freedom * 8.617333e-5)
    assert temperature == pytest.approx(40.0, rel=0.1)
    assert np.abs(velocity.mean(axis=1)).max() < 1e-3


def test_a_seed_determines_the_trajectory(tmp_path: Path) -> None:
    runs = [
        run_md(argon(2), lennard_jones(), QUICK, 40.0, rng(seed), tmp_path / str(i))
        for i, seed in enumerate((5, 5, 6))
    ]
    assert np.array_equal(runs[0].positions, runs[1].positions)
    assert not np.array_equal(runs[0].positions, runs[2].positions)


def test_trajectories_are_unwrapped(tmp_path: Path) -> None:
    edge = argon(2)
    edge.positions -= 0.01  # atoms on the cell's faces cross them all the time
    trajectory = run_md(edge, lennard_jones(), QUICK, 40.0, rng(1), tmp_path)
    assert np.abs(np.diff(trajectory.positions, axis=0)).max() < 2.0
    assert np.abs(trajectory.positions - edge.positions).max() < 2.0


def test_the_mean_cell_expands_with_temperature_and_stays_cubic(tmp_path: Path) -> None:
    cold, warm = (
        mean_cell(argon(), lennard_jones(), QUICK, t, rng(2), tmp_path / str(t)) for t in (5.0, 60.0)
    )
    for found in (cold, warm):
        assert np.abs(found.cell - found.cell[0, 0] * np.eye(3)).max() < 1e-6
    error = np.hypot(cold.std[0, 0], warm.std[0, 0])
    assert warm.cell[0, 0] - cold.cell[0, 0] > 3 * error > 0


def test_cooling_ends_near_the_lattice(tmp_path: Path) -> None:
    last = cool(argon(), lennard_jones(), QUICK, HEAT, 1.0, rng(4), tmp_path)
    offsets = last.positions - argon().positions
    assert np.abs(offsets - offsets.mean(axis=0)).max() < 0.4


def test_speed_is_positive() -> None:
    assert measured_speed(argon(2), lennard_jones(), 10) > 0
    assert measured_speed(argon(2), lennard_jones_calculator()) > 0


@pytest.mark.parametrize("ladder", [(), (300, 300), (400, 300), (-1,)])
def test_a_ladder_that_does_not_ascend_is_refused(ladder: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending"):
        MDSettings(temperatures=ladder)


ENGINES = {"LAMMPS": lennard_jones, "ASE": lennard_jones_calculator}


def kinetic_temperatures(trajectory: Trajectory) -> np.ndarray:
    """Return the temperature at each frame from central differences, with 3N − 3 degrees of freedom."""
    velocity = (trajectory.positions[2:] - trajectory.positions[:-2]) / (2 * trajectory.timestep)  # Å/ps
    kinetic = 0.5 * trajectory.masses[0] * (velocity**2).sum(axis=(1, 2)) * 1.0364e-4  # amu Å²/ps² in eV
    return 2 * kinetic / (3 * (len(trajectory.numbers) - 1) * 8.617333e-5)


@pytest.mark.parametrize("thermostat", ["bussi", "nose-hoover"])
def test_both_engines_sample_the_same_ensemble(thermostat: str) -> None:
    settings = QUICK.model_copy(
        update={"interval": 0.005, "production": 4.0, "equilibration": 1.0, "thermostat": thermostat}
    )
    found = {}
    for seed, (kind, potential) in enumerate(ENGINES.items()):
        trajectory = run_md(argon(2), potential(), settings, 40.0, rng(seed))
        assert trajectory.info["engine"] == kind
        kinetic = kinetic_temperatures(trajectory)
        assert abs(kinetic.mean() - 40.0) < 4 * block_error(kinetic) + 0.5  # 0.5: finite differences
        energies = lennard_jones().evaluate([trajectory.atoms(f) for f in range(0, 800, 8)]).energies
        found[kind] = energies.mean(), block_error(energies)
    (one, first), (other, second) = found.values()
    assert abs(one - other) < 4 * np.hypot(first, second)


def test_both_engines_find_the_same_mean_cell() -> None:
    settings = QUICK.model_copy(update={"npt_time": 4.0, "barostat_time": 0.2})
    one, other = (mean_cell(argon(2), potential(), settings, 30.0, rng(8)) for potential in ENGINES.values())
    error = np.hypot(one.std[0, 0], other.std[0, 0])
    assert abs(one.cell[0, 0] - other.cell[0, 0]) < 4 * error
    assert 0 < error < 0.05
    for found in (one, other):
        np.testing.assert_allclose(found.cell, found.cell[0, 0] * np.eye(3), atol=1e-9)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_quench_holds_cools_and_goes_on_at_the_temperature(kind: str, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"equilibration": 0.1, "production": 0.5, "checkpoint": 0.2})
    quench = StartSettings(hot=90.0, hold=0.4, cool=0.6)
    steps: list[int] = []
    legs: list[dict[str, Any]] = []

    def watch(step: int) -> None:
        legs[:] = read_json(tmp_path / "md/run.json")["pieces"]
        steps.append(step)

    trajectory = run_md(argon(2), ENGINES[kind](), settings, 30.0, rng(3), tmp_path, quench, watch)
    assert steps == sorted(steps)
    assert steps[-1] == 80 + 120 + 20 + 100
    temperatures = [(p["begin"], p["end"]) for p in legs]
    assert temperatures[:2] == [(90, 90)] * 2
    assert np.array(temperatures[2:5]) == pytest.approx(np.array([(90, 70), (70, 50), (50, 30)]))
    assert set(temperatures[5:]) == {(30, 30)}
    assert [p["every"] for p in legs] == [0] * 6 + [20] * (len(legs) - 6)
    assert trajectory.info["start"] == "quenched"
    assert len(trajectory) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["trajectory.h5"]


@pytest.mark.parametrize("kind", ENGINES)
def test_a_run_that_is_stopped_gives_the_same_trajectory_when_it_is_called_again(
    kind: str, tmp_path: Path
) -> None:
    settings = QUICK.model_copy(update={"equilibration": 0.1, "production": 0.5, "checkpoint": 0.1})
    whole = run_md(argon(2), ENGINES[kind](), settings, 40.0, rng(3), tmp_path / "whole")

    def stop(step: int) -> None:
        if step > 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_md(argon(2), ENGINES[kind](), settings, 40.0, rng(3), tmp_path / "part", progress=stop)
    assert not (tmp_path / "part/trajectory.h5").exists()
    with pytest.raises(DataError, match="another run"):
        run_md(argon(2), ENGINES[kind](), settings, 41.0, rng(3), tmp_path / "part")
    again = run_md(argon(2), ENGINES[kind](), settings, 40.0, rng(3), tmp_path / "part")
    np.testing.assert_array_equal(again.positions, whole.positions)


def test_a_potential_without_stress_has_no_mean_cell() -> None:
    flat = lennard_jones_calculator()
    flat.provides = frozenset(("energy", "forces"))
    with pytest.raises(PotentialError, match='cell = "fixed"'):
        mean_cell(argon(2), flat, QUICK, 40.0, rng(1))
