"""Which hops of a run are relaxed before and after, and in which frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.hops import Hops
from frustra.arrays import Array, BoolArray, IntArray
from frustra.sites.record import Sites
from frustra.visits import Visits

OCT_TET_OCT = "oct–tet–oct"
"""The class of hops between oct sites through a tet site."""


@dataclass(frozen=True)
class ChosenHops:
    """Some of a run's hops, with the frames to relax; a way oct–tet–oct is chosen as a whole."""

    rows: IntArray
    """(k,) rows in `Hops`, ascending."""
    weight: Array
    """(k,) lasting hops of the same class over chosen ones: how many each stands for."""
    chain: IntArray
    """(k,) number of the way oct–tet–oct of which the hop is one half; −1 of none."""
    before: IntArray
    """(k,) frame of the run in which the ion is settled in its origin."""
    after: IntArray
    """(k,) the same of its target."""
    lasting: dict[str, int]
    """Class → lasting hops of the run, also of classes of which none was chosen."""

    def __len__(self) -> int:
        """Return the number of hops."""
        return len(self.rows)

    @property
    def frames(self) -> IntArray:
        """The frames to relax, each once, ascending."""
        return np.unique(np.concatenate([self.before, self.after])).astype(np.int64)


def choose_hops(hops: Hops, visits: Visits, sites: Sites, count: int, rng: np.random.Generator) -> ChosenHops:
    """Choose hops such that rare classes are present, and averages over a class stay unbiased.

    Only hops that last are taken, in the classes of `classes_of`. An ion's hops oct–tet and tet–oct that
    follow upon each other are one way, and chosen or not together; ways that go on and ways back to the same
    place are two classes. One member of each class is taken, the most frequent class first, and then more in
    proportion to the root of its number, until `count` hops are reached; within a class all have equal
    chances. So a mean weighted by `weight` estimates that over all lasting hops without bias, if every class
    has a member.

    Parameters
    ----------
    hops, visits, sites
        Of one run.
    count
        Hops at most.
    rng
        Draws the members.
    """
    lasting = np.flatnonzero(hops.lasting).astype(np.int64)
    names = classes_of(hops, sites)[lasting]
    second = _continues(hops, lasting, sites.kind)
    unit = np.cumsum(~second) - 1
    size = np.bincount(unit) if len(unit) else np.zeros(0, np.int64)
    name = names[~second].astype("U40")
    first = np.flatnonzero(~second)
    pairs = np.flatnonzero(size == 2)
    name[pairs] = [_way(hops, lasting[first[u]], lasting[first[u] + 1]) for u in pairs]
    chosen, weights = _drawn(name, size, count, rng)
    kept = np.isin(unit, chosen)
    weight = np.zeros(len(size))
    weight[chosen] = weights
    number = np.full(len(size), -1)
    number[np.intersect1d(chosen, pairs)] = np.arange(len(np.intersect1d(chosen, pairs)))
    rows = lasting[kept]
    classes, total = np.unique(np.repeat(name, size), return_counts=True)
    return ChosenHops(
        rows=rows,
        weight=weight[unit[kept]],
        chain=number[unit[kept]].astype(np.int64),
        before=np.array([_settled_before(hops, visits, row) for row in rows], dtype=np.int64),
        after=np.array([_settled_after(hops, visits, row) for row in rows], dtype=np.int64),
        lasting=dict(zip(classes.tolist(), total.tolist(), strict=True)),
    )


def classes_of(hops: Hops, sites: Sites) -> NDArray[np.str_]:
    """Return the class of every hop, (m,): the kinds of origin and target, or `oct–tet–oct`.

    Those are hops between oct sites on which the ion was longest in a tet site, without settling there.
    """
    kind = sites.kind.astype("U8")
    direct = np.char.add(np.char.add(kind[hops.origin], "–"), kind[hops.target])
    passed = (hops.via >= 0) & (kind[hops.via] == "tet") & (direct == "oct–oct")
    return np.where(passed, OCT_TET_OCT, direct)


def _continues(hops: Hops, rows: IntArray, kind: NDArray[np.str_]) -> BoolArray:
    """Return which hops go on to an oct site from the tet site that the ion reached from an oct."""
    second = np.zeros(len(rows), bool)
    one, other = rows[:-1], rows[1:]
    second[1:] = (hops.ion[one] == hops.ion[other]) & (hops.target[one] == hops.origin[other])
    second[1:] &= (kind[hops.origin[one]] == "oct") & (kind[hops.target[other]] == "oct")
    second[1:] &= kind[hops.origin[other]] == "tet"
    return second


def _way(hops: Hops, one: int, other: int) -> str:
    """Return the class of two hops that are one way."""
    back = hops.origin[one] == hops.target[other] and not (hops.shift[one] + hops.shift[other]).any()
    return f"{OCT_TET_OCT} and back" if back else f"{OCT_TET_OCT} settled"


def _drawn(
    name: NDArray[np.str_], size: IntArray, count: int, rng: np.random.Generator
) -> tuple[IntArray, Array]:
    """Return which units are drawn, and how many of its class each stands for."""
    if not len(name):
        return np.zeros(0, np.int64), np.zeros(0)
    classes, member, total = np.unique(name, return_inverse=True, return_counts=True)
    order = rng.permutation(len(name))
    turn = np.zeros(len(name), np.int64)
    for k in range(len(classes)):
        own = order[member[order] == k]
        turn[own] = np.arange(len(own))
    queue = np.lexsort((member, -total[member], turn / np.sqrt(total[member])))
    chosen = np.sort(queue[np.cumsum(size[queue]) <= count])
    taken = np.bincount(member[chosen], minlength=len(classes))
    return chosen.astype(np.int64), total[member[chosen]] / taken[member[chosen]]


def _settled_after(hops: Hops, visits: Visits, row: int) -> int:
    """Return the frame in the middle of the first `settle` frames of a hop's stay in its target."""
    stay = int(hops.stay[row]) + 1
    first = int(hops.arrived[row])
    inside = _inside(hops, visits, stay, first, first + hops.settle)
    return first + _nearest(inside, hops.settle // 2)


def _settled_before(hops: Hops, visits: Visits, row: int) -> int:
    """Return the frame in the middle of the last `settle` frames in a row in a hop's origin.

    Of the reversed run it is the frame after the reversed hop, so that detailed balance can be asked for.
    """
    stay, settle = int(hops.stay[row]), hops.settle
    first, end = int(hops.stays.first[stay]), int(hops.left[row]) + 1
    inside = _inside(hops, visits, stay, first, end)
    nowhere = visits.site[first:end, hops.stays.row[stay]] < 0
    held = np.concatenate([[0], np.cumsum(inside | nowhere)])
    windows = np.flatnonzero(held[settle:] - held[:-settle] == settle)  # a stay begins with one
    return first + _nearest(inside, int(windows[-1]) + settle - 1 - settle // 2)


def _inside(hops: Hops, visits: Visits, stay: int, first: int, end: int) -> BoolArray:
    """Return in which frames from `first` to before `end` the ion of a stay is at its place."""
    row = hops.stays.row[stay]
    site, image = visits.site[first:end, row], visits.image[first:end, row]
    here: BoolArray = (site == hops.stays.site[stay]) & (image == hops.stays.image[stay]).all(axis=1)
    return here


def _nearest(inside: BoolArray, wanted: int) -> int:
    """Return the frame at the place that is nearest to the wanted one."""
    there = np.flatnonzero(inside)
    return int(there[np.abs(there - wanted).argmin()])
