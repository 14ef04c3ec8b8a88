from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, pearsonr, spearmanr

from frustra.analysis.agreement import Agreement
from frustra.analysis.contrasts import contrasts_of
from frustra.analysis.density import DensitySettings, densities_of
from frustra.analysis.model_error import (
    TOTAL,
    ModelComparison,
    ModelStates,
    compare_models,
)
from frustra.analysis.spread import ModelNumber, Spread
from frustra.errors import AnalysisError, DataError
from frustra.plots.models import plot_models
from frustra.states import StateTable, concatenate
from tests.helpers import seeds, states

QUICK = DensitySettings(bootstrap=20)
OCT, TET = 0, 1


def two_levels(
    seed: int, gap: float = 0.1, snapshots: int = 20, ions: int = 12, temperatures: tuple[float, ...] = (300,)
) -> StateTable:
    """Return ions in oct sites and a third of them in tet sites `gap` (eV) above, as Gaussians of 10 meV."""
    rng = np.random.default_rng(seed)
    site = np.tile(np.where(np.arange(ions) % 3 == 0, "tet", "oct"), snapshots)
    tables = []
    for t in temperatures:
        energies = rng.normal(-3, 0.01, (snapshots, ions)) + gap * (site == "tet").reshape(snapshots, ions)
        place = rng.random((snapshots, 4 * ions)).argsort(axis=1)[:, :ions].ravel()  # all snapshots differ
        tables.append(states(energies, t, site=site, place=place))
    return concatenate(tables)


def frames_of(table: StateTable) -> int:
    pairs = {*zip(table["temperature"].tolist(), table["snapshot"].tolist(), strict=True)}
    return len(pairs)


def model(name: str, table: StateTable, energy: np.ndarray, total: np.ndarray | None = None) -> ModelStates:
    zeros = np.zeros(frames_of(table)) if total is None else total
    return ModelStates(name, energy, np.ones(len(table), bool), zeros)


def number(found: ModelComparison, name: str, temperature: float = 300.0) -> ModelNumber:
    return next(n for n in found.numbers if n.name == name and n.temperature == temperature)


def only(found: tuple[Agreement, ...]) -> Agreement:
    (one,) = found
    return one


@settings(max_examples=15)
@given(seeds, st.lists(st.floats(-5, 5), min_size=1, max_size=3))
def test_models_that_differ_by_a_constant_tell_the_same(seed: int, constants: list[float]) -> None:
    table = two_levels(seed, snapshots=4, ions=6, temperatures=(300, 600))
    others = [model(str(i), table, table["energy"] + c) for i, c in enumerate(constants)]
    found = compare_models(table, [model("own", table, table["energy"]), *others], QUICK)
    assert found.shifts == pytest.approx([0, *constants], abs=1e-12)
    for n in found.numbers:
        # a level on the edge of a bin may fall to either side
        apart = (
            0.51 if n.name in {"entropy", "bands", "within kT of the median"} or "overlap" in n.name else 2e-3
        )
        assert n.at.spread <= apart
    for a in found.states:
        assert a.pearson.value == pytest.approx(1)
        assert a.rms.value == pytest.approx(0, abs=1e-12)
        assert a.slope.value == pytest.approx(1)


def test_without_an_other_model_the_numbers_are_those_of_the_density() -> None:
    table = two_levels(0, temperatures=(300, 600))
    same = [model(name, table, table["energy"]) for name in ("own", "twin")]
    found = compare_models(table, same, QUICK, rng=np.random.default_rng(3))
    for density in densities_of(table, QUICK):
        t = density.temperature
        for name, value in (("mean", density.mean), ("entropy", density.entropy), ("IQR", density.iqr)):
            n = number(found, name, t)
            assert n.at.value == pytest.approx(value.value, abs=1e-9)
            assert n.at.values[1] == n.at.value
            assert n.at.error > 0
        drawn = found.densities[[300, 600].index(t)]
        for site, values in density.parts.items():
            of_model = drawn.parts[site]
            assert of_model.sum() == pytest.approx(2 * values.sum())
            assert of_model[0].max() == pytest.approx(values.max())
    for contrast in contrasts_of(table, "site", QUICK):
        assert number(found, "gap oct → tet", contrast.temperatures[0]).at.value == pytest.approx(
            contrast.gap.value
        )


@settings(max_examples=15)
@given(st.floats(-0.15, 0.15))
def test_energy_that_a_model_moves_from_neighbours_to_tet_ions_moves_the_gap_by_as_much(moved: float) -> None:
    table = two_levels(1)
    tet = table["site"] == "tet"
    shared = table["energy"] + np.where(tet, moved, 0.0)  # the anions around have it less: totals stay
    total = np.random.default_rng(0).normal(0.02, 0.003, frames_of(table))
    pair = [model("own", table, table["energy"], total), model("other", table, shared, total)]
    found = compare_models(table, pair, QUICK)
    gap = number(found, "gap oct → tet").at
    assert gap.values[1] - gap.values[0] == pytest.approx(moved, abs=1e-9)
    assert gap.spread == pytest.approx(abs(moved) / np.sqrt(2), abs=1e-9)
    assert gap.unsure == (abs(gap.value) < np.sqrt(2) * abs(moved))
    assert only(found.totals).pearson.value == pytest.approx(1)
    assert only(found.totals).rms.value == pytest.approx(0, abs=1e-12)
    share = tet.mean()
    rms = abs(moved) * np.sqrt(share * (1 - share))  # of a step, less its mean
    assert only(found.states).rms.value == pytest.approx(rms, abs=1e-9)
    assert only(found.states).within.value == pytest.approx(1)
    assert number(found, TOTAL).at.spread == pytest.approx(0)


def test_the_spread_of_gap_and_overlap_of_gaussians_is_that_of_their_closed_forms() -> None:
    gaps, width = np.array([0.03, 0.04, 0.02]), 0.01
    table = two_levels(2, gap=gaps[0], snapshots=400, ions=60)
    tet = table["site"] == "tet"
    others = [model(str(g), table, table["energy"] + np.where(tet, g - gaps[0], 0)) for g in gaps[1:]]
    found = compare_models(table, [model("own", table, table["energy"]), *others], DensitySettings(bin=0.001))
    gap, overlap = number(found, "gap oct → tet").at, number(found, "overlap oct → tet").at
    assert gap.spread == pytest.approx(0.01)
    assert gap.range == pytest.approx((gap.value - 0.01, gap.value + 0.01))
    truth = 2 * norm.cdf(-gaps / (2 * width))
    assert overlap.values == pytest.approx(truth, abs=0.02)
    assert overlap.spread == pytest.approx(truth.std(ddof=1), abs=0.02)
    assert not gap.unsure


def test_a_number_is_unsure_below_twice_the_spread_and_sure_from_there_on() -> None:
    members = np.ones(3, bool)
    for value, unsure in ((2.0, False), (1.999, True), (-2.0, False), (-1.999, True), (0.0, True)):
        found = Spread(value + np.array([0.0, 1.0, -1.0]), 0.1, members)
        assert found.spread == pytest.approx(1, abs=1e-15)
        assert found.unsure is unsure
    assert not Spread(np.zeros(3), 0.1, members).unsure
    assert Spread(np.array([5.0, 5.0, 5.0]), 0.1, members).range == (5.0, 5.0)
    assert Spread(np.array([5.0, np.nan, 5.0]), 0.1, members).unsure


def test_a_gap_of_the_other_sign_has_an_error_like_any_other() -> None:
    table = two_levels(9, gap=-0.1)
    found = compare_models(table, [model(name, table, table["energy"]) for name in ("own", "twin")], QUICK)
    gap = number(found, "gap oct → tet").at
    assert gap.value == pytest.approx(-0.1, abs=0.01)
    assert 0 < gap.error < 0.01


def test_the_mean_of_a_committee_does_not_count_beside_its_members() -> None:
    table = two_levels(3)
    tet = table["site"] == "tet"
    low, high = (table["energy"] + np.where(tet, d, 0.0) for d in (-0.02, 0.02))
    own = replace(model("committee", table, (low + high) / 2), member=False)
    found = compare_models(table, [own, model("a", table, low), model("b", table, high)], QUICK)
    assert number(found, "gap oct → tet").at.spread == pytest.approx(0.04 / np.sqrt(2))
    with pytest.raises(AnalysisError, match="two or more"):
        compare_models(table, [own, model("a", table, low)], QUICK)


def test_states_that_an_ion_left_count_for_no_model_and_are_told() -> None:
    table = two_levels(4, snapshots=10, ions=6, temperatures=(300, 600))
    rng = np.random.default_rng(0)
    left = rng.random(len(table)) < 0.05
    wild = table["energy"] + np.where(left, 50.0, 0.0)
    other = replace(model("other", table, wild), same=~left)
    found = compare_models(table, [model("own", table, table["energy"]), other], QUICK)
    assert found.shifts == pytest.approx([0, 0], abs=1e-9)
    assert sum(s.states - s.same for s in found.survivors) == left.sum()
    whole = [
        not left[(table["temperature"] == t) & (table["snapshot"] == k)].any()
        for t in (300, 600)
        for k in range(10)
    ]
    assert [s.whole for s in found.survivors] == [sum(whole[:10]), sum(whole[10:])]
    assert [a.points for a in found.totals] == [s.whole for s in found.survivors]
    nothing = replace(other, same=np.zeros(len(table), bool))
    with pytest.raises(AnalysisError, match="no state that is the same"):
        compare_models(table, [model("own", table, table["energy"]), nothing], QUICK)


@settings(max_examples=15)
@given(seeds)
def test_correlation_slope_and_difference_are_those_of_scipy(seed: int) -> None:
    table = two_levels(seed, snapshots=6, ions=6)
    rng = np.random.default_rng(seed)
    theirs = 0.8 * table["energy"] + rng.normal(0, 0.02, len(table))
    found = compare_models(
        table, [model("own", table, table["energy"]), model("other", table, theirs)], QUICK
    )
    x, y = table["energy"], theirs
    alike = only(found.states)
    assert alike.pearson.value == pytest.approx(pearsonr(x, y).statistic)
    assert alike.spearman.value == pytest.approx(spearmanr(x, y).statistic)
    assert alike.slope.value == pytest.approx(np.polyfit(x, y, 1)[0])
    assert alike.rms.value == pytest.approx(np.std(y - x))
    assert alike.points == len(table)


def test_changes_are_taken_from_the_coldest_temperature() -> None:
    cold, hot = two_levels(5, temperatures=(300,)), two_levels(6, temperatures=(600,))
    table = concatenate([cold, hot])
    theirs = table["energy"] + np.where(table["temperature"] == 600, 0.03, 0.0)
    found = compare_models(
        table, [model("own", table, table["energy"]), model("other", table, theirs)], QUICK
    )
    assert number(found, "mean").change is None
    change = number(found, "mean", 600).change
    assert change is not None
    assert change.values[1] - change.values[0] == pytest.approx(0.03)
    errors = [number(found, "mean", t).at.error for t in (300, 600)]
    assert change.error == pytest.approx(np.hypot(*errors))
    assert change.unsure


def test_the_error_of_a_correlation_holds_the_truth() -> None:
    rho, inside, trials = 0.6, 0, 30
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        place = rng.random((40, 40)).argsort(axis=1)[:, :10].ravel()
        table = states(rng.normal(-3, 0.02, (40, 10)), place=place)
        y = rho * (table["energy"] + 3) + np.sqrt(1 - rho**2) * rng.normal(0, 0.02, len(table))
        pair = [model("own", table, table["energy"]), model("other", table, y)]
        found = only(compare_models(table, pair, DensitySettings(bootstrap=50)).states).pearson
        inside += found.low <= rho <= found.high
    assert inside / trials >= 0.8


def test_models_of_other_states_are_refused() -> None:
    table = two_levels(7)
    own = model("own", table, table["energy"])
    with pytest.raises(DataError, match="those of the reference"):
        compare_models(table, [own, model("other", table, table["energy"][:-1])], QUICK)


def test_the_figure_shows_every_temperature() -> None:
    table = two_levels(8, temperatures=(300, 600))
    found = compare_models(
        table, [model("own", table, table["energy"]), model("other", table, table["energy"] * 1.01)], QUICK
    )
    axes = plot_models(found)
    assert [ax.texts[0].get_text() for ax in axes] == ["600 K", "300 K"]
    low, high = axes[0].get_xlim()
    assert low < 0
    assert high > 100
