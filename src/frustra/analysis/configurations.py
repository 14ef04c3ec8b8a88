"""Local configurations: the kinds of surroundings that states have, how frequent and how high they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frustra.analysis.density import converged_states
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.states import StateTable

LOCAL = (
    "label",
    "near_oct",
    "near_tet",
    "near_other",
    "vacant_oct",
    "vacant_tet",
    "vacant_other",
    "face_cations",
    "edge_cations",
    "anions",
)
"""Columns that tell one local configuration from another."""

DECIMALS = 9
"""Energies that agree to so many decimals of an eV are equal."""

_REAL = ("fraction", "fraction_std", "mean", "mean_std", "spread")

LEAST = 10
"""States that a configuration must have to count among the extreme ones."""


@dataclass(frozen=True)
class Configuration:
    """States with the same surroundings."""

    values: dict[str, str | int]
    """Column of the StateTable → what all these states have in it."""
    states: int
    snapshots: int
    """In how many snapshots they are."""
    fraction: float
    """Of all states."""
    fraction_std: float
    """Its standard error; NaN with a single snapshot in all."""
    mean: float
    """Mean energy above the zero, eV."""
    mean_std: float
    """Its standard error, eV; NaN if all states are in one snapshot."""
    spread: float
    """Standard deviation of the energies, eV; NaN of a single state."""
    run: int
    """Of the representative, the state whose energy is nearest to the mean."""
    snapshot: int
    """Of the representative."""
    ion: int
    """Of the representative: index of the atom."""
    energy: float
    """Of the representative, above the zero, eV."""


@dataclass(frozen=True)
class Configurations:
    """The local configurations at one temperature."""

    temperature: float
    """K."""
    zero: float
    """Energy that all others are relative to, eV."""
    states: int
    snapshots: int
    found: tuple[Configuration, ...]
    """The most frequent first."""

    def most_frequent(self, count: int) -> tuple[Configuration, ...]:
        """Return so many configurations, the most frequent first."""
        return self.found[:count]

    def lowest(self, count: int, least: int = LEAST) -> tuple[Configuration, ...]:
        """Return those of the lowest mean energy that have at least `least` states, the lowest first."""
        return tuple(self._by_energy(least)[:count])

    def highest(self, count: int, least: int = LEAST) -> tuple[Configuration, ...]:
        """Return those of the highest mean energy that have at least `least` states, the highest first."""
        return tuple(self._by_energy(least)[::-1][:count])

    def _by_energy(self, least: int) -> list[Configuration]:
        return sorted((c for c in self.found if c.states >= least), key=lambda c: c.mean)


def configurations_of(
    states: StateTable, by: Sequence[str] = LOCAL, zero: float | None = None
) -> Configurations:
    """Group the states of one temperature by their local configuration.

    Of configuration c with N_gc states in snapshot g, N_c in all, and N states in G snapshots, the
    fraction is p = N_c/N, with the variance G/(G−1) Σ_g (N_gc − p N_g)²/N². The mean energy e has the
    variance m/(m−1) Σ_g (Σ_{i in g,c} e_i − e N_gc)²/N_c² over the m snapshots with such states. These are
    to first order the variances of a bootstrap over whole snapshots, as ions of one snapshot are not
    independent; they do not depend on chance and hold for rare configurations as well. Snapshots count as
    independent.

    Parameters
    ----------
    states
        Of one material, element and temperature. States of snapshots that did not converge are left out.
    by
        Columns that tell one configuration from another.
    zero
        Energy that all others are relative to, eV; the lowest of the converged states if not given.

    Raises
    ------
    AnalysisError
        No converged state, several materials, elements or temperatures, or columns of numbers that are not
        whole.
    """
    states = converged_states(states)
    if len(states.temperatures) > 1:
        raise AnalysisError(
            f"states at {len(states.temperatures)} temperatures in one set of configurations",
            "one temperature",
            "select it first",
        )
    group, first = _groups(states, by)
    zero = float(states["energy"].min()) if zero is None else zero
    energies = states["energy"] - zero
    told = _numbers(group, states.frames, energies)
    typical = _typical(states, group, energies, told.mean)
    found = [
        Configuration(
            values={name: states[name][first[c]].item() for name in by},
            states=int(told.states[c]),
            snapshots=int(told.snapshots[c]),
            **{name: float(getattr(told, name)[c]) for name in _REAL},
            run=int(states["run"][typical[c]]),
            snapshot=int(states["snapshot"][typical[c]]),
            ion=int(states["ion"][typical[c]]),
            energy=float(energies[typical[c]]),
        )
        for c in np.argsort(-told.states, kind="stable")
    ]
    return Configurations(
        states.temperatures[0], zero, len(states), int(states.frames.max()) + 1, tuple(found)
    )


def _groups(states: StateTable, by: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Return the number of every row's configuration, and the first row of every configuration."""
    numbers = []
    for name in by:
        if states[name].dtype.kind == "f":
            raise AnalysisError(
                f"configurations by {name}", "columns of text or whole numbers", "choose other columns"
            )
        numbers.append(np.unique(states[name], return_inverse=True)[1].reshape(-1))
    rows = np.stack(numbers, axis=1) if numbers else np.zeros((len(states), 1), dtype=np.int64)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return group.reshape(-1).astype(np.int64), first


@dataclass(frozen=True)
class _Numbers:
    """What is told of every configuration, (configurations,) each."""

    states: IntArray
    snapshots: IntArray
    fraction: Array
    fraction_std: Array
    mean: Array
    mean_std: Array
    spread: Array


def _numbers(group: IntArray, frames: IntArray, energies: Array) -> _Numbers:
    count = int(group.max()) + 1
    states = np.bincount(group, minlength=count)
    mean = np.bincount(group, energies, count) / states
    off = energies - mean[group]
    spread = np.sqrt(np.bincount(group, off**2, count) / states * _unbiased(states))
    # one entry for each configuration that a snapshot has
    sizes = np.bincount(frames).astype(float)
    both, entry = np.unique(group * len(sizes) + frames, return_inverse=True)
    owner, frame = np.divmod(both, len(sizes))
    snapshots = np.bincount(owner, minlength=count)
    scatter = np.bincount(owner, np.bincount(entry, off) ** 2, count)
    mean_std = np.sqrt(scatter * _unbiased(snapshots)) / states
    fraction, present = states / len(group), np.bincount(entry).astype(float)
    # Σ (N_gc − p N_g)², in which snapshots without the configuration count too
    square = np.bincount(owner, present * (present - 2 * fraction[owner] * sizes[frame]), count)
    scatter = np.maximum(square + fraction**2 * (sizes**2).sum(), 0)
    fraction_std = np.sqrt(scatter * _unbiased(np.array([len(sizes)]))) / len(group)
    return _Numbers(states, snapshots, fraction, fraction_std, mean, mean_std, spread)


def _unbiased(groups: IntArray) -> Array:
    """Return n/(n − 1); NaN for one."""
    return np.where(groups > 1, groups / np.maximum(groups - 1, 1), np.nan)


def _typical(states: StateTable, group: IntArray, energies: Array, mean: Array) -> IntArray:
    """Return for every configuration the row whose energy is nearest to the mean.

    Of several as near, the lowest counts, and of equals the first: the order of the rows changes nothing.
    """
    away = np.round(np.abs(energies - mean[group]), DECIMALS)
    order = np.lexsort(
        (states["ion"], states["snapshot"], states["run"], np.round(energies, DECIMALS), away, group)
    )
    _, first = np.unique(group[order], return_index=True)
    found: IntArray = order[first]
    return found
