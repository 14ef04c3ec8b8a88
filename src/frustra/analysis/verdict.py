"""From a fit to the record: values with errors, or upper bounds, and what is to be doubted."""

from dataclasses import dataclass

import numpy as np

from frustra.analysis.conventions import he_zhu_mo_window, plain_slope, relative_error
from frustra.analysis.derived import anisotropy_of, collective_of, haven_of
from frustra.analysis.diffusion import Diffusion, TransportSettings
from frustra.analysis.displacement import OWN_CENTRE
from frustra.analysis.fit import SURE, Fit, Pool, interval_of
from frustra.arrays import Array
from frustra.msd import MeanSquares
from frustra.stats import Estimate, poisson_limit

ENOUGH_BLOCKS = 8
"""Independent blocks of time from which concerted motion shows reliably in the errors."""

UNKNOWN = Estimate(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Source:
    """What a record says of the runs that it comes from; see `Diffusion`."""

    specie: str
    temperature: float
    volume: float
    ions: int
    drift: str


@dataclass(frozen=True)
class Counter:
    """From D to jumps: N = 2 d D t ions/a² in d dimensions."""

    ions: int
    duration: float
    """ps."""
    settings: TransportSettings

    def jumps(self, msd: float) -> float:
        """Return how many jumps make up a mean-square displacement (Å²)."""
        return max(0.0, self.ions * msd / self.settings.jump_length**2)

    def diffusive(self, value: float, dimensions: int = 3) -> float:
        """Return the jumps of a diffusivity (Å²/ps)."""
        return self.jumps(2 * dimensions * value * self.duration)

    def bound(self, seen: Estimate, dimensions: int = 3) -> Estimate:
        """Return the 95 % upper limit: by the error, but no less than for the jumps that were counted."""
        counted = poisson_limit(np.ceil(self.diffusive(seen.value, dimensions)))
        limit = counted / self.diffusive(1.0, dimensions)
        limit = max(limit, max(seen.value, 0.0) + 1.645 * float(np.nan_to_num(seen.std)))
        return Estimate(limit, np.nan, 0.0, limit)


def judged(source: Source, fit: Fit, pool: Pool, settings: TransportSettings) -> Diffusion:
    """Tell values from upper bounds by the rule of `diffusion_of`; a published convention has no bounds."""
    published = settings.method != "gls"
    counter = Counter(pool.ions, pool.duration, settings)
    tracer, axes = fit.estimate(0, 1, 2), (fit.estimate(0), fit.estimate(1), fit.estimate(2))
    diffusive = counter.diffusive(tracer.value)
    left = pool.moved >= min(settings.detection, pool.ions / 2)
    seen = diffusive >= settings.detection and left and tracer.value > SURE * tracer.std
    notes = _doubts(source, fit)
    if published and not seen:
        notes.append("The motion is below the detection limit; this convention gives a value all the same.")
    charge = anisotropy = haven = None
    measured = seen or (published and tracer.value > 0)
    if measured:
        anisotropy, reason = anisotropy_of(fit)
        charge, why = collective_of(fit, pool, source.drift, fit.weights if published else None)
        haven = haven_of(tracer, charge) if charge and tracer.low > 0 else None
        notes += [note for note in (reason, why) if note]
        if charge and not haven:
            notes.append("The Haven ratio cannot be told: D may as well be zero.")
    else:
        tracer, (x, y, z) = counter.bound(tracer), axes
        axes = counter.bound(x, 1), counter.bound(y, 1), counter.bound(z, 1)
        notes.append("Neither anisotropy nor collective diffusivity can be told of an upper bound.")
    return Diffusion(
        temperature=source.temperature,
        specie=source.specie,
        value=tracer.value,
        std=tracer.std,
        low=tracer.low,
        high=tracer.high,
        is_upper_bound=not measured,
        jumps=counter.jumps(float(pool.whole.max())),
        diffusive_jumps=diffusive,
        window=(float(fit.lags[0]) * pool.timestep, float(fit.lags[-1]) * pool.timestep),
        lag=np.arange(pool.frames, dtype=float) * pool.timestep,
        msd=pool.whole,
        msd_std=pool.std,
        axes=axes,
        anisotropy=anisotropy,
        charge_diffusivity=charge,
        haven=haven,
        ions=pool.ions,
        volume=source.volume,
        drift=source.drift,
        method=settings.method,
        notes=tuple(notes),
    )


def _doubts(source: Source, fit: Fit) -> list[str]:
    """Return sentences on what makes a value or its error doubtful."""
    found = []
    if source.drift == OWN_CENTRE:
        found.append(
            "There is no framework: displacements are relative to the ions' own centre of mass, which makes "
            "D smaller by one part in their number."
        )
    if not fit.linear:
        found.append(
            "D still changes with the first lag of the fit: the MSD is not linear yet, so run longer."
        )
    ratio, p = fit.disagreement()
    if ratio > 1:
        found.append(f"The runs disagree (p = {p:.2g}): errors are widened by a factor of {ratio:.1f}.")
    if not fit.scatter.blocks >= ENOUGH_BLOCKS:
        found.append(
            "The run is short beside the lags of the fit: if ions move in concert, errors are too small."
        )
    return found


def by_he_zhu_mo(source: Source, curve: MeanSquares, settings: TransportSettings, spread: Array) -> Diffusion:
    """Take D and its error as He, Zhu, Epstein and Mo do; see `frustra.analysis.conventions`.

    Parameters
    ----------
    source, curve, settings
        What is known.
    spread
        (lags,) standard error of the MSD, Å².
    """
    counter = Counter(source.ions, float(curve.lag[-1]), settings)
    window = he_zhu_mo_window(curve.lag, curve.msd, settings.jump_length)
    jumps = counter.jumps(float(curve.msd.max()))
    notes = ["This convention gives neither an anisotropy nor a collective diffusivity."]

    def along(msd: Array, dimensions: int) -> Estimate:
        if window is None:  # what moved may all have been vibration; as a bound it counts
            return Estimate(float(msd.max()) / (2 * dimensions * counter.duration), np.nan, 0.0, 0.0)
        value = plain_slope(curve.lag, msd, window) / (2 * dimensions)
        std = abs(value) * relative_error(counter.jumps(float(msd.max())))
        return Estimate(value, std, *interval_of(value, std))

    tracer = along(curve.msd, 3)
    diffusive = counter.diffusive(tracer.value)
    parts = None if curve.components is None else [along(c, 1) for c in curve.components.T]
    measured = window is not None and tracer.value > 0
    if not measured:
        notes.append("The MSD does not rise beyond half a squared jump within half the run.")
        tracer = counter.bound(tracer)
        parts = None if parts is None else [counter.bound(p, 1) for p in parts]
    x, y, z = (UNKNOWN,) * 3 if parts is None else parts
    return Diffusion(
        temperature=source.temperature,
        specie=source.specie,
        value=tracer.value,
        std=tracer.std,
        low=tracer.low,
        high=tracer.high,
        is_upper_bound=not measured,
        jumps=jumps,
        diffusive_jumps=diffusive,
        window=window or (0.0, float(curve.lag[-1]) / 2),
        lag=curve.lag,
        msd=curve.msd,
        msd_std=spread,
        axes=(x, y, z),
        anisotropy=None,
        charge_diffusivity=None,
        haven=None,
        ions=source.ions,
        volume=source.volume,
        drift=source.drift,
        method="he-zhu-mo",
        notes=tuple(notes),
    )
