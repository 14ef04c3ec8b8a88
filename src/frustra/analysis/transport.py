"""Diffusivities and conductivities of the mobile ions, with errors and a detection limit."""

from collections.abc import Sequence

import numpy as np

from frustra.analysis.conventions import pymatgen_lags, pymatgen_weights
from frustra.analysis.diffusion import Diffusion, TransportSettings
from frustra.analysis.displacement import motion_of
from frustra.analysis.fit import Pool, fit_of, gls_fit, pool_of
from frustra.analysis.verdict import Source, by_he_zhu_mo, judged
from frustra.arrays import Array
from frustra.errors import AnalysisError, DataError
from frustra.msd import MeanSquares
from frustra.trajectory import Frames

__all__ = ["SMALLEST_RUN", "Diffusion", "TransportSettings", "diffusion_of", "diffusion_of_msd"]

SMALLEST_RUN = 20
"""Frames below which no diffusivity is derived."""


def diffusion_of(
    runs: Frames | Sequence[Frames], specie: str, settings: TransportSettings | None = None
) -> Diffusion:
    """Derive the diffusivities, tracer and collective, of one run or of several independent ones.

    D = slope(MSD)/6, the MSD over all lags and time origins, relative to the framework. The line, with an
    intercept (vibration, back-jumps), is fitted by generalised least squares to lags that are evenly spread
    on a logarithmic scale. The window begins where the MSD reaches a²/2, at most a tenth of the run; its
    first lag is doubled, up to a fifth of the run, as long as D changes with it by more than twice the error
    of the change, and then once more. It ends at half the run. `settings` may give either end, or a published
    way instead (`frustra.analysis.conventions`).

    D is linear in the MSD of every ion, so that its error is measured: from the spread over ions and over
    blocks of time (`frustra.analysis.scatter`), with Student's t.

    D counts as measured if its diffusive jumps reach the detection limit, D exceeds 1.96 standard errors, and
    ions have really left their places: as many as the detection limit, or half of them, are further than a/2
    from where they were, their positions averaged over the first and the last quarter of the run. Otherwise
    the value is a 95 % upper limit: the larger of D + 1.645 standard errors and the Poisson limit for the
    jumps that were counted.

    Of a trajectory in a file, a few ions at a time are held in memory, and it is read three times or more.
    The ions of independent runs of one crystal at one temperature count together; `ions` and `volume` are
    then those of all runs.

    Raises
    ------
    DataError
        The element is absent, the file is damaged, or the runs differ in length or temperature.
    AnalysisError
        Fewer than 20 frames, or a window without lags.
    """
    settings = settings or TransportSettings()
    together = list(runs) if isinstance(runs, Sequence) else [runs]
    _check(together)
    motions = [motion_of(run, specie, by_mass=settings.method != "pymatgen") for run in together]
    pool = pool_of(motions, settings.jump_length / 2)
    source = Source(
        specie, together[0].temperature, sum(t.volume for t in together), pool.ions, motions[0].reference
    )
    lag: Array = np.arange(pool.frames, dtype=float) * pool.timestep
    if settings.method == "he-zhu-mo":
        return by_he_zhu_mo(source, MeanSquares(lag, pool.whole, pool.msd.T), settings, pool.std)
    if settings.method == "pymatgen":
        lags = pymatgen_lags(pool.frames, pool.ions // pool.runs, pool.timestep)
        fit = fit_of(motions, pool, lags, pymatgen_weights(lags))
    else:
        fit = gls_fit(motions, pool, settings.jump_length**2 / 2, *_window(pool, settings))
    return judged(source, fit, pool, settings)


def diffusion_of_msd(
    curve: MeanSquares,
    ions: int,
    settings: TransportSettings | None = None,
    *,
    specie: str = "",
    temperature: float = np.nan,
    volume: float = np.nan,
) -> Diffusion:
    """Derive the diffusivity from a mean-square displacement that another program has computed.

    A curve alone does not tell how it scatters. So D and its error are always those of He, Zhu, Epstein and
    Mo, whose error follows from the number of jumps (`frustra.analysis.conventions`); of the settings only
    `jump_length` is used.

    Parameters
    ----------
    curve
        Averaged over time origins, from lags much shorter than the run to its whole length.
    ions
        Mobile ions that it was averaged over.
    settings
        How D is derived.
    specie, temperature, volume
        What is known of the crystal, K and Å³.

    Raises
    ------
    AnalysisError
        Fewer than one ion.
    """
    if ions < 1:
        raise AnalysisError(f"a mean-square displacement of {ions} ions", "the number that it is a mean of")
    source = Source(specie, temperature, volume, ions, "unknown")
    spread = np.full(len(curve.lag), np.nan)
    return by_he_zhu_mo(source, curve, settings or TransportSettings(), spread)


def _check(runs: Sequence[Frames]) -> None:
    if not runs:
        raise DataError("no trajectory", "at least one")
    if len({(len(t), t.timestep, repr(t.temperature)) for t in runs}) > 1:  # NaN differs from itself
        raise DataError(
            "independent runs of different lengths, time steps or temperatures", "the same settings for all"
        )
    if len(runs[0]) < SMALLEST_RUN:
        raise AnalysisError(
            f"{len(runs[0])} frames",
            f"at least {SMALLEST_RUN} for a diffusivity",
            "run longer or store more often",
        )


def _window(pool: Pool, settings: TransportSettings) -> tuple[int | None, int]:
    """Return first and last lag as the settings have them, in frames; the first is None by rule."""
    start, end = settings.fit_start, settings.fit_end
    first = None if start is None else max(1, round(start / pool.timestep))
    last = (pool.frames - 1) // 2 if end is None else round(end / pool.timestep)
    if not (first or 1) + 2 <= last <= pool.frames - 1:
        raise AnalysisError(
            f"a fit from {(first or 1) * pool.timestep:g} to {last * pool.timestep:g} ps in a run of "
            f"{pool.duration:g} ps",
            "three lags or more within the run",
            "change transport.fit_start or fit_end",
        )
    return first, last
