from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from frustra.engines.md import MDSettings, StartSettings, cool, mean_cell, measured_speed, run_md
from frustra.structures import supercell
from tests.engines.toys import lennard_jones


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
    assert len(trajectory) == 101
    assert trajectory.timestep == pytest.approx(0.1)
    assert trajectory.duration == pytest.approx(10.0)
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


@pytest.mark.parametrize("ladder", [(), (300, 300), (400, 300), (-1,)])
def test_a_ladder_that_does_not_ascend_is_refused(ladder: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending"):
        MDSettings(temperatures=ladder)
