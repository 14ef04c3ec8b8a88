"""Mean-square displacements that another program has computed."""

from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array
from frustra.errors import DataError

SUM = 1e-3
"""Relative difference to which the components add up to the whole."""


@dataclass(frozen=True)
class MeanSquares:
    """Mean-square displacement of the mobile ions against the time between two frames.

    Raises
    ------
    DataError
        Fewer than three times; times that do not ascend; values that are negative, not finite, or do not
        add up.
    """

    lag: Array
    """(lags,) ps, ascending."""
    msd: Array
    """(lags,) Å², of all three directions together."""
    components: Array | None = None
    """(lags, 3) Å² along x, y, z, if they are known."""

    def __post_init__(self) -> None:
        count = len(self.lag)
        parts = self.msd[:, None] if self.components is None else self.components
        if self.msd.shape != (count,) or parts.shape not in ((count, 1), (count, 3)):
            raise DataError("mean-square displacements of another number than their times", "one for each")
        if count < 3:
            raise DataError(f"mean-square displacements at {count} time(s)", "at least three")
        if not (np.isfinite(self.lag).all() and np.isfinite(self.msd).all() and np.isfinite(parts).all()):
            raise DataError("mean-square displacements that are not finite", "numbers")
        if self.lag[0] < 0 or (np.diff(self.lag) <= 0).any():
            raise DataError("times that do not ascend", "one row for each time, the shortest first")
        if (self.msd < 0).any() or (parts < 0).any():
            raise DataError("mean-square displacements below zero", "squares")
        if (np.abs(parts.sum(axis=1) - self.msd) > SUM * self.msd + SUM**2).any():
            raise DataError(
                "mean-square displacements that are not the sums of their components", "x + y + z"
            )
