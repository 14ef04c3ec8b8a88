import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.collective import Moves, links_of, string_of, strings_in, strings_of
from frustra.analysis.hops import HopSettings, hops_of
from tests.analysis.walkers import chain, on_chain, visits
from tests.helpers import seeds


def naive(moves, window, overlap):
    """Return the links by comparing every hop with every other."""
    hops = range(len(moves.ion))
    return {
        (i, j)
        for i in hops
        for j in hops
        if moves.ion[i] != moves.ion[j]
        and moves.target[i] == moves.origin[j]
        and -overlap <= moves.arrived[i] - moves.left[j] <= window
    }


def groups(links, hops):
    """Return the strings as sets of hops, by joining them one link after the other."""
    found = [{i} for i in range(hops)]
    for i, j in links:
        a, b = (next(g for g in found if k in g) for k in (i, j))
        if a is not b:
            found.remove(b)
            a |= b
    return {frozenset(g) for g in found}


@given(seed=seeds, hops=st.integers(0, 60), begin=st.integers(-50, 50))
def test_links_and_strings_are_those_of_all_pairs(seed, hops, begin):
    rng = np.random.default_rng(seed)
    left = begin + rng.integers(0, 60, hops)
    moves = Moves(left, left + rng.integers(1, 5, hops), *rng.integers(0, 5, (3, hops)))
    window, overlap = rng.uniform(0, 12), rng.integers(0, 4)
    links = links_of(moves, window, overlap)
    assert len(links) == len(set(map(tuple, links.tolist())))
    assert set(map(tuple, links.tolist())) == naive(moves, window, overlap)
    string = string_of(links, hops)
    assert {frozenset(np.flatnonzero(string == s).tolist()) for s in set(string)} == groups(
        naive(moves, window, overlap), hops
    )


def concerted(size, ions=12, frames=400):
    """Return visits of ions on a row: some move up by one after the other, all others at odd times."""
    place = np.tile(4 * np.arange(ions), (frames, 1))
    place[:, :size] = 2 * size - 2 * np.arange(size)  # each behind the one before
    for k in range(size):
        place[200 + 3 * k :, k] += 2
    for lone, k in enumerate(range(size, ions)):
        place[20 + 13 * lone :, k] += 1
    return visits(place, timestep=0.1)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_a_planted_string_is_found_and_nothing_else(size):
    sites = chain(60)
    hops = hops_of(concerted(size), sites, HopSettings(settle=0.2, window=0.5))
    assert len(hops) == 12
    found = strings_of([hops], np.random.default_rng(0))
    expected = np.zeros(found.size.max(), int)
    np.add.at(expected, [0] * (12 - size) + [size - 1], 1)
    assert found.count.tolist() == expected.tolist()
    assert found.longest == size
    assert found.concerted == (size if size > 1 else 0)
    together = strings_in(hops)
    assert len(set(together[hops.ion < 100 + size].tolist())) == 1


def test_hops_too_far_apart_in_time_are_no_string():
    hops = hops_of(concerted(5), chain(60), HopSettings(settle=0.2, window=0.2))
    assert strings_of([hops], np.random.default_rng(0)).longest == 1


def independent(rng, frames=4000, ions=30, rate=0.004, sites=12):
    """Return walks that know nothing of each other, so that ions may be in one site."""
    steps = (rng.random((frames, ions)) < rate) * rng.choice([-1, 1], (frames, ions))
    return hops_of(
        on_chain(rng.integers(0, sites, ions) + np.cumsum(steps, axis=0), sites),
        chain(sites),
        HopSettings(settle=0.1, window=1.0),
    )


def test_independent_hops_are_as_concerted_as_chance():
    deviations = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = strings_of([independent(rng)], rng)
        spread = found.concerted_by_chance_std * np.sqrt(1 + 1 / 20)
        deviations.append((found.concerted - found.concerted_by_chance) / spread)
    assert abs(np.mean(deviations)) < 0.7
    assert 0.6 < np.std(deviations) < 1.6


def test_concerted_hops_stand_out_from_chance():
    hops = [hops_of(concerted(6), chain(60), HopSettings(settle=0.2, window=0.5)) for _ in range(3)]
    found = strings_of(hops, np.random.default_rng(1))
    assert found.count[5] == 3
    assert found.concerted == 18
    assert found.concerted_by_chance < 3


def test_a_run_without_hops_has_no_strings():
    still = hops_of(visits(np.zeros((20, 3))), chain(4), HopSettings())
    found = strings_of([still], np.random.default_rng(0))
    assert (found.hops, found.concerted, found.longest, len(found.size)) == (0, 0, 0, 0)
