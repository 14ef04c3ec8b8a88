"""The Arrhenius line of the conductivity; the seam where the super-ionic transition will be looked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frustra.errors import AnalysisError
from frustra.stats import Line, fit_line
from frustra.units import BOLTZMANN

ROOM_TEMPERATURE = 300.0
"""K, where the conductivity is extrapolated to."""


@dataclass(frozen=True)
class ConductivityPoint:
    """Conductivity at one temperature, in any unit of conductivity."""

    temperature: float
    """K."""
    value: float
    std: float
    is_upper_bound: bool = False


@dataclass(frozen=True)
class Arrhenius:
    """ln(σT) = ln A − Ea/(kT), one line through all measured points."""

    line: Line
    """Of ln(σT) against 1/(kT) in 1/eV."""
    temperatures: tuple[float, ...]
    """The points used, K."""
    left_out: tuple[float, ...]
    """Temperatures where only an upper bound is known, K."""
    model: str = "line"

    @property
    def activation_energy(self) -> tuple[float, float]:
        """Ea and its standard error, eV."""
        return -self.line.slope, float(np.sqrt(self.line.covariance[1, 1]))

    def conductivity(self, temperature: float = ROOM_TEMPERATURE) -> tuple[float, float, float]:
        """Return σ at a temperature and its 68 % interval (value, low, high), in the points' unit."""
        log, error = self.line.at(1 / (BOLTZMANN * temperature))
        value, low, high = np.exp([log, log - error, log + error]) / temperature
        return float(value), float(low), float(high)


def arrhenius_of(points: Sequence[ConductivityPoint]) -> Arrhenius:
    """Fit one Arrhenius line with measured errors; upper bounds are left out and listed.

    Raises
    ------
    AnalysisError
        Fewer than two temperatures with a measured conductivity.
    """
    used = [p for p in points if not p.is_upper_bound]
    if len(used) < 2:
        raise AnalysisError(
            f"{len(used)} of {len(points)} temperatures have a measured conductivity",
            "at least two for an activation energy",
            "run longer or hotter",
        )
    temperature, value, std = np.array([(p.temperature, p.value, p.std) for p in used]).T
    if (value <= 0).any():
        raise AnalysisError("a conductivity that is not positive", "positive values or upper bounds")
    line = fit_line(1 / (BOLTZMANN * temperature), np.log(value * temperature), std / value)
    left_out = tuple(p.temperature for p in points if p.is_upper_bound)
    return Arrhenius(line, tuple(temperature.tolist()), left_out)
