"""Densities as files, against ASE's readers and closed forms."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.vasp import VaspChargeDensity  # noqa: TID251 - another program's reader
from ase.io.cube import read_cube as ase_cube
from ase.io.cube import write_cube as ase_write_cube
from ase.units import Bohr

from frustra.errors import DataError
from frustra.io.volumes import Volume, read_chgcar, read_cube, write_chgcar, write_cube

SHAPE = (5, 4, 7)


def volume(seed: int = 0) -> Volume:
    """Return a density in a skewed cell, with atoms of two elements out of order."""
    rng = np.random.default_rng(seed)
    cell = np.array([[6.0, 0, 0], [-2.0, 5.0, 0], [0.7, 1.1, 7.0]])
    atoms = Atoms("ClYCl2Y", scaled_positions=rng.random((5, 3)), cell=cell, pbc=True)
    return Volume(rng.random(SHAPE) * rng.integers(0, 2, SHAPE), atoms)


def same_atoms(found: Atoms, true: Atoms, atol: float) -> None:
    """Check that the same atoms are there, in any order."""
    for z in np.unique(true.numbers):
        one, other = found.positions[found.numbers == z], true.positions[true.numbers == z]
        np.testing.assert_allclose(one, other, atol=atol)
    assert len(found) == len(true)
    np.testing.assert_allclose(found.cell.array, true.cell.array, atol=atol)


def test_a_chgcar_is_what_ase_reads_and_what_was_written(tmp_path: Path) -> None:
    true, path = volume(), tmp_path / "CHGCAR_li.vasp"
    write_chgcar(path, true, "two\nlines")
    theirs = VaspChargeDensity(str(path))
    np.testing.assert_allclose(theirs.chg[0], true.values, rtol=1e-9)
    same_atoms(theirs.atoms[0], true.atoms, 1e-9)
    found = read_chgcar(path)
    np.testing.assert_allclose(found.values, true.values, rtol=1e-9)
    same_atoms(found.atoms, true.atoms, 1e-9)
    lines = path.read_text().splitlines()
    assert lines[0] == "two lines"
    assert lines[5].split() == ["Cl", "Y"]
    assert lines[14].split() == ["5", "4", "7"]
    numbers = [float(x) for line in lines[15:] for x in line.split()]
    assert all(len(line.split()) == 5 for line in lines[15:])
    assert np.mean(numbers) == pytest.approx(true.values.mean() * true.atoms.get_volume())  # ions
    assert numbers[1] == pytest.approx(true.values[1, 0, 0] * true.atoms.get_volume())  # the first is fastest


def test_a_cube_is_what_ase_reads_and_what_was_written(tmp_path: Path) -> None:
    true, path = volume(), tmp_path / "li.cube"
    write_cube(path, true, "Li")
    with path.open() as file:
        theirs = ase_cube(file)
    np.testing.assert_allclose(theirs["data"] / Bohr**3, true.values, rtol=1e-5)
    np.testing.assert_array_equal(theirs["origin"], 0)
    np.testing.assert_allclose(theirs["spacing"] * np.array(SHAPE)[:, None], true.atoms.cell.array, atol=1e-9)
    same_atoms(theirs["atoms"], true.atoms, 1e-6)
    found = read_cube(path)
    np.testing.assert_allclose(found.values, true.values, rtol=1e-5)
    same_atoms(found.atoms, true.atoms, 1e-6)
    lines = path.read_text().splitlines()
    assert "Bohr" in lines[1]
    assert max(len(line.split()) for line in lines[11:]) == 6
    assert len(lines) == 11 + 5 * 4 * 2  # a new line for each row along c


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    true = volume(1)
    with (tmp_path / "ase.cube").open("w") as file:
        ase_write_cube(file, true.atoms, data=true.values * Bohr**3)
    np.testing.assert_allclose(read_cube(tmp_path / "ase.cube").values, true.values, rtol=1e-5)
    theirs = VaspChargeDensity(filename=None)
    theirs.atoms, theirs.chg = [true.atoms[[0, 2, 3, 1, 4]]], [true.values]
    theirs.write(str(tmp_path / "CHGCAR"), format="chgcar")
    np.testing.assert_allclose(read_chgcar(tmp_path / "CHGCAR").values, true.values, rtol=1e-9)


def test_no_atoms_suit_a_cube_but_no_chgcar(tmp_path: Path) -> None:
    bare = Volume(np.ones((3, 3, 3)), Atoms(cell=np.eye(3) * 4, pbc=True))
    write_cube(tmp_path / "bare.cube", bare, "gas")
    assert read_cube(tmp_path / "bare.cube").values == pytest.approx(bare.values, rel=1e-5)
    with pytest.raises(DataError, match="cube"):
        write_chgcar(tmp_path / "bare.vasp", bare, "gas")
    assert not (tmp_path / "bare.vasp").exists()


@pytest.mark.parametrize("name", ["a.cube", "a.vasp"])
def test_damaged_files_end_in_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write, load = (write_cube, read_cube) if name.endswith("cube") else (write_chgcar, read_chgcar)
    with pytest.raises(DataError, match="no file"):
        load(path)
    write(path, Volume(np.ones((4, 4, 4)), bulk("NaCl", "rocksalt", a=5.6)), "whole")
    whole = path.read_text()
    for cut in (10, 120, len(whole) // 2, len(whole) - 30):
        path.write_text(whole[:cut])
        with pytest.raises(DataError, match="cannot be read"):
            load(path)
    path.write_bytes(b"\xff\xfe" * 50)
    with pytest.raises(DataError, match="cannot be read"):
        load(path)
