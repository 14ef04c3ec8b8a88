"""Transitions against walks whose levels are known, closed forms, and runs that break detailed balance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.hops import Hops, HopSettings, hops_of
from frustra.analysis.transitions.balance import balance_of
from frustra.analysis.transitions.choice import ChosenHops, choose_hops, classes_of
from frustra.analysis.transitions.joint import common_edges, joint_density
from frustra.analysis.transitions.shares import shares_of
from frustra.analysis.transitions.survey import survey_transitions
from frustra.analysis.transitions.table import REASONS, tabulate_transitions
from frustra.analysis.transitions.ways import Ways, ways_of
from frustra.errors import AnalysisError, DataError
from frustra.sites import Sites
from frustra.snapshots import Snapshots
from frustra.transitions import COLUMNS, Transitions, no_transitions, stacked
from frustra.visits import Visits
from tests.analysis.walkers import chain, jumps, on_chain, sampled
from tests.helpers import seeds, snapshots

SITES = 20
LEVELS = np.array([-3.0, -2.9])
"""eV: the energy of an ion in an even (oct) and an odd (tet) site."""


def walk(
    seed: int = 1, ions: int = 12, duration: float = 60.0, rates: tuple[float, float] = (0.4, 0.8)
) -> tuple[np.ndarray, Sites, Visits, Hops]:
    """Return the places of a walk on a chain, its sites, visits and hops."""
    rng = np.random.default_rng(seed)
    frames = int(duration / 0.1)
    place = sampled(jumps(rng, rates, duration, ions), 0.1, frames)
    visits = on_chain(place, SITES, ions=np.arange(ions))
    return place, chain(SITES), visits, hops_of(visits, chain(SITES), HopSettings())


def relaxed_at(place: np.ndarray, frames: np.ndarray, shift: float = 0.0) -> Snapshots:
    """Return frames in which each ion has the energy of its place, and two framework atoms share −ΣE_i/2.

    So a hop by one level costs the cell half of what the ion gains.
    """
    ions = place.shape[1]
    energy = LEVELS[place[frames] % 2] + shift
    frame = -0.5 * energy.sum(axis=1, keepdims=True) / 2 * np.ones((1, 2))
    atomic = np.concatenate([energy, frame], axis=1)
    count, atoms = len(frames), ions + 2
    positions = np.zeros((count, atoms, 3))
    positions[:, :ions, 2] = 2.0 * (place[frames] + 0.5)
    crystal = Atoms("Li" * ions + "Cl2", positions[0], cell=np.eye(3) * 40, pbc=True)
    return snapshots(crystal, count, atomic, positions=positions, time=frames * 0.1, temperature=600.0)


def of_frames(visits: Visits, frames: np.ndarray) -> Visits:
    return replace(visits, site=visits.site[frames], image=visits.image[frames], torn=visits.torn[frames])


def tabulated(seed: int = 1, count: int = 40, **options: Any) -> tuple[Transitions, ChosenHops, Hops]:
    place, sites, visits, hops = walk(seed, **options)
    chosen = choose_hops(hops, visits, sites, count, np.random.default_rng(seed))
    relaxed, places = relaxed_at(place, chosen.frames), of_frames(visits, chosen.frames)
    none = np.zeros(0, int)
    return tabulate_transitions(chosen, hops, sites, relaxed, places, none), chosen, hops


def made(
    before: np.ndarray, after: np.ndarray, pathway: np.ndarray | str = "oct–oct", **changes: Any
) -> Ways:
    """Return ways between energies, each of an ion of its own."""
    n = len(before)
    fields: dict[str, Any] = {
        "pathway": np.broadcast_to(pathway, n), "direction": np.full(n, ""), "before": before,
        "middle": np.full((n, 2), np.nan), "after": after, "weight": np.ones(n), "group": np.arange(n),
    }  # fmt: skip
    return Ways(**{**fields, **changes})


def rows(n: int, **columns: Any) -> Transitions:
    """Return single oct–oct hops of different ions without energies."""
    values: dict[str, Any] = {c.name: np.zeros(n, dtype=c.dtype) for c in COLUMNS}
    values |= {
        "temperature": np.full(n, 600.0), "ion": np.arange(n), "weight": np.ones(n),
        "chain": np.full(n, -1), "via": np.full(n, -1), "pathway": np.full(n, "oct–oct"),
        "origin_kind": np.full(n, "oct"), "target_kind": np.full(n, "oct"),
        "ok": np.ones(n, bool), "alone_ok": np.ones(n, bool), "converged": np.ones(n, bool),
    }  # fmt: skip
    return Transitions({**values, **columns})


def split(total: np.ndarray, ion: np.ndarray, others: np.ndarray, **columns: Any) -> Transitions:
    """Return single hops with changes of the total energy, that of the ion and that of the others."""
    return rows(len(total), total_alone=total, energy_alone=ion, others_alone=others, **columns)


# Which hops, in which frames


def test_chosen_frames_lie_where_the_ion_is_settled() -> None:
    _, sites, visits, hops = walk()
    chosen = choose_hops(hops, visits, sites, 60, np.random.default_rng(0))
    assert len(chosen) > 50
    for row, before, after in zip(chosen.rows, chosen.before, chosen.after, strict=True):
        column = hops.ion[row]
        assert hops.left[row] - 2 * hops.settle <= before <= hops.left[row]
        assert hops.arrived[row] <= after < hops.arrived[row] + hops.settle
        assert visits.site[before, column] == hops.origin[row]
        assert visits.site[after, column] == hops.target[row]
    assert hops.lasting[chosen.rows].all()


def test_rare_classes_are_present_and_the_number_is_kept() -> None:
    _, sites, visits, hops = walk(rates=(0.05, 2.0), duration=200.0, ions=6)
    classes = classes_of(hops, sites)[hops.lasting]
    assert len(np.unique(classes)) >= 2
    for count in (0, 1, 5, 8, 12, 30, 10_000):
        chosen = choose_hops(hops, visits, sites, count, np.random.default_rng(0))
        assert len(chosen) <= count
        if count >= 2 * len(chosen.lasting):
            assert set(classes_of(hops, sites)[chosen.rows]) == set(classes)
    assert len(chosen) == hops.lasting.sum()  # all of them
    assert (chosen.weight == 1).all()
    assert sum(chosen.lasting.values()) == hops.lasting.sum()


def test_weighted_sums_over_chosen_hops_are_unbiased() -> None:
    _, sites, visits, hops = walk(ions=4, duration=40.0)
    value = np.sin(hops.left.astype(float))
    exact = np.array([value[hops.lasting].sum(), hops.lasting.sum()])
    sums = []
    for seed in range(400):
        chosen = choose_hops(hops, visits, sites, 12, np.random.default_rng(seed))
        sums.append([chosen.weight @ value[chosen.rows], chosen.weight.sum()])
    error = np.std(sums, axis=0) / np.sqrt(len(sums))
    np.testing.assert_array_less(np.abs(np.mean(sums, axis=0) - exact), 3.5 * error + 1e-9)


def test_halves_of_a_way_are_chosen_together_and_follow_upon_each_other() -> None:
    _, sites, visits, hops = walk(rates=(0.3, 1.0))
    chosen = choose_hops(hops, visits, sites, 30, np.random.default_rng(3))
    pairs = [np.flatnonzero(chosen.chain == k) for k in range(chosen.chain.max() + 1)]
    assert len(pairs) > 3
    for one, other in pairs:
        first, second = chosen.rows[[one, other]]
        assert hops.ion[first] == hops.ion[second]
        assert hops.target[first] == hops.origin[second]
        assert sites.kind[[hops.origin[first], hops.target[first], hops.target[second]]].tolist() == [
            "oct", "tet", "oct"
        ]  # fmt: skip
        assert chosen.weight[one] == chosen.weight[other]


def test_the_same_frames_serve_a_run_and_its_reverse() -> None:
    place, sites, _, _ = walk(ions=5)
    frames, last = [], len(place) - 1
    for places, turned in ((place, False), (place[::-1], True)):
        visits = on_chain(places, SITES, ions=np.arange(5))
        hops = hops_of(visits, sites, HopSettings())
        chosen = choose_hops(hops, visits, sites, 10_000, np.random.default_rng(0))
        pairs = np.stack([chosen.before, chosen.after], axis=1)
        pairs = last - pairs[:, ::-1] if turned else pairs
        frames.append({(int(i), *map(int, p)) for i, p in zip(hops.ion[chosen.rows], pairs, strict=True)})
    # which hops of a chain to and fro last depends on the direction of time
    assert len(frames[0] & frames[1]) > 0.8 * max(map(len, frames)) > 20


# The table


def test_energies_of_a_two_level_walk() -> None:
    table, chosen, _ = tabulated()
    assert len(table) == len(chosen) > 30
    assert table["ok"].all()
    step = np.where(table["origin_kind"] == "oct", 1, -1) * np.diff(LEVELS)[0]
    direct = table["origin_kind"] != table["target_kind"]
    np.testing.assert_allclose(table["energy_after"] - table["energy_before"], step * direct, atol=1e-12)
    single = table["companions"] == 0
    assert single.sum() > 5
    np.testing.assert_array_equal(single, table["alone_ok"])
    np.testing.assert_allclose(table.alone_change("total")[single], (step * direct)[single] / 2, atol=1e-9)
    np.testing.assert_allclose(table.alone_change("others")[single], 0, atol=1e-9)
    assert np.isnan(table.alone_change("total")[~single]).all()
    np.testing.assert_allclose(table["distance"], 2.0 * np.abs(table["target"] - table["origin"]
                               + SITES * table["shift_c"]))  # fmt: skip


def test_companions_are_counted_by_hand() -> None:
    place, _, _, _ = walk()
    table, chosen, _ = tabulated()
    for k in range(len(table)):
        moved = place[chosen.before[k]] != place[chosen.after[k]]
        assert table["companions"][k] == moved.sum() - 1
    assert (table["companions"] > 0).any()


@pytest.mark.parametrize(("what", "column"), [("origin", "before"), ("target", "after")])
def test_an_ion_that_relaxed_elsewhere_is_kept_with_a_reason(what: str, column: str) -> None:
    place, sites, visits, hops = walk()
    chosen = choose_hops(hops, visits, sites, 12, np.random.default_rng(1))
    places = of_frames(visits, chosen.frames)
    frame, ion = np.searchsorted(chosen.frames, getattr(chosen, column)[0]), hops.ion[chosen.rows[0]]
    places.site[frame, ion] = (places.site[frame, ion] + 1) % SITES
    relaxed = relaxed_at(place, chosen.frames)
    table = tabulate_transitions(chosen, hops, sites, relaxed, places, np.zeros(0, int))
    assert not table["ok"][0]
    assert table["reason"][0] == REASONS[what]
    assert not table["alone_ok"][0]


def test_a_frame_that_did_not_converge_is_not_used() -> None:
    place, sites, visits, hops = walk()
    chosen = choose_hops(hops, visits, sites, 12, np.random.default_rng(1))
    relaxed = relaxed_at(place, chosen.frames)
    relaxed.converged[:] = False
    places = of_frames(visits, chosen.frames)
    table = tabulate_transitions(chosen, hops, sites, relaxed, places, np.zeros(0, int))
    assert not table["ok"].any()
    assert set(table["reason"]) == {REASONS["converged"]}
    with pytest.raises(DataError, match="relaxed frames"):
        tabulate_transitions(chosen, hops, sites, relaxed.select([0]), places, np.zeros(0, int))


def test_tables_are_checked_and_put_together() -> None:
    table, _, _ = tabulated()
    assert len(no_transitions()) == 0
    assert len(stacked([table, table.of_material("b", 3)])) == 2 * len(table)
    assert stacked([]).temperatures == []
    with pytest.raises(DataError, match="columns"):
        Transitions({"ion": np.zeros(1)})
    with pytest.raises(DataError, match="stands for no hop"):
        Transitions({**table.columns, "weight": np.zeros(len(table))})


# Ways and joint densities


def test_ways_join_the_halves_and_leave_out_those_that_return() -> None:
    table, _, _ = tabulated(count=10_000, rates=(0.3, 1.0))
    found = ways_of(table, zero=LEVELS[0])
    joined = found.select(~np.isnan(found.middle).any(axis=1))
    second = [np.flatnonzero(table["chain"] == k) for k in range(table["chain"].max() + 1)]
    away = [
        k for k in second
        if (table["target"][k[1]] + SITES * (table["shift_c"][k].sum())) != table["origin"][k[0]]
    ]  # fmt: skip
    assert len(joined) == len(away) > 5
    assert len(second) > len(away)
    np.testing.assert_allclose(joined.before, 0, atol=1e-12)
    np.testing.assert_allclose(joined.middle, 0.1, atol=1e-12)
    np.testing.assert_allclose(joined.after, 0, atol=1e-12)
    assert len(found) == table["ok"].sum() + len(joined)


def test_the_joint_density_of_two_levels_is_one_bin() -> None:
    table, _, _ = tabulated()
    survey = survey_transitions(table, float(LEVELS[0]) - 0.0025, 0.005, np.random.default_rng(0), 50)
    (at,) = survey.temperatures
    for joint in at.joints:
        assert joint.density.sum() * 0.005**2 == pytest.approx(1)
        assert joint.density.max() == pytest.approx(1 / 0.005**2)
        assert joint.spread.value == pytest.approx(0, abs=1e-7)
        levels = [0.0025 + 0.1 * (kind == "tet") for kind in joint.pathway.split("–")]
        assert joint.before.value == pytest.approx(levels[0])
        assert joint.after.value == pytest.approx(levels[-1])
        i, j = np.argwhere(joint.density)[0]
        assert joint.centres[[i, j]] == pytest.approx([levels[0], levels[-1]])


def test_the_joint_density_of_independent_gaussians() -> None:
    rng = np.random.default_rng(5)
    e_i, e_f = rng.normal(0.02, 0.01, 4000), rng.normal(0.05, 0.02, 4000)
    edges = common_edges(np.concatenate([e_i, e_f]), 0.005)
    joint = joint_density(600, made(e_i, e_f), edges, rng, 50)
    assert abs(joint.change.value - 0.03) < 4 * joint.change.std < 0.0016
    assert abs(joint.spread.value - np.hypot(0.01, 0.02)) < 4 * joint.spread.std
    marginal = joint.density.sum(axis=1) * 0.005
    expected = np.exp(-(((joint.centres - 0.02) / 0.01) ** 2) / 2) / (0.01 * np.sqrt(2 * np.pi))
    assert np.abs(marginal - expected).max() < 0.12 * expected.max()


@given(seeds)
def test_weights_count_as_repeated_hops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    e_i, e_f, times = rng.normal(size=7), rng.normal(size=7), rng.integers(1, 5, 7)
    edges = common_edges(np.concatenate([e_i, e_f]), 0.25)
    once = joint_density(600, made(e_i, e_f, weight=times.astype(float)), edges, rng, 20)
    often = joint_density(600, made(np.repeat(e_i, times), np.repeat(e_f, times)), edges, rng, 20)
    np.testing.assert_allclose(once.density, often.density)
    assert once.change.value == pytest.approx(often.change.value)
    assert once.spread.value == pytest.approx(often.spread.value)


def test_intervals_of_the_mean_change_hold_the_truth() -> None:
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        ion = np.repeat(np.arange(8), 3)  # three hops of each ion, which are alike
        change = rng.normal(0.01, 0.02, 8)[ion] + rng.normal(0, 0.005, 24)
        joint = joint_density(600, made(np.zeros(24), change, group=ion), common_edges(change, 0.1), rng)
        inside += joint.change.low <= 0.01 <= joint.change.high
    assert 88 <= inside <= 100


def test_joint_densities_refuse_what_they_cannot_hold() -> None:
    rng, edges = np.random.default_rng(0), np.array([0.0, 1.0])
    with pytest.raises(AnalysisError, match="outside the bins"):
        joint_density(600, made(np.zeros(3), np.full(3, 2.0)), edges, rng)
    with pytest.raises(AnalysisError, match="2 pathways"):
        joint_density(600, made(np.zeros(2), np.zeros(2), np.array(["a", "b"])), edges, rng)


# Detailed balance


def there_and_back(rng: np.random.Generator, n: int, offset: float = 0.0) -> Ways:
    """Return hops oct–tet and tet–oct between levels that are joined; back from `offset` (eV) higher."""
    low = rng.normal(0, 0.02, 2 * n)
    high = low + rng.normal(0.1, 0.01, 2 * n)
    there = np.arange(2 * n) < n
    high = high + np.where(there, 0, offset)
    before, after = np.where(there, low, high), np.where(there, high, low)
    return made(before, after, np.where(there, "oct–tet", "tet–oct"))


def test_balance_that_holds_is_rarely_doubted_and_one_that_is_broken_always() -> None:
    doubted = {}
    for offset in (0.0, 0.04):
        p = [
            balance_of(600, there_and_back(rng, 12, offset), "oct–tet", rng, 20).p
            for rng in map(np.random.default_rng, range(40))
        ]
        doubted[offset] = np.mean(np.array(p) < 0.05)
    assert doubted[0.0] <= 0.125
    assert doubted[0.04] == 1.0


def test_the_distance_and_the_imbalance_have_the_values_of_their_definitions() -> None:
    rng = np.random.default_rng(2)
    ways = there_and_back(rng, 6, 0.03)
    found = balance_of(600, ways, "oct–tet", rng, 20)
    there, back = ways.pathway == "oct–tet", ways.pathway == "tet–oct"
    x = np.stack([ways.before, ways.after], axis=1)[there]
    y = np.stack([ways.after, ways.before], axis=1)[back]

    def apart(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.mean([[np.linalg.norm(u - v) for v in q] for u in p]))

    assert found.distance.value == pytest.approx(2 * apart(x, y) - apart(x, x) - apart(y, y))
    assert found.imbalance.value == pytest.approx(ways.change[there].mean() + ways.change[back].mean())
    assert (found.there, found.back) == (6, 6)


def test_a_class_that_is_its_own_opposite_is_compared_with_its_reverse() -> None:
    rng = np.random.default_rng(4)
    level = rng.normal(0, 0.02, (60, 2))
    held = balance_of(600, made(level[:, 0], level[:, 1]), "oct–oct", rng, 20)
    driven = balance_of(600, made(level[:, 0], level[:, 0] + 0.03), "oct–oct", rng, 20)
    assert held.p > 0.05
    assert abs(held.imbalance.value) < 3 * held.imbalance.std
    assert driven.p == pytest.approx(0.001)
    assert driven.imbalance.value == pytest.approx(0.03)


def test_balance_is_not_asked_of_few_hops() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AnalysisError, match="at least 5 ions"):
        balance_of(600, there_and_back(rng, 2), "oct–tet", rng)
    with pytest.raises(AnalysisError, match="0 tet–oct"):
        balance_of(600, made(np.zeros(9), np.ones(9), "oct–tet"), "oct–tet", rng)


# Shares


def test_shares_of_known_parts_add_up() -> None:
    rng = np.random.default_rng(1)
    total = rng.normal(0, 0.05, 400)
    ion = 0.4 * total + rng.normal(0, 0.01, 400)
    found = shares_of(split(total, ion, 0.25 * total), rng)
    assert abs(found.ion.value - 0.4) < 4 * found.ion.std < 0.06
    assert found.others.value == pytest.approx(0.25)
    assert found.ion.value + found.others.value + found.framework.value == pytest.approx(1)
    assert abs(found.correlation.value - 0.02 / np.hypot(0.02, 0.01)) < 0.02
    assert found.difference.value == pytest.approx(np.sqrt(np.mean((ion - total) ** 2)))
    assert (found.hops, found.ions) == (400, 400)


@given(seeds)
def test_shares_do_not_know_the_direction_of_a_hop_nor_the_zero_of_an_element(seed: int) -> None:
    rng = np.random.default_rng(seed)
    total, ion, others = rng.normal(0, 0.05, (3, 8))
    sign = rng.choice([-1, 1], 8)
    plain = shares_of(split(total, ion, others), np.random.default_rng(0), 20)
    turned = shares_of(split(sign * total, sign * ion, sign * others), np.random.default_rng(0), 20)
    shift = {f"{what}_{side}": value for what, value in (("energy", 3.0), ("others", -7.0))
             for side in ("before",)}  # fmt: skip
    moved = split(total, ion + 3.0, others - 7.0, **{k: np.full(8, v) for k, v in shift.items()})
    shifted = shares_of(moved, np.random.default_rng(0), 20)
    for other in (turned, shifted):
        for name in ("ion", "others", "framework", "correlation", "difference", "rms_total"):
            one, two = getattr(plain, name), getattr(other, name)
            assert (one.value, one.std) == pytest.approx((two.value, two.std), abs=1e-9)


def test_intervals_of_the_share_hold_the_truth() -> None:
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        total = rng.normal(0, 0.05, 16)
        found = shares_of(split(total, 0.5 * total + rng.normal(0, 0.02, 16), 0 * total), rng)
        inside += found.ion.low <= 0.5 <= found.ion.high
    assert 88 <= inside <= 100


def test_shares_refuse_few_hops_and_flat_energies() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AnalysisError, match="4 single hops"):
        shares_of(split(np.ones(4), np.ones(4), np.ones(4)), rng)
    with pytest.raises(AnalysisError, match="change no total energy"):
        shares_of(split(np.zeros(9), np.ones(9), np.ones(9)), rng)


def test_the_survey_tells_what_it_left_out() -> None:
    table, _, _ = tabulated()
    ok = np.arange(len(table)) > 2
    spoiled = Transitions({**table.columns, "ok": ok, "reason": np.where(ok, "", "x")})
    (at,) = survey_transitions(spoiled, 0.0, 0.005, np.random.default_rng(0), 20).temperatures
    assert at.rejected == {"x": 3}
    assert (at.hops, at.used) == (len(table), len(table) - 3)
    empty = survey_transitions(no_transitions(), 0.0, 0.005, np.random.default_rng(0))
    assert empty.temperatures == ()
    assert isinstance(empty.shares, AnalysisError)


@given(st.integers(0, 1000))
def test_one_seed_one_choice(seed: int) -> None:
    _, sites, visits, hops = walk(ions=3, duration=10.0)
    one, other = (choose_hops(hops, visits, sites, 6, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(one.rows, other.rows)
