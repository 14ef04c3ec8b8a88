"""How much of the energy of a hop is on the ion that hops: Δe_i against ΔE of the whole cell."""

from dataclasses import dataclass

import numpy as np

from frustra.analysis.transitions.ways import grouped, groups_of
from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.stats import Estimate
from frustra.transitions import Transitions

FEWEST = 5
"""Single hops below which nothing is told."""

FLAT = 1e-6
"""eV: a root-mean-square ΔE below it is none to compare with."""


@dataclass(frozen=True)
class Shares:
    """How the total energy of hops of an ion alone is split among the ion, the other ions and the framework.

    The per-atom energies of a potential are its own choice; ΔE is not. Where `ion` is far from 1, a gap
    between levels of the DOAS is not the energy that a hop across it costs.
    """

    temperature: float
    """K; NaN of all temperatures together."""
    hops: int
    """Hops of an ion alone: no other is on another site in the relaxed frames that are compared."""
    ions: int
    """Different ions (of different runs) among them."""
    ion: Estimate
    """Slope of Δe_i on ΔE, Σ w Δe_i ΔE / Σ w ΔE². The line leads through the origin, as a hop and its reverse
    have opposite changes."""
    others: Estimate
    """The same of the sum over the other mobile ions."""
    framework: Estimate
    """The same of the framework; the three add up to 1."""
    correlation: Estimate
    """Σ w Δe_i ΔE / √(Σ w Δe_i² · Σ w ΔE²): Pearson's, of the hops and their reverses."""
    difference: Estimate
    """Root-mean-square of Δe_i − ΔE, eV."""
    rms_ion: Estimate
    """Root-mean-square of Δe_i, eV."""
    rms_total: Estimate
    """Root-mean-square of ΔE, eV."""


def shares_of(transitions: Transitions, rng: np.random.Generator, samples: int = 200) -> Shares:
    """Return how the total energy of single hops is split, with errors by bootstrap over ions.

    A single hop is one at which no other ion changed its site, or one that the ion was made to do alone.
    Several temperatures count by their numbers of single hops.

    Nothing here changes with a shift of all per-atom energies of an element.

    Parameters
    ----------
    transitions
        Of one material; those that are not `alone_ok` are left out.
    rng, samples
        Of the bootstrap.

    Raises
    ------
    AnalysisError
        Fewer than `FEWEST` single hops, or total energies that do not differ.
    """
    single = transitions.select(transitions["alone_ok"])
    if len(single) < FEWEST:
        raise AnalysisError(
            f"{len(single)} single hops with relaxed energies",
            f"at least {FEWEST} to compare Δe of the ion with ΔE",
            "relax more hops (sampling.hops), or make longer runs",
        )
    total, weight = single.alone_change("total"), _weights(single)
    if np.sqrt(np.mean(total**2)) < FLAT:
        raise AnalysisError("single hops that change no total energy", "some ΔE to compare with")
    ion, others = (single.alone_change(what) for what in ("energy", "others"))
    parts = np.stack([ion, others, total - ion - others])

    def split(drawn: Array) -> Array:
        w = drawn * weight / (drawn @ weight)
        square, own = w @ total**2, w @ ion**2
        slopes = parts @ (w * total) / square if square > 0 else np.full(3, np.nan)
        correlation = w @ (ion * total) / np.sqrt(square * own) if square * own > 0 else np.nan
        rms = np.sqrt([w @ (ion - total) ** 2, own, square])
        return np.array([*slopes, correlation, *rms])

    group = groups_of(single)
    estimates = grouped(split, group, rng, samples)
    difference, rms_ion, rms_total = (_bounded(e, 0.0, np.inf) for e in estimates[4:])
    return Shares(
        temperature=single.temperatures[0] if len(single.temperatures) == 1 else float("nan"),
        hops=len(single),
        ions=len(np.unique(group)),
        ion=estimates[0],
        others=estimates[1],
        framework=estimates[2],
        correlation=_bounded(estimates[3], -1.0, 1.0),
        difference=difference,
        rms_ion=rms_ion,
        rms_total=rms_total,
    )


def _weights(transitions: Transitions) -> Array:
    """Return the weights with a mean of 1 at every temperature, (n,), as hotter runs have more hops."""
    at, count = np.unique(transitions["temperature"], return_inverse=True, return_counts=True)[1:]
    mean = np.bincount(at, transitions["weight"]) / count
    weight: Array = transitions["weight"] / mean[at]
    return weight


def _bounded(found: Estimate, least: float, most: float) -> Estimate:
    """Return an estimate with its interval cut to what is possible."""
    return Estimate(found.value, found.std, max(found.low, least), min(found.high, most))
