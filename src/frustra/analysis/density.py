"""The density of atomistic states (DOAS) and its metrics.

Wang, Liu and Mo, Angew. Chem. Int. Ed. 62, e202215544 (2023): the histogram of the per-atom energies of
the mobile ions over statically relaxed snapshots, per ion and eV.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from pydantic import Field

from frustra.analysis.classes import StateClasses, classes_by
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.settings import Settings
from frustra.sites import SITE_KINDS
from frustra.states import StateTable
from frustra.stats import bootstrap

LOW_QUANTILE = 0.01
"""The quantile of all states that is the zero of energy where `zero = "quantile"`."""


class DensitySettings(Settings):
    """How the density of atomistic states is binned."""

    bin: float = Field(0.005, ge=1e-4, description="width of the bins (eV), the same at every temperature")
    zero: Literal["min", "quantile"] = Field(
        "min",
        description='zero of energy over all temperatures: "min", the lowest state (as in the paper), '
        'or "quantile", the 1 % quantile, which does not depend on the sample size',
    )
    bootstrap: int = Field(200, ge=20, description="resamplings of whole snapshots for the errors")


@dataclass(frozen=True)
class Density:
    """The DOAS at one temperature; energies are relative to one zero for all temperatures."""

    temperature: float
    """K."""
    edges: Array
    """(bins + 1,) eV, the same at every temperature of a table."""
    by_site: dict[str, Array]
    """Site kind → (bins,) states per mobile ion and eV; they add up to `total`."""
    states: int
    """How many ion energies were counted."""
    snapshots: int
    mean: float
    """eV."""
    iqr: float
    """Interquartile range, eV."""
    entropy: float
    """−Σ p ln p over the bins, nat; exp of it is the effective number of levels."""
    std: dict[str, float]
    """Standard errors of mean, iqr and entropy by bootstrap over snapshots."""
    by: str = "site"
    """The column of the state table by which `parts` are told apart."""
    parts: dict[str, Array] = field(default_factory=dict)
    """Value or range of that column → (bins,) states per mobile ion and eV; they add up to `total`. The same
    names at every temperature of a table, numbers in rising order."""
    ordered: bool = False
    """Whether the parts are numbers or ranges of them."""

    @property
    def centres(self) -> Array:
        """(bins,) eV."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def total(self) -> Array:
        """(bins,) states per mobile ion and eV; its integral over energy is one."""
        total: Array = np.sum(list(self.by_site.values()), axis=0)
        return total

    @property
    def effective_levels(self) -> float:
        """Effective number of occupied levels at this bin width, exp(entropy)."""
        return float(np.exp(self.entropy))


def energy_zero(states: StateTable, settings: DensitySettings) -> float:
    """Return the zero of energy (eV) of a table: the lowest state, or a low quantile, over all T."""
    energies = states["energy"]
    return float(energies.min() if settings.zero == "min" else np.quantile(energies, LOW_QUANTILE))


def converged_states(states: StateTable) -> StateTable:
    """Return the states of snapshots that converged; they must be of one material and element.

    Raises
    ------
    AnalysisError
        No converged state, or more than one material or element.
    """
    for column in ("material", "element"):
        kinds = np.unique(states[column])
        if len(kinds) > 1:
            raise AnalysisError(f"states of {', '.join(kinds)} together", f"one {column}", "select it first")
    states = states.select(states["converged"])
    if len(states) == 0:
        raise AnalysisError("no state from a converged snapshot", "at least one", "raise `max_steps`")
    return states


def densities_of(
    states: StateTable,
    settings: DensitySettings | None = None,
    rng: np.random.Generator | None = None,
    by: str = "site",
    quantiles: int = 4,
) -> list[Density]:
    """Return the DOAS at every temperature of a table, on common bins.

    States of snapshots that did not converge are left out. Every density is resolved by site, and by
    any column as well: `by="anions"` tells how the states depend on the elements around the ion. Its values
    are classed as `classes_by` does, over all temperatures.

    Parameters
    ----------
    states
        Of one material and one element.
    settings
        Bins, zero and resamplings.
    rng
        For the bootstrap; seeded with 0 if not given.
    by
        Column of the table whose values tell the parts of the density apart.
    quantiles
        Classes into which a column of many numbers is divided.

    Raises
    ------
    AnalysisError
        No converged state, more than one material or element, or no such column.
    """
    settings = settings or DensitySettings()
    rng = rng or np.random.default_rng(0)
    states = converged_states(states)
    zero = energy_zero(states, settings)
    edges = _edges(states["energy"] - zero, settings.bin)
    classes = classes_by(states, by, quantiles)
    rows = [np.flatnonzero(states["temperature"] == t) for t in states.temperatures]
    resolved = [replace(classes, number=classes.number[r]) for r in rows]
    parts = zip(rows, resolved, strict=True)
    return [_density(states.select(r), zero, edges, c, settings, rng) for r, c in parts]


def _edges(energies: Array, width: float) -> Array:
    """Return bin edges at multiples of the width that hold every energy."""
    first, last = np.floor(energies.min() / width), np.floor(energies.max() / width) + 1
    return np.arange(first, last + 1) * width


def _density(
    states: StateTable,
    zero: float,
    edges: Array,
    classes: StateClasses,
    settings: DensitySettings,
    rng: np.random.Generator,
) -> Density:
    energies = states["energy"] - zero
    snapshot = states.frames
    groups = int(snapshot.max()) + 1
    bins = np.clip(np.floor(energies / settings.bin - edges[0] / settings.bin).astype(int), 0, len(edges) - 2)
    metrics = _Metrics(energies, snapshot.astype(np.int64), bins, groups, len(edges) - 1)
    mean, iqr, entropy = metrics(np.ones(groups))
    errors = bootstrap(groups, metrics, rng, settings.bootstrap)
    norm, size = len(energies) * settings.bin, len(edges) - 1
    named = [(kind, states["site"] == kind) for kind in SITE_KINDS]
    parts = [(name, classes.number == k) for k, name in enumerate(classes.names)]
    return Density(
        temperature=float(states["temperature"][0]),
        edges=edges,
        by_site={kind: np.bincount(bins[rows], minlength=size) / norm for kind, rows in named},
        by=classes.column,
        parts={name: np.bincount(bins[rows], minlength=size) / norm for name, rows in parts},
        ordered=classes.ordered,
        states=len(energies),
        snapshots=groups,
        mean=float(mean),
        iqr=float(iqr),
        entropy=float(entropy),
        std={name: float(e) for name, e in zip(("mean", "iqr", "entropy"), errors, strict=True)},
    )


class _Metrics:
    """Mean, IQR and entropy of the states as functions of how often each snapshot counts."""

    def __init__(self, energies: Array, snapshot: IntArray, bins: IntArray, groups: int, n_bins: int) -> None:
        order = np.argsort(energies, kind="stable")
        self._energies, self._snapshot = energies[order], snapshot[order]
        self._counts = np.zeros((groups, n_bins))
        np.add.at(self._counts, (snapshot, bins), 1.0)

    def __call__(self, weights: Array) -> Array:
        weight = weights[self._snapshot]
        cumulated = np.cumsum(weight)
        total = cumulated[-1]
        mean = (weight @ self._energies) / total
        low, high = self._energies[np.searchsorted(cumulated, (0.25 * total, 0.75 * total))]
        p = weights @ self._counts / total
        p = p[p > 0]
        return np.array([mean, high - low, -(p * np.log(p)).sum()])


def site_fractions(
    states: StateTable, rng: np.random.Generator | None = None, samples: int = 200
) -> dict[str, tuple[float, float]]:
    """Return the fraction of ions on each kind of site with its standard error, over all rows.

    Errors are by bootstrap over snapshots; NaN with a single snapshot.
    """
    snapshot = states.frames
    groups = int(snapshot.max()) + 1
    counts = np.stack(
        [np.bincount(snapshot, states["site"] == kind, minlength=groups) for kind in SITE_KINDS],
        axis=1,
    )
    rows = np.bincount(snapshot, minlength=groups)

    def fractions(weights: Array) -> Array:
        return (weights @ counts) / (weights @ rows)

    errors = bootstrap(groups, fractions, rng or np.random.default_rng(0), samples)
    values = fractions(np.ones(groups))
    return {kind: (float(v), float(e)) for kind, v, e in zip(SITE_KINDS, values, errors, strict=True)}
