"""Gaps and overlaps of distributions whose own are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from frustra.analysis.contrasts import Contrast, contrasts_of, temperature_contrasts_of
from frustra.analysis.density import DensitySettings
from frustra.states import StateTable, concatenate
from tests.helpers import seeds, states

WIDTH, GAP = 0.02, 0.05


def gaussian(rng: np.random.Generator, snapshots: int, ions: int, gap: float = GAP) -> StateTable:
    """Return octahedral states about −3 eV and, every third, tetrahedral ones higher by the gap."""
    tet = np.arange(ions) % 3 == 2
    energies = -3 + WIDTH * rng.normal(size=(snapshots, ions)) + gap * tet
    return states(energies, site=np.where(np.tile(tet, snapshots), "tet", "oct"))


def one(table: StateTable, width: float = 0.005, samples: int = 20) -> Contrast:
    (found,) = contrasts_of(table, settings=DensitySettings(bin=width, bootstrap=samples))
    return found


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.05, 0.2])
def test_two_gaussians_have_their_overlap_and_gaps(gap: float) -> None:
    found = one(gaussian(np.random.default_rng(0), 400, 300, gap), 0.005)
    assert found.overlap.value == pytest.approx(2 * norm.cdf(-gap / (2 * WIDTH)), abs=0.015)
    assert found.gap.value == pytest.approx(gap, abs=0.0003)
    # the 5 and 95 % quantiles of a Gaussian are 1.645 standard deviations from its mean
    assert found.tail_gap.value == pytest.approx(gap - 2 * 1.645 * WIDTH, abs=0.001)
    assert found.states == (80000, 40000) if gap else sum(found.states) == 120000


def test_the_second_is_the_higher_one() -> None:
    found = one(gaussian(np.random.default_rng(0), 5, 9, -GAP))
    assert (found.first, found.second) == ("tet", "oct")
    assert found.gap.value > 0


def test_errors_are_those_of_snapshots() -> None:
    # every snapshot moves its tetrahedral states together
    rng = np.random.default_rng(1)
    table = gaussian(rng, 50, 30)
    moved = np.repeat(0.03 * rng.normal(size=50), 30) * (table["site"] == "tet")
    found = one(StateTable({**table.columns, "energy": table["energy"] + moved}), samples=1000)
    assert found.gap.std == pytest.approx(0.03 / np.sqrt(50), rel=0.2)


def test_95_percent_of_the_errors_of_the_gap_hold_the_truth() -> None:
    rng = np.random.default_rng(3)
    runs = [one(gaussian(rng, 20, 9), samples=100) for _ in range(120)]
    covered = np.mean([r.gap.low < GAP < r.gap.high for r in runs])
    assert 0.89 < covered <= 0.99  # of 120: 0.95 ± 3 standard deviations


@given(seeds, st.integers(1, 4), st.integers(3, 12))
def test_the_overlap_is_that_of_normalised_histograms(seed: int, snapshots: int, ions: int) -> None:
    rng = np.random.default_rng(seed)
    table = gaussian(rng, snapshots, ions)
    found = one(table)
    above = np.floor((table["energy"] - table["energy"].min()) / 0.005)
    parts = [above[table["site"] == k] for k in ("oct", "tet")]
    p, q = (np.array([(v == b).mean() for b in range(int(above.max()) + 1)]) for v in parts)
    assert found.overlap.value == pytest.approx(np.minimum(p, q).sum())
    assert 0 <= found.overlap.value <= 1 + 1e-12


def test_every_pair_and_temperature_is_told() -> None:
    rng = np.random.default_rng(0)
    tables = [states(rng.normal(size=(4, 9)), t, near_tet=np.arange(36) % 3) for t in (300.0, 400.0)]
    found = contrasts_of(concatenate(tables), by="near_tet", settings=DensitySettings(bootstrap=20))
    assert [c.temperatures for c in found] == 3 * [(300.0, 300.0)] + 3 * [(400.0, 400.0)]
    assert {frozenset((c.first, c.second)) for c in found} == {frozenset(p) for p in ("01", "02", "12")}


def test_errors_that_cannot_be_known_are_not_told() -> None:
    alone = one(gaussian(np.random.default_rng(0), 1, 9))
    assert np.isnan([alone.overlap.std, alone.gap.std, alone.tail_gap.std]).all()
    table = states(np.random.default_rng(0).normal(size=(6, 4)), site=np.array(["tet", *["oct"] * 23]))
    rare = one(table)
    assert np.isnan(
        [rare.overlap.std, rare.gap.std, rare.tail_gap.std]
    ).all()  # many resamplings have no tetrahedral state


@pytest.mark.parametrize("states_each", [60, 600, 6000])
def test_samples_of_one_distribution_overlap_by_what_is_told_for_alike_ones(states_each: int) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        energies = 0.03 * rng.normal(size=(20, 2 * states_each // 20))
        site = np.where(np.arange(2 * states_each) % 2, "tet", "oct")
        found.append(one(states(energies, site=site)))
    assert np.mean([c.alike for c in found]) == pytest.approx(
        np.mean([c.overlap.value for c in found]), abs=0.02
    )


@given(seeds, st.floats(0.0, 0.1))
def test_temperatures_are_told_apart_as_classes_are(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    cold, hot = 0.02 * rng.normal(size=(2, 8, 20))
    hot += shift
    settings = DensitySettings(zero="none", bootstrap=20)
    (found,) = temperature_contrasts_of(concatenate([states(cold, 300.0), states(hot, 400.0)]), settings)
    site = np.repeat(["oct", "tet"], cold.size)
    (expected,) = contrasts_of(states(np.concatenate([cold, hot]), site=site), settings=settings)
    names = {"oct": ("300 K", 300.0), "tet": ("400 K", 400.0)}
    assert ((found.first, found.second), found.temperatures) == tuple(
        zip(names[expected.first], names[expected.second], strict=True)
    )
    for name in ("overlap", "gap", "tail_gap"):
        assert getattr(found, name).value == pytest.approx(getattr(expected, name).value, abs=1e-12)
