import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frustra.errors import AnalysisError
from frustra.stats import block_error, bootstrap, fit_line, poisson_limit
from tests.helpers import seeds

RUNS = 200
LEAST, MOST = stats.binom.ppf([0.001, 0.999], RUNS, 0.95)
"""How many of 200 intervals of 95 % hold the truth, but for once in five hundred tests."""


@given(st.integers(2, 50), seeds)
def test_line_is_that_of_polyfit_with_known_errors(points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(5, 40) + rng.permutation(points) + rng.uniform(0, 0.5, points)
    y, sigma = rng.normal(0, 10, points), rng.uniform(0.01, 2, points)
    line = fit_line(x, y, sigma)
    expected, covariance = np.polyfit(x, y, 1, w=1 / sigma, cov="unscaled")
    np.testing.assert_allclose([line.slope, line.intercept], expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(line.covariance[::-1, ::-1], covariance, rtol=1e-6)
    residuals = (y - np.polyval(expected, x)) / sigma
    assert line.chi2 == pytest.approx((residuals**2).sum(), rel=1e-6, abs=1e-8)
    assert line.points == points


@given(st.integers(2, 50), seeds)
def test_error_of_the_line_at_the_weighted_centre_is_that_of_the_weighted_mean(
    points: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y, sigma = rng.permutation(points), rng.normal(size=points), rng.uniform(0.1, 2, points)
    value, error = fit_line(x, y, sigma).at(float(np.average(x, weights=sigma**-2)))
    assert value == pytest.approx(np.average(y, weights=sigma**-2), abs=1e-9)
    assert error == pytest.approx((sigma**-2).sum() ** -0.5, rel=1e-6)


def test_the_true_slope_and_value_lie_within_the_stated_errors_in_95_of_100_lines() -> None:
    rng = np.random.default_rng(1)
    x, sigma = np.linspace(10, 40, 7), np.linspace(0.1, 0.6, 7)
    slopes = values = 0
    chi2 = []
    for _ in range(RUNS):
        line = fit_line(x, 3.0 - 0.3 * x + sigma * rng.normal(size=7), sigma)
        slopes += abs(line.slope + 0.3) < 1.96 * np.sqrt(line.covariance[1, 1])
        value, error = line.at(5.0)
        values += abs(value - 1.5) < 1.96 * error
        chi2.append(line.chi2)
    assert LEAST <= slopes <= MOST
    assert LEAST <= values <= MOST
    assert np.mean(chi2) == pytest.approx(5, abs=4 * np.sqrt(2 * 5 / RUNS))  # n − 2 ± its own error


@pytest.mark.parametrize(
    ("x", "sigma", "message"),
    [
        ([1, 1, 1], [1, 1, 1], "straight line"),
        ([1], [1], "straight line"),
        ([1, 2, 3], [1, 0, 1], "not positive"),
        ([1, 2, 3], [1, -1, 1], "not positive"),
        ([1, 2, 3], [1, np.nan, 1], "not positive"),
        ([1, 2, 3], [1, np.inf, 1], "not positive"),
    ],
)
def test_a_line_without_two_abscissae_or_without_errors_is_refused(
    x: list[float], sigma: list[float], message: str
) -> None:
    with pytest.raises(AnalysisError, match=message):
        fit_line(x, np.ones(len(x)), sigma)


@pytest.mark.parametrize("groups", [2, 5, 40, 200])
def test_bootstrap_error_of_a_mean_is_that_of_the_textbook(groups: int) -> None:
    rng = np.random.default_rng(groups)
    values, samples = rng.normal(size=groups), 4000
    error = bootstrap(groups, lambda w: w @ values / w.sum(), rng, samples)
    # resampling draws from the sample itself, whose variance is that with n in the denominator
    expected = values.std(ddof=0) / np.sqrt(groups)
    assert error == pytest.approx(expected, rel=4 / np.sqrt(2 * samples))


def test_bootstrap_error_of_a_ratio_by_groups_is_that_of_the_delta_method() -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(5, 15, 300)
    hits = rng.binomial(sizes, rng.uniform(0.2, 0.4, 300))  # groups differ more than single trials
    error = bootstrap(300, lambda w: (w @ hits) / (w @ sizes), rng, 2000)
    residuals = hits - sizes * hits.sum() / sizes.sum()
    assert error == pytest.approx(np.sqrt((residuals**2).sum()) / sizes.sum(), rel=0.1)


def test_bootstrap_draws_as_many_groups_as_there_are() -> None:
    drawn = []

    def statistic(weights: np.ndarray) -> np.ndarray:
        drawn.append(weights)
        return weights

    error = bootstrap(7, statistic, np.random.default_rng(0), 50)
    assert error.shape == (7,)
    assert len(drawn) == 51
    assert (np.sum(drawn, axis=1) == 7).all()
    assert (np.array(drawn) % 1 == 0).all()


def test_bootstrap_of_equal_groups_has_no_error_and_of_one_group_none_that_is_known() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap(6, lambda w: w @ np.ones(6) / w.sum(), rng) == 0
    assert np.isnan(bootstrap(1, lambda w: np.array([w.sum(), 2.0]), rng)).all()


def test_bootstrap_follows_from_its_source_of_randomness() -> None:
    values = np.arange(9.0)
    first, second, third = (
        bootstrap(9, lambda w: w @ values, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first == second != third


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_block_error_of_an_autoregressive_series_is_that_of_the_closed_form(memory: float) -> None:
    rng = np.random.default_rng(2)
    n, series, blocks = 4000, 300, 5
    x = np.empty((n, series))
    x[0] = rng.normal(size=series)
    for t in range(1, n):
        x[t] = memory * x[t - 1] + np.sqrt(1 - memory**2) * rng.normal(size=series)
    lags = np.arange(1, n)
    variance = (1 + 2 * ((1 - lags / n) * memory**lags).sum()) / n  # of the mean, unit process
    error = block_error(x, blocks)
    assert error.shape == (series,)
    # the mean of 300 estimates with 4 degrees of freedom each, and the correlation of adjacent blocks
    scatter = 4 * np.sqrt(2 / (blocks - 1) / series)
    assert (error**2).mean() == pytest.approx(variance, rel=scatter + 1 / (n / blocks * (1 - memory)))


@given(st.integers(2, 10), st.integers(1, 8), st.integers(0, 9), seeds)
def test_block_error_is_the_textbook_error_of_the_block_means(
    blocks: int, length: int, rest: int, seed: int
) -> None:
    rest %= blocks
    series = np.random.default_rng(seed).normal(size=rest + blocks * length)
    means = [np.mean(series[rest + k * length : rest + (k + 1) * length]) for k in range(blocks)]
    assert block_error(series, blocks) == pytest.approx(stats.sem(means), rel=1e-9, abs=1e-12)


def test_block_error_of_too_few_values_is_refused() -> None:
    with pytest.raises(AnalysisError, match="4 values for 5 blocks"):
        block_error(np.ones(4))


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_the_limit_for_a_count_is_the_mean_that_gives_no_more_in_one_of_twenty(count: int) -> None:
    assert stats.poisson.cdf(count, poisson_limit(count)) == pytest.approx(0.05)
