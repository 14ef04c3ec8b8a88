"""Where to compute next: the temperatures and lengths that narrow Tc most for their cost.

What is known of a break is a mixture: at every Tc of a grid a weight and Gaussian coefficients. So what a
measurement would do to it follows in closed form. Outcomes are drawn from the mixture itself, and the
measurement is proposed after which the interval of Tc is expected to be narrowest for what it costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from scipy.special import gammaincc, ndtr, softmax

from frustra.analysis.arrhenius import Arrhenius
from frustra.analysis.breaks import SUPPORT, Breaks
from frustra.analysis.models import CELLS, KINDS, Fit, design_of, middle_of
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.ladder import Ladder

OUTCOMES = 128
"""Futures that are looked at."""

LENGTHS = (1, 2, 4)
"""Lengths of a run that are tried, in units of the usual one, or of longer ones if there is much to spend."""

PIECES = 6
"""Units of length that all proposals together have at most, about."""

RUNS, SHARE = 3, 0.25
"""Where no cost is given: as many runs of usual length, or this share of what the ladder has cost."""

TARGET = 10.0
"""Width of the 95 % interval of Tc that is aimed at, K."""

EXCLUDED = -SUPPORT
"""log10 of the Bayes factor of a break below which a line is let be: three to one against it."""

UNSEEN = 4
"""A run of relative error 1/√n counts as one that saw n events; with fewer than these, it gives a bound."""

LEAST = 0.1
"""Expected events that are not told from fewer."""

NEGLIGIBLE = 1e-3
"""Weight, relative to the largest, below which a part of the mixture is left out."""


@dataclass(frozen=True)
class Effort:
    """What a run costs, and how exact it is: relative error² = noise / (D t)."""

    length: float
    """Usual production at a temperature, all replicas together, ps."""
    overhead: float
    """What each new temperature costs besides: mean cell, equilibration, ps."""
    noise: float
    """In ps times the ladder's σT or D."""
    spent: float
    """What the ladder has cost, ps."""

    def events(self, log_value: Array, length: float) -> Array:
        """Return how many independent events a run would count, 1/(relative error)²."""
        count: Array = np.exp(np.clip(log_value + np.log(length / self.noise), np.log(LEAST), 50.0))
        return count


def effort_of(ladder: Ladder, lengths: Array, length: float, overhead: float) -> Effort:
    """Learn from a ladder how exact a run is: the median of (std/value)² D t over its measured points.

    Parameters
    ----------
    ladder
        With errors.
    lengths
        (points,) production at each temperature, ps.
    length, overhead
        See `Effort`.

    Raises
    ------
    DataError
        The errors are not known, or nothing was measured.
    """
    if not ladder.errors_known or not ladder.measured:
        raise DataError(
            "values without errors", "a standard error of each", "without it no run can be weighed"
        )
    rows = [(p, t) for p, t in zip(ladder.points, lengths, strict=True) if not p.is_upper_bound]
    power = 1.0 if ladder.quantity == "conductivity" else 0.0
    seen = [(p.std / p.value) ** 2 * p.value * p.temperature**power * t for p, t in rows]
    return Effort(length, overhead, float(np.median(seen)), float(np.sum(lengths + overhead)))


@dataclass(frozen=True)
class Proposal:
    """A run that should be done."""

    temperature: float
    """K."""
    length: float
    """Production, all replicas together, ps."""
    cost: float
    """With what comes before production, ps."""


@dataclass(frozen=True)
class Refinement:
    """What to compute next, and what it is expected to bring."""

    proposals: tuple[Proposal, ...]
    interval: float
    """Width of the 95 % interval of Tc now, K; NaN where no break is claimed."""
    expected: float
    """What it is expected to be after all proposals; NaN as before."""
    reason: str
    """A sentence: why these, or why none."""

    @property
    def cost(self) -> float:
        """Of all proposals, ps."""
        return sum(p.cost for p in self.proposals)


def refine(
    found: Arrhenius, effort: Effort, budget: float | None = None, target: float = TARGET
) -> Refinement:
    """Propose runs: one after the other, each the one that narrows Tc most for its cost.

    Where a break is claimed, what is to be narrowed is the 95 % interval of Tc. Where none is, it is the
    doubt whether there is one, until the odds against it are three to one. Several proposals allow for each
    other, not for each other's outcome: fewer at a time need less in total.

    Parameters
    ----------
    found
        What is known by now.
    effort
        Costs and errors of runs.
    budget
        What all proposals may cost, ps; by default three runs of usual length, or a quarter of what the
        ladder has cost if that is more.
    target
        Width of the interval, K, at which nothing more is proposed.

    Raises
    ------
    AnalysisError
        The budget is less than one run.
    """
    breaks, extent = found.breaks, f"{found.ladder.temperatures[0]:g}–{found.ladder.temperatures[-1]:g} K"
    one = effort.length + effort.overhead
    budget = max(RUNS * one, SHARE * effort.spent) if budget is None else budget
    if not budget >= one:  # NaN too
        raise AnalysisError(
            f"a cost of {budget:g} ps", f"at least {one:g} ps, one run with its equilibration"
        )
    tc = breaks.transition
    width = tc.high - tc.low if tc is not None else float("nan")
    if breaks.model == "line" and breaks.log10_bayes < EXCLUDED:
        return Refinement(
            (), width, width, f"there is no break within {extent} to refine; one outside is not excluded"
        )
    if width <= target:
        return Refinement((), width, width, f"the interval of Tc is {width:.3g} K wide already")
    proposals, expected = _greedy(found, effort, budget, target)
    return Refinement(proposals, width, expected, _reason(breaks, proposals))


def _reason(breaks: Breaks, proposals: Sequence[Proposal]) -> str:
    if not proposals:
        return "no run within the cost is expected to tell anything: allow a higher one"
    if breaks.model == "line":
        return "a line fits, but the odds against a break are not three to one: these temperatures tell best"
    if breaks.model == "undecided":
        return "these temperatures tell best whether there is a break"
    if breaks.model == "jump":
        return "these temperatures divide the interval in which the jump lies"
    return "these runs fix both branches where they meet"


def _greedy(
    found: Arrhenius, effort: Effort, budget: float, target: float
) -> tuple[tuple[Proposal, ...], float]:
    """Take the best run for its cost, again and again; what falls on one temperature becomes one run."""
    outlook = _outlook(found.breaks)
    decided = found.transition is not None
    unit = effort.length * max(1, round(budget / (PIECES * effort.length)))
    chosen: dict[float, float] = {}
    spent, now = 0.0, outlook.doubt()
    while not decided or now > target or not chosen:
        options = [
            (t, n * unit, n * unit + effort.overhead * (t not in chosen))
            for t in _candidates(found)
            for n in LENGTHS
        ]
        options = [o for o in options if spent + o[2] <= budget * (1 + 1e-9)]
        after = [outlook.after(t, length, effort).doubt() for t, length, _ in options]
        gains = [np.log(now / max(a, 1e-12)) / cost for a, (*_, cost) in zip(after, options, strict=True)]
        best = int(np.argmax(gains)) if options else -1
        if best < 0 or after[best] >= now:
            break
        t, length, cost = options[best]
        outlook = outlook.after(t, length, effort, learn=True)
        chosen[t] = chosen.get(t, 0.0) + length
        spent, now = spent + cost, after[best]
    proposals = tuple(Proposal(t, n, n + effort.overhead) for t, n in sorted(chosen.items()))
    return proposals, now if decided else float("nan")


def _candidates(found: Arrhenius) -> list[float]:
    """Return round temperatures: close ones around Tc, others over the ladder, beyond it if Tc may be."""
    ladder, tc = found.ladder.temperatures, found.breaks.candidate
    gaps = np.diff(ladder)
    low = ladder[0] - gaps[0] * (tc.low < ladder[1])
    high = ladder[-1] + gaps[-1] * (tc.high > ladder[-2])
    width = max(tc.high - tc.low, 1.0)
    near = np.linspace(tc.low - width, tc.high + width, 21)
    step = next((s for s in (10.0, 5.0, 2.0) if s <= width / 8), 1.0)
    every = np.concatenate([near, np.linspace(low, high, 11)])
    rounded = np.unique(np.round(every / step) * step)
    inside = rounded[(rounded >= max(low, step)) & (rounded <= high)]
    return [float(t) for t in inside if np.abs(ladder - t).min() >= 1.0]


@dataclass(frozen=True)
class _Outlook:
    """What will be known, in every future: for each, weights and coefficients of the mixture's parts."""

    breaks: Breaks = field(repr=False)
    tc: Array
    """(parts,) K, ascending; NaN last, for the line."""
    width: Array
    """(parts,) of the cell that each Tc stands for, K."""
    log_weight: Array
    """(outcomes, parts), not normalised."""
    mean: Array
    """(outcomes, parts, 4)."""
    covariance: Array
    """(parts, 4, 4)."""
    true: IntArray
    """(outcomes,) which part is the truth."""
    truth: Array
    """(outcomes, 4) its coefficients."""
    noise: Array
    """(outcomes,) standard normal, of the next measurement."""

    def after(self, temperature: float, length: float, effort: Effort, *, learn: bool = False) -> Self:
        """Return what will be known after a run; only with `learn` can another follow."""
        rows = _rows(self.breaks, np.array([temperature]), self.tc)[:, 0]
        events = effort.events((rows * self.mean.mean(axis=0)).sum(axis=1), length)
        unseen = np.clip(gammaincc(UNSEEN, events), 1e-12, 1 - 1e-12)  # of a Poisson variable
        seen = ndtr(self.noise) > unseen[self.true]
        value = (rows[self.true] * self.truth).sum(axis=1) + self.noise / np.sqrt(events[self.true])
        shift = np.einsum("gpq,gq->gp", self.covariance, rows)
        variance = np.maximum((shift * rows).sum(axis=1), 0.0) + 1 / events
        miss = value[:, None] - np.einsum("mgp,gp->mg", self.mean, rows)
        density = np.log1p(-unseen) - (miss**2 / variance + np.log(variance)) / 2
        told = np.where(seen[:, None], density, np.log(unseen))
        weighed = replace(self, log_weight=self.log_weight + told)
        if not learn:
            return weighed
        gain = shift / variance[:, None]
        learnt = (1 - unseen)[:, None, None] * gain[:, :, None] * shift[:, None, :]
        return replace(
            weighed,
            mean=self.mean + (seen[:, None] * miss)[:, :, None] * gain,
            covariance=self.covariance - learnt,
            noise=np.roll(self.noise, 1),  # each future goes on with the luck of another
        )

    def doubt(self) -> float:
        """Return the mean width of the interval of Tc, K; or, if the line counts, of the binary entropy."""
        weight = softmax(self.log_weight, axis=1)
        if np.isnan(self.tc).any():
            line = np.clip(weight[:, np.isnan(self.tc)].sum(axis=1), 1e-12, 1 - 1e-12)
            return float(-(line * np.log(line) + (1 - line) * np.log1p(-line)).mean())
        total = np.cumsum(weight, axis=1)
        return float((_quantile(self, total, 0.975, weight) - _quantile(self, total, 0.025, weight)).mean())


def _quantile(outlook: _Outlook, total: Array, probability: float, weight: Array) -> Array:
    """Return a quantile of Tc in every future, (outcomes,); within a cell by interpolation."""
    part = np.minimum((total < probability).sum(axis=1), total.shape[1] - 1)
    row = np.arange(len(part))
    within = 1 - (total[row, part] - probability) / np.maximum(weight[row, part], 1e-300)
    return np.asarray(outlook.tc[part] + (np.clip(within, 0, 1) - 0.5) * outlook.width[part])


def _outlook(breaks: Breaks) -> _Outlook:
    """Return what is known now, the same in every future, and the truths that are drawn from it."""
    kinds = KINDS if breaks.transition is None else KINDS[1:]
    parts = _parts([breaks.fits[kind] for kind in kinds], len(breaks.series.factors))
    tc, log_weight, mean, covariance = (np.concatenate(p) for p in zip(*parts, strict=True))
    kept = _kept(log_weight, tc)
    tc, mean, covariance = tc[kept], mean[kept], covariance[kept]
    weight = softmax(log_weight[kept])
    rng = np.random.default_rng(1)
    places = (np.arange(OUTCOMES) + rng.random(OUTCOMES)) / OUTCOMES  # stratified
    true = np.minimum(np.searchsorted(np.cumsum(weight), places), len(kept) - 1)
    spread, axes = np.linalg.eigh(covariance[true])
    drawn = np.sqrt(np.maximum(spread, 0.0)) * rng.standard_normal((OUTCOMES, 4))
    truth = mean[true] + np.einsum("mpq,mq->mp", axes, drawn)
    return _Outlook(
        breaks=breaks,
        tc=tc,
        width=_widths(breaks, tc),
        log_weight=np.tile(np.log(weight), (OUTCOMES, 1)),
        mean=np.tile(mean, (OUTCOMES, 1, 1)),
        covariance=covariance,
        true=true,
        truth=truth,
        noise=rng.standard_normal(OUTCOMES),
    )


def _parts(fits: Sequence[Fit], factors: int) -> list[tuple[Array, Array, Array, Array]]:
    """Return Tc, weights, coefficients and covariances of each model, coefficients that it lacks being zero.

    Of several factors on the errors, the most probable.
    """
    weights = [f.log_weight.reshape(factors, -1) for f in fits]
    best = int(np.logaddexp.reduce(np.concatenate(weights, axis=1), axis=1).argmax())
    parts = []
    for fit, weight in zip(fits, weights, strict=True):
        grid = slice(best * weight.shape[1], (best + 1) * weight.shape[1])
        lacks = (0, 4 - fit.coefficients.shape[1])
        mean = np.pad(fit.coefficients[grid], ((0, 0), lacks))
        covariance = np.pad(fit.covariance[grid], ((0, 0), lacks, lacks))
        parts.append((fit.breaks[grid], fit.log_weight[grid], mean, covariance))
    return parts


def _kept(log_weight: Array, tc: Array) -> IntArray:
    """Return the parts that matter, by ascending Tc; the line, which has none, last."""
    order: IntArray = np.argsort(tc, kind="stable")
    matters: BoolArray = log_weight[order] > log_weight.max() + np.log(NEGLIGIBLE)
    return order[matters]


def _widths(breaks: Breaks, tc: Array) -> Array:
    """Return how wide the cell of each Tc is, K."""
    ladder = breaks.series.temperatures
    gap = np.clip(np.searchsorted(ladder, tc) - 1, 0, len(ladder) - 2)
    return np.asarray(np.diff(ladder)[gap] / CELLS)


def _rows(breaks: Breaks, temperatures: Array, tc: Array) -> Array:
    """Return the design (parts, n, 4) of all models: coefficients that one lacks are zero."""
    return design_of("jump", temperatures, tc, breaks.scale, middle_of(breaks.series, breaks.scale))
