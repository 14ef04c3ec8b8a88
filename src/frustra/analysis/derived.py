"""What follows from the fit besides D: anisotropy, collective diffusivity, Haven ratio.

Each is an estimate, or None and the sentence that says why it cannot be told.
"""

import numpy as np
from scipy.special import gammaincinv

from frustra.analysis.displacement import OWN_CENTRE
from frustra.analysis.fit import SURE, Fit, Pool, widened
from frustra.analysis.slopes import slope_weights
from frustra.arrays import Array
from frustra.stats import Estimate

Told = tuple[Estimate | None, str]


def anisotropy_of(fit: Fit) -> Told:
    """Return D_c/D_ab with the error of its logarithm, in which what both share cancels."""
    along, across = fit.estimate(2), fit.estimate(0, 1)
    seen = [d.value > SURE * d.std for d in (along, across)]
    if not all(seen):
        limit = ""
        if seen[0]:
            limit = f"; it is above {along.low / across.high:.2g}"
        elif seen[1]:
            limit = f"; it is below {along.high / across.low:.2g}"
        where = " and ".join(n for n, s in zip(("along", "across"), seen, strict=True) if not s)
        return None, f"D_c/D_ab cannot be told: too little motion {where} c{limit}."
    ratio = along.value / across.value
    error = fit.error(fit.along(2) / along.value - fit.along(0, 1) / across.value, 1.0)
    spread = np.exp(SURE * error)
    return Estimate(ratio, ratio * error, float(ratio / spread), float(ratio * spread)), ""


def collective_of(fit: Fit, pool: Pool, reference: str, weights: Array | None = None) -> Told:
    """Return D_charge from the collective displacement of the mobile ions, in the window of the tracer's fit.

    Their sum is a Brownian walker (central limit theorem), so that the relative error of the slope is known
    in closed form, and the interval is that of a gamma law of this relative error. With more runs than one
    it is the mean of theirs.

    Parameters
    ----------
    fit, pool, reference
        Of the tracer; what displacements are relative to.
    weights
        (lags,) of the slope, per ps; by default those of generalised least squares.
    """
    if reference == OWN_CENTRE:
        return None, "There is no collective diffusivity: displacements are relative to the ions themselves."
    msd = pool.collective[:, fit.lags]
    best, covariance = slope_weights(fit.lags, msd.mean(axis=0), pool.frames)
    used = best if weights is None else weights * pool.timestep
    axes = msd @ used / (2 * pool.timestep)
    value = float(axes.mean())
    relative = np.sqrt(used @ covariance @ used * (axes**2).sum() / pool.runs) / 3 / max(value, 1e-300)
    if value <= 0 or relative >= 1:
        return None, "The collective diffusivity cannot be told: its error is above 100 %, so run longer."
    events = 1 / relative**2
    std = widened(float(value * relative) ** 2, events)
    low, high = (value * events / gammaincinv(events, p) for p in (0.975, 0.025))
    return Estimate(value, std, float(low), float(high)), ""


def haven_of(tracer: Estimate, charge: Estimate) -> Estimate:
    """Return H = D/D_charge, its interval from those of both (added in quadrature on a logarithmic scale)."""
    ratio = tracer.value / charge.value
    below = np.hypot(np.log(tracer.value / tracer.low), np.log(charge.high / charge.value))
    above = np.hypot(np.log(tracer.high / tracer.value), np.log(charge.value / charge.low))
    std = ratio * np.hypot(tracer.std / tracer.value, charge.std / charge.value)
    return Estimate(ratio, float(std), float(ratio * np.exp(-below)), float(ratio * np.exp(above)))
