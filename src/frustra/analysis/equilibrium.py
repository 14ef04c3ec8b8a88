"""Does the run know its ground state? Mean relaxed energies against temperature, checked against physics.

In equilibrium the mean energy cannot fall when the temperature rises, nothing relaxes below the ground
state, and the second half of a run is like its first. A temperature that fails is marked, not mended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array
from frustra.snapshots import Snapshots
from frustra.stats import block_error
from frustra.units import MEV

BELOW_GROUND = 0.005
"""eV per cell: a relaxed snapshot this far below the ground state in use is a lower state."""

SIGNIFICANT = 3.0
"""Standard errors by which two mean energies must differ to count as different."""


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
    if len(energies) == 0:
        return RelaxedEnergy(
            snapshots.temperature, np.nan, np.nan, np.nan, (np.nan, np.nan), strain, lower_state
        )
    half = max(1, len(energies) // 2)
    blocks = min(5, len(energies))
    return RelaxedEnergy(
        temperature=snapshots.temperature,
        mean=float(energies.mean()),
        std=float(block_error(energies, blocks)) if blocks > 1 else np.nan,
        lowest=float(energies.min()),
        halves=(float(energies[:half].mean()), float(energies[-half:].mean())),
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
    for i, cold in enumerate(energies):
        falls = [
            hot for hot in energies[i + 1 :] if _differ(cold.mean, hot.mean, cold.std, hot.std) > SIGNIFICANT
        ]
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
        first, second = cold.halves
        if (
            _differ(first, second, cold.std, cold.std) > SIGNIFICANT
            or _differ(second, first, cold.std, cold.std) > SIGNIFICANT
        ):
            reasons[i].append(
                f"mean relaxed energy moved from {MEV * first:.1f} to {MEV * second:.1f} meV per ion"
            )
    return reasons


def _differ(high: float, low: float, high_std: float, low_std: float) -> float:
    """Return by how many standard errors the first value exceeds the second."""
    error = np.hypot(high_std, low_std)
    return float((high - low) / error) if np.isfinite(error) and error > 0 else 0.0
