"""A walk wrapped into any cell comes back as it was."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase.geometry import minkowski_reduce
from hypothesis import given
from hypothesis import strategies as st

from frustra.errors import DataError
from frustra.io.hints import TrajectoryHints
from frustra.io.source import Block, Source
from frustra.io.unwrap import unwrapped
from tests.helpers import Lattice, heights, lattices, seeds
from tests.io.walks import HINTS, Walk, walk


def source(fractional: np.ndarray, cells: np.ndarray, sizes: tuple[int, ...] = (), **changes: bool) -> Source:
    """Return a source that gives the frames in blocks of these sizes and the rest."""

    def blocks() -> Iterator[Block]:
        ends = [0, *np.cumsum(sizes, dtype=int), len(fractional)]
        for first, last in pairwise(ends):
            if last > first:
                yield Block(fractional[first:last], cells[first:last])

    return Source("test", np.array([3] * fractional.shape[1]), 1.0, 300.0, blocks(), **changes)


def joined(found: Iterator[Block]) -> np.ndarray:
    return np.concatenate([block.positions for block in found])


def wrapped(walked: Walk) -> np.ndarray:
    return walked.fractional - np.floor(walked.fractional)


@given(lattices(), st.booleans(), st.booleans(), st.lists(st.integers(1, 20), max_size=4), seeds)
def test_a_walk_wrapped_into_a_skewed_or_varying_cell_comes_back(
    lattice: Lattice, skewed: bool, varying: bool, sizes: list[int], seed: int
) -> None:
    cell = lattice.skewed if skewed else lattice.compact
    largest = 0.13 if varying else 0.35  # the strained cell's shortest vectors may be others
    true = walk(np.random.default_rng(seed), 40, cell, varying, largest)
    sizes = [min(size, 10) for size in sizes]
    found = joined(unwrapped(Path("f"), source(wrapped(true), true.cells, tuple(sizes)), HINTS))
    shift = np.floor(true.fractional[0]) @ true.cells  # the first frame is taken as it is
    np.testing.assert_allclose(found + shift, true.positions, atol=1e-9 * np.abs(true.cells).max() * 40)


@given(lattices(), seeds)
def test_short_steps_keep_their_direction_however_skewed_the_cell_of_the_file(
    lattice: Lattice, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    height = heights(minkowski_reduce(lattice.skewed)[0]).min()
    steps = rng.normal(size=(30, 6, 3))
    steps *= 0.399 * height / np.linalg.norm(steps, axis=2, keepdims=True)
    cells = np.tile(lattice.skewed, (30, 1, 1))
    fractional = np.cumsum(steps, axis=0) @ np.linalg.inv(cells)
    found = joined(unwrapped(Path("f"), source(fractional - np.floor(fractional), cells), HINTS))
    np.testing.assert_allclose(np.diff(found, axis=0), steps[1:], atol=1e-8)


def test_a_step_that_may_have_either_direction_is_refused_and_named() -> None:
    true = walk(np.random.default_rng(0))
    true.fractional[17:, 2, 1] += 0.45 - (true.fractional[17, 2, 1] - true.fractional[16, 2, 1])
    message = r"atom 3 moves 0\.45 of a cell vector from frame 17 to frame 18.*--positions unwrapped"
    for sizes in ((), (17,), (5, 12, 1)):
        with pytest.raises(DataError, match=message):
            joined(unwrapped(Path("f"), source(wrapped(true), true.cells, sizes), HINTS))


def test_positions_said_to_be_unwrapped_are_taken_as_they_are() -> None:
    true = walk(np.random.default_rng(1), largest=1.5)  # no direction could be told
    hints = TrajectoryHints(timestep=0.02, positions="unwrapped")
    found = joined(unwrapped(Path("f"), source(true.fractional, true.cells), hints))
    np.testing.assert_array_equal(found, true.positions)


@pytest.mark.parametrize("largest", [0.3, 1.5])
def test_wrapped_positions_said_to_be_unwrapped_are_refused(largest: float) -> None:
    true = walk(np.random.default_rng(1), largest=largest)
    hints = TrajectoryHints(timestep=0.02, positions="unwrapped")
    with pytest.raises(DataError, match="said to be unwrapped, but atoms jump by a cell"):
        joined(unwrapped(Path("f"), source(wrapped(true), true.cells), hints))


def test_a_format_that_is_unwrapped_cannot_be_said_to_be_wrapped() -> None:
    true = walk(np.random.default_rng(1))
    hints = TrajectoryHints(timestep=0.02, positions="wrapped")
    with pytest.raises(DataError, match="unwrapped by their format"):
        joined(unwrapped(Path("f"), source(true.fractional, true.cells, unwrapped=True), hints))


def test_positions_that_never_jump_are_the_same_wrapped_or_not() -> None:
    true = walk(np.random.default_rng(2), largest=0.3)
    for hints in (HINTS, TrajectoryHints(timestep=0.02, positions="unwrapped")):
        found = joined(unwrapped(Path("f"), source(true.fractional, true.cells, (7,)), hints))
        np.testing.assert_array_equal(found, true.positions)


@pytest.mark.parametrize(
    ("wrong", "why"), [(np.nan, "not finite"), (np.inf, "not finite"), (0.0, "without volume")]
)
def test_a_damaged_frame_is_named(wrong: float, why: str) -> None:
    true = walk(np.random.default_rng(3))
    if wrong == 0:
        true.cells[30, 1] = 0
    else:
        true.fractional[30, 2, 1] = wrong
    with pytest.raises(DataError, match=f"frame 31 of f is damaged .*{why}"):
        joined(unwrapped(Path("f"), source(true.fractional, true.cells, (20,)), HINTS))
