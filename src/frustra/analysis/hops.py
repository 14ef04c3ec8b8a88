"""Hops: from the site of every ion in every frame to the moves from site to site that last.

An ion that vibrates near the face between two sites crosses it many times without going anywhere. So an ion
belongs to its last *settled* place, and only a visit that lasts makes a place settled.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.geometry import lattice_type
from frustra.settings import Settings
from frustra.sites.record import Sites
from frustra.visits import Visits

ALONG = np.cos(np.radians(30))
"""A hop within 30° of an axis is along it, within 30° of a plane in it."""


class HopSettings(Settings):
    """What counts as a hop, and which hops belong together."""

    settle: float = Field(
        0.2,
        gt=0,
        description="Shortest visit (ps) by which an ion settles in a site: two periods of a vibration of "
        "10 THz, after which it has lost its momentum. Shorter visits are crossings back and forth, or part "
        "of a way. In whole frames, at least one.",
    )
    window: float = Field(
        1.0,
        gt=0,
        description="Hops this close in time (ps) belong together: an ion that goes straight back, or one "
        "that takes the place which another has left. A hop of 3 Å takes some 0.3 ps.",
    )

    def frames(self, timestep: float) -> int:
        """Return how many frames (`timestep` ps apart) a visit needs to settle."""
        return max(1, int(np.ceil(self.settle / timestep - 1e-9)))


@dataclass(frozen=True)
class Stays:
    """Where every ion belongs: its last settled place, from the first settled visit on.

    The rows are ordered by ion and time. Of one ion, each stay ends where the next begins, so that the way
    between two places counts to the first.
    """

    row: IntArray
    """(s,) column of the ion in `Visits`."""
    site: IntArray
    """(s,) row of the site in `Sites`."""
    image: IntArray
    """(s, 3) cell vectors to the copy of the site that the unwrapped ion is in."""
    first: IntArray
    """(s,) frame of the arrival; of an ion's first stay, the frame from which its place is known."""
    until: IntArray
    """(s,) frame of the next arrival; of a last stay, the last frame at which an arrival could be seen."""
    began: BoolArray
    """(s,) whether the arrival was seen."""
    ended: BoolArray
    """(s,) whether a departure was seen."""

    def __len__(self) -> int:
        """Return the number of stays."""
        return len(self.row)


@dataclass(frozen=True)
class Hops:
    """Hops of all ions of one run, ordered by ion and time."""

    stay: IntArray
    """(m,) row in `stays` of the stay that the hop ends."""
    ion: IntArray
    """(m,) index of the atom."""
    left: IntArray
    """(m,) last frame in the origin."""
    arrived: IntArray
    """(m,) first frame of the settled visit to the target."""
    origin: IntArray
    """(m,) site that the ion comes from."""
    target: IntArray
    """(m,) site that it goes to."""
    shift: IntArray
    """(m, 3) cell vectors by which the copy of the target is away from that of the origin."""
    via: IntArray
    """(m,) site in which the ion was longest on its way, without settling; −1 where it went straight."""
    vector: Array
    """(m, 3) from origin to target, Å."""
    recrossed: BoolArray
    """(m,) whether the ion's next hop goes straight back, within the window."""
    residence: Array
    """(m,) time in the origin before, ps; NaN where its beginning was not seen."""
    stays: Stays
    """All stays, also those that saw no hop."""
    ions: int
    """Mobile ions."""
    frames: int
    """Frames of the run."""
    timestep: float
    """Time between frames, ps."""
    temperature: float
    """K; NaN where nobody knows it."""
    crossings: int
    """Changes of place from frame to frame before the filter."""
    slower: int
    """Hops that would be left if a visit needed twice the time to settle."""
    settle: int
    """Frames that a visit needs to settle."""
    window: float
    """Hops this close in time belong together, ps."""

    def __len__(self) -> int:
        """Return the number of hops."""
        return len(self.stay)

    @property
    def observed(self) -> float:
        """Time in which the place of the ions is known and an arrival could be seen, ion·ps."""
        return float((self.stays.until - self.stays.first).sum() * self.timestep)

    @property
    def lasting(self) -> BoolArray:
        """(m,) hops that are left when an ion's ways back, straight and within the window, cancel.

        Of a chain of hops to and fro the last one is left if their number is odd, and none if it is even.
        """
        chain = np.cumsum(np.concatenate([[True], ~self.recrossed[:-1]])) if len(self) else self.stay
        odd: BoolArray = np.bincount(chain)[chain] % 2 == 1
        return odd & ~self.recrossed


def hops_of(visits: Visits, sites: Sites, settings: HopSettings) -> Hops:
    """Return the hops of all ions: moves from one settled place to another.

    A place is a site and its periodic copy. A visit is unbroken while the ion is in this place, or nowhere in
    between. A visit of less than `settings.settle` settles nothing: A → (brief B) → A is no hop, and
    A → (brief B) → C is one hop from A to C via B. The time is linear in frames · ions.

    A site whose ions stay for less than `settle` on average is seen as a way, not as a site: of a
    place that ions leave at the rate k, the filter keeps the part exp(−k · settle) of the visits.

    Parameters
    ----------
    visits, sites
        Where the ions are; sites and their positions.
    settings
        What counts as a hop.

    Raises
    ------
    DataError
        Visits to sites that are not there.
    AnalysisError
        Fewer frames than a visit needs to settle, and one to leave it.
    """
    needed = settings.frames(visits.timestep)
    if visits.site.size and visits.site.max() >= len(sites):
        raise DataError(f"a visit to site {visits.site.max()}", f"one of {len(sites)} sites")
    if len(visits) <= needed:
        raise AnalysisError(f"{len(visits)} frames", f"more than the {needed} in which an ion settles")
    runs = _merged(_runs(visits))
    settled = runs.length >= needed
    begins = np.flatnonzero(settled)[_heads(runs.select(settled))]
    stays = _stays(_merged(runs.select(settled)), len(visits) - needed)
    stay = np.flatnonzero(stays.ended).astype(np.int64)
    left, via = _ways(runs, begins, stays, len(sites))
    origin, target = stays.site[stay], stays.site[stay + 1]
    shift = stays.image[stay + 1] - stays.image[stay]
    seen = stays.began[stay]
    residence = np.where(seen, (stays.until - stays.first)[stay] * visits.timestep, np.nan)
    return Hops(
        stay=stay, ion=visits.ions[stays.row[stay]], left=left[stay], arrived=stays.until[stay],
        origin=origin, target=target, shift=shift, via=via[stay],
        vector=sites.positions[target] - sites.positions[origin] + shift @ sites.cell,
        recrossed=_recrossed(stays, stay, settings.window / visits.timestep),
        residence=residence, stays=stays, ions=len(visits.ions), frames=len(visits),
        timestep=visits.timestep, temperature=visits.temperature, crossings=_changes(runs),
        slower=_changes(_merged(runs.select(runs.length >= 2 * needed))), settle=needed,
        window=settings.window,
    )  # fmt: skip


@dataclass(frozen=True)
class _Runs:
    """Unbroken visits, ordered by ion and time."""

    row: IntArray
    first: IntArray
    last: IntArray
    site: IntArray
    image: IntArray

    @property
    def length(self) -> IntArray:
        """Frames from the first to the last."""
        return self.last - self.first + 1

    def select(self, chosen: BoolArray) -> "_Runs":
        return _Runs(*(v[chosen] for v in (self.row, self.first, self.last, self.site, self.image)))


def _runs(visits: Visits) -> _Runs:
    """Encode places by their runs; those nowhere are left out."""
    frames, ions = visits.site.shape
    changed = np.ones((frames, ions), bool)
    changed[1:] = visits.site[1:] != visits.site[:-1]
    known = visits.site[1:] >= 0
    for axis in range(3):
        changed[1:] |= known & (visits.image[1:, :, axis] != visits.image[:-1, :, axis])
    start = np.flatnonzero(np.ascontiguousarray(changed.T)).astype(np.int64)
    row, first = np.divmod(start, frames)
    last = np.append(start[1:], frames * ions) - 1 - row * frames
    site, image = visits.site[first, row].astype(np.int64), visits.image[first, row].astype(np.int64)
    return _Runs(row, first, last, site, image).select(site >= 0)


def _heads(runs: _Runs) -> BoolArray:
    """Return which runs are not at the place where their ion was in the run before."""
    head = np.ones(len(runs.row), bool)
    head[1:] = (runs.row[1:] != runs.row[:-1]) | (runs.site[1:] != runs.site[:-1])
    head[1:] |= (runs.image[1:] != runs.image[:-1]).any(axis=1)
    return head


def _merged(runs: _Runs) -> _Runs:
    """Join runs of one ion at one place that follow upon each other."""
    head = _heads(runs)
    tails = np.append(head[1:], True)
    return replace(runs.select(head), last=runs.last[tails[: len(head)]])


def _changes(runs: _Runs) -> int:
    return int((runs.row[1:] == runs.row[:-1]).sum())


def _stays(runs: _Runs, end: int) -> Stays:
    """Return the stays from settled runs; `end` is the last frame at which an arrival could be seen."""
    same = runs.row[1:] == runs.row[:-1]
    ended = np.append(same, False)[: len(runs.row)]
    until = np.where(ended, np.append(runs.first[1:], end)[: len(runs.row)], end)
    began = np.append(False, same)[: len(runs.row)]
    return Stays(runs.row, runs.site, runs.image, runs.first, until, began, ended)


def _ways(runs: _Runs, begins: IntArray, stays: Stays, sites: int) -> tuple[IntArray, IntArray]:
    """Return for each stay the last frame in its place, and the site that is passed longest after it.

    Parameters
    ----------
    runs
        All visits, brief ones included.
    begins
        The run with which each stay begins.
    """
    left, via = np.zeros(len(stays), np.int64), np.full(len(stays), -1)
    if not len(stays):
        return left, via
    owner = np.searchsorted(begins, np.arange(len(runs.row)), side="right") - 1
    owned = (owner >= 0) & (runs.row == stays.row[owner])
    own = owned & _at(runs, stays, owner)
    np.maximum.at(left, owner[own], runs.last[own])
    following = np.minimum(owner + 1, len(stays) - 1)
    passing = owned & stays.ended[owner] & (runs.first > left[owner]) & ~_at(runs, stays, following)
    pair, inverse = np.unique(owner[passing] * sites + runs.site[passing], return_inverse=True)
    spent = np.bincount(inverse, runs.length[passing], len(pair))
    order = np.lexsort((spent, pair // sites))  # the last of each stay is the longest
    via[pair[order] // sites] = pair[order] % sites
    return left, via


def _at(runs: _Runs, stays: Stays, owner: IntArray) -> BoolArray:
    """Return which runs are at the place of the stay given for each."""
    here: BoolArray = (runs.site == stays.site[owner]) & (runs.image == stays.image[owner]).all(axis=1)
    return here


def _recrossed(stays: Stays, stay: IntArray, window: float) -> BoolArray:
    """Return which hops are undone by the next hop of the same ion."""
    if not len(stay):
        return np.zeros(0, bool)
    after = np.minimum(stay + 2, len(stays) - 1)
    back = stays.ended[np.minimum(stay + 1, len(stays) - 1)]
    back &= (stays.site[after] == stays.site[stay]) & (stays.image[after] == stays.image[stay]).all(axis=1)
    soon: BoolArray = stays.until[stay + 1] - stays.first[stay + 1] <= window + 1e-9
    return back & soon


@dataclass(frozen=True, order=True)
class Way:
    """A class of hops."""

    stops: tuple[str, ...]
    """Classes of the origin, of the site passed if there is one, and of the target."""
    direction: str
    """See `directions`."""

    @property
    def name(self) -> str:
        """Such as `oct–oct along c`, or `oct–tet–oct in ab` where a tetrahedron was passed."""
        return f"{'–'.join(self.stops)} {self.direction}".strip()

    @property
    def both(self) -> "Way":
        """The class that stands for hops there and back."""
        return Way(min(self.stops, self.stops[::-1]), self.direction)


@dataclass(frozen=True)
class Pathways:
    """Hops told apart by the classes of their sites and by their direction."""

    ways: tuple[Way, ...]
    member: IntArray
    """(m,) class of every hop."""

    def members(self, way: Way) -> BoolArray:
        """Return which hops are of a class, (m,)."""
        number = self.ways.index(way) if way in self.ways else -1
        chosen: BoolArray = self.member == number
        return chosen


def pathways_of(hops: Hops, sites: Sites, labels: NDArray[np.str_] | None = None) -> Pathways:
    """Sort the hops into classes: that of the origin, of the site passed, of the target, and the direction.

    Classes that the links between the sites allow, but that no hop belongs to, come with them.

    Parameters
    ----------
    hops, sites
        What to sort, and the sites they are between.
    labels
        (sites,) class of every site; its kind by default.
    """
    kinds, index = np.unique(sites.kind if labels is None else labels, return_inverse=True)
    free = sites.open[sites.links.pairs].all(axis=1)
    first, second = sites.links.pairs[free].T
    across = sites.positions[second] - sites.positions[first] + sites.links.shifts[free] @ sites.cell
    origin = np.concatenate([hops.origin, first, second])
    target = np.concatenate([hops.target, second, first])
    via = np.concatenate([hops.via, np.full(2 * len(first), -1)])
    middle = np.where(via >= 0, index[via], len(kinds))
    headings = directions(np.concatenate([hops.vector, across, -across]), sites)
    names, heading = np.unique(headings, return_inverse=True)
    codes = np.stack([index[origin], middle, index[target], heading], axis=1)
    found, member = np.unique(codes, axis=0, return_inverse=True)
    ways = [
        Way(tuple(str(kinds[k]) for k in (a, b, c) if k < len(kinds)), str(names[d])) for a, b, c, d in found
    ]
    return Pathways(tuple(ways), member.reshape(-1)[: len(hops)].astype(np.int64))


def directions(vectors: Array, sites: Sites) -> NDArray[np.str_]:
    """Return the direction of vectors (m, 3) against the axes of the cell, (m,).

    `along c` and `in ab` where layers are stacked along c or the lattice is uniaxial, `along a`, `along b`
    and `along c` where it is orthogonal, each within 30°, and `oblique` between them; empty where the axes
    do not differ (cubic, rhombohedral) or are not at right angles.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    unit = vectors / np.where(lengths > 0, lengths, 1.0)[:, None]
    lattice = lattice_type(sites.cell)
    axis = 2 if lattice == "uniaxial" else sites.layer_axis
    if lattice == "isotropic" or (axis < 0 and lattice != "orthogonal"):
        return np.full(len(vectors), "", dtype="U8")
    if axis >= 0:
        normal = np.cross(*np.delete(sites.cell, axis, axis=0))
        cosine = np.abs(unit @ normal) / np.linalg.norm(normal)
        plane = "abc".replace("abc"[axis], "")
        return np.select(
            [cosine >= ALONG, cosine <= np.sqrt(1 - ALONG**2)],
            [f"along {'abc'[axis]}", f"in {plane}"],
            "oblique",
        )
    cosines = np.abs(unit @ (sites.cell / np.linalg.norm(sites.cell, axis=1)[:, None]).T)
    names = np.array(["along a", "along b", "along c"])
    return np.where(cosines.max(axis=1) >= ALONG, names[cosines.argmax(axis=1)], "oblique")
