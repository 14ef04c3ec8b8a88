import contextlib
import csv
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase import Atoms
from ase.geometry import cell_to_cellpar
from hypothesis import given
from hypothesis import strategies as st

from frustra import io
from frustra.errors import DataError
from frustra.states import COLUMNS
from tests.helpers import LYC, distances, random_walk, seeds, snapshots, states, trajectory

CIF = """data_x
_cell_length_a 5
_cell_length_b 6
_cell_length_c 7
_cell_angle_alpha 90
_cell_angle_beta 100
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
CRYSTAL = io.read_structure(LYC)


def some_trajectory() -> Any:
    return trajectory(random_walk(np.random.default_rng(1), 4, 25, 30)[0], timestep=0.1)


# What each kind of file is written from, and how it is read.
WRITERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "trajectory.h5": (lambda p: io.write_trajectory(p, some_trajectory()), io.read_trajectory),
    "snapshots.h5": (lambda p: io.write_snapshots(p, snapshots(CRYSTAL)), io.read_snapshots),
    "states.parquet": (lambda p: io.write_states(p, states(np.ones((5, 3)))), io.read_states),
    "content.json": (lambda p: io.write_json(p, {"a": [1, 2.5, "ε"]}), io.read_json),
    "crystal.cif": (lambda p: io.write_structure(p, CRYSTAL), io.read_structure),
    "crystal.extxyz": (lambda p: io.write_structure(p, CRYSTAL), io.read_structure),
}
every_kind = pytest.mark.parametrize("name", WRITERS)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.floats(0, 2000), seeds)
def test_a_trajectory_returns_with_its_positions_rounded_to_single_precision(
    tmp_path_factory: pytest.TempPathFactory, frames: int, ions: int, others: int, offset: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    record = trajectory(
        rng.normal(offset, 5, (frames, ions, 3)), rng.normal(0, 5, (frames, others, 3)), timestep=0.123
    )
    record = replace(
        record, cells=rng.normal(0, 9, (frames, 3, 3)), info={"engine": "LAMMPS", "seed": 3, "ps": 0.5}
    )
    path = tmp_path_factory.mktemp("trajectory") / "t.h5"
    io.write_trajectory(path, record)
    found = io.read_trajectory(path)
    assert found.positions.dtype == np.float64
    np.testing.assert_array_equal(found.positions, record.positions.astype(np.float32))
    np.testing.assert_array_equal(found.cells, record.cells)
    np.testing.assert_array_equal(found.numbers, record.numbers)
    assert found.info == record.info
    assert (found.timestep, found.temperature) == (record.timestep, record.temperature)


def test_a_trajectory_file_is_laid_out_as_h5md(tmp_path: Path) -> None:
    # h5md.nongnu.org, version 1.1
    cells = np.eye(3) * np.linspace(10, 11, 25)[:, None, None]
    io.write_trajectory(tmp_path / "t.h5", replace(some_trajectory(), cells=cells))
    with h5py.File(tmp_path / "t.h5") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert "name" in file["h5md/author"].attrs
        assert {"name", "version"} <= set(file["h5md/creator"].attrs)
        particles = file["particles/all"]
        assert particles["box"].attrs["dimension"] == 3
        assert list(particles["box"].attrs["boundary"]) == ["periodic"] * 3
        for element in (particles["position"], particles["box/edges"]):
            assert set(element) == {"value", "step", "time"}
            assert element["value"].attrs["unit"] == "Angstrom"
            assert element["time"].attrs["unit"] == "ps"
            assert element["time"][()] == pytest.approx(0.1)
        assert particles["species"].shape == (6,)


def test_snapshots_return_unchanged(tmp_path: Path) -> None:
    record = snapshots(
        CRYSTAL,
        4,
        converged=np.array([True, False, True, True]),
        reason=np.array(["force tolerance", "näher geht’s nicht", "", "max steps"]),
    )
    io.write_snapshots(tmp_path / "s.h5", record)
    found = io.read_snapshots(tmp_path / "s.h5")
    for item in fields(record):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(record, item.name))


def test_snapshots_of_older_versions_do_not_tell_their_steps(tmp_path: Path) -> None:
    io.write_snapshots(tmp_path / "s.h5", snapshots(CRYSTAL, 2))
    with h5py.File(tmp_path / "s.h5", "a") as file:
        del file["steps"]
    assert io.read_snapshots(tmp_path / "s.h5").steps.tolist() == [-1, -1]


@pytest.mark.parametrize("rows", [12, 0])
def test_states_return_unchanged(tmp_path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    absent = np.where(rng.random(12) < 0.5, np.nan, 3.0)
    table = states(rng.normal(size=(3, 4)), converged=rng.random(12) < 0.5, nearest_cation=absent)
    table = table.select(np.arange(rows))
    io.write_states(tmp_path / "s.parquet", table)
    found = io.read_states(tmp_path / "s.parquet")
    for column in COLUMNS:
        np.testing.assert_array_equal(found[column.name], table[column.name])


def test_the_parquet_file_tells_units_and_meanings(tmp_path: Path) -> None:
    io.write_states(tmp_path / "s.parquet", states(np.ones((2, 2))))
    schema = pq.read_schema(tmp_path / "s.parquet")
    assert schema.names == [c.name for c in COLUMNS]
    for column in COLUMNS:
        metadata = schema.field(column.name).metadata
        assert metadata[b"unit"].decode() == column.unit
        assert metadata[b"doc"].decode() == column.doc
    assert schema.field("energy").metadata[b"unit"] == b"eV"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_json_returns_unchanged(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    io.write_json(path, content)
    assert io.read_json(path) == content
    assert json.loads(path.read_text(encoding="utf-8")) == content


def test_json_never_holds_what_other_programs_cannot_read(tmp_path: Path) -> None:
    # RFC 8259, section 6: Infinity and NaN are not permitted. To refuse them or to write null are both fine.
    path = tmp_path / "a.json"
    with contextlib.suppress(ValueError, DataError):
        io.write_json(path, {"a": float("nan")})
    assert not path.exists() or "NaN" not in path.read_text(encoding="utf-8")


def test_csv_returns_with_eight_digits(tmp_path: Path) -> None:
    columns = {"T": [300.0, 400.0], "D": np.array([1.23456789e-9, np.pi]), "site": ["oct", "tet"]}
    io.write_csv(tmp_path / "a.csv", columns)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["T"]) for r in rows] == columns["T"]
    np.testing.assert_allclose([float(r["D"]) for r in rows], columns["D"], rtol=1e-7)
    assert [r["site"] for r in rows] == columns["site"]


@pytest.mark.parametrize("suffix", [".cif", ".extxyz"])
def test_a_structure_returns_with_its_elements_and_distances(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    io.write_structure(path, CRYSTAL)
    found = io.read_structure(path)
    assert found.get_chemical_symbols() == CRYSTAL.get_chemical_symbols()
    np.testing.assert_allclose(found.cell.cellpar(), CRYSTAL.cell.cellpar(), atol=1e-6)
    np.testing.assert_allclose(
        distances(found.positions, found.cell.array),
        distances(CRYSTAL.positions, CRYSTAL.cell.array),
        atol=1e-6,
    )


def test_a_structure_is_read_in_lammps_orientation_without_its_baggage(tmp_path: Path) -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    turned = Atoms(CRYSTAL.numbers, CRYSTAL.positions @ turn, cell=CRYSTAL.cell.array @ turn, pbc=True)
    turned.info["note"] = "x"
    turned.set_initial_magnetic_moments(np.ones(len(turned)))
    turned.write(tmp_path / "a.extxyz")
    found = io.read_structure(tmp_path / "a.extxyz")
    np.testing.assert_allclose(np.triu(found.cell.array, 1), 0, atol=1e-9)
    np.testing.assert_allclose(found.cell.cellpar(), cell_to_cellpar(CRYSTAL.cell.array), atol=1e-5)
    assert found.info == {}
    assert set(found.arrays) == {"numbers", "positions"}


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("Li1 Li 0 0 0 0.5\nCl1 Cl 0.5 0.5 0.5 1\n", "Li 0.5"),
        ("Br1 Br 0.5 0.5 0.5 0.25\nCl1 Cl 0.5 0.5 0.5 0.75\nLi1 Li 0 0 0 1\n", "Br 0.25, Cl 0.75"),
    ],
)
def test_a_cif_with_partial_occupancies_is_refused(tmp_path: Path, rows: str, named: str) -> None:
    (tmp_path / "a.cif").write_text(CIF + rows, encoding="utf-8")
    with pytest.raises(DataError, match=f"partially occupied site .*{named}.* expected an ordered cell"):
        io.read_structure(tmp_path / "a.cif")


def test_a_cif_with_full_occupancies_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(CIF + "Li1 Li 0 0 0 1.0\nCl1 Cl 0.5 0.5 0.5 1\n", encoding="utf-8")
    found = io.read_structure(tmp_path / "a.cif")
    assert found.get_chemical_symbols() == ["Li", "Cl"]
    np.testing.assert_allclose(found.cell.cellpar(), [5, 6, 7, 90, 100, 90], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.cif", "hello", "cannot be read as a structure"),
        ("a.cif", "", "cannot be read as a structure"),
        ("a.nothing", "hello", "cannot be read as a structure"),
        ("a.xyz", "2\n\nLi 0 0 0\nCl 0 0 2\n", "no three-dimensional cell"),
    ],
)
def test_what_is_no_crystal_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        io.read_structure(tmp_path / name)


@every_kind
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"no .*{name}"):
        WRITERS[name][1](tmp_path / name)


@pytest.mark.parametrize("name", [n for n in WRITERS if not n.startswith("crystal")])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.97])
def test_a_cut_file_is_refused_and_named(tmp_path: Path, name: str, kept: float) -> None:
    write, read = WRITERS[name]
    path = tmp_path / name
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=name):
        read(path)


@pytest.mark.parametrize("name", [n for n in WRITERS if not n.startswith("crystal")])
def test_a_file_of_another_kind_is_refused_and_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x93garbage\xff" * 50)
    with pytest.raises(DataError, match=name):
        WRITERS[name][1](tmp_path / name)


def test_files_of_other_programs_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["positions"] = np.zeros(3)
    for read in (io.read_trajectory, io.read_snapshots):
        with pytest.raises(DataError, match=r"a\.h5 is damaged or not written by frustra"):
            read(tmp_path / "a.h5")
    pq.write_table(pa.table({"energy": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a state table with the columns energy"):
        io.read_states(tmp_path / "a.parquet")


def test_a_state_table_of_an_older_version_is_refused_with_the_way_to_a_new_one(tmp_path: Path) -> None:
    io.write_states(tmp_path / "new.parquet", states(np.ones((2, 2))))
    table = pq.read_table(tmp_path / "new.parquet").drop_columns(["place", "near_tet"])
    pq.write_table(table, tmp_path / "old.parquet")
    with pytest.raises(DataError, match=r"old\.parquet lacks the columns place, near_tet; .*run the study"):
        io.read_states(tmp_path / "old.parquet")


@every_kind
def test_nothing_but_the_file_is_left_behind(tmp_path: Path, name: str) -> None:
    WRITERS[name][0](tmp_path / "new folder" / name)
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == [name]


def test_who_reads_while_a_file_is_replaced_reads_the_old_one_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    io.write_text(path, "old")
    with path.open(encoding="utf-8") as reader:
        io.write_text(path, "a new and longer text")
        assert reader.read() == "old"
    assert path.read_text(encoding="utf-8") == "a new and longer text"


@every_kind
def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        WRITERS[name][0](path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    io.write_text(path, "old")

    def interrupted() -> None:
        with io.replacing(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
