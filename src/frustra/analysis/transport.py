"""Tracer diffusivity and Nernst–Einstein conductivity, with errors and a detection limit."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy.fft import next_fast_len
from scipy.stats import t as student

from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.settings import Settings
from frustra.stats import poisson_limit
from frustra.trajectory import Trajectory
from frustra.units import BOLTZMANN

SMALLEST_RUN = 20
"""Frames below which no diffusivity is derived."""


class TransportSettings(Settings):
    """How diffusivity and conductivity are derived."""

    charge: float | None = Field(
        None, description="charge of the mobile ion (e); by default the usual one of the element"
    )
    jump_length: float = Field(3.0, gt=0, description="length of one jump (Å), to count jumps")
    detection: float = Field(
        13.0,
        gt=0,
        description="diffusive jumps below which D is reported as an upper bound; "
        "13 is where the error of He, Zhu, Epstein and Mo reaches 100 %",
    )


@dataclass(frozen=True)
class Diffusion:
    """Tracer diffusivity of one element at one temperature.

    Either `value` ± `std`, or, with `is_upper_bound`, a 95 % upper limit and `std` = NaN.
    """

    temperature: float
    """K."""
    specie: str
    value: float
    """Å²/ps."""
    std: float
    """Å²/ps; the larger of the spread over ions and He, Zhu, Epstein and Mo's estimate from the jumps."""
    is_upper_bound: bool
    jumps: float
    """N_ion · max(MSD)/a², vibration included, as He, Zhu, Epstein and Mo count them."""
    diffusive_jumps: float
    """The same without the vibrational part (the intercept of the fit)."""
    window: tuple[float, float]
    """First and last lag of the fit, ps."""
    lag: Array
    """(lags,) ps."""
    msd: Array
    """(lags,) mean-square displacement, Å²."""
    ions: int
    volume: float
    """Å³."""
    drift: str
    """What the displacements are relative to."""

    def conductivity(self, charge: float) -> tuple[float, float]:
        """Return σ = n z² e² D/(V k T) (Nernst–Einstein) and its standard error, e²/(eV Å ps)."""
        factor = self.ions * charge**2 / (self.volume * BOLTZMANN * self.temperature)
        return factor * self.value, factor * self.std


def displacements_of(trajectory: Trajectory, specie: str) -> tuple[Array, str]:
    """Return the displacements of the mobile ions since the first frame, free of drift.

    The drift is that of the centre of mass of all other atoms; where there are none (a liquid of one
    element), of all atoms.

    Returns
    -------
    tuple
        (frames, ions, 3) in Å, and what they are relative to.
    """
    mobile = trajectory.indices_of(specie)
    moved = trajectory.positions - trajectory.positions[0]
    framework = np.setdiff1d(np.arange(trajectory.positions.shape[1]), mobile)
    reference, name = (
        (framework, "framework") if len(framework) else (mobile, "centre of mass (no framework)")
    )
    masses = trajectory.masses[reference]
    drift = np.einsum("fai,a->fi", moved[:, reference], masses) / masses.sum()
    return moved[:, mobile] - drift[:, None], name


def mean_square_displacement(displacements: Array) -> Array:
    """Return the MSD of each ion over all time origins, (lags, ions), Å².

    MSD(m) = ⟨|r(t+m) − r(t)|²⟩ over all t, by FFT in float64 (Calandrini et al., Collection SFN 12,
    201, 2011).

    Parameters
    ----------
    displacements
        (frames, ions, 3), Å, relative to the first frame.
    """
    frames, ions, _ = displacements.shape
    lags = np.arange(frames)
    padded = next_fast_len(2 * frames, real=True)
    result = np.empty((frames, ions))
    for ion in range(ions):  # one ion at a time keeps the memory at a few frames × 3
        x = displacements[:, ion] - displacements[:, ion].mean(axis=0)
        spectrum = np.fft.rfft(x, padded, axis=0)
        correlation = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=1), padded)[:frames]
        square = (x**2).sum(axis=1)
        cumulated = np.concatenate([[0.0], np.cumsum(square)])
        both_ends = cumulated[frames - lags] + cumulated[frames] - cumulated[lags]
        result[:, ion] = (both_ends - 2 * correlation) / (frames - lags)
    return np.maximum(result, 0.0)


def relative_error(jumps: float) -> float:
    """Return the relative standard error of D for a number of jumps: 3.43/√N + 0.04.

    He, Zhu, Epstein and Mo, npj Comput. Mater. 4, 18 (2018).
    """
    return 3.43 / np.sqrt(jumps) + 0.04 if jumps > 0 else np.inf


def diffusion_of(trajectory: Trajectory, specie: str, settings: TransportSettings | None = None) -> Diffusion:
    """Derive the tracer diffusivity D = slope(MSD)/6.

    A line with intercept is fitted to the MSD from the lag where it reaches a²/2 (or a tenth of the
    run, if that is earlier) to half the run. D counts as measured if its diffusive jumps reach the
    detection limit, D exceeds 1.96 times its spread over ions, and ions have really left their places: as
    many as the detection limit, or half of them, are further than a/2 from where they were, their
    positions averaged over the first and the last quarter of the run. Otherwise the value is a 95 % upper
    limit: the larger of D + 1.645 standard errors and the Poisson limit for the jumps that were counted.

    Raises
    ------
    DataError
        The element is absent.
    AnalysisError
        Fewer than 20 frames.
    """
    settings = settings or TransportSettings()
    if len(trajectory) < SMALLEST_RUN:
        raise AnalysisError(
            f"{len(trajectory)} frames",
            f"at least {SMALLEST_RUN} for a diffusivity",
            "run longer or store more often",
        )
    displacements, reference = displacements_of(trajectory, specie)
    per_ion = mean_square_displacement(displacements)
    msd, ions = per_ion.mean(axis=1), per_ion.shape[1]
    lag: Array = np.arange(len(msd), dtype=float) * trajectory.timestep
    first, last = _window(msd, settings.jump_length)
    window = slice(first, last + 1)
    slope = np.polyfit(lag[window], msd[window], 1)[0]
    value, area = float(slope) / 6, settings.jump_length**2
    diffusive = max(0.0, ions * (6 * value * trajectory.duration) / area)
    counted = relative_error(diffusive) * value if value > 0 else 0.0
    spread = _spread(np.polyfit(lag[window], per_ion[window], 1)[0] / 6)
    std = max(spread, counted) if np.isfinite(spread) else counted
    moved = _moved(displacements, settings.jump_length / 2)
    measured = (
        diffusive >= settings.detection
        and moved >= min(settings.detection, ions / 2)
        and not value <= 1.96 * spread  # a single ion has no spread
    )
    if not measured:
        limit = poisson_limit(np.ceil(diffusive))
        value = max(limit * area / (6 * ions * trajectory.duration), max(value, 0.0) + 1.645 * std)
    return Diffusion(
        temperature=trajectory.temperature,
        specie=specie,
        value=value,
        std=std if measured else np.nan,
        is_upper_bound=not measured,
        jumps=ions * float(msd.max()) / area,
        diffusive_jumps=diffusive,
        window=(float(lag[first]), float(lag[last])),
        lag=lag,
        msd=msd,
        ions=ions,
        volume=trajectory.volume,
        drift=reference,
    )


def _spread(values: Array) -> float:
    """Return the standard error of the mean over ions; NaN for one ion.

    It is widened by Student's t, so that ±1.96 of it holds 95 % for few ions too.
    """
    ions = len(values)
    if ions < 2:
        return float("nan")
    return float(values.std(ddof=1) / np.sqrt(ions) * student.ppf(0.975, ions - 1) / 1.96)


def _moved(displacements: Array, distance: float) -> int:
    """Return how many ions are further than a distance from their places at the start of the run."""
    quarter = max(1, len(displacements) // 4)
    shift = displacements[-quarter:].mean(axis=0) - displacements[:quarter].mean(axis=0)
    return int((np.linalg.norm(shift, axis=1) > distance).sum())


def _window(msd: Array, jump_length: float) -> tuple[int, int]:
    """Return the first and last lag of the fit."""
    last = (len(msd) - 1) // 2
    reached = np.flatnonzero(msd[:last] >= jump_length**2 / 2)
    tenth = max(1, (len(msd) - 1) // 10)
    first = min(int(reached[0]), tenth) if len(reached) else tenth
    return max(1, first), last
