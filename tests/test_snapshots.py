from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from frustra.errors import DataError
from frustra.io import read_snapshots, read_structure, write_snapshots
from frustra.snapshots import ENERGY_SUM_TOLERANCE, joined
from tests.helpers import LYC, snapshots

ATOMS = read_structure(LYC)
ONE = np.array([0.0, 1.0, 0.0])
PER_FRAME = (
    "energies", "fmax", "converged", "reason", "force_calls", "steps", "max_displacement", "displacements",
    "time",
)  # fmt: skip


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_energies_of_the_atoms_must_add_up_to_the_total(sign: int) -> None:
    record = snapshots(ATOMS, 3)
    allowed = sign * ENERGY_SUM_TOLERANCE * len(ATOMS)
    replace(record, energies=record.energies + 0.99 * allowed * ONE)
    with pytest.raises(DataError, match="miss the total energy"):
        replace(record, energies=record.energies + 1.01 * allowed * ONE)


def test_total_energies_in_place_of_per_atom_energies_are_refused() -> None:
    record = snapshots(ATOMS, 3)
    with pytest.raises(DataError, match=r"per-atom energies of shape \(3,\)"):
        replace(record, atomic_energies=record.energies)
    same = np.repeat(record.energies[:, None], len(ATOMS), axis=1)
    with pytest.raises(DataError, match="miss the total energy"):
        replace(record, atomic_energies=same)


def test_energies_that_are_not_finite_are_refused() -> None:
    record = snapshots(ATOMS, 3)
    atomic = record.atomic_energies.copy()
    atomic[1, 4] = np.nan
    with pytest.raises(DataError):
        replace(record, atomic_energies=atomic, energies=atomic.sum(axis=1))


@pytest.mark.parametrize("name", PER_FRAME)
def test_an_array_without_one_entry_per_frame_is_refused(name: str) -> None:
    record = snapshots(ATOMS, 3)
    with pytest.raises(DataError, match=f"2 {name} for 3 frames"):
        replace(record, **{name: getattr(record, name)[:2]})


def test_every_field_is_checked_or_shared_by_all_frames() -> None:
    shared = {"cell", "numbers", "temperature"}
    rest = {f.name for f in fields(snapshots(ATOMS))} - shared - set(PER_FRAME)
    assert rest == {"positions", "atomic_energies", "moved"}


def test_where_atoms_came_from_is_kept_where_it_is_known(tmp_path: Path) -> None:
    by = np.random.default_rng(0).normal(0, 0.1, (3, len(ATOMS), 3)).astype(np.float32)
    record, older = snapshots(ATOMS, 3, moved=by), snapshots(ATOMS, 3)
    for one, expected in ((record, by), (older, None)):
        write_snapshots(tmp_path / "snapshots.h5", one)
        read = read_snapshots(tmp_path / "snapshots.h5")
        for same in (read, joined([read.select(slice(2)), read.select(slice(2, 3))])):
            assert same.moved is None if expected is None else (same.moved == expected).all()
    assert joined([record, older]).moved is None
    with pytest.raises(DataError, match="2 moved for 3 frames"):
        snapshots(ATOMS, 3, moved=by[:2])


@pytest.mark.parametrize(
    "rows", [slice(1, None), np.array([2, 0]), np.array([True, False, False, True]), slice(0, 0)]
)
def test_selected_frames_keep_all_that_belongs_to_them(rows: slice | np.ndarray) -> None:
    record = snapshots(ATOMS, 4)
    chosen = record.select(rows)
    assert len(chosen) == len(np.arange(4)[rows])
    for name in (*PER_FRAME, "positions", "atomic_energies"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(record, name)[rows])
    np.testing.assert_array_equal(chosen.cell, record.cell)
    assert chosen.temperature == record.temperature


def test_an_origin_changes_only_times_and_temperature() -> None:
    record = snapshots(ATOMS, 2)
    moved = record.with_origin(np.array([4.0, 8.0]), 650.0)
    assert moved.temperature == 650.0
    assert moved.time.tolist() == [4.0, 8.0]
    assert record.temperature == 300.0
    np.testing.assert_array_equal(moved.positions, record.positions)
    with pytest.raises(DataError, match="3 time for 2 frames"):
        record.with_origin(np.zeros(3), 650.0)


def test_a_frame_as_atoms_is_the_relaxed_one() -> None:
    record = snapshots(ATOMS, 2)
    atoms = record.atoms(1)
    np.testing.assert_array_equal(atoms.positions, record.positions[1])
    np.testing.assert_array_equal(atoms.cell.array, ATOMS.cell.array)
    assert atoms.get_chemical_symbols() == ATOMS.get_chemical_symbols()
    assert atoms.pbc.all()
