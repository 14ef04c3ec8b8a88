"""Does a quantity break at some temperature? The choice between line, kink and jump, and what follows."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.stats import chi2

from frustra.analysis.models import (
    CELLS,
    COMMON,
    FACTORS,
    KINDS,
    Fit,
    Kind,
    Scale,
    Series,
    design_of,
    fit_model,
    integrated,
    middle_of,
)
from frustra.arrays import Array
from frustra.stats import Estimate, Mixture, mixed

CLAIM = 6.0
"""ΔBIC from which a break is claimed."""

WEAK = 2.0
"""ΔBIC up to which a break is no better than a line."""

SUPPORT = 0.5
"""log10 of the Bayes factor that a claim needs too: about three to one."""

SUPPORT_UNKNOWN = 1.0
"""The same where errors are not known: ten to one."""

FEWEST = 5
"""Temperatures below which nothing is said about a break: two on each side, and one that can disagree."""

LARGE = 2.0
"""Change of slope, in units of the usual one, that must be visible before its absence is claimed."""

IMPROBABLE = 0.01
"""Chance below which errors count as too small."""

POWER = 1.28
"""Standard errors beyond the threshold at which a break is claimed nine times in ten."""


@dataclass(frozen=True)
class Breaks:
    """Which of the three models the data ask for, and what follows from it.

    Where a break is claimed, kink and jump count by their evidence; where it is undecided, the line too.
    """

    model: Kind | Literal["undecided"]
    series: Series
    scale: Scale
    fits: dict[Kind, Fit] = field(repr=False)
    delta_bic: float
    """BIC of the line less that of the better break."""
    log10_bayes: float
    """log10 of the evidence of the better break over that of the line."""
    reason: str
    """A sentence: what was found, or what is needed to know."""
    errors_too_small: bool = False
    """Whether no model fits within the errors, so that a common factor on them was inferred too."""

    @cached_property
    def shares(self) -> dict[Kind, float]:
        """How much each model counts."""
        used: tuple[Kind, ...] = {"line": KINDS[:1], "undecided": KINDS}.get(self.model, KINDS[1:])
        return dict(zip(used, self._odds(used).tolist(), strict=True))

    def _odds(self, kinds: tuple[Kind, ...]) -> Array:
        """Return the probability of each of some models, if it is one of them."""
        evidence = np.array([self.fits[k].log_evidence for k in kinds])
        return np.asarray(np.exp(evidence - np.logaddexp.reduce(evidence)))

    @property
    def transition(self) -> Estimate | None:
        """Tc, K, where a break is claimed; the interval of a jump ends at temperatures of the ladder."""
        if self.model not in KINDS[1:]:
            return None
        return self.candidate

    @cached_property
    def candidate(self) -> Estimate:
        """Tc, K, if there is a break."""
        parts = []
        for kind in KINDS[1:]:
            fit = self.fits[kind]
            gaps = np.diff(self.series.temperatures)
            width = gaps[np.searchsorted(self.series.temperatures, fit.breaks) - 1] / CELLS
            parts.append(Mixture(fit.posterior, fit.breaks, width / np.sqrt(12)))
        found = mixed(parts, self._odds(KINDS[1:])).estimate()
        ladder = self.series.temperatures
        low, high = max(found.low, ladder[0]), min(found.high, ladder[-1])
        if self.model == "jump":
            low, high = ladder[ladder <= low].max(), ladder[ladder >= high].min()
        return Estimate(found.value, found.std, float(low), float(high))

    def slope(self, branch: Literal["low", "high"]) -> Estimate | None:
        """Return the slope below or above the break; None if fewer than two values were measured below."""
        if branch == "low" and not self.low_is_measured:
            return None
        return self._mixture(lambda fit: self._of_branch(fit, branch, None)).estimate()

    def extended(self, branch: Literal["low", "high"], abscissa: float) -> Estimate | None:
        """Return the value of one branch's line at any abscissa; None as for `slope`."""
        if branch == "low" and not self.low_is_measured:
            return None
        return self._mixture(lambda fit: self._of_branch(fit, branch, abscissa)).estimate()

    def _of_branch(self, fit: Fit, branch: Literal["low", "high"], abscissa: float | None) -> Array:
        """Return the rows (grid, p) that give a branch's value at an abscissa, or its slope."""
        below = float(branch == "low")
        cut = np.nan_to_num(self.scale.abscissa(fit.breaks))
        ones = np.ones(len(cut))
        if abscissa is None:
            columns = [0 * ones, ones, below * ones, 0 * ones]
        else:
            middle = middle_of(self.series, self.scale)
            columns = [ones, (abscissa - middle) * ones, below * (abscissa - cut), below * ones]
        return np.stack(columns[: fit.coefficients.shape[1]], axis=1)

    def at(self, temperature: float) -> Estimate:
        """Return the value at a temperature, by the branch that it lies on."""
        return self._mixture(lambda fit: self._rows(fit, np.array([temperature]))[:, 0]).estimate()

    def curve(self, temperatures: Array) -> tuple[Array, Array, Array]:
        """Return value, lower and upper end of the 95 % interval at several temperatures."""
        found = [self.at(float(t)) for t in temperatures]
        middle, low, high = np.array([(e.value, e.low, e.high) for e in found]).T
        return middle, low, high

    @property
    def best_bic(self) -> float:
        """BIC of the better break."""
        return min(self.fits[k].bic(len(self.series.values)) for k in KINDS[1:])

    @property
    def low_is_measured(self) -> bool:
        """Whether two values or more were measured below the break, or there is none."""
        if self.model == "line":
            return True
        edge = self.candidate.value
        return bool((~self.series.upper & (self.series.temperatures < edge)).sum() >= 2)

    def _rows(self, fit: Fit, temperatures: Array) -> Array:
        return design_of(fit.kind, temperatures, fit.breaks, self.scale, middle_of(self.series, self.scale))

    def _mixture(self, rows: Callable[[Fit], Array]) -> Mixture:
        """Return the distribution of a linear function of the coefficients, (grid, p) for each fit."""
        parts = []
        for kind in self.shares:
            fit, row = self.fits[kind], rows(self.fits[kind])
            std = np.sqrt(np.einsum("gp,gpq,gq->g", row, fit.covariance, row))
            parts.append(Mixture(fit.posterior, (row * fit.coefficients).sum(axis=1), std))
        return mixed(parts, np.array(list(self.shares.values())))


def breaks_of(series: Series, scale: Scale) -> Breaks:
    """Choose between one line, a kink and a jump.

    A break is claimed for ΔBIC ≥ 6 and a Bayes factor of three or more (ten where errors are not known),
    with two points on each side of it. Below ΔBIC = 2, or where the evidence is for the line, it is a line,
    if five temperatures are measured and a break would have been seen; else it is undecided. Errors within
    which none of the models fits (one chance in a hundred) are taken as known up to a common factor.
    """
    fits = {kind: fit_model(kind, series, scale) for kind in KINDS}
    distrusted = series.errors_known and _too_small(fits, series)
    if distrusted:
        series = replace(series, factors=FACTORS)
        fits = {kind: fit_model(kind, series, scale) for kind in KINDS}
    n, measured = len(series.values), int((~series.upper).sum())
    bic = {kind: fit.bic(n) for kind, fit in fits.items()}
    better: Kind = "kink" if bic["kink"] <= bic["jump"] else "jump"
    gain = bic["line"] - bic[better]
    evidence = max(fits[k].log_evidence for k in KINDS[1:]) - fits["line"].log_evidence
    bayes = float(evidence / np.log(10))
    detectable = _detectable(fits["line"], series, scale)
    model: Kind | Literal["undecided"]
    visible = detectable <= LARGE * scale.slope
    support = SUPPORT if series.errors_known else SUPPORT_UNKNOWN
    if n >= FEWEST and gain >= CLAIM and bayes >= support:
        model = better
    elif measured >= FEWEST and visible and (gain < WEAK or bayes < 0):
        model = "line"
    else:
        model = "undecided"
    found = Breaks(model, series, scale, fits, float(gain), bayes, "", distrusted)
    return replace(found, reason=_reason(found, bic, detectable))


def _too_small(fits: dict[Kind, Fit], series: Series) -> bool:
    """Return whether even the best model misses the points by more than their errors explain."""
    tails = []
    for fit in fits.values():
        freedom = int((~series.upper).sum()) - fit.parameters
        if freedom > 0 and fit.allowed.any():
            tails.append(float(chi2.sf(fit.deviance[fit.best], freedom)))
    return bool(tails) and max(tails) < IMPROBABLE


def curved_bic(found: Breaks) -> float:
    """Return the BIC of a parabola in the abscissa: a change that is gradual."""
    series, u = found.series, found.scale.abscissa(found.series.temperatures)
    z = (u - u.mean()) / np.ptp(u)
    design = np.stack([np.ones_like(z), z, z**2], axis=1)[None]
    wide = np.full(3, COMMON * (np.ptp(series.values) + 1.0))
    deviance = min(integrated(design, series, f, (np.zeros(3), wide))[3][0] for f in series.factors)
    parameters = 3 + (not series.errors_known)
    return float(deviance + parameters * np.log(len(z)))


def _detectable(line: Fit, series: Series, scale: Scale) -> float:
    """Return the change of slope in the middle of the data that would be claimed nine times in ten."""
    measured = ~series.upper
    temperatures = series.temperatures[measured]
    if len(temperatures) < FEWEST - 1:
        return float("inf")
    std = series.factors[line.best] * series.std[measured]
    middle = np.array([np.median(temperatures) + 1e-6])
    design = design_of("kink", temperatures, middle, scale, middle_of(series, scale))[0] / std[:, None]
    error = np.sqrt(np.linalg.pinv(design.T @ design)[2, 2])
    return float(error * (np.sqrt(CLAIM + 2 * np.log(len(series.values))) + POWER))


def _reason(found: Breaks, bic: dict[Kind, float], detectable: float) -> str:
    """Say what was found, or what is missing."""
    ladder = found.series.temperatures[~found.series.upper]
    extent, change = f"{ladder[0]:g}–{ladder[-1]:g} K", found.scale.change.format(detectable)
    if found.model == "line":
        return f"no transition within {extent}: {change} in the middle of it would have been seen"
    if found.model != "undecided":
        other: Kind = "jump" if found.model == "kink" else "kink"
        close = abs(bic["kink"] - bic["jump"]) < WEAK
        return f"a {found.model} fits best" + (f"; a {other} fits nearly as well" if close else "")
    if len(ladder) < FEWEST and found.delta_bic < CLAIM:
        return f"cannot tell: {len(ladder)} temperatures with a measured value; needs {FEWEST} or more"
    if found.delta_bic < WEAK:
        return f"cannot tell: needs smaller errors; only {change} or more would be seen within {extent}"
    return f"cannot tell: {_needed(found)}"


def _needed(found: Breaks) -> str:
    """Say how much more data would decide a break that is neither claimed nor excluded."""
    tc, points = found.candidate, len(found.series.values)
    place = f"a break near {tc.value:.0f} K ({tc.low:.0f}–{tc.high:.0f} K)"
    if found.delta_bic >= CLAIM:
        return (
            f"{place} is possible, its Bayes factor {10**found.log10_bayes:.1f}; needs temperatures around it"
        )
    better = min((found.fits[k] for k in KINDS[1:]), key=lambda fit: fit.bic(points))
    penalty = (better.parameters - found.fits["line"].parameters) * np.log(points)
    longer = (CLAIM + penalty) / (found.delta_bic + penalty)
    return (
        f"{place} has ΔBIC {found.delta_bic:.1f} of the {CLAIM:g} of a claim; "
        f"needs runs {longer:.1f} times as long, or temperatures around it"
    )
