"""A model of the Hessian that is learned while frames are relaxed, to precondition their relaxation.

Every pair of atoms closer than a cutoff is a spring along the direction n from one to the other, and one
across it; the blocks of the model are

    H_ij = −[k∥ n nᵀ + k⊥ (1 − n nᵀ)],   H_ii = −Σ_j H_ij + stabiliser.

The constants depend on the two elements and on the distance, in which they are piecewise linear. They are
found by least squares, and may not be negative, from steps s of a relaxation and the changes y of the
gradient along them, y ≈ H s, so that no force call is made for it. What was learned from the first frame
of a crystal serves thousands of frames. Everything is sparse: memory grows in proportion to the atoms.

The idea to precondition by springs between neighbours: Packwood et al., J. Chem. Phys. 144, 164109 (2016);
theirs have one constant in all, and no direction.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from scipy.sparse import bsr_array, csr_array
from scipy.sparse.linalg import cg
from scipy.spatial import KDTree

from frustra.arrays import Array, IntArray
from frustra.geometry import with_images, wrap

Inverse = Callable[[Array], Array]
"""From a gradient g, (atoms, 3), to H⁻¹ g."""

CUTOFF = 6.0
"""Range of the springs, Å."""

_KNOTS = 6  # distances at which constants are learned, evenly from 0; they vanish at the cutoff
_STABILISER = 0.1  # of the mean diagonal of H: half and twice as much cost one force call more
_RIDGE = 1e-5  # of the mean diagonal of the normal equations
_TOLERANCE, _ITERATIONS = 0.01, 50  # of the conjugate gradients that solve H z = g


@dataclass(frozen=True)
class Pairs:
    """The pairs of atoms that are closer than the cutoff, each once."""

    first: IntArray
    """(pairs,)"""
    second: IntArray
    """(pairs,)"""
    images: Array
    """(pairs, 3), Å: what leads from the second atom to the image of it that is near the first."""

    def vectors(self, positions: Array) -> Array:
        """Return the vectors from the first to the second atoms, (pairs, 3), Å."""
        vectors: Array = positions[self.second] + self.images - positions[self.first]
        return vectors


def pairs_of(positions: Array, cell: Array) -> Pairs:
    """Return the pairs of a frame; an atom and its own image are none, as no step moves one alone."""
    home = wrap(positions, cell)
    near = with_images(home, cell, CUTOFF)
    found = KDTree(home).query_ball_point(near.positions, CUTOFF, return_sorted=False)
    image = np.repeat(np.arange(len(found)), [len(f) for f in found])
    first = np.concatenate([np.asarray(f, dtype=np.int64) for f in found])
    kept = first < near.index[image]
    first, image = first[kept], image[kept]
    second = near.index[image]
    offsets = near.positions[image] - home[first] - (positions[second] - positions[first])
    return Pairs(first, second, offsets)


class Springs:
    """The springs of one crystal.

    Parameters
    ----------
    numbers
        (atoms,) atomic numbers.
    """

    def __init__(self, numbers: IntArray) -> None:
        kinds, self._kind = np.unique(numbers, return_inverse=True)
        self._kinds = len(kinds)
        self._size = len(kinds) ** 2 * _KNOTS  # constants of one direction
        self._matrix = np.zeros((2 * self._size, 2 * self._size))
        self._right = np.zeros(2 * self._size)
        self.steps = 0
        """From how many steps was learned."""

    def learn(self, pairs: Pairs, middle: Array, step: Array, change: Array) -> None:
        """Learn from one step.

        Parameters
        ----------
        pairs
            Of the frame that is relaxed.
        middle
            (atoms, 3), Å: the positions half-way.
        step, change
            (atoms, 3): the step (Å) and by how much the gradient changed (eV/Å).
        """
        unit, shares = self._shares(pairs, middle)
        moved = step[pairs.first] - step[pairs.second]
        along = unit * (unit * moved).sum(axis=1)[:, None]
        count = np.arange(len(pairs.first))
        ends = csr_array(
            (
                np.repeat([1.0, -1.0], len(count)),
                (np.concatenate([pairs.first, pairs.second]), np.tile(count, 2)),
            ),
            shape=(len(step), len(count)),
        )
        length = np.linalg.norm(step)
        for axis in range(3):
            parts = [(ends @ shares.multiply(m[:, axis, None])).toarray() for m in (along, moved - along)]
            design = np.hstack(parts) / length
            self._matrix += design.T @ design
            self._right += design.T @ (change[:, axis] / length)
        self.steps += 1

    def inverse(self, pairs: Pairs, positions: Array) -> Inverse | None:
        """Return the inverse of the model at these positions; None if nothing was learned yet."""
        constants = self._constants()
        if not constants.any():
            return None
        unit, shares = self._shares(pairs, positions)
        along, across = shares @ constants[: self._size], shares @ constants[self._size :]
        outer = unit[:, :, None] * unit[:, None, :]
        blocks = across[:, None, None] * np.eye(3) + (along - across)[:, None, None] * outer
        return _inverse(pairs, blocks, len(positions))

    def _shares(self, pairs: Pairs, positions: Array) -> tuple[Array, csr_array]:
        """Return the pairs' directions, and the weight of every constant in each pair, (pairs, size)."""
        vectors = pairs.vectors(positions)
        distances = np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)
        place = np.clip(distances * _KNOTS / CUTOFF, 0, _KNOTS - 1e-9)
        lower = place.astype(np.int64)
        kinds = np.sort(self._kind[np.stack([pairs.first, pairs.second])], axis=0)
        column = (kinds[0] * self._kinds + kinds[1]) * _KNOTS + lower
        inner = lower + 1 < _KNOTS
        rows = np.arange(len(column))
        weights = np.concatenate([lower + 1 - place, (place - lower)[inner]])
        indices = np.concatenate([rows, rows[inner]]), np.concatenate([column, column[inner] + 1])
        shares = csr_array((weights, indices), shape=(len(column), self._size))
        return vectors / distances[:, None], shares

    def _constants(self) -> Array:
        """Return the constants, (2 size,), eV/Å²: min |y − H s|² over constants ≥ 0."""
        seen = np.diag(self._matrix) > 0  # pairs of elements at distances that there are
        constants = np.zeros(len(seen))
        if not seen.any():
            return constants
        matrix = self._matrix[np.ix_(seen, seen)]
        factor = np.linalg.cholesky(matrix + _RIDGE * np.diag(matrix).mean() * np.eye(len(matrix)))
        right = solve_triangular(factor, self._right[seen], lower=True)
        with contextlib.suppress(RuntimeError):  # too many iterations: no springs, as before the first step
            constants[seen] = nnls(factor.T, right)[0]
        return constants


def _inverse(pairs: Pairs, blocks: Array, atoms: int) -> Inverse:
    diagonal = np.zeros((atoms, 3, 3))
    np.add.at(diagonal, pairs.first, blocks)
    np.add.at(diagonal, pairs.second, blocks)
    diagonal += _STABILISER * np.trace(diagonal, axis1=1, axis2=2).mean() / 3 * np.eye(3)
    own = np.arange(atoms)
    rows = np.concatenate([pairs.first, pairs.second, own])
    columns = np.concatenate([pairs.second, pairs.first, own])
    values = np.concatenate([-blocks, -blocks, diagonal])
    order = np.lexsort((columns, rows))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=atoms))])
    shape = (3 * atoms, 3 * atoms)
    hessian = bsr_array((values[order], columns[order], starts), shape=shape)
    jacobi = bsr_array((np.linalg.inv(diagonal), own, np.arange(atoms + 1)), shape=shape)

    def solved(gradient: Array) -> Array:
        found, _ = cg(hessian, gradient.ravel(), rtol=_TOLERANCE, maxiter=_ITERATIONS, M=jacobi)
        return np.asarray(found).reshape(-1, 3)

    return solved
