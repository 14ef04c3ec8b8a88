from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.analysis.decorrelation import (
    Decorrelation,
    block_length,
    decorrelation_of,
    independent_snapshots,
)
from frustra.errors import AnalysisError
from frustra.states import COLUMNS, StateTable, concatenate
from frustra.visits import Visits
from tests.helpers import seeds

STEP = 0.1


def telegraph(
    rng: np.random.Generator, frames: int, sites: int, tau: float, share: float = 0.5
) -> np.ndarray:
    """Return which sites are held, (frames, sites), each renewed at random: C(t) = exp(−t/τ), in frames."""
    held = rng.random((frames, sites)) < share
    for t in np.arange(1, frames):
        held[t] = np.where(rng.random(sites) < np.exp(-1 / tau), held[t - 1], held[t])
    return held


def inefficiency(tau: float) -> float:
    """Return 1 + 2 Σ exp(−k/τ) in closed form."""
    return 1 / np.tanh(1 / (2 * tau))


def visits(held: np.ndarray, step: float = STEP) -> Visits:
    """Return visits in which ion s is in site s where it is held, and nowhere otherwise."""
    frames, sites = held.shape
    site = np.where(held, np.arange(sites), -1).astype(np.int32)
    image = np.zeros((frames, sites, 3), dtype=np.int16)
    return Visits(site, image, np.arange(sites), step, 600.0, np.zeros(frames, dtype=np.int64))


def found(*runs: np.ndarray) -> Decorrelation:
    return decorrelation_of([visits(held) for held in runs], runs[0].shape[1])


def states(runs: Sequence[np.ndarray], temperature: float = 600.0) -> StateTable:
    """Return a state table whose snapshots hold these sites, each with one ion."""
    tables = []
    for run, held in enumerate(runs):
        snapshot, place = np.nonzero(held)
        rows = len(place)
        text = {
            "U": np.full(rows, ""),
            "f8": np.zeros(rows),
            "i8": np.zeros(rows, int),
            "?": np.ones(rows, bool),
        }
        columns = {c.name: text[c.dtype] for c in COLUMNS}
        columns |= {
            "material": np.full(rows, "m"), "temperature": np.full(rows, temperature),
            "run": np.full(rows, run),
            "snapshot": snapshot, "time": snapshot * 1.0, "ion": place, "element": np.full(rows, "Li"),
            "energy": np.full(rows, -3.0), "site": np.full(rows, "oct"), "place": place,
        }  # fmt: skip
        tables.append(StateTable(columns))
    return concatenate(tables)


@pytest.mark.parametrize(("tau", "frames"), [(0.2, 400), (2.0, 400), (8.0, 800)])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_the_correlation_time_of_random_telegraphs_is_found_with_its_error(
    tau: float, frames: int, share: float
) -> None:
    rng = np.random.default_rng(1)
    trials = [found(telegraph(rng, frames, 40, tau, share)) for _ in range(25)]
    values, errors = np.array([(t.inefficiency, t.std) for t in trials]).T
    truth = inefficiency(tau)
    assert not any(t.is_lower_bound or t.frozen for t in trials)
    assert values.mean() == pytest.approx(truth, rel=0.05)
    assert (abs(values - truth) <= 1.96 * errors).mean() >= 0.9
    assert errors.mean() < 3 * max(values.std(), 0.01)  # and not for being useless
    one = trials[0]
    assert one.tau == pytest.approx(one.inefficiency * STEP / 2)
    assert one.tau_std == pytest.approx(one.std * STEP / 2)
    assert one.correlation[0] == pytest.approx(1)
    assert one.inefficiency == pytest.approx(max(1, 2 * one.correlation.sum() - 1))


def test_the_error_of_a_mean_follows_from_the_independent_frames() -> None:
    # what the number is for: Var(mean) = p (1 − p)/(sites · n_eff)
    rng = np.random.default_rng(2)
    runs = [telegraph(rng, 300, 20, 3.0, 0.3) for _ in range(200)]
    deviations = np.array([run.mean() - 0.3 for run in runs])
    errors = np.array([np.sqrt(0.21 / 20 / found(run).independent) for run in runs])
    assert 0.92 <= (abs(deviations) < 1.96 * errors).mean() <= 0.98


def exclusion(rng: np.random.Generator, frames: int, rate: float, length: int = 4) -> np.ndarray:
    """Return ions that exchange with their neighbours on a periodic cubic lattice, a third of it full."""
    index = np.arange(length**3).reshape([length] * 3)
    bonds = np.concatenate(
        [np.stack([index, np.roll(index, -1, axis)], axis=-1).reshape(-1, 2) for axis in range(3)]
    )
    held = np.arange(index.size) < index.size // 3
    rng.shuffle(held)
    run = np.empty((frames, index.size), dtype=bool)
    for t in range(frames):
        run[t] = held
        for i, j in bonds[rng.integers(0, len(bonds), rng.poisson(rate * len(bonds)))]:
            held[i], held[j] = held[j], held[i]
    return run


def test_ions_that_exclude_one_another_forget_like_one_random_walker() -> None:
    # duality: a site's correlation is the probability that a single walker is back; its modes are cosines
    rate, length = 0.1, 4
    k = 2 * np.pi * np.arange(length) / length
    decay = sum(np.meshgrid(*[2 * rate * (1 - np.cos(k))] * 3, indexing="ij")).ravel()[1:]
    truth = float(np.mean(1 / np.tanh(decay / 2)))
    rng = np.random.default_rng(3)
    trials = [found(exclusion(rng, 250, rate, length)) for _ in range(12)]
    values, errors = np.array([(t.inefficiency, t.std) for t in trials]).T
    assert values.mean() == pytest.approx(truth, rel=0.06)
    assert (abs(values - truth) <= 1.96 * errors).mean() >= 0.9


@pytest.mark.parametrize(("frames", "tau"), [(400, 60.0), (400, 400.0), (400, 5000.0), (40, 10.0)])
def test_of_a_run_that_is_too_short_only_a_lower_bound_is_told(frames: int, tau: float) -> None:
    rng = np.random.default_rng(4)
    for count in (1, 8):  # many short runs are not a long one
        one = found(*(telegraph(rng, frames, 40, tau) for _ in range(count)))
        assert one.is_lower_bound
        assert np.isnan(one.std)
        assert one.inefficiency <= inefficiency(tau)
        assert not one.frozen


def test_runs_without_a_change_are_one_arrangement_each() -> None:
    held = np.tile(np.arange(12) < 4, (50, 1))
    one = found(held, held[:30])
    assert one.frozen
    assert one.is_lower_bound
    assert one.independent == pytest.approx(80 / 50)
    assert not len(one.correlation)
    moved = held.copy()
    moved[40:, [3, 4]] = moved[40:, [4, 3]]  # a single hop tells nothing of a rate
    rare = found(moved)
    assert rare.is_lower_bound
    assert not rare.frozen


@given(seeds, st.integers(20, 80), st.integers(1, 6))
@settings(max_examples=25)
def test_the_sums_are_those_of_the_definition(seed: int, frames: int, sites: int) -> None:
    rng = np.random.default_rng(seed)
    held = telegraph(rng, frames, sites, 1.0)
    one = found(held)
    if one.frozen:
        assert (held == held[0]).all()
        return
    offset = held - held.mean(axis=0)
    plain = np.array(
        [(offset[: frames - k] * offset[k:]).sum() / (frames - k) for k in range(len(one.correlation))]
    )
    lost = 0.0 if one.is_lower_bound else (2 * one.correlation.sum() - 1) / frames
    if one.inefficiency > 1 or one.is_lower_bound:
        expected = plain / plain[0] * (1 - lost) + lost
        assert one.correlation == pytest.approx(expected, abs=5e-3)


@given(seeds)
@settings(max_examples=20)
def test_names_of_sites_and_which_ion_holds_one_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = telegraph(rng, 60, 8, 2.0)
    plain = visits(held)
    shuffled = Visits(rng.permuted(plain.site, axis=1), plain.image, plain.ions, STEP, 600.0, plain.torn)
    same = decorrelation_of([shuffled], 8)
    assert same.inefficiency == pytest.approx(found(held).inefficiency)
    backward = found(held[::-1])
    assert backward.inefficiency == pytest.approx(found(held).inefficiency)


def test_tables_tell_the_same_as_visits_whatever_the_order_of_their_rows() -> None:
    rng = np.random.default_rng(6)
    runs = [telegraph(rng, 150, 30, 2.0), telegraph(rng, 90, 30, 2.0)]
    table = states(runs)
    expected = found(*runs)
    for some in (table, table.select(rng.permutation(len(table)))):
        one = independent_snapshots(some)[600.0]
        assert one.inefficiency == pytest.approx(expected.inefficiency)
        assert one.std == pytest.approx(expected.std)
        assert (one.frames, one.longest, one.observed) == (240, 150, "places")
        assert np.isnan(one.tau)
        assert block_length(some) == int(np.ceil(expected.inefficiency - 0.1))


def test_each_temperature_of_a_table_has_its_own() -> None:
    rng = np.random.default_rng(7)
    table = concatenate(
        [states([telegraph(rng, 200, 30, tau)], t) for t, tau in ((300.0, 5.0), (600.0, 0.1))]
    )
    one = independent_snapshots(table)
    assert one[300.0].inefficiency == pytest.approx(inefficiency(5.0), rel=0.35)
    assert one[600.0].inefficiency == pytest.approx(1, abs=0.05)
    with pytest.raises(AnalysisError, match="states at 2 temperatures"):
        block_length(table)
    assert block_length(table.select(table["temperature"] == 600.0)) == 1


def test_of_very_many_snapshots_some_sites_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    table = states([telegraph(rng, 400, 200, 2.0)])
    whole = independent_snapshots(table)[600.0]
    monkeypatch.setattr("frustra.analysis.decorrelation.BUDGET", 400 * 50)
    part = independent_snapshots(table)[600.0]
    assert part.inefficiency == pytest.approx(whole.inefficiency, abs=2.5 * part.std)
    assert part.std > whole.std


def test_snapshots_one_to_a_run_are_independent_and_frozen_ones_are_one_block() -> None:
    rng = np.random.default_rng(9)
    table = states([telegraph(rng, 1, 30, 1.0) for _ in range(12)])
    assert block_length(table) == 1
    assert independent_snapshots(table)[600.0].independent == 12
    held = np.tile(np.arange(30) < 9, (15, 1))
    assert block_length(states([held, held])) == 15


def test_without_sites_the_mean_energy_of_the_ions_is_followed() -> None:
    rng = np.random.default_rng(10)
    walk = np.zeros(600)
    for t in range(1, 600):
        walk[t] = 0.8 * walk[t - 1] + 0.01 * rng.normal()  # g = (1 + 0.8)/(1 − 0.8)
    table = states([np.ones((600, 5), dtype=bool)])
    columns = {
        **table.columns,
        "place": np.full(3000, -1),
        "energy": np.repeat(walk, 5) + rng.normal(0, 1e-4, 3000),
    }
    one = independent_snapshots(StateTable(columns))[600.0]
    assert one.observed == "energy"
    assert one.inefficiency == pytest.approx(9, abs=1.96 * one.std)
    still = StateTable({**columns, "energy": np.full(3000, -3.0)})
    assert independent_snapshots(still)[600.0].frozen


def test_nothing_and_runs_of_different_steps_are_refused() -> None:
    held = np.ones((5, 3), dtype=bool)
    with pytest.raises(AnalysisError, match="no frames"):
        decorrelation_of([], 3)
    with pytest.raises(AnalysisError, match="one time for all"):
        decorrelation_of([visits(held), visits(held, 0.2)], 3)
    with pytest.raises(AnalysisError, match="no states"):
        independent_snapshots(states([held]).select(np.zeros(15, dtype=bool)))
