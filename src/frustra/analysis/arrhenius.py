"""The Arrhenius plot: activation energies, the super-ionic transition, and the conductivity at 300 K."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from frustra.analysis.breaks import Breaks, breaks_of, curved_bic
from frustra.analysis.models import SCATTERS, Scale, Series
from frustra.arrays import Array
from frustra.errors import AnalysisError, DataError
from frustra.ladder import Ladder, Measured, Point
from frustra.stats import Estimate, Line, fit_line
from frustra.units import BOLTZMANN

ROOM_TEMPERATURE = 300.0
"""K, where the conductivity is extrapolated to."""

Branch = Literal["low", "high"]


def _inverse(temperature: Array) -> Array:
    """Return −1/(kT), 1/eV: the slope of ln(σT) against it is the activation energy."""
    return -1 / (BOLTZMANN * np.asarray(temperature, dtype=float))


SCALE = Scale(_inverse, slope=0.3, height=2.5, change="a change of the activation energy by {:.2g} eV")
"""What breaks of ion conductors are like: Ea changes by some 0.3 eV, σ jumps some twelvefold."""


@dataclass(frozen=True)
class Arrhenius:
    """ln(σT), or ln D, against 1/(kT): one line, or two branches that meet (kink) or do not (jump)."""

    ladder: Ladder
    breaks: Breaks
    notes: tuple[str, ...]
    """What a reader must know before quoting a number."""

    @property
    def model(self) -> str:
        """Which of `line`, `kink` and `jump`, or `undecided`."""
        return self.breaks.model

    @property
    def transition(self) -> Estimate | None:
        """Tc, K, with its 95 % interval; None where no break is claimed."""
        return self.breaks.transition

    def energy(self, branch: Branch) -> Estimate | None:
        """Return the activation energy of a branch, eV; None below Tc with fewer than two values there."""
        return self.breaks.slope(branch)

    def prefactor(self, branch: Branch) -> Estimate | None:
        """Return A of σT = A exp(−Ea/kT), K e²/(eV Å ps), or D = A exp(−Ea/kT), Å²/ps; None as `energy`."""
        log = self.breaks.extended(branch, 0.0)
        return None if log is None else _exponential(log)

    def value_at(self, temperature: float = ROOM_TEMPERATURE) -> Estimate | None:
        """Return the conductivity (or diffusivity) at a temperature, by the branch it lies on.

        None where that branch has fewer than two measured values. Where it is undecided whether there is a
        break, the interval holds what each model says.
        """
        tc = self.transition
        if tc is not None and temperature < tc.value and not self.breaks.low_is_measured:
            return None
        power = temperature if self.ladder.quantity == "conductivity" else 1.0
        return _exponential(self.breaks.at(temperature)).scaled(1 / power)


def _exponential(log: Estimate) -> Estimate:
    """Return exp of an estimate; its standard error by the slope of exp."""
    value = float(np.exp(log.value))
    return Estimate(value, value * log.std, float(np.exp(log.low)), float(np.exp(log.high)))


def arrhenius_of(points: Ladder | Sequence[Point], quantity: Measured = "conductivity") -> Arrhenius:
    """Choose between one Arrhenius line, a kink and a jump; derive energies, Tc and the value at 300 K.

    Errors are taken as measured. Where nobody knows them, one relative error of all points is inferred with
    everything else. An upper bound counts as what it is: no value above it. A low outlier of large error
    counts less than a high one, as in counting. See `breaks_of` for what is claimed when.

    Parameters
    ----------
    points
        A `Ladder`, or its points.
    quantity
        What the points are, if they are no `Ladder`.

    Raises
    ------
    DataError
        As `Ladder`.
    AnalysisError
        Fewer than two temperatures with a measured value.
    """
    ladder = points if isinstance(points, Ladder) else Ladder(quantity, tuple(points))
    measured = len(ladder.measured)
    if measured < 2:
        raise AnalysisError(
            f"{measured} of {len(ladder.points)} temperatures have a measured {ladder.quantity}",
            "at least two for an activation energy",
            "run longer or hotter",
        )
    series = series_of(ladder)
    found = breaks_of(series, SCALE)
    return Arrhenius(ladder, found, tuple(_notes(ladder, found)))


def series_of(ladder: Ladder) -> Series:
    """Return ln(σT) or ln D with the errors of the logarithm."""
    temperature, value, std, upper = (
        np.array([getattr(p, name) for p in ladder.points])
        for name in ("temperature", "value", "std", "is_upper_bound")
    )
    power = temperature if ladder.quantity == "conductivity" else 1.0
    logs = np.log(value * power)
    if not ladder.errors_known:
        return Series(temperature, logs, np.ones(len(logs)), upper, factors=SCATTERS)
    return Series(temperature, logs, np.where(upper, 1.0, std / value), upper, skewed=True)


def _notes(ladder: Ladder, found: Breaks) -> list[str]:
    notes = []
    if not ladder.errors_known:
        notes.append("the errors of the values are not known: one relative error of all was inferred")
    if found.errors_too_small:
        notes.append(
            "neither a line nor a break fits within the errors: they are too small, or the change is "
            "gradual; they were taken as known up to a common factor"
        )
    if found.model == "line":
        notes += _hidden(ladder, found)
    if found.transition is not None:
        low, high = found.slope("low"), found.slope("high")
        if low is None:
            notes.append(
                "fewer than two values were measured below Tc: no energy or value of that branch is given"
            )
        elif high is not None and low.high < high.low:
            notes.append(
                "the activation energy is larger above the break, unlike at a super-ionic transition: "
                "look for quenched-in disorder below it"
            )
        if found.model == "kink" and curved_bic(found) < found.best_bic:
            notes.append("a smooth curve fits as well as a kink: the change may be gradual")
    return notes


def _hidden(ladder: Ladder, line: Breaks) -> list[str]:
    """Say how far off the extrapolation of a line may be, if a break too small to be seen is there."""
    alone = line.at(ROOM_TEMPERATURE)
    open_minded = replace(line, model="undecided").at(ROOM_TEMPERATURE)
    if open_minded.high - open_minded.low < 1.5 * (alone.high - alone.low):
        return []
    low, high = np.exp([open_minded.low - alone.value, open_minded.high - alone.value])
    note = (
        f"values beyond {ladder.temperatures[0]:g}–{ladder.temperatures[-1]:g} K are extrapolated along one "
        f"line; with breaks that are too small to be seen, the 95 % interval at {ROOM_TEMPERATURE:g} K is "
        f"{low:.2g} to {high:.2g} times the value"
    )
    return [note]


@dataclass(frozen=True)
class ArrheniusLine:
    """One line by weighted least squares, as usually published; no transition is looked for."""

    line: Line
    """Of ln(σT), or ln D, against 1/(kT) in 1/eV."""
    ladder: Ladder

    @property
    def energy(self) -> Estimate:
        """Ea ± its standard error, the interval one standard error wide on each side (68 %), eV."""
        value, std = -self.line.slope, float(np.sqrt(self.line.covariance[1, 1]))
        return Estimate(value, std, value - std, value + std)

    def value_at(self, temperature: float = ROOM_TEMPERATURE) -> Estimate:
        """Return the value at a temperature with the published 68 % interval.

        It takes the errors of slope and intercept as independent, which widens it: they are not.
        """
        x = 1 / (BOLTZMANN * temperature)
        log = self.line.intercept + self.line.slope * x
        error = float(np.sqrt(self.line.covariance[0, 0] + self.line.covariance[1, 1] * x**2))
        power = temperature if self.ladder.quantity == "conductivity" else 1.0
        return _exponential(Estimate(log, error, log - error, log + error)).scaled(1 / power)


def arrhenius_line(ladder: Ladder) -> ArrheniusLine:
    """Fit one line to the measured points by weighted least squares; upper bounds are left out.

    The convention of He, Zhu, Epstein and Mo, npj Comput. Mater. 4, 18 (2018): errors of the logarithm are
    std/value, absolute. Errors must be known.

    Raises
    ------
    AnalysisError
        Fewer than two measured temperatures.
    DataError
        Errors that are not known.
    """
    if not ladder.errors_known:
        raise DataError("values without errors", "a standard error of each", "use the default method")
    if len(ladder.measured) < 2:
        raise AnalysisError(f"{len(ladder.measured)} measured temperature(s)", "at least two for a line")
    series = series_of(ladder)
    used = ~series.upper
    x = 1 / (BOLTZMANN * series.temperatures[used])
    return ArrheniusLine(fit_line(x, series.values[used], series.std[used]), ladder)
