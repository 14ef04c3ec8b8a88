"""Rates of hops and residence times, with intervals that hold when hops come in groups.

Both are events per time at risk. Were the events independent, their number would be Poisson's. They are not:
an ion that hopped tends to hop back, and neighbours hop together. So the scatter over ions and over blocks of
time is measured, and the events count as fewer where it is wider than Poisson's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from frustra.analysis.hops import Hops, Way, pathways_of
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError
from frustra.sites.record import Sites
from frustra.stats import Estimate, fit_line, poisson_limit
from frustra.units import BOLTZMANN

BLOCKS = 16
"""Blocks of time in each run from which the scatter of events comes."""

FEWEST = 3
"""Temperatures with events from which an energy is derived."""

COVER = 1.96
"""Standard errors on each side that hold 95 %."""


@dataclass(frozen=True)
class EventRate:
    """How often something happens: events per time at risk, with its 95 % interval."""

    events: int
    time: float
    """ion·ps in which it could have happened."""
    inflation: float
    """Variance of the number of events over Poisson's, at least 1; NaN where nothing happened."""
    rate: Estimate
    """Per ion and ps, which is THz; where nothing happened 0, with the 95 % upper bound 3.0/time."""

    @property
    def is_upper_bound(self) -> bool:
        """Whether nothing was seen, so that there is only a bound."""
        return self.events == 0

    @property
    def mean_time(self) -> Estimate:
        """1/rate in ps: mean time between events; where nothing happened, infinite with a lower bound."""
        r = self.rate
        if self.is_upper_bound:
            return Estimate(np.inf, np.nan, 1 / r.high if r.high > 0 else 0.0, np.inf)
        return Estimate(1 / r.value, r.std / r.value**2, 1 / r.high, 1 / r.low)


@dataclass(frozen=True)
class Pathway:
    """One class of hops at one temperature."""

    way: Way
    """Sites from origin to target, and the direction."""
    per_ion: EventRate
    """Hops per mobile ion and ps, wherever the ion is."""
    from_origin: EventRate
    """Hops per ps of an ion in a site of the origin's class: the rate constant."""
    recrossed: int
    """Those of them that the ion's next hop undoes within the window."""
    lasting: int
    """Those that are left when ways back cancel."""

    @property
    def name(self) -> str:
        """Such as `oct–oct along c`."""
        return self.way.name


@dataclass(frozen=True)
class Survival:
    """How many stays last longer than a time: the Kaplan–Meier estimate."""

    time: Array
    """(k,) ps, ascending."""
    survival: Array
    """(k,) fraction of stays that last longer."""
    std: Array
    """(k,) its standard error (Greenwood), as if stays were independent."""
    stays: int
    """Stays whose beginning was seen."""


@dataclass(frozen=True)
class Residence:
    """How long ions stay in the sites of one class."""

    name: str
    sites: int
    """Sites of this class."""
    departures: EventRate
    """Departures per ps of an ion in such a site; its `mean_time` is the mean residence time, which for
    exponential stays is the maximum-likelihood one, stays cut by the run's ends included."""
    survival: Survival


@dataclass(frozen=True)
class Cells:
    """Events and time at risk, run by run, (ions, blocks) each."""

    events: tuple[Array, ...]
    time: tuple[Array, ...]
    """ion·ps."""


def event_rate(cells: Cells) -> EventRate:
    """Return events per time at risk, with an interval from the scatter over ions and blocks of time.

    The variance of the number of events n is that of the residuals u = events − rate · time: summed over each
    ion, plus summed over each block, less that of single cells (Cameron, Gelbach and Miller, J. Bus. Econ.
    Stat. 29, 238, 2011). Over n, it is the inflation φ, which is at least 1. The interval is Jeffreys' for a
    Poisson mean with n/φ events. Without events, 3.0/time is the 95 % upper bound.
    """
    events = round(sum(float(e.sum()) for e in cells.events))
    time = sum(float(t.sum()) for t in cells.time)
    if not events:
        bound = poisson_limit(0) / time if time > 0 else np.inf
        return EventRate(0, time, np.nan, Estimate(0.0, np.nan, 0.0, bound))
    rate = events / time if time > 0 else np.inf
    residuals = [e - rate * t for e, t in zip(cells.events, cells.time, strict=True)]
    inflation = max(1.0, _variance(residuals) / events)
    effective = events / inflation
    low, high = (float(chi2.ppf(q, 2 * effective + 1)) / 2 / effective for q in (0.025, 0.975))
    return EventRate(
        events, time, inflation, Estimate(rate, rate / np.sqrt(effective), rate * low, rate * high)
    )


def _variance(residuals: Sequence[Array]) -> float:
    """Return the variance of their sum, where those of one ion and those of one block belong together."""
    by_ions = np.concatenate([u.sum(axis=1) for u in residuals])
    by_blocks = np.concatenate([u.sum(axis=0) for u in residuals])
    cells = np.concatenate([u.ravel() for u in residuals])
    ions, blocks, single = (float(v @ v) * len(v) / max(len(v) - 1, 1) for v in (by_ions, by_blocks, cells))
    if len(by_ions) < 2:
        return blocks
    return ions + max(0.0, blocks - single)


def rates_of(
    runs: Sequence[Hops], sites: Sites, labels: NDArray[np.str_] | None = None
) -> tuple[Pathway, ...]:
    """Return the rate of every class of hops, over all runs of one temperature together.

    Classes that the links between sites allow but that were not seen come with an upper bound.

    Parameters
    ----------
    runs
        Hops of each run, all on the same sites.
    sites
        Their links and cell.
    labels
        (sites,) class of every site; its kind by default.
    """
    labels = sites.kind if labels is None else labels
    found = [pathways_of(h, sites, labels) for h in runs]
    lasting = [h.lasting for h in runs]
    times = {str(k): spent(runs, labels == k) for k in np.unique(labels)}
    everywhere = spent(runs, np.ones(len(sites), bool))
    pathways = []
    for way in sorted({w for p in found for w in p.ways}):
        members = [p.members(way) for p in found]
        events = _happened(runs, members)
        pathways.append(
            Pathway(
                way,
                per_ion=event_rate(Cells(events, everywhere)),
                from_origin=event_rate(Cells(events, times[way.stops[0]])),
                recrossed=sum(int(h.recrossed[m].sum()) for h, m in zip(runs, members, strict=True)),
                lasting=sum(int(last[m].sum()) for last, m in zip(lasting, members, strict=True)),
            )
        )
    return tuple(pathways)


def residences_of(runs: Sequence[Hops], labels: NDArray[np.str_]) -> tuple[Residence, ...]:
    """Return how long ions stay in the sites of every class, over all runs of one temperature together.

    Parameters
    ----------
    runs
        Hops of each run, all on the same sites.
    labels
        (sites,) class of every site: `Sites.label`, or `Sites.kind`.
    """
    found = []
    for name in np.unique(labels):
        inside = labels == name
        departures = event_rate(Cells(_happened(runs, [inside[h.origin] for h in runs]), spent(runs, inside)))
        found.append(Residence(str(name), int(inside.sum()), departures, survival_of(runs, inside)))
    return tuple(found)


def survival_of(runs: Sequence[Hops], inside: BoolArray) -> Survival:
    """Return the Kaplan–Meier estimate of how long stays in some of the sites last.

    S(t) = Π (1 − dᵢ/nᵢ) over the times tᵢ ≤ t of dᵢ departures, with nᵢ stays still going on. Stays whose
    beginning was not seen are left out; of those whose end was not seen, it is known how long they lasted
    at least.

    Parameters
    ----------
    runs
        Hops of each run.
    inside
        (sites,) which sites.
    """
    durations: list[Array] = [np.zeros(0)]
    ended = [np.zeros(0, bool)]
    for hops in runs:
        stays = hops.stays
        chosen = stays.began & inside[stays.site]
        durations.append(np.asarray((stays.until - stays.first)[chosen] * hops.timestep, dtype=float))
        ended.append(stays.ended[chosen])
    time, gone = np.concatenate(durations), np.concatenate(ended)
    order = np.sort(time)
    at, departures = np.unique(np.round(time[gone], 9), return_counts=True)
    left = len(time) - np.searchsorted(order, at - 1e-6)
    survival: Array = np.cumprod(1 - departures / left, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(departures / (left * (left - departures)))
        std = np.where(survival > 0, survival * np.sqrt(greenwood), 0.0)
    return Survival(at, survival, std, len(time))


def spent(runs: Sequence[Hops], inside: BoolArray) -> tuple[Array, ...]:
    """Return for each run the time that ions belong to some of the sites, (ions, blocks), ion·ps."""
    found = []
    for hops in runs:
        stays, edges = hops.stays, _edges(hops)
        chosen = inside[stays.site]
        first, until, row = stays.first[chosen], stays.until[chosen], stays.row[chosen]
        columns = [
            np.bincount(row, np.clip(np.minimum(until, b) - np.maximum(first, a), 0, None), hops.ions)
            for a, b in pairwise(edges)
        ]
        found.append(np.asarray(np.stack(columns, axis=1) * hops.timestep, dtype=float))
    return tuple(found)


def _happened(runs: Sequence[Hops], members: Sequence[BoolArray]) -> tuple[Array, ...]:
    """Return for each run how many of some hops happened, (ions, blocks)."""
    found = []
    for hops, member in zip(runs, members, strict=True):
        edges = _edges(hops)
        # an arrival at frame f ends the time from f − 1 to f
        block = np.searchsorted(edges, hops.arrived[member] - 0.5, side="right") - 1
        row = hops.stays.row[hops.stay[member]]
        blocks = len(edges) - 1
        counts = np.bincount(row * blocks + block, minlength=hops.ions * blocks)
        found.append(counts.reshape(hops.ions, blocks).astype(float))
    return tuple(found)


def _edges(hops: Hops) -> IntArray:
    end = hops.frames - hops.settle
    return np.linspace(0, end, min(BLOCKS, end) + 1).round().astype(np.int64)


@dataclass(frozen=True)
class Activation:
    """The line ln Γ = ln Γ₀ − E/kT through the rates of one class of hops."""

    name: str
    energy: Estimate
    """E, eV."""
    prefactor: float
    """Γ₀, THz."""
    temperatures: Array
    """(n,) those with hops of this class, K."""
    chi2: float
    """About its n − 2 degrees of freedom where a line is right; the error of E is widened by the root of
    their ratio where that is above 1."""


def activation_of(name: str, temperatures: Sequence[float], rates: Sequence[EventRate]) -> Activation:
    """Fit an Arrhenius line to the rates of one class of hops by weighted least squares.

    Temperatures without a hop are left out.

    Parameters
    ----------
    name
        Of the class.
    temperatures, rates
        K, and the rate at each.

    Raises
    ------
    AnalysisError
        Hops at fewer than three temperatures.
    """
    known = [(t, r) for t, r in zip(temperatures, rates, strict=True) if r.events and np.isfinite(t)]
    if len({t for t, _ in known}) < FEWEST:
        raise AnalysisError(
            f"hops {name} at {len(known)} temperature(s)", f"at least {FEWEST} for an energy", "run at more"
        )
    kelvin = np.array([t for t, _ in known])
    # the logarithm of a number n of independent events varies by 1/n
    effective = np.array([r.events / r.inflation for _, r in known])
    value = np.log([r.rate.value for _, r in known])
    line = fit_line(1 / (BOLTZMANN * kelvin), value, 1 / np.sqrt(effective))
    widened = np.sqrt(max(1.0, line.chi2 / (len(known) - 2)))
    energy, std = -line.slope, float(np.sqrt(line.covariance[1, 1])) * widened
    interval = Estimate(energy, std, energy - COVER * std, energy + COVER * std)
    return Activation(name, interval, float(np.exp(line.intercept)), kelvin, line.chi2)


def activations_of(
    temperatures: Sequence[float], pathways: Sequence[Sequence[Pathway]]
) -> dict[str, Activation | AnalysisError]:
    """Return for every class of hops its activation energy, or why there is none.

    Parameters
    ----------
    temperatures
        K.
    pathways
        The classes at each of them.
    """
    found: dict[str, Activation | AnalysisError] = {}
    for name in sorted({p.name for at in pathways for p in at if p.from_origin.events}):
        seen = [
            (t, p.from_origin)
            for t, at in zip(temperatures, pathways, strict=True)
            for p in at
            if p.name == name
        ]
        try:
            found[name] = activation_of(name, [t for t, _ in seen], [r for _, r in seen])
        except AnalysisError as refusal:
            found[name] = refusal
    return found
