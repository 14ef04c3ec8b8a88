"""LAMMPS dumps: those of real runs in every kind of columns, against each other and against ASE's reader."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from frustra.engines.lammps import preamble, run_lammps, write_data
from frustra.errors import DataError
from frustra.io import TrajectoryHints, read_trajectory
from frustra.structures import supercell
from tests.engines.toys import lennard_jones
from tests.io.walks import SYMBOLS, Walk, walk

AR = TrajectoryHints(timestep=0.002, elements=("Ar",))
LI_Y_CL = TrajectoryHints(timestep=0.002, elements=("Li", "Y", "Cl"))

DUMPS = """
dump a all custom 20 xu.dump type id element xu yu zu
dump_modify a element Ar units yes time yes format float %.10g
dump b all custom 20 x_images.dump id type x y z ix iy iz vx
dump_modify b format float %.10g
dump c all custom 20 xs_images.dump id type xs ys zs ix iy iz
dump_modify c format float %.10g
dump d all atom 20 xs.dump.gz
dump_modify d format line "%d %d %.10g %.10g %.10g"
dump e all custom 20 x.dump id type x y z
dump_modify e format float %.10g sort id
dump f all custom 20 xsu.dump id type xsu ysu zsu
dump_modify f format float %.10g format int "%5d"
"""
NAMES = ("xu.dump", "x_images.dump", "xs_images.dump", "xs.dump.gz", "x.dump", "xsu.dump")


@pytest.fixture(scope="module", params=["NVE in a cubic cell", "NPT in a triclinic cell"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a liquid of argon, hot enough that atoms leave the cell."""
    folder = tmp_path_factory.mktemp("run")
    cubic = request.param.startswith("NVE")
    crystal = bulk("Ar", "fcc", a=5.6, cubic=cubic)
    atoms = supercell(crystal, (3, 3, 3) if cubic else (5, 5, 5))
    write_data(folder / "structure.data", atoms, ("Ar",))
    ensemble = "nve" if cubic else "npt temp 300 300 0.1 tri 0 0 1"
    run_lammps(
        preamble(lennard_jones().commands)
        + f"velocity all create 600 1 mom yes rot no dist gaussian\ntimestep 0.002\nfix md all {ensemble}\n"
        + f"{DUMPS}run 2000\n",
        folder,
    )
    return folder


def test_all_columns_of_a_run_give_the_same_walk(run: Path) -> None:
    found = {name: read_trajectory(run / name, hints=AR) for name in NAMES}
    first = found["xu.dump"]
    assert len(first) == 101
    cells = np.floor(first.positions @ np.linalg.inv(first.cells))
    assert (np.abs(cells[-1] - cells[0]).sum(axis=1) > 0).sum() > 10  # else nothing was to be unwrapped
    for name, record in found.items():
        assert record.timestep == pytest.approx(0.04)
        assert record.symbols == ["Ar"] * len(first.numbers)
        np.testing.assert_allclose(record.cells, first.cells, atol=1e-9)
        gap = record.positions - first.positions
        shift = gap[0] @ np.linalg.inv(first.cells[0])  # of the first frame, by whole cells
        np.testing.assert_allclose(shift, np.rint(shift), atol=1e-6)
        np.testing.assert_allclose(gap, np.rint(shift) @ first.cells, atol=1e-5)
        how = "frustra" if name in ("x.dump", "xs.dump.gz") else "in the file"
        assert str(record.info["positions"]).endswith(how)


def test_ase_reads_the_same_positions(run: Path) -> None:
    found = read_trajectory(run / "x.dump", hints=AR)
    images: Any = ase.io.read(run / "x.dump", index=":", format="lammps-dump-text")
    for frame, image in enumerate(images):
        np.testing.assert_allclose(found.cells[frame], image.cell.array, atol=1e-9)
        corner = image.get_celldisp().ravel()
        gap = (found.positions[frame] - image.positions + corner) @ np.linalg.inv(image.cell.array)
        np.testing.assert_allclose(gap, np.rint(gap), atol=1e-6)


def test_time_units_and_elements_in_the_dump_need_no_hints(run: Path) -> None:
    found = read_trajectory(run / "xu.dump")
    assert found.timestep == pytest.approx(0.04)
    assert found.symbols[0] == "Ar"
    with pytest.raises(DataError, match=r"has 2 fs per step, but 1 fs were given \(--timestep\)"):
        read_trajectory(run / "xu.dump", hints=TrajectoryHints(timestep=0.001))
    with pytest.raises(DataError, match="names its elements, and they are not Kr"):
        read_trajectory(run / "xu.dump", hints=TrajectoryHints(elements=("Kr",)))


def frame(step: int, positions: np.ndarray, cell: np.ndarray, head: str = "", edges: str = "pp pp pp") -> str:
    """Write a frame with the atoms in disorder and an orthogonal box."""
    order = np.random.default_rng(step).permutation(len(positions))
    types = [1 + ["Li", "Y", "Cl"].index(s) for s in SYMBOLS]
    rows = "".join(
        f"{k + 1} {types[k]} {positions[k, 0]:.8f} {positions[k, 1]:.8f} {positions[k, 2]:.8f} \n"
        for k in order
    )
    bounds = "".join(f"{-1.5:.1f} {cell[k, k] - 1.5:.10f}\n" for k in range(3))
    return (
        f"{head}ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(positions)}\n"
        f"ITEM: BOX BOUNDS {edges}\n{bounds}ITEM: ATOMS id type x y z\n{rows}"
    )


def frames(count: int = 30, **changes: str) -> tuple[list[str], Walk]:
    true = walk(np.random.default_rng(0), count, np.diag([7.0, 8.0, 9.0]), varying=True)
    return [
        frame(100 * k, p - 1.5, c, **changes)
        for k, (p, c) in enumerate(zip(true.wrapped, true.cells, strict=True))
    ], true


def write_dump(path: Path, true: Walk) -> None:
    """Write unwrapped positions in a triclinic box, with elements."""
    text = ""
    for step, (positions, cell) in enumerate(zip(true.positions, true.cells, strict=True)):
        box = "".join(
            f"{' '.join(map(str, row))} {x}\n" for row, x in zip(cell, (1.0, 2.0, 3.0), strict=True)
        )
        rows = "".join(
            f"{k} {s} {x + 1} {y + 2} {z + 3}\n"
            for k, (s, (x, y, z)) in enumerate(zip(SYMBOLS, positions, strict=True), 1)
        )
        text += (
            f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n6\nITEM: BOX BOUNDS abc origin pp pp pp\n{box}"
            f"ITEM: ATOMS id element xu yu zu\n{rows}"
        )
    path.write_text(text, encoding="utf-8")


def test_an_orthogonal_box_with_a_corner_and_atoms_in_disorder(tmp_path: Path) -> None:
    text, true = frames()
    (tmp_path / "a.dump.gz").write_bytes(gzip.compress("".join(text).encode()))
    found = read_trajectory(tmp_path / "a.dump.gz", hints=LI_Y_CL)
    assert found.symbols == SYMBOLS
    assert found.timestep == pytest.approx(0.2)
    start = np.floor(true.fractional[0])
    np.testing.assert_allclose(found.positions, (true.fractional - start) @ true.cells, atol=1e-6)


def test_a_general_triclinic_box_is_read(tmp_path: Path) -> None:
    # the form of dump_modify triclinic/general: three vectors, each with a component of the corner
    true = walk(np.random.default_rng(0), 10)
    write_dump(tmp_path / "a.dump", true)
    found = read_trajectory(tmp_path / "a.dump", hints=TrajectoryHints(timestep=0.1))
    np.testing.assert_allclose(found.positions, true.positions, atol=1e-9)
    np.testing.assert_allclose(found.cells, true.cells, atol=1e-12)
    assert found.symbols == SYMBOLS


@pytest.mark.parametrize(("units", "per_step"), [("metal", 0.5), ("real", 0.0005)])
def test_time_is_in_the_units_that_the_dump_names(tmp_path: Path, units: str, per_step: float) -> None:
    text, _ = frames()
    text = [f"ITEM: TIME\n{50.0 * k}\n{t}" for k, t in enumerate(text)]
    (tmp_path / "a.dump").write_text(f"ITEM: UNITS\n{units}\n" + "".join(text), encoding="utf-8")
    found = read_trajectory(tmp_path / "a.dump", hints=TrajectoryHints(elements=("Li", "Y", "Cl")))
    assert found.timestep == pytest.approx(100 * per_step)


def test_other_units_and_missing_elements_are_asked_for_by_name(tmp_path: Path) -> None:
    text, _ = frames()
    path = tmp_path / "a.dump"
    path.write_text("ITEM: UNITS\nlj\n" + "".join(text), encoding="utf-8")
    with pytest.raises(DataError, match=r"give the time step \(--timestep, fs per step\)"):
        read_trajectory(path, hints=TrajectoryHints(elements=("Li", "Y", "Cl")))
    asked = r"atoms of the types 1, 2, 3.*\(--elements Li,Y,Cl\)"
    for elements in (None, ("Li", "Y")):
        with pytest.raises(DataError, match=asked):
            read_trajectory(path, hints=TrajectoryHints(timestep=0.002, elements=elements))


def test_what_a_killed_run_left_of_its_last_frame_is_left_out_and_noted(tmp_path: Path) -> None:
    text, _ = frames()
    path = tmp_path / "a.dump"
    whole = "".join(text)
    for missing in range(1, len(text[-1]), 37):
        path.write_text(whole[:-missing], encoding="utf-8")
        found = read_trajectory(path, hints=LI_Y_CL)
        assert len(found) == 29
        assert "middle of a frame" in str(found.info["note"])


def test_a_frame_that_a_restart_printed_again_is_left_out_and_noted(tmp_path: Path) -> None:
    text, true = frames()
    path = tmp_path / "a.dump"
    path.write_text("".join([*text[:11], *text[10:]]), encoding="utf-8")
    found = read_trajectory(path, hints=LI_Y_CL)
    assert len(found) == 30
    assert found.info["note"] == "frame 12 repeats the one before, and was left out"
    other = frame(1000, true.wrapped[11] - 1.5, true.cells[11])
    path.write_text("".join([*text[:11], other, *text[11:]]), encoding="utf-8")
    with pytest.raises(DataError, match=r"frame 12 of .* comes 0 steps"):
        read_trajectory(path, hints=LI_Y_CL)


def replaced(old: str, new: str) -> Callable[[list[str]], list[str]]:
    """Return what replaces one text in frame 20 by another."""

    def change(text: list[str]) -> list[str]:
        assert old in text[19]
        return [*text[:19], text[19].replace(old, new, 1), *text[20:]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:1], "1 whole frame"),
        (lambda text: [*text[:7], *text[8:]], "frame 8 of .* comes 200 steps .*expected 100 steps"),
        (lambda text: [*text[7:], text[0]], "frame 24 of .* comes -2900 steps"),
        (lambda text: [t.replace(" id ", " atom ") for t in text], "no column id"),
        (lambda text: [t.replace("x y z", "fx fy fz") for t in text], "positions such as xu yu zu"),
        (lambda text: [t.replace("type", "charge") for t in text], "neither a column type nor element"),
        (replaced("ATOMS\n6", "ATOMS\n5"), "frame 20 of .* has 5 atoms"),
        (replaced("\n2 1 ", "\n7 1 "), "frame 20 of .* other atoms than the first"),
        (replaced("\n2 1 ", "\n2 3 "), "frame 20 of .* other atoms than the first"),
        (replaced("id type x", "type id x"), "frame 20 of .* the columns type id"),
        (replaced("1900", "x"), "frame 20 of .*damaged"),
        (replaced("ITEM: NUMBER", "ITEM NUMBER"), "frame 20 of .*damaged"),
        (replaced("\n2 1 ", "\n2 1 x"), "frame 20 of .*damaged"),
        (replaced("\n2 1 ", "\n2 1 nan "), "frame 20 of .*damaged"),
        (replaced("\n2 1 ", "\n2 1 1e999"), "frame 20 of .*damaged"),
        (replaced("\n2 1 ", "\n2 "), "frame 20 of .*damaged"),
        (replaced("BOX BOUNDS pp pp pp", "BOX BOUNDS pp pp ff"), "edges pp pp ff; expected a periodic"),
    ],
)
def test_a_damaged_dump_is_refused_in_a_sentence(
    tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    (tmp_path / "a.dump").write_text("".join(change(frames()[0])), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_trajectory(tmp_path / "a.dump", hints=LI_Y_CL)
