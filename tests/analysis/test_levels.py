"""Levels, the groups of snapshots that the bootstrap draws, and how long a memory they allow for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.decorrelation import independent_snapshots
from frustra.analysis.density import DensitySettings, densities_of
from frustra.analysis.levels import (
    LEAST_GROUPS,
    MOST_GROUPS,
    PARTS,
    Levels,
    LevelTable,
    blocked,
    levels_of,
)
from frustra.errors import AnalysisError, DataError
from tests.helpers import seeds, states


def levels(snapshots: int, ions: int, block: int = 1, temperature: float = 300.0) -> Levels:
    frame = np.repeat(np.arange(snapshots), ions)
    return Levels(temperature, np.zeros(frame.size), np.zeros(frame.size, int), frame, block)


@given(st.integers(1, 700), st.integers(1, 3), st.integers(1, 50))
def test_groups_are_neighbouring_snapshots_whole(snapshots: int, ions: int, block: int) -> None:
    one = levels(snapshots, ions, block)
    group, count = one.groups()
    assert count == group.max() + 1 <= MOST_GROUPS
    assert (np.diff(group) >= 0).all()
    assert (group.reshape(snapshots, ions) == group[::ions][:, None]).all()
    sizes = np.bincount(group[::ions])
    assert count == 1 or sizes.min() >= block
    assert len(set(sizes[:-1].tolist())) <= 1


@given(st.integers(1, 200))
def test_states_of_unknown_snapshots_are_divided_in_their_order(count: int) -> None:
    group, groups = Levels(300.0, np.zeros(count), np.zeros(count, int), None).groups()
    assert groups == min(PARTS, count)
    assert (np.diff(group) >= 0).all()
    assert np.ptp(np.bincount(group)) <= 1


def test_sums_are_those_of_each_snapshot() -> None:
    energies = np.random.default_rng(0).normal(size=(5, 7))
    one = levels_of(states(energies)).levels[0]
    np.testing.assert_allclose(one.sums(), energies.sum(axis=1))
    assert Levels(300.0, energies.ravel(), np.zeros(35, int), None).sums() is None
    uneven = Levels(300.0, np.zeros(3), np.zeros(3, int), np.array([0, 0, 1]))
    assert uneven.sums() is None


def test_what_is_no_table_of_levels_is_refused() -> None:
    with pytest.raises(AnalysisError, match="no states at 300 K"):
        Levels(300.0, np.zeros(0), np.zeros(0, int), None)
    with pytest.raises(DataError, match="not finite"):
        Levels(300.0, np.array([np.nan]), np.zeros(1, int), None)
    with pytest.raises(AnalysisError, match="no states"):
        LevelTable("Li", ())
    with pytest.raises(AnalysisError, match="do not rise"):
        LevelTable("Li", (levels(2, 2), levels(2, 2)))


def test_one_arrangement_is_told_as_such() -> None:
    energies = np.random.default_rng(0).normal(size=(40, 5))
    table = levels_of(states(energies, place=np.tile(np.arange(5), 40)))
    assert table.levels[0].block == 40 // LEAST_GROUPS
    assert any("no ion changed its site" in note for note in table.notes)
    free = levels_of(states(energies))
    assert free.levels[0].block == 1
    assert not free.notes


@given(seeds)
def test_blocks_follow_the_memory_that_is_told(seed: int) -> None:
    energies = np.random.default_rng(seed).normal(size=(20, 3))
    table = states(energies)
    found = independent_snapshots(table)
    again = blocked(levels_of(table), found)
    assert [one.block for one in again.levels] == [one.block for one in levels_of(table).levels]


def test_intervals_hold_though_snapshots_remember_one_another() -> None:
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shared = np.zeros(200)
        for k in range(1, 200):
            shared[k] = 0.5 * shared[k - 1] + np.sqrt(0.75) * rng.normal()
        energies = 0.01 * shared[:, None] + 0.001 * rng.normal(size=(200, 4))
        table = states(energies, place=np.full(800, -1))  # their energies alone tell the memory
        (density,) = densities_of(table, DensitySettings(zero="none", bootstrap=60))
        held.append(density.mean.low < 0 < density.mean.high)
    assert np.mean(held) > 0.83  # of 60: 0.93 − 3 standard deviations; without blocks it is 0.78
