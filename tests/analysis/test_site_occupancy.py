from typing import Any

import numpy as np
import pytest
from ase.io import read
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.site_occupancy import occupancy_of
from frustra.errors import AnalysisError
from frustra.geometry import nearest_neighbours
from frustra.sites import Links
from tests.analysis.walkers import chain, jumps, on_chain, sampled, visits
from tests.helpers import seeds

SITES, STEP = 20, 0.25


def run_of(rng, duration=1000, ions=24, rates=(0.05, 0.2)):
    """Return visits of a Markov chain on oct and tet sites, from equilibrium."""
    walks = jumps(rng, rates, duration, ions)
    in_tet = rng.random(ions) < rates[0] / sum(rates)  # even places are oct
    walks = [[(t, p + int(odd)) for t, p in w] for w, odd in zip(walks, in_tet, strict=True)]
    fresh = [
        w if not odd else _restart(rng, rates, duration, w[0][1])
        for w, odd in zip(walks, in_tet, strict=True)
    ]
    return on_chain(sampled(fresh, STEP, int(duration / STEP)), SITES, timestep=STEP)


def _restart(rng, rates, duration, place):
    time, walk = 0.0, [(0.0, place)]
    while time < duration:
        time += rng.exponential(1 / rates[place % 2])
        place += int(rng.choice([-1, 1]))
        walk.append((time, place))
    return walk


@pytest.mark.parametrize("replicas", [1, 2])
def test_occupancies_of_a_markov_chain_are_within_their_errors(replicas):
    inside = []
    true = 24 / 10 * np.array([0.2, 0.05]) / 0.25  # ions per oct and per tet site
    for seed in range(50):
        rng = np.random.default_rng(seed)
        runs = [run_of(rng, 400 / replicas) for _ in range(replicas)]
        found = occupancy_of(runs, chain(SITES)).classes
        inside += [c.occupancy.low <= t <= c.occupancy.high for c, t in zip(found, true, strict=True)]
    assert 0.87 <= np.mean(inside) <= 0.99


@given(seed=seeds, frames=st.integers(2, 30), ions=st.integers(1, 12), sites=st.integers(2, 8))
def test_everything_is_counted_as_by_hand(seed, frames, ions, sites):
    rng = np.random.default_rng(seed)
    site = rng.integers(-1, sites, (frames, ions))
    pairs = np.array([[i, j] for i in range(sites) for j in range(i + 1, sites) if rng.random() < 0.4], int)
    held = np.where(rng.random(sites) < 0.3, "Y", "")
    world = chain(
        sites,
        kind=rng.choice(["oct", "tet"], sites),
        held=held,
        links=Links(pairs.reshape(-1, 2), np.zeros((len(pairs), 3), int), rng.integers(2, 5, len(pairs))),
    )
    site = np.where((site >= 0) & (held[site] == ""), site, -1)
    found = occupancy_of([visits(site)], world)
    faces = {tuple(p) for p, n in zip(pairs.tolist(), world.links.shared, strict=True) if n > 2}
    expected: dict[str, Any] = {}
    shared = 0
    for row in site:
        shared += sum((row == s).sum() > 1 for s in range(sites))
        for ion, here in enumerate(row):
            names = set()
            for there in range(sites):
                if here < 0 or (min(here, there), max(here, there)) not in faces:
                    continue
                if held[there]:
                    names.add(f"{world.kind[here]}–{held[there]}")
                elif (np.delete(row, ion) == there).any():
                    names.add("–".join(sorted((world.kind[here], world.kind[there]))))
            for name in names:
                expected[name] = expected.get(name, 0) + 1
    assert found.shared == pytest.approx(shared / frames)
    counted = {v.name: v.ions.value * ions * frames for v in found.violations if v.ions.value}
    assert counted == pytest.approx(expected)
    assert found.per_site == pytest.approx([(site == s).sum() / frames for s in range(sites)])
    assert sum(c.share for c in found.classes) + found.nowhere.value == pytest.approx(1)


def test_frames_with_a_violation_are_counted():
    site = np.array([[0, 3], [0, 3], [0, 1], [0, 3]])
    found = occupancy_of([visits(site)], chain(6)).violations
    assert [v.name for v in found] == ["oct–tet"]
    assert found[0].frames == 0.25
    assert found[0].ions.value == 0.25


def test_runs_that_disagree_widen_the_error():
    rng = np.random.default_rng(0)
    near = [visits(rng.integers(0, 2, (80, 4))) for _ in range(3)]
    far = [*near[:2], visits(np.where(rng.random((80, 4)) < 0.9, 1, near[2].site))]
    alike, apart = (occupancy_of(r, chain(6)).classes[1].occupancy for r in (near, far))
    assert apart.std > 5 * alike.std
    values = [occupancy_of([r], chain(6)).classes[1].occupancy.value for r in far]
    assert apart.std == pytest.approx(np.std(values, ddof=1) / np.sqrt(3))


def test_ions_that_never_move_tell_no_error():
    found = occupancy_of([visits(np.tile([0, 2, 4], (40, 1)))], chain(6))
    assert [c.occupancy.value for c in found.classes] == [1, 0]
    assert all(np.isnan(c.occupancy.std) for c in found.classes)
    assert found.entropy[0] == 0
    assert found.shared == 0


def test_entropy_is_that_of_sites_held_half_the_time():
    rng = np.random.default_rng(1)
    site = np.where(rng.random((4000, 3)) < 0.5, [0, 2, 4], [1, 3, 5])
    found = occupancy_of([visits(site)], chain(6))
    assert found.entropy[0] == pytest.approx(2 * np.log(2), abs=0.01)


def test_a_single_frame_is_refused():
    with pytest.raises(AnalysisError, match="at least two"):
        occupancy_of([visits(np.zeros((1, 3)))], chain(6))


def test_published_occupancies_of_na3ps4_are_reached(data):
    atoms = read(data / "Na3PS4_800K/cNa3PS4.cif")
    cell = atoms.cell.array
    places = np.load(data / "Na3PS4_800K/cNa3PS4_trajectories.npy")[:, :48] @ cell
    nearest = nearest_neighbours(places.reshape(-1, 3), atoms.positions[:48], cell, 1).index
    found = occupancy_of([visits(nearest.reshape(200, 48))], chain(48))
    assert found.per_site.sum() == pytest.approx(48)
    assert found.per_site[[11, 15]] == pytest.approx([0.98, 0.875], abs=1e-12)
