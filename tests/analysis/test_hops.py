from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.hops import HopSettings, directions, hops_of, pathways_of
from frustra.errors import AnalysisError, DataError
from tests.analysis.walkers import STEP, chain, on_chain, visits
from tests.helpers import seeds

SITES = 6


def naive(site, image, settle, window):  # noqa: C901, PLR0912 - one step after the other
    """Return the hops of every ion by walking through its frames one by one."""
    found = []
    for ion in range(site.shape[1]):
        stays = []  # [place, first frame, last frame] of each unbroken visit
        for frame in range(len(site)):
            if site[frame, ion] < 0:
                continue
            place = (int(site[frame, ion]), *(int(v) for v in image[frame, ion]))
            if stays and stays[-1][0] == place:
                stays[-1][2] = frame
            else:
                stays.append([place, frame, frame])
        here = left = arrived = None
        passed = []
        for place, first, last in stays:
            settled = last - first + 1 >= settle
            if here is None and settled:
                here, left, arrived, passed, seen = place, last, first, [], False
            elif here is None:
                continue
            elif place == here:
                left, passed = last, []
            elif settled:
                spent = defaultdict(int)
                for other, a, b in passed:
                    if other != place:
                        spent[other[0]] += b - a + 1
                longest = max(spent.values(), default=0)
                via = {s for s, n in spent.items() if n == longest} or {-1}
                stayed = first - arrived if seen else None
                found.append((ion, left, first, here, place, via, stayed))
                here, left, arrived, passed, seen = place, last, first, [], True
            else:
                passed.append((place, first, last))
    undone = [
        i + 1 < len(found) and found[i + 1][0] == h[0] and found[i + 1][4] == h[3]
        and found[i + 1][2] - h[2] <= window
        for i, h in enumerate(found)
    ]  # fmt: skip
    return found, undone


@given(seed=seeds, settle=st.integers(1, 5), frames=st.integers(7, 60), ions=st.integers(1, 4))
def test_hops_are_those_of_a_walk_through_the_frames(seed, settle, frames, ions):
    rng = np.random.default_rng(seed)
    lasts = rng.integers(1, 8)
    place = np.repeat(rng.integers(-1, 4, (frames, ions)), lasts, axis=0)[:frames]
    place[rng.random(place.shape) < 0.15] = -1
    image = np.repeat(rng.integers(0, 2, (frames, ions, 3)), lasts, axis=0)[:frames]
    expected, undone = naive(place, image, settle, window=10)
    hops = hops_of(visits(place, image), chain(SITES), HopSettings(settle=settle * 0.1, window=1.0))
    assert len(hops) == len(expected)
    for i, (ion, left, arrived, origin, target, via, stayed) in enumerate(expected):
        assert hops.ion[i] == 100 + ion
        assert (hops.left[i], hops.arrived[i]) == (left, arrived)
        assert (hops.origin[i], hops.target[i]) == (origin[0], target[0])
        assert hops.shift[i].tolist() == [b - a for a, b in zip(origin[1:], target[1:], strict=True)]
        assert hops.via[i] in via
        assert (
            np.isnan(hops.residence[i])
            if stayed is None
            else hops.residence[i] == pytest.approx(0.1 * stayed)
        )
    assert hops.recrossed.tolist() == undone
    assert hops.slower == len(naive(place, image, 2 * settle, window=10)[0])
    assert hops.crossings == len(naive(place, image, 1, window=10)[0])


def planted(rng, ions, settle):
    """Return places with flicker, frame by frame, and the hops: an ion comes and goes at a face, briefly."""
    columns, truth = [], []
    for ion in range(ions):
        here, column = int(rng.integers(0, 100)), []
        for _ in range(30):
            column += [here] * int(rng.integers(settle, 40))
            for _ in range(rng.integers(0, 4)):  # crossings that lead nowhere
                column += [here + int(rng.choice([-1, 1]))] * int(rng.integers(1, settle))
                column += [here] * int(rng.integers(settle, 20))
            to = here + int(rng.choice([-1, 1]))
            for _ in range(rng.integers(0, 3)):  # crossings on the way
                column += [to] * int(rng.integers(1, settle)) + [here] * int(rng.integers(1, settle))
            truth.append((ion, here, to, len(column)))
            here = to
        column += [here] * 400
        columns.append(column)
    frames = min(len(c) for c in columns)
    return np.array([c[:frames] for c in columns]).T, [t for t in truth if t[3] <= frames - settle]


@pytest.mark.parametrize("seed", range(5))
def test_flicker_at_faces_is_no_hop_and_every_hop_is_found(seed):
    settle = 4
    place, truth = planted(np.random.default_rng(seed), 20, settle)
    hops = hops_of(on_chain(place, SITES), chain(SITES), HopSettings(settle=0.1 * settle))
    steps = [(i, a, b, f) for i, a, b, f in truth]
    found = zip(hops.ion - 100, hops.origin, hops.target, hops.vector[:, 2], hops.arrived, strict=True)
    assert [tuple(f) for f in found] == [
        (i, a % SITES, b % SITES, pytest.approx(STEP * (b - a)), f) for i, a, b, f in steps
    ]
    assert hops.crossings > 3 * len(hops)
    assert hops.slower <= len(hops)


def test_a_brief_visit_on_the_way_is_the_pathway():
    place = np.array([[0] * 5 + [1, 2, 2, 1, 1] + [4] * 5, [0] * 5 + [1, 1, 2, 1, 4] + [4] * 5]).T
    hops = hops_of(visits(place), chain(SITES), HopSettings(settle=0.3))
    assert hops.via.tolist() == [1, 1]
    assert hops.vector[:, 2] == pytest.approx(4 * STEP)
    names = pathways_of(hops, chain(SITES))
    assert {names.ways[m].name for m in names.member} == {"oct–tet–oct along c"}


def test_ways_back_cancel_in_lasting_hops():
    places = [0, 1, 0, 1, 2, 3, 2, 2, 3, 4]  # 0→1→0→1 is one move; 2→3→2 is none, within the window
    place = np.repeat(places, 5)[:, None]
    hops = hops_of(visits(place), chain(SITES), HopSettings(settle=0.3, window=0.6))
    assert list(zip(hops.origin, hops.target, hops.lasting, strict=True)) == [
        (0, 1, False), (1, 0, False), (0, 1, True), (1, 2, True), (2, 3, False), (3, 2, False),
        (2, 3, True), (3, 4, True),
    ]  # fmt: skip


def test_a_hop_to_the_periodic_copy_of_the_same_site_counts():
    place = np.repeat([0, 6, 0], 5)[:, None]
    hops = hops_of(on_chain(place, 6), chain(SITES), HopSettings(settle=0.3))
    assert hops.shift[:, 2].tolist() == [1, -1]
    assert np.abs(hops.vector[:, 2]) == pytest.approx(6 * STEP)


@given(seed=seeds)
def test_hops_do_not_depend_on_the_order_of_ions_nor_on_the_copy_they_start_in(seed):
    rng = np.random.default_rng(seed)
    place, _ = planted(rng, 4, 3)
    order = rng.permutation(4)
    one = hops_of(on_chain(place, SITES), chain(SITES), HopSettings())
    shifted = place[:, order] + SITES * rng.integers(-3, 4, 4)
    other = hops_of(on_chain(shifted, SITES), chain(SITES), HopSettings())
    assert len(one) == len(other)
    for row, old in enumerate(order):
        mine, theirs = other.ion == 100 + row, one.ion == 100 + old
        for name in ("left", "arrived", "origin", "target", "vector", "recrossed"):
            assert (getattr(other, name)[mine] == getattr(one, name)[theirs]).all()


def test_classes_that_were_not_seen_come_along():
    hops = hops_of(visits(np.zeros((20, 3))), chain(SITES), HopSettings())
    found = pathways_of(hops, chain(SITES))
    assert len(hops) == 0
    assert {w.name for w in found.ways} == {"oct–tet along c", "tet–oct along c"}
    assert len({w.both for w in found.ways}) == 1
    assert hops.lasting.shape == (0,)
    assert hops.observed == pytest.approx(3 * (20 - 2) * 0.1)


def test_ions_that_are_nowhere_have_no_hops():
    hops = hops_of(visits(np.full((20, 2), -1)), chain(SITES), HopSettings())
    assert len(hops) == hops.crossings == hops.observed == 0


def test_directions_are_told_against_the_axes_of_the_cell():
    uniaxial, angle = chain(SITES), np.radians([5, 45, 85])
    vectors = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
    assert directions(vectors, uniaxial).tolist() == ["along c", "oblique", "in ab"]
    orthogonal = chain(SITES, cell=np.diag([8.0, 9, 10]))
    assert directions(vectors, orthogonal).tolist() == ["along c", "oblique", "along a"]
    layered = chain(SITES, cell=np.diag([8.0, 9, 10]), layer_axis=0)
    assert directions(vectors, layered).tolist() == ["in bc", "oblique", "along a"]
    assert set(directions(vectors, chain(SITES, cell=np.eye(3)))) == {""}


def test_what_cannot_be_told_is_refused():
    with pytest.raises(DataError, match="site 9"):
        hops_of(visits(np.full((20, 2), 9)), chain(SITES), HopSettings())
    with pytest.raises(AnalysisError, match="more than the 2"):
        hops_of(visits(np.zeros((2, 2))), chain(SITES), HopSettings())


def test_a_visit_is_never_too_short_by_rounding():
    assert HopSettings(settle=0.2).frames(0.1) == 2
    assert HopSettings(settle=0.3).frames(0.1) == 3
    assert HopSettings(settle=0.2).frames(0.15) == 2
    assert HopSettings(settle=0.2).frames(1.0) == 1
