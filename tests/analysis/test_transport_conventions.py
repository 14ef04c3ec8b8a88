"""Published ways from the mean-square displacement to D reproduce the published numbers."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from frustra.analysis.conventions import pymatgen_lags, pymatgen_weights, relative_error
from frustra.analysis.transport import TransportSettings, diffusion_of, diffusion_of_msd
from frustra.errors import AnalysisError
from frustra.msd import MeanSquares
from frustra.trajectory import Trajectory
from frustra.units import CM2_PER_S
from tests.helpers import random_walk, trajectory


def latp(data: Path) -> MeanSquares:
    """Return the published MSD of LATP at 1500 K (8 Li, 40 ps)."""
    table = np.genfromtxt(data / "arrhenius_aimd/msd-t.csv", delimiter=",", skip_header=1)
    return MeanSquares(table[:, 0] / 1000, table[:, 1], table[:, 2:])


def lgps(data: Path) -> Trajectory:
    """Return the AIMD of Li20Ge2P4S24 at 600 K, as displacements from the start (50 atoms, 20 ps)."""
    with gzip.open(data / "LGPS_600K/DiffusionAnalyzer.json.gz", "rt") as file:
        stored = json.load(file)
    species = [site["species"][0]["element"] for site in stored["structure"]["sites"]]
    moved = np.array(stored["displacements"]).transpose(1, 0, 2)
    cell = np.array(stored["structure"]["lattice"]["matrix"])
    timestep = stored["time_step"] * stored["step_skip"] / 1000
    numbers = Atoms(species).numbers
    return Trajectory(moved, np.tile(cell, (len(moved), 1, 1)), numbers, timestep, stored["temperature"])


def test_the_relative_error_is_that_of_he_zhu_epstein_and_mo() -> None:
    assert relative_error(100.5) == pytest.approx(0.382, abs=5e-4)
    assert relative_error(0) == np.inf


def test_the_diffusivity_of_latp_is_the_published_one(data: Path) -> None:
    # 7.602e-5 cm²/s, relative error 0.382 of 100.5 jumps of 3.2 Å, in the window 0.5 a² … 0.5 t_total
    found = diffusion_of_msd(latp(data), 8, TransportSettings(jump_length=3.2), specie="Li", temperature=1500)
    assert found.value * CM2_PER_S == pytest.approx(7.602e-5, abs=0.5e-8)
    assert found.std / found.value == pytest.approx(0.382, abs=5e-4)
    assert found.jumps == pytest.approx(100.5, abs=0.05)
    assert found.window == pytest.approx((0.62, 19.99))
    assert (found.method, found.temperature, found.is_upper_bound) == ("he-zhu-mo", 1500, False)
    assert sum(axis.value for axis in found.axes) == pytest.approx(3 * found.value)
    assert found.anisotropy is found.charge_diffusivity is found.haven is None
    whole = diffusion_of_msd(replace(latp(data), components=None), 8, TransportSettings(jump_length=3.2))
    assert whole.value == found.value
    assert np.isnan(whole.axes[0].value)


def test_a_trajectory_gives_by_he_zhu_and_mo_what_its_curve_gives() -> None:
    walk, truth = random_walk(np.random.default_rng(2), 30, 200, 600)
    settings = TransportSettings(method="he-zhu-mo")
    found = diffusion_of(trajectory(walk, timestep=0.1), "Li", settings)
    same = diffusion_of_msd(MeanSquares(found.lag, found.msd), 30)
    assert (found.value, found.std, found.jumps) == pytest.approx((same.value, same.std, same.jumps))
    used = (found.lag >= found.window[0]) & (found.lag <= found.window[1])
    assert found.value == pytest.approx(np.polyfit(found.lag[used], found.msd[used], 1)[0] / 6)
    assert found.low < truth / 0.1 < found.high
    assert found.drift == "framework"


def test_a_curve_that_stays_below_half_a_squared_jump_gives_a_bound() -> None:
    lag = np.linspace(0.1, 50, 500)
    found = diffusion_of_msd(MeanSquares(lag, np.full(500, 0.5)), 20)
    assert found.is_upper_bound
    assert found.value > 0.5 / (6 * 50)
    assert np.isnan(found.std)
    with pytest.raises(AnalysisError, match="of 0 ions"):
        diffusion_of_msd(MeanSquares(lag, lag), 0)


def test_the_three_numbers_of_lgps_are_those_of_pymatgen(data: Path) -> None:
    # D_tracer 1.161e-6, D_charge 3.646e-6 cm²/s, Haven ratio 0.3185 ("smoothed = max")
    found = diffusion_of(lgps(data), "Li", TransportSettings(method="pymatgen"))
    assert found.value * CM2_PER_S == pytest.approx(1.161e-6, abs=0.5e-9)
    assert found.charge_diffusivity is not None
    assert found.haven is not None
    assert found.charge_diffusivity.value * CM2_PER_S == pytest.approx(3.646e-6, abs=0.5e-9)
    assert found.haven.value == pytest.approx(0.3185, abs=5e-5)
    assert found.std > 0.2 * found.value  # not 0.8 %
    assert any("below the detection limit" in note for note in found.notes)


def test_the_short_run_of_lgps_gives_an_upper_bound_above_the_value_of_pymatgen(data: Path) -> None:
    # At 1.161e-6 cm²/s, 20 Li make three jumps of 3 Å in 20 ps: too few for a number
    published = 1.161e-6 / CM2_PER_S
    assert 20 * 6 * published * 20 / 3.0**2 < TransportSettings().detection
    for method in ("gls", "he-zhu-mo"):
        found = diffusion_of(lgps(data), "Li", TransportSettings(method=method))
        assert found.is_upper_bound
        assert found.value > published


def test_the_weights_of_pymatgen_are_those_of_a_line_weighted_with_the_inverse_lag() -> None:
    lags = pymatgen_lags(1000, 20, 0.02)
    assert (lags[0], lags[-1], len(lags)) == (50, 665, 206)
    msd = np.random.default_rng(3).normal(size=len(lags)) + lags
    assert pymatgen_weights(lags) @ msd == pytest.approx(np.polyfit(lags, msd, 1, w=lags**-0.5)[0])
    with pytest.raises(AnalysisError, match="too few for pymatgen"):
        pymatgen_lags(100, 5, 0.02)


def test_replicas_are_joined_by_the_convention_of_pymatgen_too() -> None:
    rng = np.random.default_rng(4)
    runs = [trajectory(random_walk(rng, 40, 200, 400)[0]) for _ in range(2)]
    settings = TransportSettings(method="pymatgen")
    both, alone = diffusion_of(runs, "Li", settings), [diffusion_of(run, "Li", settings) for run in runs]
    assert both.value == pytest.approx(np.mean([d.value for d in alone]))
    assert both.charge_diffusivity.value == pytest.approx(
        np.mean([d.charge_diffusivity.value for d in alone])
    )
