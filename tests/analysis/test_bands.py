"""Bands, kernel densities and bandwidths of distributions that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from frustra.analysis.bands import Band, bands_of
from frustra.analysis.density import DensitySettings, densities_of, tallies_of
from frustra.analysis.levels import Levels, LevelTable
from frustra.analysis.smoothing import bandwidth_of, smoothed
from frustra.errors import AnalysisError
from tests.helpers import seeds

BANDS = ((0.0, 0.010, 0.7), (0.06, 0.015, 0.3))
"""Centre, width and weight, as eV."""


def table(energies: np.ndarray) -> LevelTable:
    """Return levels of one class from energies (snapshots, ions)."""
    frames, ions = energies.shape
    frame = np.repeat(np.arange(frames), ions)
    return LevelTable("Li", (Levels(300.0, energies.ravel(), np.zeros(energies.size, int), frame),))


def bands(energies: np.ndarray, width: float = 0.005, samples: int = 60) -> tuple[Band, ...]:
    settings = DensitySettings(bin=width, zero="none", bootstrap=samples)
    ((_, tally),) = tallies_of(table(energies), settings, None)
    return bands_of(tally)


def two_bands(seed: int, snapshots: int = 40, ions: int = 72) -> np.ndarray:
    rng = np.random.default_rng(seed)
    upper = rng.random((snapshots, ions)) < BANDS[1][2]
    noise = rng.normal(size=upper.shape)
    return np.where(upper, BANDS[1][0] + BANDS[1][1] * noise, BANDS[0][0] + BANDS[0][1] * noise)


def test_95_percent_of_the_errors_of_bands_hold_the_truth() -> None:
    found = [bands(two_bands(seed)) for seed in range(60)]
    assert all(len(b) == 2 for b in found)
    for k, truth in enumerate(BANDS):
        for name, value in zip(("centre", "width", "weight"), truth, strict=True):
            estimates = [getattr(b[k], name) for b in found]
            held = np.mean([abs(e.value - value) < 1.96 * e.std for e in estimates])
            assert held > 0.85  # of 60: 0.95 − 3 standard deviations
            assert np.mean([e.value for e in estimates]) == pytest.approx(value, rel=0.02, abs=2e-4)


@given(seeds, st.integers(1, 5))
def test_separate_bands_have_the_means_and_deviations_of_their_states(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    number = rng.permutation(np.arange(40 * 30) % count).reshape(40, 30)
    energies = 0.2 * number + rng.uniform(0.004, 0.012, count)[number] * rng.normal(size=number.shape)
    found = bands(energies, samples=20)
    assert len(found) == count
    for k, band in enumerate(found):
        states = energies[number == k]
        assert band.centre.value == pytest.approx(states.mean(), abs=2e-4)
        assert band.width.value == pytest.approx(states.std(), rel=0.02)
        assert band.weight.value == pytest.approx(1 / count, abs=0.001)


def test_a_broad_band_of_few_states_is_found_beside_two_sharp_ones() -> None:
    number = np.repeat([0, 1, 2], [24, 30, 6])
    centres, widths = np.array([0.0, 0.02, 0.3]), np.array([0.001, 0.001, 0.04])
    found = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(20, 60))
        found.append(bands(centres[number] + widths[number] * noise))
    assert np.mean([len(b) == 3 for b in found]) >= 0.9
    weights = [b[2].weight.value for b in found if len(b) == 3]
    assert np.mean(weights) == pytest.approx(0.1, abs=0.005)


def test_a_shoulder_without_a_peak_is_a_band() -> None:
    rng = np.random.default_rng(0)
    upper = rng.random((300, 64)) < 0.3
    energies = 0.03 * rng.normal(size=upper.shape) + 0.08 * upper  # the sum falls all the way from 0 to 0.2
    low, high = bands(energies)
    for band, centre, weight in ((low, 0.0, 0.7), (high, 0.08, 0.3)):
        assert band.centre.value == pytest.approx(centre, abs=0.003)
        assert band.width.value == pytest.approx(0.03, abs=0.002)
        assert band.weight.value == pytest.approx(weight, abs=0.03)


def test_long_tails_are_no_band() -> None:
    energies = 0.02 * np.random.default_rng(0).laplace(size=(40, 60))
    (band,) = bands(energies)
    assert band.centre.value == pytest.approx(0, abs=0.002)


def test_one_broad_band_is_one_band_however_noisy() -> None:
    counts = [
        len(bands(0.05 * np.random.default_rng(seed).normal(size=(20, 30)), samples=50)) for seed in range(40)
    ]
    assert np.mean(np.array(counts) > 1) <= 0.1


def test_a_level_without_width_is_a_band_as_narrow_as_a_quarter_of_a_bin() -> None:
    (band,) = bands(np.full((5, 8), -3.7))
    assert band.centre.value == pytest.approx(-3.7, abs=0.005 / 4)
    assert band.width.value <= 0.005 / 4
    assert (band.weight.value, band.weight.std) == (1, 0)


def test_what_is_resolved_is_not_more_than_the_bins_resolve() -> None:
    levels = np.tile([0.0, 0.004, 0.1], (20, 30))
    assert len(bands(levels, 0.005)) == 2
    assert len(bands(levels, 0.001)) == 3


@given(seeds, st.floats(0.002, 0.05))
def test_a_kernel_density_is_the_sum_of_gaussians(seed: int, bandwidth: float) -> None:
    rng = np.random.default_rng(seed)
    counts = np.zeros((2, 400))
    np.add.at(counts, (rng.integers(0, 2, 30), rng.integers(150, 250, 30)), 1.0)
    counts[:, 200] += 1
    width = 0.001
    centres = np.arange(400) * width
    for row, found in zip(counts, smoothed(counts, bandwidth, width), strict=True):
        terms = norm.pdf(centres[:, None], centres, bandwidth) @ row / row.sum()
        np.testing.assert_allclose(found, terms, atol=1e-6 * terms.max() + 1e-9)


def test_a_gaussian_gets_about_the_bandwidth_that_is_best_for_it() -> None:
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(10):
        counts, _ = np.histogram(0.02 * rng.normal(size=2000), np.arange(-0.15, 0.15, 0.0005))
        best = (4 / 3 / 2000) ** 0.2 * 0.02  # of a Gaussian, with the least mean squared error
        ratios.append(bandwidth_of(counts.astype(float), 0.0005) / best)
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_two_far_bands_are_not_smeared() -> None:
    rng = np.random.default_rng(0)
    energies = np.where(rng.random(4000) < 0.5, 0.0, 1.0) + 0.01 * rng.normal(size=4000)
    counts, _ = np.histogram(energies, np.arange(-0.1, 1.1, 0.0005))
    best = (4 / 3 / 2000) ** 0.2 * 0.01
    assert bandwidth_of(counts.astype(float), 0.0005) == pytest.approx(best, rel=0.25)
    silverman = 1.06 * energies.std() * 4000**-0.2
    assert silverman > 30 * best


def test_no_states_cannot_be_smoothed() -> None:
    with pytest.raises(AnalysisError, match="no states to be smoothed"):
        bandwidth_of(np.zeros(50), 0.001)


def test_the_bands_of_a_density_are_those_of_all_its_states() -> None:
    (density,) = densities_of(table(two_bands(3)), DensitySettings(zero="none", bootstrap=60))
    assert density.bands == bands(two_bands(3))
    assert sum(b.weight.value for b in density.bands) == pytest.approx(1)
