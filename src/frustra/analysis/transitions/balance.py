"""Detailed balance: in equilibrium hops there and back meet the same pairs of energies."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from frustra.analysis.transitions.ways import Ways, grouped
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.stats import Estimate

FEWEST = 5
"""Ions with hops of a class, there or back, below which nothing is asked."""

REVERSALS = 999
"""Random reversals that tell what chance gives."""


@dataclass(frozen=True)
class Balance:
    """Whether p(e_i, e_f) of hops A → B is p(e_f, e_i) of hops B → A."""

    temperature: float
    """K."""
    pathway: str
    """From A to B."""
    there: int
    """Hops A → B with both energies."""
    back: int
    """Hops B → A; where B is of A's class, the same hops."""
    distance: Estimate
    """Energy distance 2⟨|X−Y|⟩ − ⟨|X−X′|⟩ − ⟨|Y−Y′|⟩ of X = (e_i, e_f) there and Y = (e_f, e_i) back, eV.

    0 only where the two densities are the same. Its error is by bootstrap over ions."""
    by_chance: float
    """Mean of the distance, eV, where each ion's hops are reversed in time at random: what so few hops give
    in equilibrium."""
    p: float
    """How often a distance by chance is at least the one found."""
    imbalance: Estimate
    """Mean Δe there plus mean Δe back, eV; of hops within one class the mean Δe. 0 in equilibrium."""


def balance_of(
    temperature: float, ways: Ways, pathway: str, rng: np.random.Generator, samples: int = 200
) -> Balance:
    """Compare hops of a class with the reversed ones of the opposite class.

    In equilibrium a run and its reversal in time are equally likely. So each ion's hops are reversed or not
    at random, all together, as they are not independent, and the distance is compared with those that result.

    Szekely and Rizzo, J. Stat. Plann. Inference 143, 1249 (2013): the energy distance.

    Parameters
    ----------
    temperature
        K.
    ways
        Of one temperature, of any class.
    pathway
        Class of the hops there; those back are of the class with the sites in opposite order.
    rng, samples
        Of reversals and bootstrap.

    Raises
    ------
    AnalysisError
        Fewer than `FEWEST` ions with such hops, or none in one of the directions.
    """
    reverse = "–".join(pathway.split("–")[::-1])
    there, back = ways.pathway == pathway, ways.pathway == reverse
    mine = ways.select(there | back)
    ions = len(np.unique(mine.group))
    if ions < FEWEST or not (there.any() and back.any()):
        raise AnalysisError(
            f"{int(there.sum())} hops {pathway} and {int(back.sum())} {reverse} of {ions} ions",
            f"hops both ways of at least {FEWEST} ions",
            "relax more hops (sampling.hops), or make longer runs",
        )
    points, sign, owner = _oriented(mine, pathway, reverse)
    weight = np.tile(mine.weight, len(points) // len(mine))
    apart = cdist(points, points)
    group = np.unique(owner, return_inverse=True)[1].reshape(-1)

    within = pathway == reverse

    def found(drawn: Array) -> Array:
        weights = weight * np.tile(drawn, len(points) // len(mine))
        imbalance = _imbalance(points, weights, sign) / (2 if within else 1)
        return np.array([_distances(apart, weights, sign[None])[0], imbalance])

    distance, imbalance = grouped(found, mine.group, rng, samples)
    flips = rng.choice([-1, 1], (REVERSALS, group.max() + 1))[:, group]
    chance = _distances(apart, weight, sign * flips)
    chance = chance[np.isfinite(chance)]  # a reversal that leaves no hop in one direction tells nothing
    return Balance(
        temperature=temperature,
        pathway=pathway,
        there=int(there.sum()),
        back=int(back.sum()),
        distance=distance,
        by_chance=float(chance.mean()),
        p=float((1 + (chance >= distance.value * (1 - 1e-12)).sum()) / (1 + len(chance))),
        imbalance=imbalance,
    )


def _oriented(ways: Ways, pathway: str, reverse: str) -> tuple[Array, IntArray, IntArray]:
    """Return energies (at A, at B) of every hop, whether it went there (1) or back (−1), and its ion.

    Within one class every hop is taken both ways.
    """
    pairs = np.stack([ways.before, ways.after], axis=1)
    if pathway == reverse:
        sign = np.repeat([1, -1], len(ways))
        return np.concatenate([pairs, pairs[:, ::-1]]), sign, np.tile(ways.group, 2)
    sign = np.where(ways.pathway == pathway, 1, -1)
    return np.where(sign[:, None] > 0, pairs, pairs[:, ::-1]), sign, ways.group


def _distances(apart: Array, weight: Array, signs: IntArray) -> Array:
    """Return the energy distance of the points there from those back; NaN where one of them is missing.

    Parameters
    ----------
    apart
        (m, m) distances of the points.
    weight
        (m,) of the points.
    signs
        (r, m) 1 there and −1 back.
    """
    there, back = weight * (signs > 0), weight * (signs < 0)
    sums = there.sum(axis=1), back.sum(axis=1)
    known = (sums[0] > 0) & (sums[1] > 0)
    shares = [
        part / np.where(known, total, 1.0)[:, None] for part, total in zip((there, back), sums, strict=True)
    ]
    difference = shares[0] - shares[1]
    distance = -((difference @ apart) * difference).sum(axis=1)
    return np.where(known, np.maximum(distance, 0.0), np.nan)


def _imbalance(points: Array, weight: Array, sign: IntArray) -> float:
    """Return the mean Δe there plus the mean Δe back; NaN where one of them is missing."""
    change, there, back = points[:, 1] - points[:, 0], weight * (sign > 0), weight * (sign < 0)
    if not (there.any() and back.any()):
        return float("nan")
    return float(there @ change / there.sum() - back @ change / back.sum())
