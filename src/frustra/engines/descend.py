"""The nearest minimum of the energy, with few evaluations of the forces."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from frustra.arrays import Array
from frustra.engines.springs import Inverse, Springs, pairs_of

Forces = Callable[[Array], tuple[float, Array]]
"""From positions (atoms, 3) in Å to the energy (eV) and the forces (atoms, 3) in eV/Å."""

REACHED = "force tolerance"
"""Why a relaxation that converged stopped."""

_FRESH = 0.3  # Å that an atom moves before the springs are set up anew
_MEMORY = 30  # steps that L-BFGS remembers
_LEARNED = (8, 16)  # after so many steps the springs are put to use, and anew; then nothing more is learned
_STIFFNESS = 70.0  # eV/Å²: the first guess where nothing is known yet
_ARMIJO = 1e-4  # part of the fall that the slope promises which a step must keep
_RESOLUTION = 1e-5  # eV per atom: rises that may be rounding, where the forces say that the energy falls
_TRUSTED = 3  # shortened steps after which the forces alone decide
_SHORTENED = 12  # how often a step is shortened


@dataclass(frozen=True)
class Descent:
    """Where a relaxation ended, and what it took."""

    positions: Array
    """(atoms, 3), Å."""
    energy: float
    """eV."""
    forces: Array
    """(atoms, 3), eV/Å."""
    calls: int
    """Evaluations of the forces, that of the start included."""
    steps: int
    """Steps that were taken."""
    reason: str
    """Why it stopped."""


@dataclass(frozen=True)
class _Point:
    positions: Array
    energy: float
    forces: Array

    @property
    def fmax(self) -> float:
        return _furthest(self.forces)


class _Memory:
    """What L-BFGS remembers: steps, changes of the gradient, and 1/(s·y)."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=_MEMORY)

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, step: Array, change: Array) -> bool:
        """Remember a step, unless the energy curves downwards along it."""
        product = float((step * change).sum())
        upwards = product > 1e-8 * float(np.linalg.norm(step) * np.linalg.norm(change))
        if upwards:
            self._pairs.append((step, change, 1 / product))
        return upwards

    def clear(self) -> None:
        self._pairs.clear()

    def direction(self, forces: Array, inverse: Inverse | None) -> Array:
        """Return −H⁻¹ g by the two-loop recursion (Nocedal & Wright, Numerical Optimization, 2006, 7.4)."""
        rest, parts = forces.copy(), []
        for step, change, factor in reversed(self._pairs):
            parts.append(factor * float((step * rest).sum()))
            rest -= parts[-1] * change
        move = inverse(rest) if inverse is not None else rest * self._softness()
        for (step, change, factor), part in zip(self._pairs, reversed(parts), strict=True):
            move = move + step * (part - factor * float((change * move).sum()))
        return move

    def _softness(self) -> float:
        if not self._pairs:
            return 1 / _STIFFNESS
        _, change, factor = self._pairs[-1]
        return 1 / (factor * float((change**2).sum()))


def descend(
    forces: Forces,
    positions: Array,
    cell: Array,
    springs: Springs,
    fmax: float,
    max_steps: int,
    max_move: float,
) -> Descent:
    """Minimise the energy in a fixed cell by L-BFGS, preconditioned by springs between neighbours.

    A step is the whole quasi-Newton step with every atom's move cut to `max_move`, so that the frame stays in
    its basin. It is shortened where the energy does not fall as the slope promises; where energies are too
    coarse to tell, as in single precision, the forces tell.

    Parameters
    ----------
    forces
        What evaluates the energy.
    positions, cell
        Å; unwrapped positions stay so.
    springs
        Those of the crystal. They learn from the first steps that they are shown, in this frame and in
        the next if this one is short.
    fmax
        Largest force on an atom (eV/Å) at the end.
    max_steps, max_move
        Most steps, and the longest move (Å) of an atom in one.
    """
    energy, start = forces(positions)
    point, calls, steps, memory = _Point(positions, energy, start), 1, 0, _Memory()
    pairs, built = pairs_of(positions, cell), positions
    inverse = springs.inverse(pairs, positions)
    reason = f"{max_steps} steps"
    while point.fmax > fmax and steps < max_steps:
        move = _bounded(memory.direction(point.forces, inverse), point.forces, max_move)
        found, tried = _search(forces, point, move)
        calls += tried
        if found is None and inverse is None and not len(memory):
            reason = "no lower energy along the forces"
            break
        if found is None:  # whatever was learned misleads here
            memory.clear()
            inverse = None
            continue
        step, change = found.positions - point.positions, point.forces - found.forces
        learned = memory.add(step, change) and springs.steps < _LEARNED[-1]
        if learned:
            springs.learn(pairs, point.positions + step / 2, step, change)
        point, steps = found, steps + 1
        if (learned and springs.steps in _LEARNED) or (
            inverse is not None and _furthest(point.positions - built) > _FRESH
        ):
            built, inverse = point.positions, springs.inverse(pairs, point.positions)
    return Descent(
        point.positions, point.energy, point.forces, calls, steps, REACHED if point.fmax <= fmax else reason
    )


def _furthest(vectors: Array) -> float:
    """Return the length of the longest vector."""
    return float(np.sqrt((vectors**2).sum(axis=1).max()))


def _bounded(move: Array, forces: Array, longest: float) -> Array:
    """Return the move with every atom's share cut to a length, or the whole move where that leads upwards."""
    if (move * forces).sum() <= 0:
        move = forces / _STIFFNESS
    lengths = np.linalg.norm(move, axis=1)
    cut: Array = move * np.minimum(1, longest / np.maximum(lengths, longest))[:, None]
    if (cut * forces).sum() > 0:
        return cut
    return move * float(min(1, longest / lengths.max()))


def _search(forces: Forces, point: _Point, move: Array) -> tuple[_Point | None, int]:
    """Return the first point along a move where the energy has fallen enough, and the evaluations made.

    With φ(t) = E(x + t p), a point is taken if φ(t) ≤ φ(0) + c t φ'(0) (Armijo), or if the mean of the
    slopes φ'(0) and φ'(t) promises so, and the energy's rise may be rounding.
    """
    slope, length = -float((move * point.forces).sum()), 1.0
    for tried in range(1, _SHORTENED + 1):
        energy, found = forces(point.positions + length * move)
        new = -float((move * found).sum())
        rise, promised = energy - point.energy, length * (slope + new) / 2
        enough = _ARMIJO * length * slope
        coarse = rise <= _RESOLUTION * len(move) or tried > _TRUSTED
        if rise <= enough or (promised <= enough and coarse):
            return _Point(point.positions + length * move, energy, found), tried
        root = slope / (slope - new) if new > slope else 0.5  # where the slope vanishes, if it is a line
        length *= min(max(root, 0.1), 0.5)
    return None, _SHORTENED
