"""All that the transitions of one material tell, at every temperature."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from frustra.analysis.transitions.balance import Balance, balance_of
from frustra.analysis.transitions.joint import Joint, common_edges, joint_density
from frustra.analysis.transitions.shares import Shares, shares_of
from frustra.analysis.transitions.ways import Ways, ways_of
from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.transitions import Transitions

T = TypeVar("T")


@dataclass(frozen=True)
class TransitionsAt:
    """What the transitions at one temperature tell."""

    temperature: float
    """K."""
    hops: int
    """Hops that were relaxed before and after."""
    stands_for: float
    """Lasting hops of the runs that these are drawn from."""
    used: int
    """Those whose relaxed ion is where the hop begins and ends, both relaxations converged."""
    single: int
    """Those of them at which no other ion changed its site."""
    alone: int
    """Those, and others that the ion could be made to do alone: for these Δe is compared with ΔE."""
    rejected: dict[str, int]
    """Reason → hops that are not used."""
    ways: Ways
    """Energies of those that are used, and of ways oct–tet–oct that they make up."""
    joints: tuple[Joint, ...]
    """p(e_i, e_f) of every class, that of most hops first."""
    balances: tuple[Balance, ...]
    """Detailed balance of every class and its reverse that have enough hops."""
    shares: Shares | AnalysisError
    """Δe_i against ΔE of single hops, or why it cannot be told."""


@dataclass(frozen=True)
class TransitionSurvey:
    """Transitions between levels of the DOAS."""

    transitions: Transitions
    """Of one material."""
    zero: float
    """Zero of energy, that of the DOAS, eV."""
    temperatures: tuple[TransitionsAt, ...]
    """Ascending; those without a relaxed hop are not among them."""
    shares: Shares | AnalysisError
    """Of all temperatures together."""


def survey_transitions(
    transitions: Transitions,
    zero: float,
    width: float,
    rng: np.random.Generator,
    samples: int = 200,
) -> TransitionSurvey:
    """Derive joint densities, detailed balance and shares of the energy at every temperature.

    Parameters
    ----------
    transitions
        Of one material.
    zero, width
        Zero of energy and width of the bins of the DOAS, eV.
    rng, samples
        Of bootstraps.
    """
    used = transitions.select(transitions["ok"])
    energies = np.concatenate([used["energy_before"], used["energy_after"]]) - zero
    edges = common_edges(energies, width)
    found = tuple(
        _at(transitions.select(transitions["temperature"] == t), t, zero, edges, rng, samples)
        for t in transitions.temperatures
    )
    together = _attempt(lambda: shares_of(transitions, rng, samples))
    return TransitionSurvey(transitions, zero, found, together)


def _at(
    transitions: Transitions,
    temperature: float,
    zero: float,
    edges: Array,
    rng: np.random.Generator,
    samples: int,
) -> TransitionsAt:
    ways = ways_of(transitions, zero)
    names, counts = np.unique(ways.pathway, return_counts=True)
    ranked = [str(n) for n in names[np.argsort(-counts, kind="stable")]]
    joints = tuple(
        joint_density(temperature, ways.select(ways.pathway == n), edges, rng, samples) for n in ranked
    )
    reasons, times = np.unique(transitions["reason"][~transitions["ok"]], return_counts=True)
    return TransitionsAt(
        temperature=temperature,
        hops=len(transitions),
        stands_for=float(transitions["weight"].sum()),
        used=int(transitions["ok"].sum()),
        single=int((transitions["ok"] & (transitions["companions"] == 0)).sum()),
        alone=int(transitions["alone_ok"].sum()),
        rejected=dict(zip(reasons.tolist(), times.tolist(), strict=True)),
        ways=ways,
        joints=joints,
        balances=_balances(temperature, ways, ranked, rng, samples),
        shares=_attempt(lambda: shares_of(transitions, rng, samples)),
    )


def _balances(
    temperature: float, ways: Ways, pathways: list[str], rng: np.random.Generator, samples: int
) -> tuple[Balance, ...]:
    """Return the balance of every class with its reverse, each pair once, where there are enough hops."""
    pairs = dict.fromkeys(max(p, "–".join(p.split("–")[::-1]), key=_octahedral) for p in pathways)
    found = [_attempt(partial(balance_of, temperature, ways, p, rng, samples)) for p in pairs]
    return tuple(b for b in found if isinstance(b, Balance))


def _octahedral(pathway: str) -> tuple[bool, str]:
    """Order classes so that of a class and its reverse the one from oct is taken."""
    return pathway.startswith("oct"), pathway


def _attempt(derive: Callable[[], T]) -> T | AnalysisError:
    try:
        return derive()
    except AnalysisError as refusal:
        return refusal
