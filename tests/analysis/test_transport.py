import gzip
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants, stats

from frustra.analysis.transport import (
    SMALLEST_RUN,
    Diffusion,
    TransportSettings,
    diffusion_of,
    displacements_of,
    mean_square_displacement,
    relative_error,
)
from frustra.errors import AnalysisError, DataError
from frustra.io import open_trajectory, write_trajectory
from frustra.trajectory import Trajectory
from frustra.units import CM2_PER_S, MS_PER_CM
from tests.helpers import random_walk, seeds, trajectory

RUNS = 200
LEAST = stats.binom.ppf(0.001, RUNS, 0.95)
"""Of 200 intervals of 95 %, fewer hold the truth only once in a thousand tests."""


def naive_msd(displacements: np.ndarray) -> np.ndarray:
    frames, ions, _ = displacements.shape
    result = np.zeros((frames, ions))
    for lag in range(frames):
        for ion in range(ions):
            squares = [
                ((displacements[t + lag, ion] - displacements[t, ion]) ** 2).sum()
                for t in range(frames - lag)
            ]
            result[lag, ion] = np.mean(squares)
    return result


def vibrations(rng: np.random.Generator, atoms: int, frames: int, memory: float) -> np.ndarray:
    """Return Ornstein–Uhlenbeck motion of 0.3 Å per axis; `memory` is its correlation between frames."""
    x = np.empty((frames, atoms, 3))
    x[0] = 0.3 * rng.normal(size=(atoms, 3))
    for t in range(1, frames):
        x[t] = memory * x[t - 1] + 0.3 * np.sqrt(1 - memory**2) * rng.normal(size=(atoms, 3))
    return x


def walks(ions: int, frames: int, jumps: float, runs: int = RUNS) -> tuple[list[Diffusion], float]:
    """Return what is derived from independent random walks, and their diffusivity."""
    rng = np.random.default_rng([ions, frames, int(100 * jumps)])
    found = []
    for _ in range(runs):
        walk, truth = random_walk(rng, ions, frames, jumps)
        found.append(diffusion_of(trajectory(walk), "Li"))
    return found, truth


@given(st.integers(1, 40), st.integers(1, 3), seeds)
def test_msd_by_fourier_transform_is_that_of_the_double_loop(frames: int, ions: int, seed: int) -> None:
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(frames, ions, 3)), axis=0)
    np.testing.assert_allclose(mean_square_displacement(walk - walk[0]), naive_msd(walk), atol=1e-9)


@given(st.floats(100, 1000), st.integers(20, 60), seeds)
def test_msd_does_not_change_far_from_the_origin(offset: float, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    record = trajectory(np.cumsum(rng.normal(size=(frames, 2, 3)), axis=0))
    far = replace(record, positions=record.positions + offset)
    near, away = (diffusion_of(r, "Li") for r in (record, far))
    np.testing.assert_allclose(away.msd, near.msd, atol=1e-6)
    # even where the first frame is not subtracted
    moved = mean_square_displacement(record.positions[:, :2] + offset)
    np.testing.assert_allclose(moved.mean(axis=1), near.msd, atol=1e-6)


@given(st.integers(20, 50), st.integers(1, 4), st.integers(1, 5), st.floats(0, 50), seeds)
def test_a_drift_of_all_atoms_changes_nothing(
    frames: int, ions: int, others: int, size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    record = trajectory(
        np.cumsum(rng.normal(size=(frames, ions, 3)), axis=0), rng.normal(size=(frames, others, 3))
    )
    drift = size * np.cumsum(rng.normal(size=(frames, 1, 3)), axis=0)
    drifting = replace(record, positions=record.positions + drift)
    still, moving = (displacements_of(r, "Li") for r in (record, drifting))
    np.testing.assert_allclose(moving[0], still[0], atol=1e-9 * (1 + np.abs(drift).max()))
    assert still[1] == moving[1] == "framework"


@given(st.integers(1, 5), seeds)
def test_drift_is_that_of_the_centre_of_mass_of_the_framework_as_ase_computes_it(
    others: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.array([3, 3, *rng.choice([8, 17, 39], others)])
    positions = rng.normal(size=(6, len(numbers), 3))
    record = Trajectory(positions, np.tile(np.eye(3) * 9, (6, 1, 1)), numbers, 1.0, 300.0)
    centres = np.array([Atoms(numbers[2:], frame[2:]).get_center_of_mass() for frame in positions])
    expected = positions[:, :2] - centres[:, None]
    np.testing.assert_allclose(displacements_of(record, "Li")[0], expected - expected[0], atol=1e-12)


@pytest.mark.parametrize(("ions", "frames", "jumps"), [(20, 300, 150), (40, 200, 600), (72, 101, 300)])
def test_random_walks_have_the_diffusivity_of_the_closed_form_within_the_stated_errors(
    ions: int, frames: int, jumps: float
) -> None:
    found, truth = walks(ions, frames, jumps)
    assert not any(d.is_upper_bound for d in found)
    values, errors = np.array([(d.value, d.std) for d in found]).T
    assert values.mean() == pytest.approx(truth, abs=4 * values.std(ddof=1) / np.sqrt(RUNS))
    # the stated error is the larger of two estimates: it may be too large, not too small
    assert (np.abs(values - truth) < 1.96 * errors).sum() >= LEAST
    assert np.median(errors) > 0.9 * values.std(ddof=1)


def test_random_walks_of_few_ions_have_errors_that_are_large_enough() -> None:
    found, truth = walks(ions=5, frames=300, jumps=1000)
    measured = [d for d in found if not d.is_upper_bound]
    held = sum(abs(d.value - truth) < 1.96 * d.std for d in measured)
    assert held >= stats.binom.ppf(0.001, len(measured), 0.95)


@pytest.mark.parametrize("jumps", [1.0, 2.9, 5.0, 10.0])
def test_upper_bounds_of_random_walks_fail_in_at_most_five_runs_of_a_hundred(jumps: float) -> None:
    runs = 400
    found, truth = walks(ions=8, frames=100, jumps=jumps, runs=runs)
    failed = sum(d.is_upper_bound and d.value < truth for d in found)
    assert failed <= stats.binom.ppf(0.999, runs, 0.05)


def test_upper_bounds_hold_too_where_as_many_jumps_are_expected_as_the_bound_for_none() -> None:
    runs = 1500
    found, truth = walks(ions=5, frames=50, jumps=3.05, runs=runs)
    failed = sum(d.is_upper_bound and d.value < truth for d in found)
    assert failed <= stats.binom.ppf(0.999, runs, 0.05)


def test_the_upper_bound_of_a_single_ion_fails_in_at_most_five_runs_of_a_hundred() -> None:
    found, truth = walks(ions=1, frames=300, jumps=40)
    failed = sum(d.is_upper_bound and d.value < truth for d in found)
    assert failed <= stats.binom.ppf(0.999, RUNS, 0.05)


@pytest.mark.parametrize("frames", [SMALLEST_RUN, 101, 500])
@pytest.mark.parametrize("ions", [1, 4, 20, 72])
def test_ions_that_only_vibrate_have_an_upper_bound_and_no_error(ions: int, frames: int) -> None:
    rng = np.random.default_rng([ions, frames])
    record = trajectory(vibrations(rng, ions, frames, 0.6), vibrations(rng, 8, frames, 0.6), timestep=0.1)
    found = diffusion_of(record, "Li")
    assert found.is_upper_bound
    assert found.value > 0
    assert np.isnan(found.std)
    assert found.conductivity(1)[0] > 0
    assert np.isnan(found.conductivity(1)[1])


@pytest.mark.parametrize(("ions", "frames", "memory"), [(500, 100, 0.9), (500, SMALLEST_RUN, 0.6)])
def test_many_ions_that_only_vibrate_have_an_upper_bound_too(ions: int, frames: int, memory: float) -> None:
    rng = np.random.default_rng([ions, frames])
    record = trajectory(
        vibrations(rng, ions, frames, memory), vibrations(rng, 50, frames, memory), timestep=0.1
    )
    assert diffusion_of(record, "Li").is_upper_bound


@pytest.mark.parametrize("ions", [1, 4, 72])
def test_ions_that_never_move_have_the_poisson_bound(ions: int) -> None:
    frames, timestep, jump = 51, 0.1, 2.5
    still = trajectory(np.zeros((frames, ions, 3)), timestep=timestep)
    found = diffusion_of(still, "Li", TransportSettings(jump_length=jump))
    # no jump seen where μ are expected has the probability exp(−μ) = 0.05; D = a²μ/(6 N t)
    expected = jump**2 * -np.log(0.05) / (6 * ions * (frames - 1) * timestep)
    assert found.is_upper_bound
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.jumps == found.diffusive_jumps == 0
    np.testing.assert_array_equal(found.msd, 0)


def test_a_longer_run_without_motion_has_a_lower_bound() -> None:
    bounds = [diffusion_of(trajectory(np.zeros((n, 4, 3))), "Li").value for n in (20, 39, 200)]
    assert bounds[0] == pytest.approx(2 * bounds[1])
    assert bounds == sorted(bounds, reverse=True)


def test_a_liquid_without_framework_diffuses_relative_to_its_centre_of_mass() -> None:
    # relative to the centre of mass of N independent walkers, D is smaller by the factor 1 − 1/N
    rng, ions, values = np.random.default_rng(8), 4, []
    for _ in range(RUNS):
        walk, truth = random_walk(rng, ions, 100, 200)
        drift = np.linspace(0, 30, 100)[:, None, None]
        values.append(diffusion_of(trajectory(walk + drift, np.zeros((100, 0, 3))), "Li"))
    assert {d.drift for d in values} == {"centre of mass (no framework)"}
    many = diffusion_of(trajectory(random_walk(rng, 20, 100, 200)[0], np.zeros((100, 0, 3))), "Li")
    assert not many.is_upper_bound
    slopes = [np.polyfit(d.lag[10:50], d.msd[10:50], 1)[0] / 6 for d in values]  # without selection
    expected = truth * (1 - 1 / ions)
    assert np.mean(slopes) == pytest.approx(expected, abs=4 * np.std(slopes, ddof=1) / np.sqrt(RUNS))


def test_the_conductivity_is_that_of_nernst_and_einstein_in_si_units() -> None:
    ions, volume, temperature, charge = 72, 5000.0, 600.0, 1.0
    record = Diffusion(
        temperature, "Li", 0.1, 0.02, False, 100, 90, (1, 10), np.zeros(1), np.zeros(1), ions, volume, ""
    )
    d = 0.1 * constants.angstrom**2 / constants.pico  # m²/s
    density = ions / (volume * constants.angstrom**3)
    sigma = density * (charge * constants.e) ** 2 * d / (constants.k * temperature)  # S/m
    value, error = record.conductivity(charge)
    assert value * MS_PER_CM == pytest.approx(sigma * constants.centi / constants.milli, rel=1e-8)
    assert error / value == pytest.approx(0.2)
    assert record.conductivity(-2)[0] == pytest.approx(4 * value)
    assert record.value * CM2_PER_S == pytest.approx(d / constants.centi**2)


def test_the_record_tells_what_it_was_derived_from() -> None:
    walk, _ = random_walk(np.random.default_rng(0), 12, 101, 200)
    record = trajectory(walk, timestep=0.2, temperature=650.0, box=15.0)
    settings = TransportSettings(jump_length=3.2)
    found = diffusion_of(record, "Li", settings)
    msd = naive_msd(walk).mean(axis=1)
    np.testing.assert_allclose(found.msd, msd, atol=1e-9)
    np.testing.assert_allclose(found.lag, 0.2 * np.arange(101))
    assert found.jumps == pytest.approx(12 * msd.max() / 3.2**2)
    assert (found.ions, found.specie, found.temperature) == (12, "Li", 650.0)
    assert found.volume == pytest.approx(15.0**3)
    first, last = (round(t / 0.2) for t in found.window)
    assert 0 < first < last <= 50  # at most half the run
    line = np.polyfit(found.lag[first : last + 1], msd[first : last + 1], 1)
    assert found.value == pytest.approx(line[0] / 6, rel=1e-9)
    assert found.std >= relative_error(found.diffusive_jumps) * found.value * (1 - 1e-12)


@given(st.integers(20, 60), st.integers(1, 9), seeds)
def test_the_value_and_its_spread_are_those_of_lines_through_the_ions_own_msd(
    frames: int, ions: int, seed: int
) -> None:
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(frames, ions, 3)), axis=0)
    found = diffusion_of(trajectory(walk), "Li", TransportSettings(detection=1e-9, jump_length=2.0))
    msd = naive_msd(walk)
    window = slice(*(round(t) for t in found.window))
    window = slice(window.start, window.stop + 1)
    slopes = np.polyfit(found.lag[window], msd[window], 1)[0] / 6
    spread = (
        stats.t.ppf(0.975, max(1, ions - 1)) / 1.96 * slopes.std(ddof=1) / np.sqrt(ions) if ions > 1 else 0.0
    )
    if not found.is_upper_bound:
        assert found.value == pytest.approx(slopes.mean(), rel=1e-9)
        counted = relative_error(found.diffusive_jumps) * found.value
        assert found.std == pytest.approx(max(spread, counted), rel=1e-9)


@given(st.integers(20, 400), st.integers(1, 30), st.integers(0, 20), seeds)
def test_a_file_gives_what_its_trajectory_in_memory_gives(
    tmp_path_factory: pytest.TempPathFactory, frames: int, ions: int, others: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(frames, ions + others, 3))
    numbers = rng.permutation(np.repeat([3, 17], [ions, others]))
    cells = rng.normal(0, 9, (frames if seed % 2 else 1, 3, 3))
    record = Trajectory(np.cumsum(steps, axis=0), np.broadcast_to(cells, (frames, 3, 3)), numbers, 0.1, 300.0)
    path = tmp_path_factory.mktemp("file") / "t.h5"
    write_trajectory(path, record)
    with pytest.MonkeyPatch.context() as patch, open_trajectory(path) as file:
        memory = diffusion_of(file.read(), "Li")
        displacements = displacements_of(file.read(), "Li")
        patch.setattr("frustra.analysis.transport.BLOCK", 64)  # several blocks even of these
        patch.setattr("frustra.analysis.transport.FEWEST", (7, 3))
        streamed = diffusion_of(file, "Li")
        for one, other in zip(displacements, displacements_of(file, "Li"), strict=True):
            np.testing.assert_array_equal(one, other)
    for item in fields(memory):
        one, other = getattr(memory, item.name), getattr(streamed, item.name)
        if item.type in ("str", str, "bool", bool):
            assert one == other
        else:
            np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12 * np.max(memory.msd))


def test_the_diffusivity_scales_with_length_and_time() -> None:
    walk, _ = random_walk(np.random.default_rng(3), 20, 200, 400)
    plain = diffusion_of(trajectory(walk), "Li")
    slow = diffusion_of(trajectory(walk, timestep=4.0), "Li")
    wide = diffusion_of(trajectory(2 * walk), "Li", TransportSettings(jump_length=6.0))
    assert (slow.value, slow.std) == pytest.approx((plain.value / 4, plain.std / 4))
    assert (wide.value, wide.std) == pytest.approx((plain.value * 4, plain.std * 4))


def test_the_relative_error_is_that_published_for_latp() -> None:
    # He, Zhu, Epstein and Mo, npj Comput. Mater. 4, 18 (2018)
    assert relative_error(100.5) == pytest.approx(0.382, abs=5e-4)
    assert relative_error(0) == np.inf


def test_the_count_of_jumps_is_that_published_for_latp(data: Path) -> None:
    # N = N_ion · max(MSD)/a² = 100.5 with a = 3.2 Å (published); 8 Li in the cell
    table = np.genfromtxt(data / "arrhenius_aimd/msd-t.csv", delimiter=",", skip_header=1)
    assert 8 * table[:, 1].max() / 3.2**2 == pytest.approx(100.5, abs=0.05)


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


def test_the_tracer_diffusivity_of_lgps_is_that_of_pymatgen(data: Path) -> None:
    # D = 1.161e-6 cm²/s ("smoothed = max": lags from 1 ps to N·t/30,
    # 200 of them, drift as the plain mean over the framework)
    record = lgps(data)
    lithium = record.indices_of("Li")
    rest = np.setdiff1d(np.arange(50), lithium)
    moved = record.positions[:, lithium] - record.positions[:, rest].mean(axis=1, keepdims=True)
    msd = mean_square_displacement(moved).mean(axis=1)
    last = min(len(lithium) * len(record) // 30, len(record))
    lags = np.arange(50, last, max((last - 50) // 200, 1))
    slope = np.polyfit(lags * record.timestep, msd[lags], 1)[0]
    assert slope / 6 * CM2_PER_S == pytest.approx(1.161e-6, abs=0.5e-9)


def test_the_short_run_of_lgps_gives_an_upper_bound_above_the_value_of_pymatgen(data: Path) -> None:
    # At 1.161e-6 cm²/s, 20 Li make three jumps of 3 Å in 20 ps: too few for a number
    found, published = diffusion_of(lgps(data), "Li"), 1.161e-6 / CM2_PER_S
    assert 20 * 6 * published * 20 / 3.0**2 < TransportSettings().detection
    assert found.is_upper_bound
    assert found.value > published


def test_short_runs_and_absent_elements_are_refused() -> None:
    with pytest.raises(AnalysisError, match=f"19 frames; expected at least {SMALLEST_RUN}"):
        diffusion_of(trajectory(np.zeros((19, 2, 3))), "Li")
    with pytest.raises(DataError, match="no Na in the trajectory"):
        diffusion_of(trajectory(np.zeros((20, 2, 3))), "Na")


@given(seeds)
def test_runs_of_one_crystal_count_as_one_crystal_of_all_their_ions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = [trajectory(random_walk(rng, 5, 60, 100)[0]) for _ in range(3)]
    pooled = diffusion_of(runs, "Li")
    alone = [diffusion_of(run, "Li") for run in runs]
    assert pooled.ions == sum(d.ions for d in alone)
    assert pooled.volume == pytest.approx(sum(d.volume for d in alone))
    np.testing.assert_allclose(pooled.msd, np.mean([d.msd for d in alone], axis=0), rtol=1e-12, atol=1e-12)
    same = diffusion_of([runs[0]], "Li")
    assert (same.value, same.ions, same.volume) == (alone[0].value, alone[0].ions, alone[0].volume)
    with pytest.raises(DataError, match="different lengths"):
        diffusion_of([runs[0], trajectory(random_walk(rng, 5, 61, 100)[0])], "Li")
