"""Three models of a quantity against temperature: a line, two that meet (kink), two that do not (jump).

Each is linear in its coefficients once the temperature Tc of the break is given. So the evidence is summed
over a grid of Tc, and at each the coefficients are integrated by Laplace's method: exact where errors are
Gaussian, and the likelihood has one maximum where they are not (upper bounds).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from frustra.arrays import Array, BoolArray

Kind = Literal["line", "kink", "jump"]
KINDS: tuple[Kind, ...] = ("line", "kink", "jump")

UPPER = -np.log(0.05)
"""A 95 % upper limit B that rests on no events: the likelihood of a true value x is exp(−3.0 x/B)."""

SCATTERS = np.geomspace(0.02, 1.0, 25)
"""Relative errors that are tried where nobody knows them: the prior is uniform in their logarithm."""

FACTORS = np.geomspace(1.0, 30.0, 25)
"""Factors that are tried on errors that the data show to be too small."""

CELLS = 12
"""Grid points of Tc between two neighbouring temperatures."""

COMMON = 1e3
"""Prior standard deviation of value and slope, in units of the data's: without influence."""


@dataclass(frozen=True)
class Scale:
    """Abscissa and priors of a kind of data."""

    abscissa: Callable[[Array], Array]
    """From temperature (K) to what the lines are straight in; it must ascend."""
    slope: float
    """Prior standard deviation of the change of slope at a break."""
    height: float
    """Prior standard deviation of the height of a jump."""
    change: str = "a change of slope of {:.2g}"
    """What a change of slope is called."""


@dataclass(frozen=True)
class Series:
    """A quantity at ascending temperatures."""

    temperatures: Array
    """(n,) K."""
    values: Array
    """(n,)."""
    std: Array
    """(n,) standard errors, or ones where nobody knows them."""
    upper: BoolArray
    """(n,): the value is the logarithm of a 95 % upper limit."""
    skewed: bool = False
    """Whether values are logarithms of what is counted, whose low outliers are frequent."""
    factors: Array = field(default_factory=lambda: np.ones(1))
    """Factors on the errors that are possible; more than one where the errors are not known."""

    @property
    def errors_known(self) -> bool:
        """Whether the errors are taken as they are."""
        return len(self.factors) == 1


@dataclass(frozen=True)
class Fit:
    """One model, at every Tc of a grid (and every factor on the errors, where they are not known)."""

    kind: Kind
    breaks: Array
    """(grid,) Tc, K; NaN for the line."""
    coefficients: Array
    """(grid, p): value and slope at the mean abscissa above Tc, then what changes below: slope, height."""
    covariance: Array
    """(grid, p, p)."""
    log_weight: Array
    """(grid,) logarithm of evidence times prior of Tc."""
    deviance: Array
    """(grid,) −2 ln(likelihood at the maximum)."""
    allowed: BoolArray
    """(grid,): two points and more lie on each side, those above measured."""
    parameters: int
    """How many the model has, Tc included."""

    @cached_property
    def log_evidence(self) -> float:
        """Logarithm of the model's evidence."""
        return float(np.logaddexp.reduce(self.log_weight))

    @cached_property
    def best(self) -> int:
        """Index of the largest likelihood among what is allowed."""
        return int(np.where(self.allowed, self.deviance, np.inf).argmin())

    @property
    def posterior(self) -> Array:
        """(grid,) probability of each Tc, given the model."""
        return np.asarray(np.exp(self.log_weight - self.log_evidence))

    def bic(self, points: int) -> float:
        """Return −2 ln L + k ln n at the best Tc with two points on each side; infinite if there is none."""
        if not self.allowed.any():
            return float("inf")
        return float(self.deviance[self.best] + self.parameters * np.log(points))


def fit_model(kind: Kind, series: Series, scale: Scale) -> Fit:
    """Fit one model at every Tc.

    Parameters
    ----------
    kind
        Which of the three.
    series
        The data.
    scale
        Their abscissa and priors.
    """
    breaks, weight = _grid(kind, series.temperatures)
    design = design_of(kind, series.temperatures, breaks, scale, middle_of(series, scale))
    prior = _prior(kind, series, scale)
    parts = [integrated(design, series, f, prior) for f in series.factors]
    coefficients, covariance, evidence, deviance = (np.concatenate(p) for p in zip(*parts, strict=True))
    repeated = len(series.factors)
    return Fit(
        kind=kind,
        breaks=np.tile(breaks, repeated),
        coefficients=coefficients,
        covariance=covariance,
        log_weight=evidence + np.tile(np.log(weight / weight.sum()), repeated) - np.log(repeated),
        deviance=deviance,
        allowed=np.tile(_allowed(kind, series, breaks), repeated),
        parameters=design.shape[2] + (kind != "line") + (repeated > 1),
    )


def _grid(kind: Kind, temperatures: Array) -> tuple[Array, Array]:
    """Return where Tc may be, and how wide each cell is."""
    if kind == "line":
        return np.array([np.nan]), np.ones(1)
    inside = (np.arange(CELLS) + 0.5) / CELLS
    gaps = np.diff(temperatures)
    return (temperatures[:-1, None] + gaps[:, None] * inside).ravel(), np.repeat(gaps / CELLS, CELLS)


def _allowed(kind: Kind, series: Series, breaks: Array) -> BoolArray:
    """Return where two points lie on each side of the break, those above measured."""
    if kind == "line":
        return np.ones(len(breaks), bool)
    below = (series.temperatures < breaks[:, None]).sum(axis=1)
    above = ((series.temperatures > breaks[:, None]) & ~series.upper).sum(axis=1)
    return np.asarray((below >= 2) & (above >= 2))


def middle_of(series: Series, scale: Scale) -> float:
    """Return the mean abscissa, where the coefficients' value is taken."""
    return float(scale.abscissa(series.temperatures).mean())


def design_of(kind: Kind, temperatures: Array, breaks: Array, scale: Scale, middle: float) -> Array:
    """Return the design matrices (grid, n, p) of a model at given temperatures."""
    u, cut = scale.abscissa(temperatures), scale.abscissa(breaks)
    columns = [np.ones((len(breaks), len(u))), np.broadcast_to(u - middle, (len(breaks), len(u)))]
    if kind != "line":
        below = temperatures < breaks[:, None]
        columns.append(np.where(below, u - cut[:, None], 0.0))
        if kind == "jump":
            columns.append(below.astype(float))
    return np.stack(columns, axis=2)


def _prior(kind: Kind, series: Series, scale: Scale) -> tuple[Array, Array]:
    """Return mean and standard deviation of the coefficients' Gaussian prior."""
    y, u = series.values, scale.abscissa(series.temperatures)
    spread = np.ptp(y) + series.std.max()
    widths = [COMMON * spread, COMMON * spread / np.ptp(u), scale.slope, scale.height]
    count = {"line": 2, "kink": 3, "jump": 4}[kind]
    return np.array([y.mean(), 0.0, 0.0, 0.0][:count]), np.array(widths[:count])


def integrated(
    design: Array, series: Series, factor: float, prior: tuple[Array, Array]
) -> tuple[Array, Array, Array, Array]:
    """Return coefficients, covariance, ln(evidence) and deviance at every Tc, by Newton's method."""
    (mean, width), std = prior, factor * series.std
    precision = np.diag(width**-2)
    measured = np.where(series.upper, 0.0, std**-2)
    turned = design.transpose(0, 2, 1)
    beta = _solved(
        turned * measured @ design + precision, turned @ (measured * series.values) + precision @ mean
    )
    for _ in range(60):
        deviance, pull, curvature = _deviance(_times(design, beta) - series.values, series, std)
        hessian = turned * curvature[:, None] @ design + precision
        step = _solved(hessian, -_times(turned, pull) - (beta - mean) @ precision)
        largest = np.abs(_times(design, step)).max(axis=1)
        if largest.max() < 1e-6:
            break
        beta = beta + step / np.maximum(1.0, largest)[:, None]  # no prediction moves by more than one
    covariance = np.linalg.inv(hessian)
    away = (((beta - mean) / width) ** 2).sum(axis=1) / 2
    shrunk = np.linalg.slogdet(covariance)[1] / 2 - np.log(width).sum()
    evidence: Array = shrunk - away - deviance / 2
    return beta, np.asarray(covariance), evidence, deviance


def _deviance(excess: Array, series: Series, std: Array) -> tuple[Array, Array, Array]:
    """Return −2 ln L (grid,) and half its first and second derivatives by the model's value (grid, n).

    Where the logarithm of a positive quantity was measured (`series.skewed`), a value below the model counts
    as a gamma variable of the same relative error would, a value above it as a log-normal one: low outliers
    of few events are no evidence.
    """
    k = std**-2
    low = excess > 0 if series.skewed else np.zeros(excess.shape, bool)
    fall = np.exp(-np.maximum(excess, 0.0))
    rise = UPPER * np.exp(np.minimum(excess, 30.0))
    half = np.where(low, k * (excess + fall - 1), k * excess**2 / 2)
    pull = np.where(low, k * (1 - fall), k * excess)
    curvature = np.where(low, np.maximum(k * fall, 1e-3 * k), k)
    half, pull, curvature = (np.asarray(np.where(series.upper, rise, v)) for v in (half, pull, curvature))
    unknown = 0.0 if series.errors_known else 2 * float(np.log(std[~series.upper]).sum())
    return np.asarray(2 * half.sum(axis=1) + unknown), pull, curvature


def _times(matrix: Array, vector: Array) -> Array:
    product: Array = (matrix @ vector[..., None])[..., 0]
    return product


def _solved(matrix: Array, vector: Array) -> Array:
    return np.asarray(np.linalg.solve(matrix, vector[..., None])[..., 0], dtype=float)
