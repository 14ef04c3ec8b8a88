"""Values, errors and upper bounds of the diffusivity, and what it is refused for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import constants, stats

from frustra.analysis.transport import SMALLEST_RUN, Diffusion, TransportSettings, diffusion_of
from frustra.errors import AnalysisError, DataError
from frustra.stats import Estimate
from frustra.units import CM2_PER_S, MS_PER_CM
from tests.helpers import random_walk, seeds, trajectory

RUNS = 200


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


def record_of(**changes: object) -> Diffusion:
    some = Estimate(0.1, 0.02, 0.06, 0.15)
    fields: dict = {
        "temperature": 600.0, "specie": "Li", "value": 0.1, "std": 0.02, "low": 0.06, "high": 0.15,
        "is_upper_bound": False, "jumps": 100.0, "diffusive_jumps": 90.0, "window": (1.0, 10.0),
        "lag": np.zeros(1), "msd": np.zeros(1), "msd_std": np.zeros(1), "axes": (some, some, some),
        "anisotropy": None, "charge_diffusivity": Estimate(0.2, 0.05, 0.12, 0.35),
        "haven": Estimate(0.5, 0.1, 0.3, 0.8), "ions": 72, "volume": 5000.0, "drift": "framework",
        "method": "gls",
    }  # fmt: skip
    return Diffusion(**{**fields, **changes})


def test_the_conductivity_is_that_of_nernst_and_einstein_in_si_units() -> None:
    record, charge = record_of(), 1.0
    d = 0.1 * constants.angstrom**2 / constants.pico  # m²/s
    density = record.ions / (record.volume * constants.angstrom**3)
    sigma = density * (charge * constants.e) ** 2 * d / (constants.k * record.temperature)  # S/m
    value, error = record.conductivity(charge)
    assert value * MS_PER_CM == pytest.approx(sigma * constants.centi / constants.milli, rel=1e-8)
    assert error / value == pytest.approx(0.2)
    assert record.conductivity(-2)[0] == pytest.approx(4 * value)
    assert record.value * CM2_PER_S == pytest.approx(d / constants.centi**2)


def test_the_collective_conductivity_is_that_of_nernst_and_einstein_over_the_haven_ratio() -> None:
    record = record_of()
    found = record.collective_conductivity(1)
    assert found is not None
    assert found.value == pytest.approx(record.conductivity(1)[0] / record.haven.value)
    assert (found.low / found.value, found.high / found.value) == pytest.approx((0.6, 1.75))
    assert record_of(charge_diffusivity=None).collective_conductivity(1) is None


def test_without_a_temperature_there_is_a_diffusivity_but_no_conductivity() -> None:
    walk, _ = random_walk(np.random.default_rng(1), 12, 101, 200)
    known = trajectory(walk)
    unknown = [replace(known, temperature=np.nan), replace(known, temperature=float("nan"))]
    found = diffusion_of(unknown, "Li")
    assert found.value == pytest.approx(diffusion_of(known, "Li").value)
    assert np.isnan(found.temperature)
    assert np.isnan(found.conductivity(1)).all()


def test_the_record_tells_what_it_was_derived_from() -> None:
    walk, _ = random_walk(np.random.default_rng(0), 12, 101, 200)
    found = diffusion_of(
        trajectory(walk, timestep=0.2, temperature=650.0, box=15.0), "Li", TransportSettings(jump_length=3.2)
    )
    squares = [((walk[m:] - walk[: len(walk) - m]) ** 2).sum(axis=2).mean(axis=0) for m in range(101)]
    np.testing.assert_allclose(found.msd, np.mean(squares, axis=1), atol=1e-9)
    np.testing.assert_allclose(found.msd_std, np.std(squares, axis=1, ddof=1) / np.sqrt(12), atol=1e-9)
    np.testing.assert_allclose(found.lag, 0.2 * np.arange(101))
    assert found.jumps == pytest.approx(12 * found.msd.max() / 3.2**2)
    assert found.diffusive_jumps == pytest.approx(6 * found.value * 12 * 20 / 3.2**2)
    assert (found.ions, found.specie, found.temperature, found.method) == (12, "Li", 650.0, "gls")
    assert found.volume == pytest.approx(15.0**3)
    first, last = (round(t / 0.2) for t in found.window)
    assert 0 < first < last <= 50  # at most half the run
    assert found.low < found.value < found.high
    assert np.mean([axis.value for axis in found.axes]) == pytest.approx(found.value)
    assert found.haven.value == pytest.approx(found.value / found.charge_diffusivity.value)


@given(st.integers(1, 9), seeds)
def test_the_motion_of_one_ion_is_its_own_collective_motion(frames: int, seed: int) -> None:
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(40 * frames, 1, 3)), axis=0)
    found = diffusion_of(trajectory(walk), "Li", TransportSettings(detection=1e-9, jump_length=2.0))
    if found.charge_diffusivity is not None:
        assert found.charge_diffusivity.value == pytest.approx(found.value)


@given(seeds, st.floats(0.1, 10), st.floats(0.1, 10))
def test_the_diffusivity_scales_with_length_and_time(seed: int, length: float, time: float) -> None:
    walk, _ = random_walk(np.random.default_rng(seed), 12, 150, 300)
    plain = diffusion_of(trajectory(walk), "Li")
    other = diffusion_of(
        trajectory(length * walk, timestep=time), "Li", TransportSettings(jump_length=3 * length)
    )
    factor = length**2 / time
    for name in ("value", "std", "low", "high"):
        assert getattr(other, name) == pytest.approx(getattr(plain, name) * factor, rel=1e-6)
    for name in ("jumps", "diffusive_jumps"):
        assert getattr(other, name) == pytest.approx(getattr(plain, name), rel=1e-6)
    for name in ("anisotropy", "haven"):
        assert (getattr(other, name) is None) == (getattr(plain, name) is None)
        if getattr(plain, name) is not None:
            assert getattr(other, name).high == pytest.approx(getattr(plain, name).high, rel=1e-6)


@given(seeds)
def test_the_order_of_the_ions_and_the_direction_of_time_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    walk, _ = random_walk(rng, 12, 150, 300)
    plain = diffusion_of(trajectory(walk), "Li")
    mixed = diffusion_of(trajectory(walk[:, rng.permutation(12)]), "Li")
    assert (mixed.value, mixed.std) == pytest.approx((plain.value, plain.std), rel=1e-9)
    window = TransportSettings(fit_start=10)  # the rule may choose another where the choice is close
    forth, back = (diffusion_of(trajectory(w), "Li", window).value for w in (walk, walk[::-1]))
    assert back == pytest.approx(forth, rel=1e-6)
    assert mixed.haven == plain.haven or mixed.haven.value == pytest.approx(plain.haven.value)


def test_ions_that_hop_between_two_sites_for_ever_have_an_upper_bound() -> None:
    # 2.5 % of runs may by chance have a D of more than 1.96 standard errors
    rng, runs, bounds = np.random.default_rng(5), 50, 0
    for _ in range(runs):
        hops = rng.random((300, 120)) < 0.03
        walk = np.zeros((300, 120, 3))
        walk[..., 0] = 3.0 * (np.cumsum(hops, axis=0) % 2)
        walk += 0.2 * rng.normal(size=walk.shape)
        found = diffusion_of(trajectory(walk), "Li")
        assert found.jumps > 40
        bounds += found.is_upper_bound
        if found.is_upper_bound:
            assert found.charge_diffusivity is found.haven is found.anisotropy is None
    assert runs - bounds <= stats.binom.ppf(0.999, runs, 0.025)


def test_upper_bounds_along_the_axes_hold_where_all_jumps_are_along_one() -> None:
    rng = np.random.default_rng(6)
    runs, failed = 300, 0
    for _ in range(runs):
        walk = 0.1 * rng.normal(size=(100, 8, 3))
        jumps = rng.choice([-3.0, 3.0], (99, 8)) * (rng.random((99, 8)) < 5 / 99 / 8)
        walk[1:, :, 2] += np.cumsum(jumps, axis=0)
        found = diffusion_of(trajectory(walk), "Li")
        failed += found.is_upper_bound and found.axes[2].high < 9 * 5 / (2 * 99 * 8)
    assert failed <= stats.binom.ppf(0.999, runs, 0.05)


def test_motion_in_one_dimension_has_a_lower_limit_of_the_anisotropy_in_the_notes() -> None:
    rng = np.random.default_rng(7)
    walk = 0.1 * rng.normal(size=(300, 20, 3))
    walk[1:, :, 2] += np.cumsum(rng.choice([-3.0, 0.0, 3.0], (299, 20), p=[0.03, 0.94, 0.03]), axis=0)
    found = diffusion_of(trajectory(walk), "Li")
    truth = 9 * 0.06 / 2
    assert found.axes[2].low < truth < found.axes[2].high
    assert found.axes[0].high < 0.01 * truth
    assert found.anisotropy is None
    assert any("too little motion across c; it is above" in note for note in found.notes)


def test_a_mean_square_displacement_that_still_bends_is_noted() -> None:
    # every jump is undone about 40 frames later, but one in ten
    rng = np.random.default_rng(8)
    steps = np.zeros((400, 60, 3))
    time, ion = np.nonzero(rng.random((400, 60)) < 0.05)
    way = rng.choice([-3.0, 3.0], (len(time), 3)) * (rng.permuted(np.tile([1, 0, 0], (len(time), 1)), axis=1))
    np.add.at(steps, (time, ion), way)
    later = time + rng.geometric(1 / 40, len(time))
    undone = (later < 400) & (rng.random(len(time)) < 0.9)
    np.add.at(steps, (later[undone], ion[undone]), -way[undone])
    found = diffusion_of(trajectory(np.cumsum(steps, axis=0)), "Li")
    assert found.window[0] > 20  # later than where the MSD reaches a²/2
    assert any("not linear" in note for note in found.notes)


def test_the_window_can_be_given() -> None:
    walk, truth = random_walk(np.random.default_rng(3), 20, 300, 400)
    found = diffusion_of(trajectory(walk, timestep=0.5), "Li", TransportSettings(fit_start=10, fit_end=60))
    assert found.window == pytest.approx((10, 60))
    assert found.low < truth / 0.5 < found.high
    with pytest.raises(
        AnalysisError, match=r"a fit from 60 to 60.5 ps in a run of 149.5 ps; expected three lags"
    ):
        diffusion_of(trajectory(walk, timestep=0.5), "Li", TransportSettings(fit_start=60, fit_end=60.5))
    with pytest.raises(AnalysisError, match=r"a fit from 0.5 to 150 ps in a run of 149.5 ps"):
        diffusion_of(trajectory(walk, timestep=0.5), "Li", TransportSettings(fit_end=150))
    with pytest.raises(ValidationError, match="the published conventions have windows of their own"):
        TransportSettings(method="pymatgen", fit_start=10)


def test_short_runs_and_absent_elements_are_refused() -> None:
    for frames in (1, SMALLEST_RUN - 1):
        with pytest.raises(AnalysisError, match=f"^{frames} frames?; expected at least {SMALLEST_RUN}"):
            diffusion_of(trajectory(np.zeros((frames, 2, 3))), "Li")
    with pytest.raises(DataError, match="no Na in the trajectory"):
        diffusion_of(trajectory(np.zeros((20, 2, 3))), "Na")
    with pytest.raises(DataError, match="no trajectory"):
        diffusion_of([], "Li")


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


def test_runs_that_disagree_widen_the_error_and_say_so() -> None:
    rng = np.random.default_rng(12)
    runs = [trajectory(random_walk(rng, 20, 200, jumps)[0]) for jumps in (300, 300, 900)]
    found = diffusion_of(runs, "Li")
    assert any("The runs disagree" in note for note in found.notes)
    agreeing = diffusion_of([trajectory(random_walk(rng, 20, 200, 500)[0]) for _ in range(3)], "Li")
    assert not any("disagree" in note for note in agreeing.notes)
    assert found.std > 2 * agreeing.std


def test_a_liquid_of_one_element_has_a_diffusivity_with_a_note_but_no_collective_one() -> None:
    walk, truth = random_walk(np.random.default_rng(13), 40, 200, 1000)
    found = diffusion_of(trajectory(walk, np.zeros((200, 0, 3))), "Li")
    assert found.low < truth < found.high
    assert found.charge_diffusivity is found.haven is None
    assert any("no framework" in note for note in found.notes)
