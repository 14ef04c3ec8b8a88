"""Hops in concert: strings of ions in which each takes the place that the next has just left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from frustra.analysis.hops import Hops
from frustra.arrays import Array, IntArray

SHUFFLES, FEWEST, ENOUGH = 20, 5, 2_000_000
"""Times that the hops are shifted against each other to learn what chance does: fewer where that makes so
many hops."""


@dataclass(frozen=True)
class Strings:
    """Strings of hops at one temperature, against what chance would do.

    A hop follows another if it ends in the site that another ion left, at most the window before it arrived;
    or shortly after, as both may be in the site for no longer than an ion needs to settle.
    Hops that follow each other make a string; its size is the number of its ions, 1 for a hop on its own.
    """

    size: IntArray
    """(k,) 1, 2, … up to the largest size seen, by chance or not."""
    count: IntArray
    """(k,) strings of each size."""
    chance: Array
    """(k,) mean number where the hops of each ion are shifted in time, all by the same random amount."""
    chance_std: Array
    """(k,) standard deviation of that number from shift to shift."""
    hops: int
    concerted: int
    """Hops in strings of two ions or more."""
    concerted_by_chance: float
    concerted_by_chance_std: float

    @property
    def longest(self) -> int:
        """Size of the largest string that was seen; 0 without hops."""
        return int(self.size[self.count > 0].max(initial=0))


@dataclass(frozen=True)
class Moves:
    """What of hops tells which follow which; frames count from anywhere."""

    left: IntArray
    """(n,) last frame in the origin."""
    arrived: IntArray
    """(n,) first frame in the target."""
    origin: IntArray
    """(n,) site."""
    target: IntArray
    """(n,) site."""
    ion: IntArray
    """(n,) whose hops they are."""


def links_of(moves: Moves, window: float, overlap: float) -> IntArray:
    """Return which hops follow which, (n, 2): the follower, and the hop that made room for it.

    Hop i follows hop j of another ion if i ends in the site where j began, and
    −overlap ≤ arrivedᵢ − leftⱼ ≤ window.
    The departures are sorted by site and time once, and the arrivals looked up: O(n log n), and the links.

    Parameters
    ----------
    moves
        The hops.
    window, overlap
        Frames.
    """
    hops = len(moves.ion)
    if not hops:
        return np.zeros((0, 2), np.int64)
    after, before = int(np.floor(window + 1e-9)), int(np.floor(overlap + 1e-9))
    begin = int(min(moves.left.min(), moves.arrived.min())) - after
    span = int(max(moves.left.max(), moves.arrived.max())) + before + 1 - begin  # frames, windows and all
    departure = moves.origin * span + moves.left - begin
    order = np.argsort(departure, kind="stable")
    arrival = moves.target * span + moves.arrived - begin
    by_arrival = np.argsort(arrival, kind="stable")  # sorted questions are looked up faster
    first, past = np.zeros(hops, np.int64), np.zeros(hops, np.int64)
    first[by_arrival] = np.searchsorted(departure[order], arrival[by_arrival] - after, side="left")
    past[by_arrival] = np.searchsorted(departure[order], arrival[by_arrival] + before, side="right")
    number = past - first
    follower = np.repeat(np.arange(hops), number)
    rank = np.arange(len(follower)) - np.repeat(np.cumsum(number) - number, number)
    leader = order[np.repeat(first, number) + rank]
    pairs: IntArray = np.stack([follower, leader], axis=1)[moves.ion[follower] != moves.ion[leader]]
    return pairs


def string_of(links: IntArray, hops: int) -> IntArray:
    """Return the number of the string that each hop belongs to, (hops,)."""
    ones = np.ones(len(links), bool)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(hops, hops))
    number: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return number


def strings_of(runs: Sequence[Hops], rng: np.random.Generator) -> Strings:
    """Return the sizes of strings of hops, and of those that are to be expected by chance.

    Sites count modulo the cell: all periodic copies of an ion hop together. Chance keeps which hops each ion
    makes and their order, and shifts them in time, around the end of the run, by another amount for each ion.
    It does not keep ions out of each other's sites, so that short strings alone prove little: where vacancies
    are few, an ion has to wait for another to leave.

    Parameters
    ----------
    runs
        Hops of each run of one temperature, with their window.
    rng
        Source of the shifts.
    """
    hops = sum(len(h) for h in runs)
    shuffles = min(SHUFFLES, max(FEWEST, ENOUGH // max(hops, 1)))
    seen = _sizes([_of_ions(strings_in(h), h.ion) for h in runs])
    shuffled = [
        _sizes([_of_ions(_strings(h, _shifted(h, rng)), h.ion) for h in runs]) for _ in range(shuffles)
    ]
    largest = max(len(s) for s in (seen, *shuffled))
    chance = np.array([np.pad(s, (0, largest - len(s))) for s in shuffled], dtype=float)
    count = np.pad(seen, (0, largest - len(seen)))
    alone = chance[:, 0] if largest else np.zeros(shuffles)
    return Strings(
        size=np.arange(1, largest + 1),
        count=count,
        chance=chance.mean(axis=0),
        chance_std=chance.std(axis=0, ddof=1),
        hops=hops,
        concerted=hops - int(count[0]) if largest else 0,
        concerted_by_chance=float(hops - alone.mean()),
        concerted_by_chance_std=float(alone.std(ddof=1)),
    )


def strings_in(hops: Hops) -> IntArray:
    """Return the number of the string that each hop of a run belongs to, (m,)."""
    return _strings(hops, Moves(hops.left, hops.arrived, hops.origin, hops.target, hops.ion))


def _strings(hops: Hops, moves: Moves) -> IntArray:
    return string_of(links_of(moves, hops.window / hops.timestep, hops.settle), len(hops))


def _shifted(hops: Hops, rng: np.random.Generator) -> Moves:
    row = hops.stays.row[hops.stay]
    shift = rng.integers(0, hops.frames, hops.ions)[row]
    arrived = (hops.arrived + shift) % hops.frames
    return Moves(arrived - (hops.arrived - hops.left), arrived, hops.origin, hops.target, hops.ion)


def _of_ions(string: IntArray, ion: IntArray) -> IntArray:
    """Return the number of ions in each string."""
    members = np.unique(string * (int(ion.max(initial=0)) + 1) + ion) // (int(ion.max(initial=0)) + 1)
    return np.bincount(members)


def _sizes(parts: Sequence[IntArray]) -> IntArray:
    """Return the number of strings of 1, 2, … ions."""
    return np.bincount(np.concatenate([np.zeros(0, np.int64), *parts]), minlength=1)[1:]
