"""A number as several models tell it: how far they differ, and whether it survives that."""

from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array, BoolArray
from frustra.stats import Estimate

TIMES = 2.0
"""A number is unsure if it is smaller than so many times the models' spread."""


@dataclass(frozen=True)
class Spread:
    """One number, as several models tell it."""

    values: Array
    """(models,) the reference first; NaN of a model that does not tell it."""
    error: float
    """Statistical standard error of the reference's; NaN where nobody knows it."""
    members: BoolArray
    """(models,) which of them count for the spread."""

    @property
    def value(self) -> float:
        """What the reference says."""
        return float(self.values[0])

    @property
    def spread(self) -> float:
        """Standard deviation of the models, over n − 1; NaN if one of them does not tell the number."""
        return float(np.std(self.values[self.members], ddof=1))

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the models; NaN if one of them does not tell the number."""
        counted = self.values[self.members]
        return float(counted.min()), float(counted.max())

    @property
    def unsure(self) -> bool:
        """Whether the number does not survive: |value| < 2 × spread, or a spread that is not known."""
        return not abs(self.value) >= TIMES * self.spread


@dataclass(frozen=True)
class ModelNumber:
    """A metric at one temperature."""

    name: str
    temperature: float
    """K."""
    unit: str
    """eV, nat or empty."""
    at: Spread
    """The metric itself."""
    change: Spread | None
    """The metric less that at the coldest temperature at which all tell it; None at that one."""


def ladder_of(
    name: str, unit: str, rows: dict[float, list[Estimate]], members: BoolArray
) -> list[ModelNumber]:
    """Return one metric at all temperatures, with its change from the coldest.

    Parameters
    ----------
    name, unit
        Of the metric.
    rows
        At each temperature (K) what every model tells, the reference first.
    members
        (models,) which of them count for the spread.
    """
    found: list[ModelNumber] = []
    for temperature, values in sorted(rows.items()):
        at = Spread(np.array([e.value for e in values]), values[0].std, members)
        change = None
        if found:
            cold = found[0].at
            change = Spread(at.values - cold.values, float(np.hypot(at.error, cold.error)), members)
        found.append(ModelNumber(name, temperature, unit, at, change))
    return found
