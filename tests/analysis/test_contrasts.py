"""Gaps and overlaps of distributions whose own are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from frustra.analysis.contrasts import Contrast, contrasts_of
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
    assert found.overlap == pytest.approx(2 * norm.cdf(-gap / (2 * WIDTH)), abs=0.015)
    assert found.gap == pytest.approx(gap, abs=0.0003)
    # the 5 and 95 % quantiles of a Gaussian are 1.645 standard deviations from its mean
    assert found.tail_gap == pytest.approx(gap - 2 * 1.645 * WIDTH, abs=0.001)
    assert found.states == (80000, 40000) if gap else sum(found.states) == 120000


def test_the_second_is_the_higher_one() -> None:
    found = one(gaussian(np.random.default_rng(0), 5, 9, -GAP))
    assert (found.first, found.second) == ("tet", "oct")
    assert found.gap > 0


def test_errors_are_those_of_snapshots() -> None:
    # every snapshot moves its tetrahedral states together
    rng = np.random.default_rng(1)
    table = gaussian(rng, 50, 30)
    moved = np.repeat(0.03 * rng.normal(size=50), 30) * (table["site"] == "tet")
    found = one(StateTable({**table.columns, "energy": table["energy"] + moved}), samples=1000)
    assert found.std["gap"] == pytest.approx(0.03 / np.sqrt(50), rel=0.2)


def test_95_percent_of_the_errors_of_the_gap_hold_the_truth() -> None:
    rng = np.random.default_rng(3)
    runs = [one(gaussian(rng, 20, 9), samples=100) for _ in range(120)]
    covered = np.mean([abs(r.gap - GAP) < 1.96 * r.std["gap"] for r in runs])
    assert 0.88 < covered <= 0.98  # of 20 snapshots the bootstrap is narrower by √(19/20)


@given(seeds, st.integers(1, 4), st.integers(3, 12))
def test_the_overlap_is_that_of_normalised_histograms(seed: int, snapshots: int, ions: int) -> None:
    rng = np.random.default_rng(seed)
    table = gaussian(rng, snapshots, ions)
    found = one(table)
    above = np.floor((table["energy"] - table["energy"].min()) / 0.005)
    parts = [above[table["site"] == k] for k in ("oct", "tet")]
    p, q = (np.array([(v == b).mean() for b in range(int(above.max()) + 1)]) for v in parts)
    assert found.overlap == pytest.approx(np.minimum(p, q).sum())
    assert 0 <= found.overlap <= 1 + 1e-12


def test_every_pair_and_temperature_is_told() -> None:
    rng = np.random.default_rng(0)
    tables = [states(rng.normal(size=(4, 9)), t, near_tet=np.arange(36) % 3) for t in (300.0, 400.0)]
    found = contrasts_of(concatenate(tables), by="near_tet", settings=DensitySettings(bootstrap=20))
    assert [c.temperature for c in found] == 3 * [300.0] + 3 * [400.0]
    assert {frozenset((c.first, c.second)) for c in found} == {frozenset(p) for p in ("01", "02", "12")}


def test_errors_that_cannot_be_known_are_not_told() -> None:
    alone = one(gaussian(np.random.default_rng(0), 1, 9))
    assert np.isnan(list(alone.std.values())).all()
    table = states(np.random.default_rng(0).normal(size=(6, 4)), site=np.array(["tet", *["oct"] * 23]))
    assert np.isnan(list(one(table).std.values())).all()  # many resamplings have no tetrahedral state
