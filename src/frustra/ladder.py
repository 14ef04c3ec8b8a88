"""Conductivity or diffusivity at several temperatures: what an Arrhenius plot shows."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.units import BOLTZMANN, CM2_PER_S, MS_PER_CM

Measured = Literal["conductivity", "diffusivity"]

DISPLAY: dict[Measured, tuple[float, str]] = {
    "conductivity": (MS_PER_CM, "mS/cm"),
    "diffusivity": (CM2_PER_S, "cm²/s"),
}
"""Units that people read."""

FEWEST = 3
"""Temperatures from which anything can be said about a line."""


@dataclass(frozen=True)
class Point:
    """A conductivity, e²/(eV Å ps), or a diffusivity, Å²/ps, at one temperature."""

    temperature: float
    """K."""
    value: float
    """The estimate, or the 95 % upper limit."""
    std: float = np.nan
    """Standard error; NaN for a limit, or where nobody knows it."""
    is_upper_bound: bool = False


@dataclass(frozen=True)
class Ladder:
    """Points at different temperatures, in ascending order.

    Raises
    ------
    DataError
        Fewer than three temperatures, one twice, values that are not positive, or errors of which some are
        missing or not positive.
    """

    quantity: Measured
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(sorted(self.points, key=lambda p: p.temperature)))
        temperatures = [p.temperature for p in self.points]
        factor, unit = DISPLAY[self.quantity]
        for p in self.points:
            if not (np.isfinite(p.temperature) and p.temperature > 0):
                raise DataError(f"a temperature of {p.temperature:g} K", "temperatures above zero, in kelvin")
            if not (np.isfinite(p.value) and p.value > 0):
                raise DataError(
                    f"a {self.quantity} of {factor * p.value:g} {unit} at {p.temperature:g} K",
                    "a positive number",
                    "where nothing was seen, give the upper bound as <VALUE",
                )
        twice = [f"{t:g} K" for t, n in Counter(temperatures).items() if n > 1]
        if twice:
            raise DataError(
                f"{twice[0]} more than once", "each temperature once", "combine the runs of a temperature"
            )
        if len(temperatures) < FEWEST:
            raise DataError(
                f"{len(temperatures)} temperature(s)", f"at least {FEWEST}", "add temperatures to the ladder"
            )
        self._check_errors()

    def _check_errors(self) -> None:
        measured, (factor, unit) = self.measured, DISPLAY[self.quantity]
        for p in measured:
            if not (np.isnan(p.std) or 0 < p.std < np.inf):
                raise DataError(
                    f"an error of {factor * p.std:g} {unit} at {p.temperature:g} K",
                    "the standard error of every value, above zero",
                    "leave the column of errors out if they are not known",
                )
        unknown = [p for p in measured if np.isnan(p.std)]
        if unknown and len(unknown) < len(measured):
            raise DataError(
                f"no error at {unknown[0].temperature:g} K but at others",
                "errors of all values or of none",
            )

    @property
    def measured(self) -> tuple[Point, ...]:
        """The points that are no upper bounds."""
        return tuple(p for p in self.points if not p.is_upper_bound)

    @property
    def errors_known(self) -> bool:
        """Whether the values have standard errors."""
        return all(np.isfinite(p.std) for p in self.measured)

    @property
    def temperatures(self) -> Array:
        """(points,) K, ascending."""
        return np.array([p.temperature for p in self.points])

    def as_conductivity(self, density: float, charge: float) -> Self:
        """Return the conductivities σ = n z² e² D/(kT) (Nernst–Einstein) of diffusivities.

        Parameters
        ----------
        density
            Mobile ions per Å³.
        charge
            Of the mobile ion, e.
        """
        if self.quantity == "conductivity":
            return self
        factors = [density * charge**2 / (BOLTZMANN * p.temperature) for p in self.points]
        points = [
            replace(p, value=f * p.value, std=f * p.std) for f, p in zip(factors, self.points, strict=True)
        ]
        return replace(self, quantity="conductivity", points=tuple(points))
