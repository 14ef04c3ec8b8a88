"""Planted configurations are found with their frequencies and energies; errors are those of snapshots."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.configurations import Configuration, Configurations, configurations_of
from frustra.analysis.tabulate import tabulate
from frustra.errors import AnalysisError
from frustra.io import read_structure
from frustra.plots.configurations import plot_configuration, plot_configurations
from frustra.sites import sites_of
from frustra.states import StateTable, concatenate
from frustra.stats import bootstrap
from tests.helpers import LYC, seeds, snapshots, states

LEVELS = np.array([-3.0, -2.9, -2.75])
CRYSTAL = read_structure(LYC)


def planted(rng: np.random.Generator, frames: int, ions: int, common: float = 0.0) -> StateTable:
    """Return states of three configurations, told by `near_tet`, whose snapshots differ by `common` eV.

    How frequent each is differs from snapshot to snapshot too.
    """
    shares = rng.dirichlet([6, 3, 1.5], frames)
    kind = np.array([rng.choice(3, ions, p=p) for p in shares])
    energies = LEVELS[kind] + common * rng.normal(size=(frames, 1)) + 0.01 * rng.normal(size=kind.shape)
    return states(energies, near_tet=kind.ravel())


def by_tet(found: Configurations) -> list[Configuration]:
    return sorted(found.found, key=lambda c: c.values["near_tet"])


def test_planted_configurations_are_found_with_their_numbers() -> None:
    table = planted(np.random.default_rng(0), 30, 40)
    found = configurations_of(table)
    energies = table["energy"] - table["energy"].min()
    assert (found.temperature, found.states, found.snapshots) == (300.0, 1200, 30)
    assert found.zero == table["energy"].min()
    assert [c.states for c in found.found] == sorted((c.states for c in found.found), reverse=True)
    assert sum(c.fraction for c in found.found) == pytest.approx(1)
    for k, c in enumerate(by_tet(found)):
        rows = np.flatnonzero(table["near_tet"] == k)
        assert c.values == {**c.values, "label": "oct", "near_tet": k, "near_oct": 0, "anions": "Cl6"}
        assert (c.states, c.fraction) == (len(rows), pytest.approx(len(rows) / 1200))
        assert c.snapshots == len(np.unique(table["snapshot"][rows]))
        assert c.mean == pytest.approx(energies[rows].mean())
        assert c.spread == pytest.approx(energies[rows].std(ddof=1))
        nearest = rows[np.abs(energies[rows] - c.mean).argmin()]
        assert (c.run, c.snapshot, c.ion) == tuple(table[n][nearest] for n in ("run", "snapshot", "ion"))
        assert c.energy == pytest.approx(energies[nearest])


def test_the_extreme_ones_must_be_frequent_enough() -> None:
    kind = np.array([0] * 30 + [1] * 20 + [2] * 9 + [3] * 1)
    table = states(np.array([[-1.0, -2.0, -3.0, -9.0]])[:, kind], near_tet=kind)
    found = configurations_of(table)
    tets = [
        [c.values["near_tet"] for c in f] for f in (found.lowest(9), found.highest(1), found.lowest(1, 1))
    ]
    assert tets == [[1, 0], [0], [3]]
    assert [c.values["near_tet"] for c in found.most_frequent(3)] == [0, 1, 2]


def test_errors_are_those_of_a_bootstrap_over_snapshots() -> None:
    table = planted(np.random.default_rng(1), 60, 30, common=0.02)
    frame, kind, energies = table["snapshot"], table["near_tet"], table["energy"]

    def statistic(weights: np.ndarray) -> np.ndarray:
        w = weights[frame]
        counts = np.bincount(kind, w, 3)
        return np.concatenate([counts / counts.sum(), np.bincount(kind, w * energies, 3) / counts])

    expected = bootstrap(60, statistic, np.random.default_rng(0), 4000)
    found = by_tet(configurations_of(table))
    ours = [c.fraction_std for c in found] + [c.mean_std for c in found]
    np.testing.assert_allclose(ours, expected, rtol=0.05)


def test_95_percent_of_the_errors_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    runs = [by_tet(configurations_of(planted(rng, 40, 20, 0.02), zero=0.0)) for _ in range(150)]
    shares = np.array([6, 3, 1.5]) / 10.5
    off = [[(c.fraction - p) / c.fraction_std for c, p in zip(r, shares, strict=True)] for r in runs]
    off += [[(c.mean - e) / c.mean_std for c, e in zip(r, LEVELS, strict=True)] for r in runs]
    covered = (np.abs(off) < 1.96).mean()
    assert 0.92 < covered < 0.97


@given(seeds, st.integers(2, 6), st.integers(1, 12))
def test_the_order_of_the_rows_changes_nothing(seed: int, frames: int, ions: int) -> None:
    rng = np.random.default_rng(seed)
    table = planted(rng, frames, ions)
    one, other = configurations_of(table), configurations_of(table.select(rng.permutation(len(table))))
    assert {str(c.values): (c.states, c.snapshot, c.ion) for c in one.found} == {
        str(c.values): (c.states, c.snapshot, c.ion) for c in other.found
    }
    for a, b in zip(by_tet(one), by_tet(other), strict=True):
        numbers = [(c.mean, c.mean_std, c.spread, c.fraction_std) for c in (a, b)]
        np.testing.assert_allclose(*numbers, atol=1e-12)


def test_what_a_single_snapshot_cannot_tell_is_not_told() -> None:
    (only,) = configurations_of(states(np.array([[-1.0, -1.2]]))).found
    assert np.isnan([only.fraction_std, only.mean_std]).all()
    assert only.spread == pytest.approx(0.2 / np.sqrt(2))
    rare = states(np.full((5, 3), -1.0), near_tet=np.arange(15) == 7)
    single = configurations_of(rare).found[1]
    assert np.isnan([single.mean_std, single.spread]).all()
    assert single.fraction_std == pytest.approx(1 / 15)  # one of five snapshots has it: √(5/4 · 4/5)/15


def test_snapshots_that_did_not_converge_are_left_out() -> None:
    converged = np.arange(12) < 8
    found = configurations_of(states(np.arange(12.0).reshape(3, 4), converged=converged))
    assert (found.states, found.snapshots) == (8, 2)


def test_snapshots_of_several_runs_are_told_apart() -> None:
    tables = [states(np.full((3, 2), -1.0), run=np.full(6, k)) for k in range(2)]
    assert configurations_of(concatenate(tables)).snapshots == 6


def test_other_columns_make_other_configurations() -> None:
    table = states(np.arange(12.0).reshape(3, 4), layer=np.tile([0, 0, 1, 1], 3))
    assert len(configurations_of(table).found) == 1
    assert [c.values for c in configurations_of(table, by=("layer",)).found] == [{"layer": 0}, {"layer": 1}]
    with pytest.raises(AnalysisError, match="whole numbers"):
        configurations_of(table, by=("nearest_ion",))


def test_temperatures_are_not_mixed() -> None:
    table = concatenate([states(np.ones((2, 2)), t) for t in (300.0, 400.0)])
    with pytest.raises(AnalysisError, match="2 temperatures"):
        configurations_of(table)


@pytest.fixture(scope="module")
def drawn() -> Any:
    """Return snapshots of the published cell with a Li in a tetrahedron, its sites and configurations."""
    sites = sites_of(CRYSTAL, ["Cl"], "Li")
    atoms = CRYSTAL.copy()
    free = np.flatnonzero((sites.kind == "tet") & (sites.label != "tet: 1 Y face") & sites.open)
    atoms.positions[np.flatnonzero(atoms.symbols == "Li")[0]] = sites.positions[free[0]]
    record = snapshots(atoms, 4)
    return configurations_of(tabulate(record, "Li", sites=sites)), record, sites


def test_a_figure_tells_energy_frequency_and_what_is_around(drawn: Any) -> None:
    found, record, sites = drawn
    (tet,) = (c for c in found.found if str(c.values["label"]).startswith("tet"))
    ax = plot_configuration(tet, [record], sites)
    assert 10 < 1e3 * tet.mean_std < 1000
    assert ax.get_title() == f"{1e3 * tet.mean:.0f} ± {1e3 * tet.mean_std:.0f} meV · 11 %"
    precise = replace(tet, mean=0.0123456, mean_std=0.00034)
    assert plot_configuration(precise, [record], sites).get_title().startswith("12.3 ± 0.3 meV")
    single = replace(tet, mean=0.0123456, mean_std=np.nan)
    assert plot_configuration(single, [record], sites).get_title().startswith("12 meV")
    (told,) = (t.get_text() for t in ax.texts if "near" in t.get_text())
    assert told.startswith("Li in tet; near: ")
    assert f"{tet.values['near_oct']} Li in oct" in told
    assert f"{tet.values['vacant_oct']} oct, {tet.values['vacant_tet']} tet" in told
    dashed = [s for s in ax.collections[0].get_linestyles() if s[1] is not None]
    assert len(dashed) == sum(tet.values[f"vacant_{k}"] for k in ("oct", "tet", "other"))


def test_the_figure_has_a_row_for_each_extreme(drawn: Any) -> None:
    found, record, sites = drawn
    axes = plot_configurations(found, [record], sites, count=2, least=4)
    assert len(axes) == 6
    titles = [
        f"{1e3 * c.mean:.0f}" for c in (*found.most_frequent(2), *found.lowest(2, 4), *found.highest(2, 4))
    ]
    assert [f"{float(ax.get_title().split(' ')[0]):.0f}" for ax in axes] == titles
    names = [t.get_text() for t in axes[0].figure.legends[0].get_texts()]
    assert names[:2] == ["Li in oct", "Li in tet"]
    assert {"empty oct", "empty tet", "Cl"} <= set(names)
