"""Positions that go on where the file's jump back into the cell.

In units of the cell vectors, so that a cell that varies is right. Of the images of an atom, that nearest to
where it was one frame before is taken; nearest by rounding in the Minkowski-reduced cell, which is right for
every step below half the smallest distance of its opposite faces. A step above 0.4 of a cell vector is
refused: then the atom may as well have come from the other side.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.geometry import minkowski_reduce

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.hints import TrajectoryHints
from frustra.io.source import Block, Source, damaged

CLEAR = 0.4
"""Largest step, in units of a cell vector, that tells from which side an atom came."""

ONE_CELL = 1.05
"""Range, in cells, that wrapped positions stay in."""


def unwrapped(path: Path, source: Source, hints: TrajectoryHints) -> Iterator[Block]:
    """Give the blocks with unwrapped positions in Å.

    Raises
    ------
    DataError
        Values that are not finite, a cell without volume, a step that may have had either direction, or
        hints that contradict the positions.
    """
    if source.unwrapped and hints.positions == "wrapped":
        raise DataError(
            f"the positions in {path} are unwrapped by their format, but said to be wrapped (--positions)",
            remedy="leave --positions away",
        )
    frames = 0
    images = None
    believed = source.unwrapped or hints.positions == "unwrapped"
    for block in source.blocks:
        _require_sound(path, block, frames)
        images = images or _Images(path, block, believed, hints.apart)
        positions = block.positions if source.unwrapped else images.follow(block)
        frames += len(positions)
        yield Block(positions @ block.cells, block.cells)
    if images and not source.unwrapped:
        images.conclude()


def _require_sound(path: Path, block: Block, before: int) -> None:
    finite = np.isfinite(block.positions).all(axis=(1, 2)) & np.isfinite(block.cells).all(axis=(1, 2))
    if not finite.all():
        raise damaged(path, before + int(np.argmin(finite)) + 1, "values that are not finite")
    flat = np.abs(np.linalg.det(block.cells)) < 1e-6
    if flat.any():
        raise damaged(path, before + int(np.argmax(flat)) + 1, "a cell without volume")


class _Images:
    """Follows the atoms from frame to frame, also from block to block."""

    def __init__(self, path: Path, first: Block, believed: bool, apart: bool) -> None:
        self._path, self._believed, self._apart = path, believed, apart
        self._last = first.positions[0]
        self._images = np.zeros_like(self._last)
        self._frames = 0
        self._op = np.rint(minkowski_reduce(first.cells[0])[1])  # reduced cell = op @ cell
        self._inverse = np.rint(np.linalg.inv(self._op))
        self._jumped, self._clear = False, True
        self._low, self._high = np.full(3, np.inf), np.full(3, -np.inf)

    def follow(self, block: Block) -> Array:
        """Return the unwrapped positions of the next frames, in units of the cell vectors."""
        steps = np.diff(block.positions, axis=0, prepend=self._last[None])
        jumps, rest = self._nearest(steps)
        self._last = block.positions[-1]
        if self._believed:
            self._note(block.positions, jumps, rest)
            return block.positions
        self._require_clear(rest)
        self._frames += len(steps)
        images = self._images - np.cumsum(jumps, axis=0)
        self._images = images[-1]
        found: Array = block.positions + images
        return found

    def _nearest(self, steps: Array) -> tuple[Array, Array]:
        """Return the lattice vector nearest to each step, and the rest in units of the reduced cell's."""
        if (self._op == np.eye(3)).all():
            jumps = np.rint(steps)
            return jumps, steps - jumps
        reduced = steps @ self._inverse
        jumps = np.rint(reduced)
        return jumps @ self._op, reduced - jumps

    def _require_clear(self, rest: Array) -> None:
        if self._apart or max(rest.max(), -rest.min()) <= CLEAR:
            return
        frame, atom, _ = np.unravel_index(np.argmax(np.abs(rest)), rest.shape)
        number = self._frames + int(frame)
        raise DataError(
            f"in {self._path}, atom {atom + 1} moves {np.abs(rest[frame, atom]).max():.2f} of a cell vector "
            f"from frame {number} to frame {number + 1}, so that its direction cannot be told",
            f"steps below {CLEAR:g} of a cell vector",
            "write frames more often, or say that positions are not wrapped (--positions unwrapped)",
        )

    def _note(self, positions: Array, jumps: Array, rest: Array) -> None:
        self._jumped |= bool(jumps.any())
        self._clear &= bool(np.abs(rest).max() <= CLEAR)
        self._low = np.minimum(self._low, positions.min(axis=(0, 1)))
        self._high = np.maximum(self._high, positions.max(axis=(0, 1)))

    def conclude(self) -> None:
        """Refuse positions said to be unwrapped that jump by a cell and else move little, or stay in one."""
        in_one_cell = bool((self._high - self._low <= ONE_CELL).all())
        if self._believed and not self._apart and self._jumped and (self._clear or in_one_cell):
            raise DataError(
                f"the positions in {self._path} are said to be unwrapped, but atoms jump by a cell "
                + ("and stay in one cell" if in_one_cell else "and else move little"),
                "positions that go on beyond the cell",
                "leave --positions unwrapped away",
            )
