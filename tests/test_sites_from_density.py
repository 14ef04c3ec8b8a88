"""Sites from the density of the mobile ion, where no anions form a lattice; a run whose hops are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from frustra.analysis.hops import HopSettings
from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.io import write_trajectory
from frustra.io.hints import TrajectoryHints
from frustra.surveys.hops import HopsAt, HopSurvey, survey_hops
from frustra.surveys.sites import SiteChoice, places_of
from frustra.trajectory import Trajectory

A, DWELL, HOPS = 4.0, 25, 20
"""Å; frames between the hops; hops of every ion."""

FROM_DENSITY = SiteChoice(from_density=True)


def double_well(seed: int, offset: Array | float = 0.0, temperature: float = 600.0) -> Trajectory:
    """Return three H in Pd that hop to and fro between an octahedral and a tetrahedral place."""
    rng = np.random.default_rng(seed)
    metal = bulk("Pd", "fcc", a=A, cubic=True).repeat(2)
    frames = DWELL * (HOPS + 1)
    octahedra = A * np.array([[0.5, 0.5, 0.5], [1.5, 0.5, 0.5], [0.5, 1.5, 1.5]])
    away = (np.arange(frames) // DWELL) % 2 == 1
    ions = octahedra + np.where(away, 0.25 * A, 0.0)[:, None, None] * np.ones((3, 3))
    ions = ions + 0.1 * rng.normal(size=ions.shape)
    fixed = metal.positions + 0.08 * rng.normal(size=(frames, len(metal), 3))
    positions = np.concatenate([ions, fixed], axis=1) + offset
    numbers = np.array([1] * 3 + [46] * len(metal))
    cells = np.broadcast_to(metal.cell.array, (frames, 3, 3))
    return Trajectory(positions, cells, numbers, 0.1, temperature)


def hops_in(folder: Path, *runs: Trajectory) -> HopSurvey:
    files = [folder / f"run{number}.h5" for number in range(len(runs))]
    for file, run in zip(files, runs, strict=True):
        write_trajectory(file, run)
    return survey_hops(files, "H", TrajectoryHints(), HopSettings(), FROM_DENSITY)


def held_in(at: HopsAt) -> Array:
    held = at.occupancy.per_site
    return np.sort(held[held > 0])


def test_every_hop_of_a_double_well_is_found_and_every_ion_is_in_its_well(tmp_path: Path) -> None:
    at = hops_in(tmp_path, double_well(0)).temperatures[0]
    assert sorted(np.bincount(at.sites.orbit)) == [32, 64]  # octahedra and tetrahedra of 32 Pd, by symmetry
    assert at.hops == 3 * HOPS
    assert np.allclose(held_in(at), [10 / 21] * 3 + [11 / 21] * 3)
    lengths = np.linalg.norm(at.runs[0].vector, axis=1)
    assert lengths == pytest.approx(np.full(3 * HOPS, np.sqrt(3) * A / 4), abs=0.1)


@pytest.mark.parametrize("together", [True, False])
def test_a_run_that_lies_elsewhere_and_drifts_is_in_the_same_sites(tmp_path: Path, together: bool) -> None:
    frames = DWELL * (HOPS + 1)
    drift = np.linspace(0, 3, frames)[:, None, None] * np.array([1.0, 0.3, 0.0])
    other = double_well(1, np.array([0.9, 1.1, -0.7]) + drift, 600.0 if together else 700.0)
    found = hops_in(tmp_path, double_well(0), other).temperatures
    assert sum(at.hops for at in found) == 6 * HOPS
    for at in found:
        assert np.allclose(held_in(at), [10 / 21] * 3 + [11 / 21] * 3)


def test_a_run_whose_framework_is_wrapped_otherwise_is_in_the_same_sites(tmp_path: Path) -> None:
    moved = double_well(1)
    positions = np.array(moved.positions)
    positions[:, 5:20] += 2 * A * np.array([1, -1, 0])  # other images of some framework atoms
    found = hops_in(tmp_path, double_well(0), replace(moved, positions=positions)).temperatures[0]
    assert found.hops == 6 * HOPS


def test_a_framework_that_flows_has_no_sites(tmp_path: Path) -> None:
    run = double_well(0)
    steps = 0.3 * np.random.default_rng(2).normal(size=run.positions.shape)
    write_trajectory(tmp_path / "run.h5", replace(run, positions=run.positions + np.cumsum(steps, axis=0)))
    with pytest.raises(AnalysisError, match=r"32 of 32 framework atoms do not stay in place"):
        next(places_of([tmp_path / "run.h5"], "H", TrajectoryHints(), FROM_DENSITY))
