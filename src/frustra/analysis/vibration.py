"""The attempt frequency: the mean frequency at which ions vibrate about their sites between hops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.signal import get_window
from scipy.stats import t as student

from frustra.analysis.hops import Hops
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError
from frustra.stats import Estimate
from frustra.trajectory import Frames
from frustra.units import BOLTZMANN, FS

A2_PER_PS2: Final = 9648.5332
"""1 eV/amu in Å²/ps²."""

COARSEST = 0.03
"""ps between frames: beyond, vibrations above 17 THz, which light ions have, are mistaken for slower ones."""

LENGTH = 1.0
"""ps: pieces from which the spectrum is made; its lines are this much⁻¹ apart."""

PIECES = 400
"""Pieces of time that are read of each run, evenly spaced."""

BLOCKS = 8
"""Blocks of time in each run from which the error comes."""

SEEN, TOO_MUCH = 0.75, 1.35
"""Least and largest part of the thermal energy 3kT/2 that the spectrum may hold."""


@dataclass(frozen=True)
class Vibration:
    """Vibration of the mobile ions about their sites at one temperature."""

    frequency: Estimate
    """Mean frequency ⟨ν⟩ = ∫ν P(ν) dν / ∫P(ν) dν over the power P of the velocity, THz."""
    frequencies: Array
    """(k,) THz."""
    spectrum: Array
    """(k,) P(ν), normalised: its sum times the distance of the frequencies is 1; 1/THz."""
    thermal: float
    """Kinetic energy in the spectrum over 3kT/2; NaN where T is not known."""
    pieces: int
    """Pieces of paths of single ions between hops."""


def vibration_of(runs: Sequence[Frames], hops: Sequence[Hops], ions: IntArray) -> Vibration:
    """Return the spectrum of the vibration between hops, and its mean frequency.

    The paths are cut into pieces of 1 ps; those in which an ion hops are left out. Velocities are differences
    of positions from frame to frame; what these leave of a vibration, (sin πνΔ / πνΔ)², is divided out. The
    mean of each piece is taken off, and with it the drift, and a Hann window is applied.

    Parameters
    ----------
    runs, hops
        Of one temperature, with the same frames.
    ions
        Indices of the mobile ions, all of one element.

    Raises
    ------
    AnalysisError
        Frames too far apart for the vibration; no piece without a hop; a kinetic energy that is not that of
        the temperature, so that part of the vibration is not seen, or the time between frames is wrong.
    """
    for run in runs:
        _check_spacing(run.timestep, runs[0].timestep)
    timestep = runs[0].timestep
    length = round(LENGTH / timestep)
    blocks, pieces = [], 0
    for run, found in zip(runs, hops, strict=True):
        still = _still(found, length)
        still[_unread(still)] = False
        pieces += int(still.sum())
        blocks += [s for s in _spectra(run, ions, still, length) if s.any()]
    if not blocks:
        raise AnalysisError(
            f"no {LENGTH:g} ps in which an ion stays where it is",
            "some, for a vibration",
            "longer or colder runs",
        )
    frequencies: Array = np.asarray(np.fft.rfftfreq(length, timestep), dtype=float)
    power = np.array(blocks) / np.sinc(frequencies * timestep) ** 2
    total = power.sum(axis=0)
    energy = float(total.sum()) / pieces * runs[0].masses[ions[0]] / A2_PER_PS2  # ⟨mv²⟩, eV
    thermal = energy / (3 * BOLTZMANN * runs[0].temperature)
    _check_energy(thermal, timestep)
    density = total / total.sum() / frequencies[1]
    return Vibration(_centroid(power, frequencies), frequencies, density, thermal, pieces)


def _check_spacing(timestep: float, other: float) -> None:
    if timestep > COARSEST + 1e-9:
        raise AnalysisError(
            f"frames {timestep * FS:g} fs apart, which show no vibration above {0.5 / timestep:.3g} THz",
            f"at most {COARSEST * FS:g} fs for an attempt frequency",
            "write frames more often",
        )
    if abs(timestep / other - 1) > 1e-6:
        raise AnalysisError(
            f"runs with frames {other * FS:g} and {timestep * FS:g} fs apart",
            "the same time between frames in all",
        )


def _check_energy(thermal: float, timestep: float) -> None:
    """Refuse vibrations whose mean kinetic energy is not that of their temperature, if that is known."""
    found = (
        f"vibrations with {100 * thermal:.0f} % of the thermal energy in frames {timestep * FS:g} fs apart"
    )
    if thermal < SEEN:
        raise AnalysisError(
            found,
            f"more than {100 * SEEN:.0f} %",
            "the rest is too fast to be seen, or smoothed away: write frames more often, as they are",
        )
    if thermal > TOO_MUCH:
        raise AnalysisError(
            found, f"less than {100 * TOO_MUCH:.0f} %", "check temperature and time between frames"
        )


def _still(hops: Hops, length: int) -> BoolArray:
    """Return in which pieces of time which ion has a place and does not leave it, (pieces, ions)."""
    pieces = (hops.frames - 1) // length  # a velocity takes two frames
    change = np.zeros((pieces + 2, hops.ions), np.int64)
    stays = hops.stays
    if not pieces or not len(stays):
        return np.zeros((pieces, hops.ions), bool)
    row = stays.row[hops.stay]
    np.add.at(change, (np.minimum(hops.left // length, pieces), row), 1)  # on its way from here …
    np.add.at(change, (np.minimum(hops.arrived // length, pieces) + 1, row), -1)  # … to here
    moving = np.cumsum(change, axis=0)[:pieces] > 0
    known = np.full(hops.ions, hops.frames)
    np.minimum.at(known, stays.row, stays.first)
    return ~moving & (np.arange(pieces)[:, None] * length >= known)


def _unread(still: BoolArray) -> IntArray:
    """Return which pieces are passed over, so that the others are few and evenly spaced."""
    every = np.arange(len(still))
    if len(still) <= PIECES:
        return every[:0]
    return np.setdiff1d(every, np.linspace(0, len(still) - 1, PIECES).astype(int))


def _spectra(run: Frames, ions: IntArray, still: BoolArray, length: int) -> Iterator[Array]:
    """Give for each block of time the power of the velocity at each frequency, summed over all pieces.

    The sum over the frequencies is that of the mean square velocities, Å²/ps².
    """
    window = get_window("hann", length)[:, None, None]
    norm = length * float((window**2).sum()) * run.timestep**2
    sides = np.where(np.isin(np.arange(length // 2 + 1) * 2, [0, length]), 1.0, 2.0) / norm
    for block in np.array_split(np.flatnonzero(still.any(axis=1)), BLOCKS):
        power = np.zeros(length // 2 + 1)
        for piece in block:
            frames = slice(piece * length, (piece + 1) * length + 1)
            steps = np.diff(run.read(frames, ions[still[piece]]).positions, axis=0)
            waves = np.fft.rfft(window * (steps - steps.mean(axis=0)), axis=0)
            power += sides * (np.abs(waves) ** 2).sum(axis=(1, 2))
        yield power


def _centroid(power: Array, frequencies: Array) -> Estimate:
    """Return the mean frequency of the power (blocks, k), with the error of the jackknife over blocks."""
    total = power.sum(axis=0)
    value = float(total @ frequencies / total.sum())
    blocks = len(power)
    if blocks < 2:
        return Estimate(value, np.nan, np.nan, np.nan)
    left = total - power
    without = left @ frequencies / left.sum(axis=1)
    std = float(np.sqrt((blocks - 1) / blocks * ((without - without.mean()) ** 2).sum()))
    reach = std * float(student.ppf(0.975, blocks - 1))
    return Estimate(value, std, value - reach, value + reach)
