"""Published ways from a mean-square displacement (MSD) to D, to compare with published numbers.

Both fit a line with an intercept, as ours does; they differ in the lags, their weights and the error.

* `he-zhu-mo`: every lag from the first with MSD ≥ a²/2 to half the run counts alike. As the MSD at long lags
  hardly has any statistics, D scatters far more than the jumps in the run allow. The error is an empirical
  one, from many runs: it needs no more than the number of jumps and covers this scatter.
* `pymatgen`: up to 200 lags from 1 ps to ions · run/30 (at most the whole run), weighted with 1/lag; the
  drift is the plain mean over the framework's atoms, whatever their mass. Its authors quote the error of the
  line through points that are correlated, far too small; the one given here is from the spread over ions and
  time, as in our own fit.

Ours (`gls`) weights lags by their covariance, so that D is as sharp as the jumps in the run allow, begins
only where the MSD has become linear, and measures its error.
"""

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError

SHORTEST_LAG = 1.0
"""ps; of pymatgen."""

MOST_LAGS, LEAST_OBSERVATIONS = 200, 30
"""Of pymatgen: lags, and independent displacements of all ions at the longest."""


def relative_error(jumps: float) -> float:
    """Return the relative standard error of D for a number of jumps: 3.43/√N + 0.04.

    He, Zhu, Epstein and Mo, npj Comput. Mater. 4, 18 (2018).
    """
    return 3.43 / float(np.sqrt(jumps)) + 0.04 if jumps > 0 else np.inf


def he_zhu_mo_window(lag: Array, msd: Array, jump_length: float) -> tuple[float, float] | None:
    """Return the first lag with MSD ≥ a²/2 and half the longest lag; None where hardly a lag is between.

    Parameters
    ----------
    lag, msd
        (lags,) ps and Å².
    jump_length
        Å.
    """
    reached = np.flatnonzero(msd >= jump_length**2 / 2)
    last = lag[-1] / 2
    if len(reached) == 0 or ((lag >= lag[reached[0]]) & (lag <= last)).sum() < 3:
        return None
    return float(lag[reached[0]]), float(last)


def plain_slope(lag: Array, msd: Array, window: tuple[float, float]) -> float:
    """Return the slope of the least-squares line through the lags of a window, all alike."""
    used = (lag >= window[0]) & (lag <= window[1])
    return float(np.polyfit(lag[used], msd[used], 1)[0])


def pymatgen_lags(frames: int, ions: int, timestep: float) -> IntArray:
    """Return pymatgen's lags ("smoothed = max"), in frames.

    Raises
    ------
    AnalysisError
        The run is too short for its rule.
    """
    first = max(1, int(SHORTEST_LAG / timestep * (1 + 1e-12)))
    last = min(ions * frames // LEAST_OBSERVATIONS, frames)
    lags = np.arange(first, last, max((last - first) // MOST_LAGS, 1))
    if len(lags) < 3:
        raise AnalysisError(
            f"{frames} frames of {ions} ions, too few for pymatgen's lags from 1 ps on",
            "a longer run",
            'or method = "gls"',
        )
    return lags


def pymatgen_weights(lags: IntArray) -> Array:
    """Return the weights (lags,) of the slope, per frame, of the line weighted with 1/lag."""
    centred = lags - len(lags) / np.sum(1 / lags)
    return centred / lags / np.sum(centred**2 / lags)
