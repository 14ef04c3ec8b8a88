"""Tracer diffusivity and Nernst–Einstein conductivity, with errors and a detection limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy.fft import next_fast_len
from scipy.stats import t as student

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.settings import Settings
from frustra.stats import poisson_limit
from frustra.trajectory import Frames
from frustra.units import BOLTZMANN

SMALLEST_RUN = 20
"""Frames below which no diffusivity is derived."""

BLOCK = 2**18
"""Positions held at once (6 MB) where a trajectory is read in parts, but at least `FEWEST`."""

FEWEST = (128, 8)
"""Frames, ions read together, however large the cell and long the run: files store them together."""


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


def displacements_of(trajectory: Frames, specie: str) -> tuple[Array, str]:
    """Return the displacements of the mobile ions since the first frame, free of drift.

    The drift is that of the centre of mass of all other atoms; where there are none (a liquid of one
    element), of all atoms. Of a trajectory in a file, only the mobile ions are held in memory.

    Returns
    -------
    tuple
        (frames, ions, 3) in Å, and what they are relative to.

    Raises
    ------
    DataError
        The element is absent, or the file is damaged.
    """
    mobile, drift, name = _drift_of(trajectory, specie)
    positions = trajectory.read(atoms=mobile).positions
    return positions - positions[0] - drift[:, None], name


def _drift_of(trajectory: Frames, specie: str) -> tuple[IntArray, Array, str]:
    """Return the mobile ions, the drift (frames, 3) to be taken off them, and what it is the drift of."""
    mobile = trajectory.indices_of(specie)
    framework = np.setdiff1d(np.arange(len(trajectory.numbers)), mobile)
    reference, name = (
        (framework, "framework") if len(framework) else (mobile, "centre of mass (no framework)")
    )
    weights = trajectory.masses[reference] / trajectory.masses[reference].sum()
    start = trajectory.read(slice(1), reference).positions
    parts = trajectory.chunks(max(FEWEST[0], BLOCK // len(reference)), reference)
    drift = [np.einsum("fai,a->fi", part.positions - start, weights) for part in parts]
    return mobile, np.concatenate(drift), name


def _ion_by_ion(trajectory: Frames, mobile: IntArray, drift: Array) -> Iterator[Array]:
    """Give the displacements (frames, 3) of one mobile ion after the other; read a block of ions at once."""
    together = max(FEWEST[1], BLOCK // len(trajectory))
    for first in range(0, len(mobile), together):
        positions = trajectory.read(atoms=mobile[first : first + together]).positions
        for ion in range(positions.shape[1]):
            yield positions[:, ion] - positions[0, ion] - drift
        del positions  # before the next block comes


def mean_square_displacement(displacements: Array) -> Array:
    """Return the MSD of each ion over all time origins, (lags, ions), Å².

    MSD(m) = ⟨|r(t+m) − r(t)|²⟩ over all t, by FFT in float64 (Calandrini et al., Collection SFN 12,
    201, 2011).

    Parameters
    ----------
    displacements
        (frames, ions, 3), Å, relative to the first frame.
    """
    return np.stack([_msd(ion) for ion in displacements.transpose(1, 0, 2)], axis=1)


def _msd(displacement: Array) -> Array:
    """Return the MSD (lags,) of one ion from its displacements (frames, 3)."""
    frames = len(displacement)
    padded = next_fast_len(2 * frames, real=True)
    x = displacement - displacement.mean(axis=0)
    power = np.zeros(padded // 2 + 1)
    for axis in x.T:
        spectrum = np.fft.rfft(axis, padded)
        power += spectrum.real**2 + spectrum.imag**2
    correlation = np.fft.irfft(power, padded)[:frames]
    cumulated = np.concatenate([[0.0], np.cumsum((x**2).sum(axis=1))])
    both_ends = cumulated[:0:-1] + cumulated[-1] - cumulated[:-1]  # of the lags 0, 1, …
    result: Array = np.maximum((both_ends - 2 * correlation) / np.arange(frames, 0, -1), 0.0)
    return result


class _Pool:
    """What is kept of the ions' MSDs: their mean, and of their slopes mean and squared deviations.

    One ion is added after the other (Welford, Technometrics 4, 419, 1962), so that memory does not grow
    with their number. As the fit's first lag is known only from the mean of all, slopes are kept for every
    first lag that is possible.
    """

    def __init__(self, frames: int) -> None:
        self.last = (frames - 1) // 2
        self.ions = self.moved = 0
        self._total = np.zeros(frames)
        self._slope, self._squares = np.zeros((2, max(1, (frames - 1) // 10)))

    def add(self, displacement: Array, distance: float) -> None:
        """Add one ion's displacements (frames, 3); count it as moved beyond a distance (Å)."""
        msd = _msd(displacement)
        self.ions += 1
        self.moved += _shift(displacement) > distance
        self._total += msd
        slopes = _slopes(msd, self.last, len(self._slope))
        change = slopes - self._slope
        self._slope += change / self.ions
        self._squares += change * (slopes - self._slope)

    @property
    def msd(self) -> Array:
        """(lags,) mean over the ions, Å²."""
        return self._total / self.ions

    def first(self, jump_length: float) -> int:
        """Return the first lag of the fit: where the MSD reaches a²/2, at most a tenth of the run."""
        reached = np.flatnonzero(self.msd[: self.last] >= jump_length**2 / 2)
        latest = len(self._slope)
        return max(1, min(int(reached[0]), latest)) if len(reached) else latest

    def slope(self, first: int) -> tuple[float, float]:
        """Return the MSD's slope from a first lag (Å² per frame) and its standard error from the spread.

        The error is NaN for one ion. It is widened by Student's t, so that ±1.96 of it holds 95 % for few
        ions too.
        """
        value, squares, others = self._slope[first - 1], self._squares[first - 1], self.ions - 1
        if others < 1:
            return float(value), float("nan")
        error = np.sqrt(squares / others / self.ions)
        return float(value), float(error * student.ppf(0.975, others) / 1.96)


def _slopes(msd: Array, last: int, count: int) -> Array:
    """Return the slopes of least-squares lines through msd[first : last + 1] for first = 1 … count.

    Of n points at distances of one around m̄, it is 12 Σ (m − m̄) msd(m) / (n(n² − 1)).
    """
    lag = np.arange(1.0 - last, 1.0)  # counted from the last
    total = np.cumsum(msd[last:0:-1])[::-1]
    moment = np.cumsum((lag * msd[1 : last + 1])[::-1])[::-1]
    n = 1 - lag[:count]
    return 12 * (moment[:count] - lag[:count] / 2 * total[:count]) / (n * (n**2 - 1))


def _shift(displacement: Array) -> float:
    """Return how far an ion's place in the last quarter of the run is from that in the first, Å."""
    quarter = max(1, len(displacement) // 4)
    return float(np.linalg.norm(displacement[-quarter:].mean(axis=0) - displacement[:quarter].mean(axis=0)))


def relative_error(jumps: float) -> float:
    """Return the relative standard error of D for a number of jumps: 3.43/√N + 0.04.

    He, Zhu, Epstein and Mo, npj Comput. Mater. 4, 18 (2018).
    """
    return 3.43 / np.sqrt(jumps) + 0.04 if jumps > 0 else np.inf


def diffusion_of(
    runs: Frames | Sequence[Frames], specie: str, settings: TransportSettings | None = None
) -> Diffusion:
    """Derive the tracer diffusivity D = slope(MSD)/6, of one run or of several independent ones.

    A line with intercept is fitted to the MSD from the lag where it reaches a²/2 (or a tenth of the
    run, if that is earlier) to half the run. D counts as measured if its diffusive jumps reach the
    detection limit, D exceeds 1.96 times its spread over ions, and ions have really left their places: as
    many as the detection limit, or half of them, are further than a/2 from where they were, their
    positions averaged over the first and the last quarter of the run. Otherwise the value is a 95 % upper
    limit: the larger of D + 1.645 standard errors and the Poisson limit for the jumps that were counted.

    Of a trajectory in a file, a few ions at a time are held in memory. The ions of independent runs of one
    crystal at one temperature count together; `ions` and `volume` are then those of all runs.

    Raises
    ------
    DataError
        The element is absent, the file is damaged, or the runs differ in length or temperature.
    AnalysisError
        Fewer than 20 frames.
    """
    settings = settings or TransportSettings()
    together = list(runs) if isinstance(runs, Sequence) else [runs]
    trajectory = together[0]
    if len({(len(t), t.timestep, t.temperature) for t in together}) > 1:
        raise DataError(
            "independent runs of different lengths, time steps or temperatures", "the same settings for all"
        )
    if len(trajectory) < SMALLEST_RUN:
        raise AnalysisError(
            f"{len(trajectory)} frames",
            f"at least {SMALLEST_RUN} for a diffusivity",
            "run longer or store more often",
        )
    pool = _Pool(len(trajectory))
    for run in together:
        mobile, drift, reference = _drift_of(run, specie)
        for displacement in _ion_by_ion(run, mobile, drift):
            pool.add(displacement, settings.jump_length / 2)
    lag: Array = np.arange(len(trajectory), dtype=float) * trajectory.timestep
    first, msd, area = pool.first(settings.jump_length), pool.msd, settings.jump_length**2
    value, std, diffusive, measured = _judged(pool, first, trajectory, settings)
    return Diffusion(
        temperature=trajectory.temperature,
        specie=specie,
        value=value,
        std=std if measured else np.nan,
        is_upper_bound=not measured,
        jumps=pool.ions * float(msd.max()) / area,
        diffusive_jumps=diffusive,
        window=(float(lag[first]), float(lag[pool.last])),
        lag=lag,
        msd=msd,
        ions=pool.ions,
        volume=sum(t.volume for t in together),
        drift=reference,
    )


def _judged(
    pool: _Pool, first: int, trajectory: Frames, settings: TransportSettings
) -> tuple[float, float, float, bool]:
    """Return D or its upper limit, its standard error, the diffusive jumps, and whether D is measured."""
    value, spread = (s / (6 * trajectory.timestep) for s in pool.slope(first))
    time, area = 6 * pool.ions * trajectory.duration, settings.jump_length**2
    diffusive = max(0.0, value * time / area)
    counted = relative_error(diffusive) * value if value > 0 else 0.0
    std = max(spread, counted) if np.isfinite(spread) else counted
    measured = (
        diffusive >= settings.detection
        and pool.moved >= min(settings.detection, pool.ions / 2)
        and not value <= 1.96 * spread  # a single ion has no spread
    )
    if not measured:
        limit = poisson_limit(np.ceil(diffusive))
        value = max(limit * area / time, max(value, 0.0) + 1.645 * std)
    return value, std, diffusive, measured
