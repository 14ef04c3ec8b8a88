"""Does the run know its ground state? Mean relaxed energies against temperature, checked against physics.

In equilibrium the mean energy cannot fall when the temperature rises, nothing relaxes below the ground
state, and the second half of a run is like its first. A temperature that fails is marked, not mended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from scipy.stats import t as student

from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.geometry import minimum_image, nearest_neighbours
from frustra.snapshots import Snapshots
from frustra.stats import block_error, block_means
from frustra.structures import indices_of, strained
from frustra.units import MEV

BELOW_GROUND = 0.005
"""eV per cell: a relaxed snapshot this far below the ground state in use is a lower state."""

FALSE_ALARM = 0.01
"""Probability that one kind of check of a whole ladder in equilibrium raises a doubt."""

FLOOR = 1e-4
"""eV per ion: differences of this size are never significant."""

OFF_SITE = 1.1
"""Å: an ion further from a ground-state site does not hold it."""

OFF_FLOOR = 0.02
"""Differences of this size in the fraction of empty ground-state sites are never significant."""

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
    off_ground: tuple[float, float] = (np.nan, np.nan)
    """Fraction of ground-state sites left empty, in the first and the second half of the run."""
    off_ground_std: float = np.nan
    """Standard error of the difference of those halves."""
    lower_state: float = 0.0
    """Energy per cell of the lowest snapshot with its cell relaxed, above the ground state; eV.

    Zero unless it is below.
    """


def empty_ground_sites(snapshots: Snapshots, ground: Atoms, specie: str) -> Array:
    """Return the fraction of the ground state's sites that no mobile ion holds, (frames,).

    Which ion holds a site does not matter: diffusion alone does not change the fraction.

    Parameters
    ----------
    snapshots
        Relaxed frames.
    ground
        The ground state, the same atoms in the same order; its cell is strained to that of the snapshots.
    specie
        The mobile element.
    """
    mobile = indices_of(ground, specie)
    framework = np.setdiff1d(np.arange(len(ground)), mobile)
    sites = strained(ground, snapshots.cell).positions
    fractions = []
    for positions in snapshots.positions:
        shift = np.zeros(3)
        if len(framework):
            shift = minimum_image(positions[framework] - sites[framework], snapshots.cell).mean(axis=0)
        gaps = nearest_neighbours(sites[mobile], positions[mobile] - shift, snapshots.cell, 1).distances
        fractions.append((gaps[:, 0] > OFF_SITE).mean())
    return np.array(fractions)


def _halves(series: Array, blocks: int) -> tuple[tuple[float, float], float]:
    """Return the means of both halves and the error of their difference, without a drift in it.

    The error comes from differences of neighbouring blocks only.
    """
    means = block_means(series, blocks)
    neighbours = np.sqrt((np.diff(means) ** 2).sum() / (2 * (blocks - 1)))
    first, second = means[: blocks // 2].mean(), means[blocks // 2 :].mean()
    return (float(first), float(second)), float(neighbours * np.sqrt(4 / blocks))


def relaxed_energy(
    snapshots: Snapshots,
    ground: float,
    ions: int,
    strain: float = 0.0,
    lower_state: float = 0.0,
    off_ground: Array | None = None,
    independent: float = np.inf,
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
    off_ground
        (frames,) what `empty_ground_sites` gives; not checked for drift if not given.
    independent
        Independent arrangements among the snapshots: there are no more blocks than that, but two.
    """
    energies: Array = (snapshots.energies[snapshots.converged] - ground) / ions
    blocks = int(min(BLOCKS, len(energies), max(2.0, independent))) // 2 * 2
    if blocks < 2:
        value = float(energies.mean()) if len(energies) else np.nan
        nan = (np.nan, np.nan)
        return RelaxedEnergy(
            snapshots.temperature, value, np.nan, value, nan, np.nan, 0, strain, lower_state=lower_state
        )
    halves, halves_std = _halves(energies, blocks)
    record = RelaxedEnergy(
        temperature=snapshots.temperature,
        mean=float(energies.mean()),
        std=float(block_error(energies, blocks)),
        lowest=float(energies.min()),
        halves=halves,
        halves_std=halves_std,
        blocks=blocks,
        strain=strain,
        lower_state=lower_state,
    )
    if off_ground is None:
        return record
    empty, empty_std = _halves(off_ground[snapshots.converged], blocks)
    return replace(record, off_ground=empty, off_ground_std=empty_std)


def combined(runs: Sequence[RelaxedEnergy]) -> RelaxedEnergy:
    """Return the mean of independent runs at one temperature; their own errors are combined.

    The error is the larger of what the runs' errors give and, from three runs on, their spread.
    """
    if len(runs) == 1:
        return runs[0]
    count = len(runs)
    means = np.array([r.mean for r in runs])
    within = float(np.sqrt(sum(r.std**2 for r in runs))) / count
    between = float(means.std(ddof=1)) / np.sqrt(count) if count > 2 else 0.0
    first, second = np.array([r.halves for r in runs]).mean(axis=0)
    empty = np.array([r.off_ground for r in runs]).mean(axis=0)
    return replace(
        runs[0],
        mean=float(means.mean()),
        std=max(within, between) if np.isfinite(within) else within,
        lowest=min(r.lowest for r in runs),
        halves=(float(first), float(second)),
        halves_std=float(np.sqrt(sum(r.halves_std**2 for r in runs))) / count,
        blocks=sum(r.blocks for r in runs),
        strain=float(np.mean([r.strain for r in runs])),
        off_ground=(float(empty[0]), float(empty[1])),
        off_ground_std=float(np.sqrt(sum(r.off_ground_std**2 for r in runs))) / count,
        lower_state=min(r.lower_state for r in runs),
    )


def differs(one: RelaxedEnergy, other: RelaxedEnergy, checks: int) -> bool:
    """Return whether two runs at one temperature have significantly different mean energies."""
    error, freedom = np.hypot(one.std, other.std), one.blocks + other.blocks - 2
    return abs(one.mean - other.mean) > _threshold(error, freedom, 2 * checks, FLOOR)


@dataclass(frozen=True)
class Branch:
    """The two ways to one temperature: heated from the ground state, cooled from disorder."""

    heating: RelaxedEnergy
    """Of the runs that start from the ground state."""
    cooling: RelaxedEnergy
    """Of the runs that start from ions disordered by heat."""
    differ: bool
    """Whether their means differ significantly: then at least one is not in equilibrium."""


def branches_of(heating: Sequence[RelaxedEnergy], cooling: Sequence[RelaxedEnergy]) -> list[Branch]:
    """Return both branches side by side, temperature by temperature.

    Parameters
    ----------
    heating, cooling
        At the same temperatures in the same order.

    Raises
    ------
    AnalysisError
        Other temperatures.
    """
    if [e.temperature for e in heating] != [e.temperature for e in cooling]:
        raise AnalysisError("heating and cooling at different temperatures", "the same ladder")
    pairs = zip(heating, cooling, strict=True)
    return [Branch(one, other, differs(one, other, len(heating))) for one, other in pairs]


def doubts(energies: Sequence[RelaxedEnergy], others: Sequence[RelaxedEnergy] = ()) -> list[list[str]]:
    """Return, for each temperature (ascending), the reasons why it is not equilibrated; empty if none.

    * Its mean relaxed energy lies significantly above that of a higher temperature.
    * A snapshot at the same or a higher temperature relaxed below the ground state, and this
      temperature, started from that ground state, has not left it.
    * The two halves of its run differ significantly, in energy or in empty ground-state sites.
    * Runs from another start differ from it significantly.

    Parameters
    ----------
    energies
        At ascending temperatures.
    others
        The same of runs from another start, if there are any: heating and cooling.
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
        lower = [hot for hot in (*energies[i:], *others[i:]) if hot.lower_state < -BELOW_GROUND]
        if lower and cold.mean > min(hot.lowest for hot in lower):
            found = min(lower, key=lambda e: e.lower_state)
            reasons[i].append(
                f"a snapshot at {found.temperature:g} K relaxed {-MEV * found.lower_state:.0f} meV per cell "
                "below the ground state it started from"
            )
        first, second = cold.off_ground
        if _drifts(cold.off_ground, cold.off_ground_std, cold.blocks, len(energies), OFF_FLOOR):
            reasons[i].append(
                f"empty ground-state sites went from {100 * first:.0f} to {100 * second:.0f} % during the run"
            )
        first, second = cold.halves
        if _drifts(cold.halves, cold.halves_std, cold.blocks, len(energies), FLOOR):
            reasons[i].append(
                f"mean relaxed energy moved from {MEV * first:.1f} to {MEV * second:.1f} meV per ion"
            )
        if others and differs(cold, others[i], len(energies)):
            reasons[i].append(
                f"hysteresis: mean relaxed energy {_pm(cold)} meV per ion, and {_pm(others[i])} in runs from "
                "the other start"
            )
    return reasons


def _pm(energy: RelaxedEnergy) -> str:
    return f"{MEV * energy.mean:.1f} ± {MEV * energy.std:.1f}"


def _falls(cold: RelaxedEnergy, hot: RelaxedEnergy, pairs: int) -> bool:
    """Return whether the mean falls significantly from the colder to the hotter temperature."""
    error, freedom = np.hypot(cold.std, hot.std), cold.blocks + hot.blocks - 2
    return cold.mean - hot.mean > _threshold(error, freedom, pairs, FLOOR)


def _drifts(halves: tuple[float, float], error: float, blocks: int, temperatures: int, floor: float) -> bool:
    """Return whether the halves of a run differ significantly."""
    # squared differences of neighbours overlap: they carry about two thirds of the freedom of blocks − 1
    freedom = 2 * (blocks - 1) / 3
    return abs(halves[0] - halves[1]) > _threshold(error, freedom, 2 * temperatures, floor)


def _threshold(error: float, freedom: float, checks: int, floor: float) -> float:
    """Return the difference that chance exceeds with `FALSE_ALARM` in all checks together; Student's t."""
    if not np.isfinite(error) or freedom <= 0:
        return np.inf
    return float(max(floor, error * student.ppf(1 - FALSE_ALARM / checks, freedom)))
