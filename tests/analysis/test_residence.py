import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.hops import HopSettings, hops_of
from frustra.analysis.residence import (
    Cells,
    activation_of,
    activations_of,
    event_rate,
    rates_of,
    residences_of,
    spent,
    survival_of,
)
from frustra.errors import AnalysisError
from frustra.units import BOLTZMANN
from tests.analysis.walkers import chain, jumps, on_chain, sampled, visits
from tests.helpers import seeds

SITES, STEP = 20, 0.25
RATES = (0.02, 0.05)
"""Per ps, from octahedra and from tetrahedra."""


def hopped(walks, duration, **settings):
    """Return the hops of walks sampled every 0.25 ps, where every visit that is seen counts."""
    place = sampled(walks, STEP, int(duration / STEP))
    return hops_of(on_chain(place, SITES, timestep=STEP), chain(SITES), HopSettings(settle=STEP, **settings))


def test_rates_and_residence_times_of_a_markov_chain_are_within_their_errors():
    inside = {"rate": [], "time": []}
    for seed in range(100):
        walks = jumps(np.random.default_rng(seed), RATES, 200, 24)
        runs = [hopped(walks[:12], 200), hopped(walks[12:], 200)]
        rates = {p.name: p.from_origin.rate for p in rates_of(runs, chain(SITES))}
        times = {r.name: r.departures.mean_time for r in residences_of(runs, chain(SITES).kind)}
        for kind, true in zip(("oct", "tet"), RATES, strict=True):
            rate = rates[f"{kind}–{'tet' if kind == 'oct' else 'oct'} along c"]
            inside["rate"].append(rate.low <= true <= rate.high)
            inside["time"].append(times[kind].low <= 1 / true <= times[kind].high)
    assert 0.93 <= np.mean(inside["rate"]) <= 0.99
    assert 0.93 <= np.mean(inside["time"]) <= 0.99


def returning(rng, duration, ions):
    """Return walks that leave at 0.01/ps and then go to and fro, each time with probability 0.7."""
    found = []
    for _ in range(ions):
        time, here, walk = -50.0, 20, [(-50.0, 20)]
        while time < duration:
            time += rng.exponential(100)
            there = here + int(rng.choice([-1, 1]))
            walk.append((time, there))
            while rng.random() < 0.7:
                time += 0.5 + rng.exponential(1.0)
                here, there = there, here
                walk.append((time, there))
            here = there
        found.append(walk)
    return found


def test_hops_to_and_fro_widen_the_interval():
    true = (1 / 0.3) / (100 + 0.7 / 0.3 * 1.5)  # hops of a cycle over its time
    inside, as_poisson, lasting = [], [], []
    for seed in range(100):
        runs = [hopped(returning(np.random.default_rng(seed), 300, 24), 300, window=5.0)]
        hops = runs[0]
        plain = len(hops) / hops.observed
        as_poisson.append(abs(plain - true) < 1.96 * plain / np.sqrt(len(hops)))
        every = residences_of(runs, np.full(SITES, "all"))[0].departures
        assert every.rate.value == pytest.approx(plain)
        inside.append(every.rate.low <= true <= every.rate.high)
        lasting.append(hops.lasting)
    # a chain has 1/0.3 hops on average, and an odd number of them with probability 1/1.7
    assert np.concatenate(lasting).mean() == pytest.approx(0.3 / 1.7, rel=0.05)
    assert np.mean(inside) > 0.88
    assert np.mean(as_poisson) < 0.75


def test_time_at_risk_is_all_of_it_and_events_are_all_hops():
    hops = hopped(jumps(np.random.default_rng(0), RATES, 200, 24), 200)
    rates = rates_of([hops], chain(SITES))
    assert sum(p.per_ion.events for p in rates) == len(hops)
    assert sum(t.sum() for t in spent([hops], np.ones(SITES, bool))) == pytest.approx(hops.observed)
    assert rates[0].per_ion.time == pytest.approx(hops.observed)
    assert sum(r.departures.time for r in residences_of([hops], chain(SITES).label)) == pytest.approx(
        hops.observed
    )
    assert hops.observed == pytest.approx(24 * (799 - 0) * STEP)


def test_what_was_not_seen_has_a_bound():
    hops = hops_of(visits(np.zeros((101, 4)), timestep=1.0), chain(SITES), HopSettings(settle=1.0))
    rates = {p.name: p for p in rates_of([hops], chain(SITES))}
    found = rates["oct–tet along c"].from_origin
    assert found.is_upper_bound
    assert found.rate.high == pytest.approx(-np.log(0.05) / 400)
    assert rates["tet–oct along c"].from_origin.rate.high == np.inf  # no ion was ever in one
    times = {r.name: r.departures.mean_time for r in residences_of([hops], chain(SITES).kind)}
    assert times["oct"].low == pytest.approx(400 / -np.log(0.05))
    assert times["oct"].value == np.inf
    assert times["tet"].low == 0


def test_time_in_sites_is_that_of_the_frames():
    place = np.array([[0] * 10 + [1] * 4 + [2] * 6]).T
    hops = hops_of(visits(place, timestep=1.0), chain(SITES), HopSettings(settle=1.0))
    times = {r.name: r.departures.time for r in residences_of([hops], chain(SITES).kind)}
    assert times == {"oct": 10 + 5, "tet": 4}


def kaplan_meier(durations, ended):
    """Return the estimate by its definition, one time after the other."""
    value, steps = 1.0, []
    for t in sorted({d for d, e in zip(durations, ended, strict=True) if e}):
        at_risk = sum(d >= t for d in durations)
        value *= 1 - sum(d == t and e for d, e in zip(durations, ended, strict=True)) / at_risk
        steps.append((t, value))
    return steps


@given(seed=seeds, ions=st.integers(1, 8))
def test_survival_is_kaplan_meiers(seed, ions):
    hops = hopped(jumps(np.random.default_rng(seed), (0.1, 0.2), 60, ions), 60)
    inside = chain(SITES).kind == "oct"
    stays = hops.stays
    chosen = stays.began & inside[stays.site]
    durations = ((stays.until - stays.first)[chosen] * STEP).tolist()
    expected = kaplan_meier(durations, stays.ended[chosen].tolist())
    found = survival_of([hops], inside)
    assert found.stays == chosen.sum()
    assert found.time == pytest.approx([t for t, _ in expected])
    assert found.survival == pytest.approx([v for _, v in expected])
    assert np.isfinite(found.std).all()


def test_survival_of_exponential_stays_is_exponential():
    hops = hopped(jumps(np.random.default_rng(4), (0.1, 0.1), 200, 60), 200)
    found = survival_of([hops], np.ones(SITES, bool))
    early = found.time < 40
    assert np.abs(found.survival - np.exp(-0.1 * found.time))[early].max() < 0.06
    assert found.std[early].max() < 0.03


def test_events_of_ions_that_differ_count_as_fewer():
    events, time = np.zeros((10, 4)), np.full((10, 4), 25.0)
    events[:5] = 4
    alike = event_rate(Cells((np.full((10, 4), 2.0),), (time,)))
    apart = event_rate(Cells((events,), (time,)))
    assert alike.rate.value == apart.rate.value == pytest.approx(0.08)
    assert alike.inflation == 1
    assert apart.inflation == pytest.approx(10 * 8**2 / 80 * 10 / 9)
    assert apart.rate.std == pytest.approx(alike.rate.std * np.sqrt(apart.inflation))


def rate_at(rng, temperature, energy=0.25, prefactor=6.0):
    expected = np.full((24, 16), 25.0)
    happened = rng.poisson(prefactor * np.exp(-energy / (BOLTZMANN * temperature)) * expected).astype(float)
    return event_rate(Cells((happened,), (expected,)))


def test_activation_energies_are_within_their_errors():
    kelvin, inside = (400, 500, 600, 700), []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        energy = activation_of("oct–tet", kelvin, [rate_at(rng, t) for t in kelvin]).energy
        inside.append(energy.low <= 0.25 <= energy.high)
    assert 0.93 <= np.mean(inside) <= 1


def test_no_energy_from_two_temperatures():
    rng = np.random.default_rng(0)
    none = event_rate(Cells((np.zeros((4, 4)),), (np.ones((4, 4)),)))
    with pytest.raises(AnalysisError, match="2 temperature"):
        activation_of("oct–tet", (500, 600, 300), [rate_at(rng, 500), rate_at(rng, 600), none])
    hops = hopped(jumps(rng, RATES, 100, 8), 100)
    found = activations_of([600.0], [rates_of([hops], chain(SITES))])
    assert isinstance(found["oct–tet along c"], AnalysisError)
