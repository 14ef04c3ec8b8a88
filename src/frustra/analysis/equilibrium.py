"""Does the run know its ground state? Mean relaxed energies against temperature, checked against physics.

In equilibrium the mean energy cannot fall when the temperature rises, nothing relaxes below the ground
state, and the second half of a run is like its first. A temperature that fails is marked, not mended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from frustra.arrays import Array
from frustra.snapshots import Snapshots
from frustra.stats import block_error, block_means
from frustra.units import MEV

BELOW_GROUND = 0.005
"""eV per cell: a relaxed snapshot this far below the ground state in use is a lower state."""

FALSE_ALARM = 0.01
"""Probability that one kind of check of a whole ladder in equilibrium raises a doubt."""

FLOOR = 1e-4
"""eV per ion: differences of this size are never significant."""

BLOCKS = 8
"""Blocks of a run from whose means errors and drift are derived."""


@dataclass(frozen=True)
class RelaxedEnergy:
    """Relaxed total energies at one temperature, above the ground state in the same cell."""

    temperature: float
    """K."""
    mean: float
    """eV per mobile ion."""
    std: float
    """Standard error by block averages, eV per mobile ion."""
    lowest: float
    """Lowest snapshot, eV per mobile ion; negative if it lies below the ground state in use."""
    halves: tuple[float, float]
    """Means of the first and the second half of the run, eV per mobile ion."""
    halves_std: float
    """Standard error of the difference of the halves, from neighbouring blocks only: a drift is not in it."""
    blocks: int
    """Blocks that the errors come from."""
    strain: float
    """Energy of the ground state in this cell above that in its own, eV per mobile ion."""
    lower_state: float = 0.0
    """Energy per cell of the lowest snapshot with its cell relaxed, above the ground state; eV.

    Zero unless it is below.
    """


def relaxed_energy(
    snapshots: Snapshots, ground: float, ions: int, strain: float = 0.0, lower_state: float = 0.0
) -> RelaxedEnergy:
    """Return the mean relaxed energy of the converged snapshots.

    Parameters
    ----------
    snapshots
        At one temperature, in the order of time.
    ground
        Energy of the ground state relaxed in the same cell, eV.
    ions
        Number of mobile ions.
    strain, lower_state
        See `RelaxedEnergy`.
    """
    energies: Array = (snapshots.energies[snapshots.converged] - ground) / ions
    blocks = min(BLOCKS, len(energies)) // 2 * 2
    if blocks < 2:
        value = float(energies.mean()) if len(energies) else np.nan
        nan = (np.nan, np.nan)
        return RelaxedEnergy(snapshots.temperature, value, np.nan, value, nan, np.nan, 0, strain, lower_state)
    means = block_means(energies, blocks)
    neighbours = np.sqrt((np.diff(means) ** 2).sum() / (2 * (blocks - 1)))
    return RelaxedEnergy(
        temperature=snapshots.temperature,
        mean=float(energies.mean()),
        std=float(block_error(energies, blocks)),
        lowest=float(energies.min()),
        halves=(float(means[: blocks // 2].mean()), float(means[blocks // 2 :].mean())),
        halves_std=float(neighbours * np.sqrt(4 / blocks)),
        blocks=blocks,
        strain=strain,
        lower_state=lower_state,
    )


def doubts(energies: Sequence[RelaxedEnergy]) -> list[list[str]]:
    """Return, for each temperature (ascending), the reasons why it is not equilibrated; empty if none.

    * Its mean relaxed energy lies significantly above that of a higher temperature.
    * A snapshot at the same or a higher temperature relaxed below the ground state, and this
      temperature, started from that ground state, has not left it.
    * The two halves of its run differ significantly.
    """
    reasons: list[list[str]] = [[] for _ in energies]
    pairs = max(1, len(energies) * (len(energies) - 1) // 2)
    for i, cold in enumerate(energies):
        falls = [hot for hot in energies[i + 1 :] if _falls(cold, hot, pairs)]
        if falls:
            hot = min(falls, key=lambda e: e.mean)
            reasons[i].append(
                f"mean relaxed energy {MEV * cold.mean:.1f} meV per ion, above "
                f"{MEV * hot.mean:.1f} at {hot.temperature:g} K"
            )
        lower = [hot for hot in energies[i:] if hot.lower_state < -BELOW_GROUND]
        if lower and cold.mean > min(hot.lowest for hot in lower):
            found = min(lower, key=lambda e: e.lower_state)
            reasons[i].append(
                f"a snapshot at {found.temperature:g} K relaxed {-MEV * found.lower_state:.0f} meV per cell "
                "below the ground state it started from"
            )
        if _drifts(cold, len(energies)):
            first, second = cold.halves
            reasons[i].append(
                f"mean relaxed energy moved from {MEV * first:.1f} to {MEV * second:.1f} meV per ion"
            )
    return reasons


def _falls(cold: RelaxedEnergy, hot: RelaxedEnergy, pairs: int) -> bool:
    """Return whether the mean falls significantly from the colder to the hotter temperature."""
    error, freedom = np.hypot(cold.std, hot.std), cold.blocks + hot.blocks - 2
    return cold.mean - hot.mean > _threshold(error, freedom, pairs)


def _drifts(energy: RelaxedEnergy, temperatures: int) -> bool:
    """Return whether the halves of a run differ significantly."""
    first, second = energy.halves
    # squared differences of neighbours overlap: they carry about two thirds of the freedom of blocks − 1
    freedom = 2 * (energy.blocks - 1) / 3
    return abs(first - second) > _threshold(energy.halves_std, freedom, 2 * temperatures)


def _threshold(error: float, freedom: float, checks: int) -> float:
    """Return the difference that chance exceeds with `FALSE_ALARM` in all checks together; Student's t."""
    if not np.isfinite(error) or freedom <= 0:
        return np.inf
    return float(max(FLOOR, error * student.ppf(1 - FALSE_ALARM / checks, freedom)))
