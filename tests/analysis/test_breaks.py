from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import dblquad

from frustra.analysis.arrhenius import SCALE
from frustra.analysis.breaks import CLAIM, Breaks, breaks_of, curved_bic
from frustra.analysis.models import SCATTERS, UPPER, Scale, Series, design_of, fit_model, integrated
from frustra.units import BOLTZMANN
from tests.analysis.ladders import ENERGY, NOISES, Noise, measured, truth
from tests.helpers import seeds

LADDERS = 200
LADDER = np.linspace(300, 900, 9)

PLAIN = Scale(lambda t: np.asarray(t, dtype=float), slope=0.01, height=1.0)


def random_series(seed: int, points: int = 8, upper: int = 0) -> Series:
    rng = np.random.default_rng(seed)
    temperatures = np.sort(rng.choice(np.arange(250.0, 950.0, 10), points, replace=False))
    values = truth(temperatures, 600, 0.2, 0.5) + 0.2 * rng.normal(size=points)
    return Series(temperatures, values, rng.uniform(0.05, 0.4, points), np.arange(points) < upper)


def claims(
    relative: float, energy: float = 0.0, height: float = 0.0, noise: Noise = "log-normal", points: int = 9
) -> list[tuple[Breaks, float]]:
    rng = np.random.default_rng([int(1000 * relative), points])
    found = []
    for _ in range(LADDERS):
        tc = rng.uniform(420, 680)
        ladder = measured(rng, np.linspace(300, 900, points), relative, tc, energy, height, noise)
        found.append((breaks_of(ladder, SCALE), tc))
    return found


@given(seeds)
def test_the_line_is_that_of_weighted_least_squares(seed: int) -> None:
    series = random_series(seed)
    fit = fit_model("line", series, SCALE)
    x = -1 / (BOLTZMANN * series.temperatures)
    (slope, _), covariance = np.polyfit(x - x.mean(), series.values, 1, w=1 / series.std, cov="unscaled")
    assert fit.coefficients[0, 1] == pytest.approx(slope, rel=1e-4, abs=1e-6)
    assert np.sqrt(fit.covariance[0, 1, 1]) == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-3)


@given(seeds, st.sampled_from(["line", "kink", "jump"]))
def test_the_evidence_is_that_of_the_closed_form_where_errors_are_gaussian(seed: int, kind: str) -> None:
    # y is Gaussian with mean X·m and covariance X S Xᵀ + C; constants common to all models are left out
    series, tc = random_series(seed), np.array([555.0])
    x = -1 / (BOLTZMANN * series.temperatures)
    design = design_of(kind, series.temperatures, tc, SCALE, float(x.mean()))  # type: ignore[arg-type]
    mean, width = np.zeros(design.shape[2]), np.array([30.0, 2.0, 0.3, 2.5])[: design.shape[2]]
    _, _, evidence, _ = integrated(design, series, 1.0, (mean, width))
    covariance = design[0] @ np.diag(width**2) @ design[0].T + np.diag(series.std**2)
    exact = stats.multivariate_normal(design[0] @ mean, covariance).logpdf(series.values)
    left_out = len(x) * np.log(2 * np.pi) / 2 + np.log(series.std).sum()
    assert evidence[0] == pytest.approx(exact + left_out, abs=1e-6)


@pytest.mark.parametrize("skewed", [False, True])
def test_the_evidence_with_bounds_and_skewed_errors_is_that_of_numerical_integration(skewed: bool) -> None:
    temperatures = np.array([300.0, 350, 500, 600, 700])
    values = truth(temperatures, 1.0, 0.0, 0.0) + np.array([1.0, -0.5, 0.1, -0.4, 0.2])
    std = np.array([1.0, 1.0, 0.2, 0.3, 0.2])
    upper = np.array([True, True, False, False, False])
    series = Series(temperatures, values, std, upper, skewed)
    x = -1 / (BOLTZMANN * temperatures)
    design = design_of("line", temperatures, np.array([np.nan]), SCALE, float(x.mean()))
    width = np.array([3.0, 0.5])
    prior = (np.array([values.mean(), 0.3]), width)

    def posterior(slope: float, value: float) -> float:
        miss = value + slope * (x - x.mean()) - values
        log = -(miss**2) / (2 * std**2)
        if skewed:  # a value below the model is a gamma variable's
            log = np.where(miss > 0, -(miss + np.exp(-miss) - 1) / std**2, log)
        total = np.where(upper, -UPPER * np.exp(miss), log).sum()
        return float(np.exp(total) * stats.norm.pdf([value, slope], prior[0], width).prod())

    (beta,), (covariance,), (evidence,), _ = integrated(design, series, 1.0, prior)
    reach = 7 * np.sqrt(np.diag(covariance))
    exact, _ = dblquad(
        posterior, beta[0] - reach[0], beta[0] + reach[0], beta[1] - reach[1], beta[1] + reach[1]
    )
    assert evidence == pytest.approx(np.log(exact), abs=0.1)


@given(seeds, st.floats(-20, 20), st.integers(0, 2))
def test_the_unit_of_the_values_changes_nothing(seed: int, shift: float, upper: int) -> None:
    series = random_series(seed, upper=upper)
    one, other = (breaks_of(s, SCALE) for s in (series, replace(series, values=series.values + shift)))
    assert one.model == other.model
    assert one.delta_bic == pytest.approx(other.delta_bic, abs=1e-3)
    assert one.candidate.value == pytest.approx(other.candidate.value, abs=0.1)
    assert other.at(300.0).value - one.at(300.0).value == pytest.approx(shift, abs=1e-2)


@given(seeds)
def test_what_is_far_below_an_upper_bound_does_not_feel_it(seed: int) -> None:
    series = random_series(seed)
    bound = Series(
        np.append(series.temperatures, 1000.0),
        np.append(series.values, 30.0),
        np.append(series.std, 1.0),
        np.append(series.upper, True),
    )
    alone, bounded = (fit_model("line", s, SCALE) for s in (series, bound))
    low, high = (f.coefficients[0, 1] for f in (alone, bounded))
    assert low == pytest.approx(high, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("relative", [0.03, 0.4])
def test_at_most_five_ladders_of_a_hundred_claim_a_break_that_is_not_there(
    relative: float, noise: Noise
) -> None:
    found = claims(relative, noise=noise)
    assert sum(b.transition is not None for b, _ in found) <= 0.05 * LADDERS
    assert sum(b.model == "line" for b, _ in found) >= 0.8 * LADDERS


def test_errors_that_are_five_times_too_small_do_not_make_breaks() -> None:
    found = [b for b, _ in claims(0.15, noise="errors too small")]
    assert sum(b.transition is not None for b in found) <= 0.05 * LADDERS
    assert sum(b.errors_too_small for b in found) > 0.95 * LADDERS


def test_errors_that_nobody_knows_do_not_make_breaks() -> None:
    rng, found = np.random.default_rng(3), []
    for _ in range(100):
        series = measured(rng, LADDER, 0.15)
        found.append(breaks_of(replace(series, std=np.ones(9), skewed=False, factors=SCATTERS), SCALE))
    assert sum(b.transition is not None for b in found) <= 5


@pytest.mark.parametrize(
    ("relative", "energy", "height", "least"),
    [
        (0.03, 0.1, 0.0, 0.95),
        (0.1, 0.3, 0.0, 0.95),
        (0.2, 0.3, 0.0, 0.85),
        (0.1, 0.0, np.log(3), 0.95),
        (0.4, 0.2, np.log(10), 0.75),
    ],
)
def test_breaks_are_seen_and_the_intervals_hold(
    relative: float, energy: float, height: float, least: float
) -> None:
    claimed = [(b, tc) for b, tc in claims(relative, energy, height) if b.transition is not None]
    assert len(claimed) >= least * LADDERS
    enough = stats.binom.ppf(0.001, len(claimed), 0.95)  # fewer hold once in a thousand tests
    slopes = [(b.slope("low"), b.slope("high")) for b, _ in claimed]
    rooms = [(b.at(300.0), truth(np.array([300.0]), tc, energy, height)[0]) for b, tc in claimed]
    held = {
        "Tc": sum(t.low <= tc <= t.high for b, tc in claimed if (t := b.transition)),
        "Ea below": sum(low is None or low.low <= ENERGY + energy <= low.high for low, _ in slopes),
        "Ea above": sum(high is None or high.low <= ENERGY <= high.high for _, high in slopes),
        "300 K": sum(e.low <= value <= e.high for e, value in rooms),
    }
    assert min(held.values()) >= enough, held


def test_more_is_seen_with_smaller_errors_and_of_larger_breaks() -> None:
    def seen(relative: float, energy: float) -> int:
        return sum(b.transition is not None for b, _ in claims(relative, energy))

    assert seen(0.1, 0.1) > seen(0.2, 0.1) + 20
    assert seen(0.2, 0.2) > seen(0.2, 0.1) + 20


def test_a_jump_is_told_from_a_kink() -> None:
    kinks = [b.model for b, _ in claims(0.05, energy=0.3)]
    jumps = [b.model for b, _ in claims(0.05, height=np.log(10))]
    assert kinks.count("kink") > 0.85 * LADDERS
    assert jumps.count("jump") > 0.95 * LADDERS


@given(seeds)
def test_the_interval_of_a_jump_ends_at_temperatures_of_the_ladder(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ladder = np.sort(rng.choice(np.arange(300.0, 900.0, 10), 9, replace=False))
    tc = (ladder[3] + ladder[4]) / 2
    found = breaks_of(measured(rng, ladder, 0.05, tc, height=np.log(30)), SCALE)
    assert found.model == "jump"
    assert found.transition is not None
    assert {found.transition.low, found.transition.high} <= set(ladder)
    assert found.transition.low <= tc <= found.transition.high


def test_a_drop_to_upper_bounds_is_a_transition_without_an_energy_below_it() -> None:
    series = measured(np.random.default_rng(1), LADDER, 0.1)
    low = np.arange(9) < 3
    series = replace(series, values=np.where(low, series.values - 4, series.values), upper=low)
    found = breaks_of(series, SCALE)
    assert found.transition is not None
    assert found.transition.low <= LADDER[3]
    assert found.slope("low") is None
    assert found.slope("high") is not None


def test_upper_bounds_above_the_line_are_no_transition() -> None:
    series = measured(np.random.default_rng(2), LADDER, 0.1)
    low = np.arange(9) < 3
    found = breaks_of(
        replace(series, values=np.where(low, series.values + 3, series.values), upper=low), SCALE
    )
    assert found.transition is None


@pytest.mark.parametrize("points", [3, 4])
def test_few_temperatures_cannot_tell(points: int) -> None:
    found = breaks_of(measured(np.random.default_rng(4), np.linspace(400, 800, points), 0.05), SCALE)
    assert found.model == "undecided"
    assert "needs 5 or more" in found.reason


def test_a_narrow_ladder_with_large_errors_cannot_tell() -> None:
    found = breaks_of(measured(np.random.default_rng(5), np.linspace(600, 650, 6), 0.3), SCALE)
    assert found.model == "undecided"
    assert "needs smaller errors" in found.reason


def test_runs_as_long_as_is_said_decide() -> None:
    # errors shrink with the square root of the length; the same residuals at a smaller scale
    rng, decided = np.random.default_rng(9), []
    while len(decided) < 20:
        series = measured(rng, LADDER, 0.2, 520, energy=0.12)
        found = breaks_of(replace(series, skewed=False), SCALE)
        if "times as long" not in found.reason:
            continue
        longer = float(found.reason.split("needs runs ")[1].split(" times")[0]) * 1.05
        again = breaks_of(replace(series, std=series.std / np.sqrt(longer), skewed=False), SCALE)
        if not again.errors_too_small:  # the same residuals may be too large for smaller errors
            decided.append(again.delta_bic >= CLAIM)
    assert all(decided)


def test_a_curve_fits_a_curve_better_than_a_kink_does() -> None:
    rng = np.random.default_rng(6)
    ladder = np.linspace(300, 900, 13)
    u = -1 / (BOLTZMANN * ladder)
    curved = Series(ladder, 0.5 * u + 0.01 * u**2 + 0.03 * rng.normal(size=13), np.full(13, 0.03), ladder < 0)
    found = breaks_of(curved, SCALE)
    assert curved_bic(found) < found.best_bic
    kinked = breaks_of(measured(rng, ladder, 0.03, 550, energy=0.3), SCALE)
    assert curved_bic(kinked) > kinked.best_bic


def test_a_marker_that_starts_to_rise_has_its_onset_found() -> None:
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(50):
        onset = rng.uniform(400, 700)
        values = 1e-3 * np.maximum(LADDER - onset, 0) + 0.01 * rng.normal(size=9)
        found = breaks_of(Series(LADDER, values, np.full(9, 0.01), LADDER < 0), replace(PLAIN, slope=1e-3))
        assert found.transition is not None
        held += found.transition.low <= onset <= found.transition.high
    assert held >= stats.binom.ppf(0.001, 50, 0.95)
