from dataclasses import replace

import numpy as np
import pytest
from ase.data import atomic_masses

from frustra.errors import DataError
from frustra.trajectory import Trajectory
from tests.helpers import random_walk, trajectory


def example() -> Trajectory:
    walk, _ = random_walk(np.random.default_rng(0), 3, 11, 10)
    return trajectory(walk, timestep=0.25, temperature=450.0)


def test_a_trajectory_knows_its_length_duration_and_composition() -> None:
    record = example()
    assert len(record) == 11
    assert record.duration == pytest.approx(10 * 0.25)  # from the first to the last frame
    assert record.symbols == ["Li", "Li", "Li", "Cl", "Cl"]
    assert record.masses.tolist() == [atomic_masses[z] for z in (3, 3, 3, 17, 17)]
    assert record.indices_of("Li").tolist() == [0, 1, 2]
    assert record.indices_of("Cl").tolist() == [3, 4]


def test_the_volume_is_the_mean_over_the_frames() -> None:
    cells = np.eye(3) * np.linspace(10, 11, 11)[:, None, None]
    assert replace(example(), cells=cells).volume == pytest.approx(
        np.mean(np.linspace(10, 11, 11) ** 3), rel=1e-12
    )
    assert replace(example(), cells=-cells).volume > 0  # left-handed cells have a volume too


def test_a_broadcast_cell_is_the_cell_of_every_frame_and_takes_no_memory() -> None:
    record = replace(example(), cells=np.broadcast_to(np.diag([3.0, 4.0, 5.0]), (11, 3, 3)))
    assert record.volume == pytest.approx(60, rel=1e-12)
    part = record.read(slice(2, None, 3), [4, 0])
    assert part.cells.strides[0] == 0
    assert part.symbols == ["Cl", "Li"]
    assert part.timestep == pytest.approx(0.75)
    np.testing.assert_array_equal(part.positions, record.positions[2::3][:, [4, 0]])
    np.testing.assert_array_equal(record.fixed_cell, np.diag([3, 4, 5]))


def test_a_part_shares_the_memory_of_the_whole() -> None:
    record = example()
    assert np.shares_memory(record.read(slice(3, 9, 2)).positions, record.positions)


def test_a_frame_as_atoms_keeps_its_unwrapped_positions() -> None:
    record = example()
    far = replace(record, positions=record.positions + 1000.0)
    atoms = far.atoms(7)
    np.testing.assert_array_equal(atoms.positions, far.positions[7])
    np.testing.assert_array_equal(atoms.cell.array, far.cells[7])
    assert atoms.pbc.all()


def test_an_absent_element_is_refused_and_the_present_ones_are_named() -> None:
    with pytest.raises(DataError, match="no Na in the trajectory; expected one of Cl, Li"):
        example().indices_of("Na")


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": np.tile(np.eye(3), (10, 1, 1))},
        {"cells": np.eye(3)},
        {"numbers": np.array([3, 3, 17])},
        {"positions": np.zeros((11, 4, 3))},
        {"positions": np.zeros((11, 5, 2))},
        {"positions": np.zeros(11)},
    ],
)
def test_arrays_of_different_lengths_are_refused(changes: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="the same number of frames and atoms"):
        replace(example(), **changes)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize(
    "name",
    [
        "positions",
        "cells",
    ],
)
def test_values_that_are_not_finite_are_refused(name: str, wrong: float) -> None:
    record = example()
    values = getattr(record, name).copy()
    values[3, 1, 2] = wrong
    with pytest.raises(DataError, match="not finite"):
        replace(record, **{name: values})


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.inf])
@pytest.mark.parametrize("name", ["timestep", "temperature"])
def test_times_and_temperatures_that_are_not_positive_are_refused(name: str, wrong: float) -> None:
    with pytest.raises(DataError, match="both above zero"):
        replace(example(), **{name: wrong})


def test_a_temperature_may_be_unknown_but_not_a_time_step() -> None:
    assert np.isnan(replace(example(), temperature=np.nan).temperature)
    with pytest.raises(DataError, match="nan ps between frames"):
        replace(example(), timestep=np.nan)


def test_a_trajectory_in_memory_is_used_as_an_open_file_is() -> None:
    with example() as record:
        assert len(record) == 11
    assert len(record.read()) == 11  # nothing was closed
