"""Crystals whose diffusivity is known, measured as MD would: what it costs to find their transition."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frustra.analysis.arrhenius import Arrhenius, arrhenius_of
from frustra.analysis.refine import effort_of, refine
from frustra.errors import AnalysisError
from frustra.ladder import Point
from frustra.stats import Estimate
from frustra.units import BOLTZMANN

EXTENT = (400.0, 800.0)
"""Temperatures that a ladder begins and ends at, K."""

OVERHEAD = 15.0
"""Mean cell and equilibration of a run, ps."""

EVENT = 0.25
"""What one event adds to D times the length of a run, Å²: about 72 ions, errors as in science.md."""


@dataclass(frozen=True)
class World:
    """A diffusivity with a break: 10⁻⁵ cm²/s just above it, with an activation energy of 0.2 eV."""

    tc: float
    """K."""
    jump: float = 1.0
    """By which factor D is lower just below."""
    change: float = 0.0
    """How much larger the activation energy is below, eV."""

    def diffusivity(self, temperature: float) -> float:
        """Return D, Å²/ps."""
        below = temperature < self.tc
        energy = 0.2 + self.change * below
        arrhenius = np.exp(energy / BOLTZMANN * (1 / self.tc - 1 / temperature))
        return float(0.1 * arrhenius / (self.jump if below else 1.0))

    def measured(self, temperature: float, length: float, rng: np.random.Generator) -> Point:
        """Return what a run of a length (ps) finds: a count of events, or a bound after fewer than four."""
        events = rng.poisson(self.diffusivity(temperature) * length / EVENT)
        if events < 4:
            bound = {0: 3.0, 1: 4.744, 2: 6.296, 3: 7.754}[events]  # 95 % limits of a Poisson mean
            return Point(temperature, bound * EVENT / length, is_upper_bound=True)
        return Point(temperature, events * EVENT / length, np.sqrt(events) * EVENT / length)


@dataclass(frozen=True)
class Search:
    """How a search for the transition ended."""

    cost: float
    """MD time, ps, mean cells and equilibration included."""
    model: str
    transition: Estimate | None

    @property
    def width(self) -> float:
        """Of the interval of Tc, K."""
        return np.inf if self.transition is None else self.transition.high - self.transition.low

    def covers(self, tc: float) -> bool:
        """Return whether the interval holds the true Tc."""
        return self.transition is not None and self.transition.low <= tc <= self.transition.high


def uniform(world: World, count: int, length: float, seed: int) -> Search:
    """Measure at evenly spaced temperatures, all for the same time."""
    rng = np.random.default_rng([seed, count, int(length)])
    points = [world.measured(t, length, rng) for t in np.linspace(*EXTENT, count)]
    return _ended(_analysed(points), count * (length + OVERHEAD))


def refined(world: World, length: float, seed: int, target: float = 10.0, rounds: int = 40) -> Search:
    """Begin with five temperatures, then do what is proposed until nothing is."""
    rng = np.random.default_rng([seed, int(length)])
    lengths = dict.fromkeys(np.linspace(*EXTENT, 5).tolist(), length)
    points = [world.measured(t, length, rng) for t in lengths]
    for _ in range(rounds):
        found = _analysed(points)
        if found is None:
            break
        in_order = np.array([lengths[p.temperature] for p in found.ladder.points])
        proposals = refine(found, effort_of(found.ladder, in_order, length, OVERHEAD), None, target).proposals
        if not proposals:
            break
        for p in proposals:
            points.append(world.measured(p.temperature, p.length, rng))
            lengths[p.temperature] = p.length
    return _ended(found, sum(lengths.values()) + OVERHEAD * len(lengths))


def _analysed(points: Sequence[Point]) -> Arrhenius | None:
    try:
        return arrhenius_of(points, "diffusivity")
    except AnalysisError:  # hardly anything was measured
        return None


def _ended(found: Arrhenius | None, cost: float) -> Search:
    return Search(cost, "none", None) if found is None else Search(cost, found.model, found.transition)
