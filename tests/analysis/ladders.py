"""Synthetic ladders of ln(σT) with known breaks, written without the package's own functions."""

from typing import Literal

import numpy as np

from frustra.analysis.models import Series
from frustra.units import BOLTZMANN

ENERGY, LOG_PREFACTOR = 0.3, 5.0

Noise = Literal["log-normal", "normal", "normal, true error", "gamma", "noisy errors", "errors too small"]
NOISES: tuple[Noise, ...] = ("log-normal", "normal", "normal, true error", "gamma", "noisy errors")
"""Laws of the noise whose errors are right, at least on average."""


def truth(temperatures: np.ndarray, tc: float, energy: float, height: float) -> np.ndarray:
    """Return ln(σT): Ea is larger by `energy` (eV) below Tc, and ln(σT) lower by `height` there."""
    t = np.asarray(temperatures, dtype=float)
    above = LOG_PREFACTOR - ENERGY / (BOLTZMANN * t)
    below = energy / BOLTZMANN * (1 / tc - 1 / t) - height
    return above + np.where(t < tc, below, 0.0)


def measured(
    rng: np.random.Generator,
    temperatures: np.ndarray,
    relative: float,
    tc: float = 600.0,
    energy: float = 0.0,
    height: float = 0.0,
    noise: Noise = "log-normal",
) -> Series:
    """Return a ladder measured with a relative error, by one of several laws of the noise."""
    n, error = len(temperatures), np.full(len(temperatures), relative)
    factor = np.exp(relative * rng.normal(size=n))
    if noise.startswith("normal"):
        factor = 1 + relative * rng.normal(size=n)
        while (factor < 0.02).any():  # a negative conductivity would be an upper bound
            factor = np.where(factor < 0.02, 1 + relative * rng.normal(size=n), factor)
        error = relative / factor if noise == "normal, true error" else error
    elif noise == "gamma":
        factor = rng.gamma(relative**-2, relative**2, size=n)
    elif noise == "noisy errors":
        error = error * np.sqrt(rng.chisquare(10, size=n) / 10)
    elif noise == "errors too small":
        error = error / 5
    values = truth(temperatures, tc, energy, height) + np.log(factor)
    return Series(np.asarray(temperatures, dtype=float), values, error, np.zeros(n, bool), skewed=True)
