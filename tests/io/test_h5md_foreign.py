"""H5MD of other programs, written here by the letter of the specification, as each of them writes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ase.data import atomic_numbers

from frustra import io
from frustra.errors import DataError
from frustra.io import TrajectoryFile, TrajectoryHints, read_trajectory, trajectories
from frustra.trajectory import Trajectory
from tests.helpers import trajectory
from tests.io.test_vasp import assert_same_walk
from tests.io.walks import SYMBOLS, Walk, cut, walk

FRAMES = 40
TYPES = [1 + ["Li", "Y", "Cl"].index(s) for s in SYMBOLS]
ELEMENTS = ("Li", "Y", "Cl")
TRICLINIC = walk(np.random.default_rng(0), FRAMES)
VARYING = walk(np.random.default_rng(1), FRAMES, np.diag([7.0, 8.0, 9.0]), varying=True)


def head(file: h5py.File, creator: str, boundary: Any = ("periodic",) * 3) -> h5py.Group:
    """Write what every file has; return the group of particles."""
    file.create_group("h5md").attrs["version"] = (1, 1)
    file.create_group("h5md/author").attrs["name"] = np.bytes_("N/A")
    about = file.create_group("h5md/creator").attrs
    about["name"], about["version"] = np.bytes_(creator), np.bytes_("1")
    box = file.create_group("particles/all/box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = np.array(boundary, dtype="S")
    return file["particles/all"]


def element(
    group: h5py.Group, name: str, values: Any, step: Any = None, time: Any = None, unit: str | None = None
) -> None:
    """Write a time-dependent element; without steps of its own it has links to those of the positions."""
    made = group.create_group(name)
    made["value"] = values
    made["step"] = group["position/step"] if step is None else step
    if step is None and "time" in group["position"]:
        made["time"] = group["position/time"]
    elif time is not None:
        made["time"] = time
    if unit:
        made["value"].attrs["unit"] = np.bytes_(unit)


def images(true: Walk) -> np.ndarray:
    return np.floor(true.fractional).astype(np.int32)


def lammps(path: Path) -> Walk:
    """No units, a corner that is not the origin, orthogonal boxes, images, types."""
    true, steps = VARYING, 100 * np.arange(FRAMES, dtype=np.int32)
    with h5py.File(path, "w") as file:
        group = head(file, "lammps")
        element(group, "position", true.wrapped - 1.5, steps, 0.0002 * steps)
        element(group, "box/edges", np.diagonal(true.cells, axis1=1, axis2=2))
        element(group, "image", images(true))
        element(group, "species", np.tile(TYPES, (FRAMES, 1)), steps, 0.0002 * steps)
    corner = np.full((1, 3), -1.5) @ np.linalg.inv(true.cells)
    return Walk(true.fractional + corner, true.cells)


def mdanalysis(path: Path) -> Walk:
    """Single precision, also of the times; species are not written by it, and were added as strings."""
    true, steps = TRICLINIC, np.arange(FRAMES)
    with h5py.File(path, "w") as file:
        group = head(file, "MDAnalysis")
        times = (300 + 0.02 * steps).astype(np.float32)
        element(group, "position", (true.wrapped / 10).astype(np.float32), steps, times, "nm")
        element(group, "box/edges", (true.cells / 10).astype(np.float32), unit="nm")
        group["position/time"].attrs["unit"] = "ps"  # of variable length, as all strings that it writes
        group["species"] = SYMBOLS
    return true


def by_increments(path: Path) -> Walk:
    """Increments of step and time with an offset, a fixed box, an enumeration of elements."""
    true = TRICLINIC
    kinds = h5py.enum_dtype({"Y": 7, "Cl": -2, "Li": 5}, basetype="i2")
    with h5py.File(path, "w") as file:
        group = head(file, "N/A")
        element(group, "position", true.wrapped * 100, 10, 20.0, "pm")
        group["position/step"].attrs["offset"] = 1000
        group["position/time"].attrs.update(offset=2000.0, unit=np.bytes_("fs"))
        group["box/edges"] = true.cells[0]
        group["box/edges"].attrs["unit"] = np.bytes_("Ang")
        group.create_dataset("species", data=[{"Y": 7, "Cl": -2, "Li": 5}[s] for s in SYMBOLS], dtype=kinds)
    return true


def espresso(path: Path) -> Walk:
    """Atoms in another order in every frame, with ids; one word for three boundaries; types from zero."""
    true, rng = VARYING, np.random.default_rng(5)
    order = np.argsort(rng.random((FRAMES, len(SYMBOLS))), axis=1)
    with h5py.File(path, "w") as file:
        group = head(file, "ESPResSo", "periodic")
        shuffled = [np.take_along_axis(a, order[..., None], axis=1) for a in (true.wrapped, images(true))]
        element(group, "position", shuffled[0] / 10, 10 * np.arange(FRAMES), 0.02 * np.arange(FRAMES), "nm")
        group["position/time"].attrs["unit"] = np.bytes_("ps")
        element(group, "box/edges", np.diagonal(true.cells, axis1=1, axis2=2) / 10, unit="nm")
        element(group, "image", shuffled[1])
        element(group, "id", order)
        element(group, "species", np.array(TYPES)[order] - 1)
    return true


def znh5md(path: Path) -> Walk:
    """Atomic numbers as floats, and a time that its caller gave."""
    true, numbers = TRICLINIC, [float(atomic_numbers[s]) for s in SYMBOLS]
    with h5py.File(path, "w") as file:
        group = head(file, "znh5md")
        element(group, "position", true.positions, 1, 20.0, "Angstrom")
        group["position/time"].attrs["unit"] = np.bytes_("fs")
        element(group, "box/edges", true.cells, unit="Angstrom")
        element(group, "species", np.tile(numbers, (FRAMES, 1)))
    return true


DIALECTS: dict[str, tuple[Callable[[Path], Walk], TrajectoryHints | None]] = {
    "lammps": (lammps, TrajectoryHints(timestep=0.0002, elements=ELEMENTS)),
    "MDAnalysis": (mdanalysis, None),
    "N/A": (by_increments, TrajectoryHints(elements=ELEMENTS, timestep=0.002)),
    "ESPResSo": (espresso, TrajectoryHints(elements=ELEMENTS)),
    "znh5md": (znh5md, TrajectoryHints(temperature=700.0)),
}
every = pytest.mark.parametrize("dialect", DIALECTS)


@every
def test_what_other_programs_write_is_the_walk_that_was_written(tmp_path: Path, dialect: str) -> None:
    write, hints = DIALECTS[dialect]
    true = write(tmp_path / "t.h5")
    found = read_trajectory(tmp_path / "t.h5", hints=hints)
    assert_same_walk(found, true, 1e-4 if dialect == "MDAnalysis" else 1e-9)
    assert found.timestep == pytest.approx(0.02, rel=1e-5)
    assert found.info["format"] == f"H5MD written by {dialect}"
    assert ("taken as Å" in str(found.info.get("note"))) == (dialect == "lammps")
    by_images = dialect in ("lammps", "ESPResSo")
    assert found.info["positions"] == ("unwrapped in the file" if by_images else "unwrapped by frustra")
    np.testing.assert_equal(found.temperature, 700 if dialect == "znh5md" else np.nan)


@every
def test_frames_of_several_blocks_and_a_scratch_file_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    write, hints = DIALECTS[dialect]
    write(tmp_path / "t.h5")
    held = read_trajectory(tmp_path / "t.h5", hints=hints)
    monkeypatch.setattr("frustra.io.h5md_foreign.BLOCK", 7 * len(SYMBOLS))
    monkeypatch.setattr(trajectories, "IN_MEMORY", 2**11)
    with io.open_trajectory(tmp_path / "t.h5", hints) as file:
        assert isinstance(file, TrajectoryFile)
        np.testing.assert_array_equal(file.read().positions, held.positions.astype(np.float32))
        np.testing.assert_array_equal(file.read().cells, held.cells)


def test_our_own_file_is_opened_as_it_is(tmp_path: Path) -> None:
    io.write_trajectory(tmp_path / "t.h5", trajectory(np.zeros((5, 2, 3))))
    with io.open_trajectory(tmp_path / "t.h5") as file:
        assert isinstance(file, TrajectoryFile)


def changed(path: Path, dialect: str, change: Callable[[h5py.Group], None]) -> Any:
    """Write a file and change it; return the hints."""
    write, hints = DIALECTS[dialect]
    write(path)
    with h5py.File(path, "a") as file:
        change(file["particles/all"])
    return hints


def set_data(name: str, values: Any) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        attributes = dict(group[name].attrs)
        del group[name]
        group[name] = values
        group[name].attrs.update(attributes)

    return change


def set_attribute(name: str, attribute: str, value: Any) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        group[name].attrs.pop(attribute)
        if value is not None:
            group[name].attrs[attribute] = value

    return change


def without(name: str) -> Callable[[h5py.Group], None]:
    return lambda group: group.pop(name)


def second_group(group: h5py.Group) -> None:
    group.parent.copy(group, "lithium")


def one_frame(group: h5py.Group) -> None:
    positions = group["position/value"][0]
    del group["position"]
    group["position"] = positions


NAMES = h5py.enum_dtype({"small": 0, "large": 1})


@pytest.mark.parametrize(
    ("dialect", "change", "message"),
    [
        ("N/A", second_group, r"over time in 2 groups of particles \(/particles/all, /particles/lithium\)"),
        ("N/A", one_frame, "over time in 0 groups"),
        ("N/A", set_data("position/value", np.zeros((1, 6, 3))), "1 whole frame"),
        ("N/A", set_data("position/value", np.zeros((9, 6, 2))), "in three dimensions"),
        ("N/A", without("box/edges"), "no /particles/all/box/edges"),
        ("N/A", without("box"), "boundary that nobody tells; expected periodic"),
        ("N/A", set_attribute("box", "boundary", ["periodic", "none", "periodic"]), "periodic none periodic"),
        ("N/A", set_attribute("position/value", "unit", None), "no attribute 'unit'"),
        ("N/A", set_attribute("position/value", "unit", "sigma"), "'sigma'; expected one of Angstrom"),
        ("N/A", set_attribute("position/time", "unit", "tau"), "'tau'; expected one of ps"),
        ("N/A", set_data("position/step", 0), "frame 2 .* comes 0 steps after the last; expected later"),
        ("N/A", set_data("position/time", np.nan), "time is not finite"),
        ("N/A", set_data("position/time", 30.0), "has 3 fs per step, but 2 fs were given"),
        ("N/A", without("position/step"), "damaged or no trajectory as H5MD specifies it"),
        ("N/A", without("species"), "no /particles/all/species; expected the element of each atom"),
        ("N/A", set_data("species", np.array([0, 1] * 3).astype(NAMES)), "atoms of 'small'"),
        ("N/A", set_data("species", ["Li"] * 6), "names its elements, and they are not Li,Y,Cl"),
        ("N/A", set_data("species", [1, 1, 2, 2, 3, 4]), "species 1, 2, 3, 4 but the elements Li,Y,Cl"),
        ("N/A", set_data("species", [1, 1, 2, 2, 2, 2]), "species 1, 2 but the elements Li,Y,Cl"),
        ("N/A", set_data("species", [-1, 0, 1, 1, 1, 1]), "species -1, 0, 1 but the elements"),
        ("N/A", set_data("species", [1, 2, 3, 1, 2, 2.5]), "no whole numbers"),
        ("N/A", set_data("species", [1] * 5), "species of the shape"),
        ("N/A", set_data("box/edges", np.zeros((3, 3))), "damaged .*Singular"),
        (
            "MDAnalysis",
            set_data("position/step", [*range(39), 49]),
            "edges/value of the shape .* other steps",
        ),
        ("ESPResSo", set_data("id/value", np.zeros((FRAMES, 6), int)), "several atoms with the same id"),
        ("ESPResSo", set_data("id/value", np.tile(range(6), (FRAMES, 1))), "frame 2 of .* other atoms"),
        ("lammps", set_data("species/value", np.tri(FRAMES, 6, 1) + 1), "frame 2 of .* other atoms"),
        ("znh5md", set_data("species/value", np.full((FRAMES, 6), 300.0)), "no atomic numbers"),
        ("znh5md", set_data("position/time", 1.0), "give the time step .*fs per step"),
    ],
)
def test_what_cannot_be_told_is_refused_or_asked_for_by_name(
    tmp_path: Path, dialect: str, change: Callable[[h5py.Group], None], message: str
) -> None:
    hints = changed(tmp_path / "t.h5", dialect, change)
    with pytest.raises(DataError, match=message):
        read_trajectory(tmp_path / "t.h5", hints=hints)


@pytest.mark.parametrize("missing", ["timestep", "elements"])
def test_a_dump_of_lammps_asks_for_time_and_elements(tmp_path: Path, missing: str) -> None:
    lammps(tmp_path / "t.h5")
    known: dict[str, Any] = {"timestep": 0.0002, "elements": ELEMENTS}
    del known[missing]
    asked = r"--timestep, fs per step" if missing == "timestep" else r"species 1, 2, 3; give .*--elements"
    with pytest.raises(DataError, match=asked):
        read_trajectory(tmp_path / "t.h5", hints=TrajectoryHints(**known))


def test_species_that_are_the_atomic_numbers_of_the_given_elements_are_these(tmp_path: Path) -> None:
    numbers = [atomic_numbers[s] for s in SYMBOLS]
    hints = changed(tmp_path / "t.h5", "N/A", set_data("species", numbers))
    assert read_trajectory(tmp_path / "t.h5", hints=hints).symbols == SYMBOLS
    with pytest.raises(DataError, match="species 3, 17, 39; give the element"):
        read_trajectory(tmp_path / "t.h5")


def test_types_of_lammps_without_atoms_need_an_element_too(tmp_path: Path) -> None:
    lammps(tmp_path / "t.h5")
    hints = TrajectoryHints(timestep=0.0002, elements=("Li", "Y", "Cl", "Br"))
    assert read_trajectory(tmp_path / "t.h5", hints=hints).symbols == SYMBOLS


@pytest.mark.parametrize("name", ["step", "time"])
def test_unequal_distances_are_refused(tmp_path: Path, name: str) -> None:
    espresso(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "a") as file:
        file[f"particles/all/position/{name}"][30:] *= 2
    with pytest.raises(DataError, match=r"frame 31 of .* after the last; expected .* as mostly"):
        read_trajectory(tmp_path / "t.h5", hints=TrajectoryHints(elements=ELEMENTS))


def test_positions_that_were_unwrapped_already_are_not_unwrapped_twice_by_images(tmp_path: Path) -> None:
    true, (_, hints) = VARYING, DIALECTS["lammps"]  # as LAMMPS writes with dump_modify unwrap yes
    changed(tmp_path / "t.h5", "lammps", set_data("position/value", true.positions))
    with pytest.raises(DataError, match=r"go on where images change.*--positions unwrapped"):
        read_trajectory(tmp_path / "t.h5", hints=hints)
    said = TrajectoryHints(timestep=0.0002, elements=ELEMENTS, positions="unwrapped")
    np.testing.assert_allclose(read_trajectory(tmp_path / "t.h5", hints=said).positions, true.positions)


def test_images_unwrap_steps_that_are_too_fast_for_the_minimum_image(tmp_path: Path) -> None:
    true = walk(np.random.default_rng(3), FRAMES, largest=2.0)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        group = head(file, "N/A")
        element(group, "position", true.wrapped, np.arange(FRAMES), unit="Angstrom")
        group["box/edges"] = true.cells[0]
        element(group, "image", images(true))
        group["species"] = SYMBOLS
    found = read_trajectory(tmp_path / "t.h5", hints=TrajectoryHints(timestep=0.02))
    np.testing.assert_allclose(found.positions, true.positions, atol=1e-9)


@every
def test_a_torn_file_is_refused_in_a_sentence(tmp_path: Path, dialect: str) -> None:
    write, hints = DIALECTS[dialect]
    for kept in (0.3, 0.9, 0.999):
        write(tmp_path / "t.h5")
        cut(tmp_path / "t.h5", kept)
        with pytest.raises(DataError, match=r"t\.h5 is damaged"):
            read_trajectory(tmp_path / "t.h5", hints=hints)


@pytest.mark.parametrize("dialect", sorted(DIALECTS.keys() - {"MDAnalysis"}))  # HDF5 may hang on its strings
def test_a_file_with_bytes_changed_is_read_or_refused_in_a_sentence(tmp_path: Path, dialect: str) -> None:
    (write, hints), rng = DIALECTS[dialect], np.random.default_rng(7)
    path = tmp_path / "t.h5"
    write(path)
    content = path.read_bytes()
    for place in rng.integers(0, [4000, len(content)], (100, 2)).ravel():  # more in the head
        path.write_bytes(
            content[:place] + bytes([content[place] ^ rng.integers(1, 256)]) + content[place + 1 :]
        )
        try:
            found = read_trajectory(path, hints=hints)
        except DataError:
            continue
        assert isinstance(found, Trajectory)
        assert len(found) == FRAMES
