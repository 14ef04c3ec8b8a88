"""The weights of the line, the spread of the mean-square displacement, the interval: against naive twins."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frustra.analysis.displacement import motion_of
from frustra.analysis.fit import gls_fit, interval_of, pool_of
from frustra.analysis.scatter import FEWEST_BLOCKS, scatter_of
from frustra.analysis.slopes import covariance_of_lags, line_weights, slope_weights, spread_lags
from tests.helpers import seeds, trajectory


def naive_covariance(lags: list[int], frames: int, noise: float) -> np.ndarray:
    """Count the covariance of every pair of displacements from increments and noise of each frame."""
    # x(t) = Σ of the increments before t, of variance one, plus noise of each frame
    steps = np.tril(np.ones((frames, frames - 1)), -1)
    positions = np.concatenate([steps, np.sqrt(noise) * np.eye(frames)], axis=1)
    change = [positions[lag:] - positions[:-lag] for lag in lags]
    pairs = product(range(len(lags)), repeat=2)
    return np.array([2 * np.mean((change[m] @ change[n].T) ** 2) for m, n in pairs]).reshape(len(lags), -1)


@given(st.sets(st.integers(1, 39), min_size=1, max_size=6), st.integers(40, 60), st.floats(0, 5))
def test_the_covariance_between_lags_is_that_of_every_pair_of_displacements(
    lags: set[int], frames: int, noise: float
) -> None:
    ordered = np.array(sorted(lags))
    np.testing.assert_allclose(
        covariance_of_lags(ordered, frames, noise),
        naive_covariance(list(ordered), frames, noise),
        rtol=1e-9,
        atol=1e-12,
    )


@given(st.integers(1, 20), st.floats(0, 10), st.floats(0.1, 5), st.floats(0, 3))
def test_a_straight_line_is_found_exactly_whatever_the_weights(
    first: int, noise: float, slope: float, intercept: float
) -> None:
    lags = spread_lags(first, 90)
    weights = line_weights(lags, covariance_of_lags(lags, 200, noise))
    np.testing.assert_allclose(weights @ (intercept + slope * lags), [intercept, slope], atol=1e-7)
    found, _ = slope_weights(lags, intercept + slope * lags, 200)
    assert found @ (intercept + slope * lags) == pytest.approx(slope)


def test_generalised_least_squares_scatter_as_predicted_and_far_less_than_plain_ones() -> None:
    rng = np.random.default_rng(1)
    lags = spread_lags(10, 249)
    covariance = covariance_of_lags(lags, 500, 0.5)
    generalised, plain = line_weights(lags, covariance)[1], line_weights(lags, np.eye(len(lags)))[1]
    walks = np.cumsum(rng.normal(size=(500, 2000)), axis=0) + np.sqrt(0.5) * rng.normal(size=(500, 2000))
    msd = np.array([((walks[lag:] - walks[:-lag]) ** 2).mean(axis=0) for lag in lags])
    for weights in (generalised, plain):
        slopes = weights @ msd
        assert slopes.mean() == pytest.approx(1, abs=4 * slopes.std() / np.sqrt(2000))
        assert slopes.std() == pytest.approx(np.sqrt(weights @ covariance @ weights), rel=0.08)
    assert (generalised @ msd).std() < 0.6 * (plain @ msd).std()


@given(seeds, st.integers(1, 3), st.integers(1, 4))
def test_the_spread_is_that_of_the_sums_over_ions_blocks_and_cells(seed: int, runs: int, ions: int) -> None:
    rng = np.random.default_rng(seed)
    walks = [np.cumsum(rng.normal(size=(80, ions, 3)), axis=0) for _ in range(runs)]
    motions = [motion_of(trajectory(walk), "Li") for walk in walks]
    lags, blocks = np.array([2, 5, 11]), 8
    msd = pool_of(motions, 1.0).msd[:, lags]
    weights = rng.normal(size=9)
    found = scatter_of(motions, lags, msd, 80 / blocks)
    number, total = runs * ions, weights @ msd.ravel()
    cells = np.zeros((runs, blocks, ions))
    for (run, walk), (axis, (k, lag)) in product(enumerate(walks), product(range(3), enumerate(lags))):
        squares = (walk[lag:, :, axis] - walk[:-lag, :, axis]) ** 2 - msd[axis, k]
        edges = np.linspace(0, 80 - lag, blocks + 1).astype(int)
        for b in range(blocks):
            part = squares[edges[b] : edges[b + 1]]
            cells[run, b] += weights[3 * axis + k] * part.sum(axis=0) / (80 - lag)
    own = cells.sum(axis=1).ravel() + total
    if number > 1:
        assert weights @ found.by_ions @ weights == pytest.approx(own.var(ddof=1) / number)

    def squared(values: np.ndarray) -> float:  # Bartlett: neighbours count by half, once for each order
        return (values**2).sum() + (values[:, 1:] * values[:, :-1]).sum()

    assert weights @ found.by_cells @ weights == pytest.approx(squared(cells) / number**2)
    independent = runs * blocks / 2
    assert found.blocks == independent
    together = squared(cells.sum(axis=2)) / number**2 * independent / (independent - 1)
    assert weights @ found.by_blocks @ weights == pytest.approx(together)
    if number > 1:
        excess = max(0.0, together - squared(cells) / number**2)
        assert found.variance(weights)[0] == pytest.approx(own.var(ddof=1) / number + excess)


def test_a_run_that_is_too_short_for_blocks_has_the_spread_over_ions_alone() -> None:
    rng = np.random.default_rng(2)
    motions = [motion_of(trajectory(np.cumsum(rng.normal(size=(80, 5, 3)), axis=0)), "Li")]
    lags = np.array([2, 5, 11])
    found = scatter_of(motions, lags, pool_of(motions, 1.0).msd[:, lags], 80 / (FEWEST_BLOCKS - 0.5))
    weights = rng.normal(size=9)
    assert np.isnan(found.blocks)
    assert found.variance(weights) == (pytest.approx(weights @ found.by_ions @ weights), 4)


def test_the_window_begins_later_where_jumps_are_undone_slowly() -> None:
    rng, first = np.random.default_rng(3), []
    for undone in (0.0, 0.7):
        steps = np.zeros((600, 60, 3))
        time, ion = np.nonzero(rng.random((600, 60)) < 0.1)
        way = rng.choice([-3.0, 3.0], (len(time), 3)) * (np.arange(3) == rng.integers(0, 3, (len(time), 1)))
        np.add.at(steps, (time, ion), way)
        later = time + rng.geometric(1 / 15, len(time))
        back = (later < 600) & (rng.random(len(time)) < undone)
        np.add.at(steps, (later[back], ion[back]), -way[back])
        motions = [motion_of(trajectory(np.cumsum(steps, axis=0)), "Li")]
        fit = gls_fit(motions, pool_of(motions, 1.5), 4.5, None, 299)
        first.append(int(fit.lags[0]))
        truth = 9 * 0.1 * (1 - undone) / 6
        estimate = fit.estimate(0, 1, 2)
        assert fit.linear
        assert abs(estimate.value - truth) < 3 * estimate.std < 0.5 * truth
    assert first[1] >= 4 * first[0]


@pytest.mark.parametrize("events", [10, 30, 300])
def test_the_interval_of_poisson_counts_holds_their_mean_in_95_of_100(events: int) -> None:
    counts = np.arange(1, 3 * events + 50)
    limits = np.array([interval_of(float(n), float(np.sqrt(n))) for n in counts])
    held = (limits[:, 0] < events) & (events < limits[:, 1])
    assert 0.92 < stats.poisson.pmf(counts, events)[held].sum() < 0.98


@given(st.floats(-5, 100), st.floats(0.01, 10), st.floats(1e-6, 1e6))
def test_the_interval_holds_the_value_and_scales(value: float, std: float, unit: float) -> None:
    low, high = interval_of(value, std)
    assert 0 <= low <= max(value, 0.0) <= high
    np.testing.assert_allclose(interval_of(value * unit, std * unit), (low * unit, high * unit), rtol=1e-9)
