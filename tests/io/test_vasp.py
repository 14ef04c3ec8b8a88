"""XDATCAR and vasprun.xml, against ASE's readers and writers and public data."""

import gzip
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest

from frustra.errors import DataError
from frustra.io import TrajectoryHints, read_trajectory
from frustra.trajectory import Trajectory
from tests.io.walks import HINTS, SYMBOLS, Walk, cut, walk

FRAMES = 40


def write_xdatcar(path: Path, true: Walk, header_each_time: bool = False) -> None:
    """Write as VASP does; a varying cell has the header before each frame."""
    counts = "Li Y Cl\n3 1 2\n"
    text = []
    for number, (frame, cell) in enumerate(zip(true.fractional % 1.0, true.cells, strict=True), 1):
        if number == 1 or header_each_time:
            rows = "".join("".join(f"{x:13.8f}" for x in row) + "\n" for row in cell)
            text.append(f"a walk\n           1\n{rows}{counts}")
        text.append(f"Direct configuration={number:6d}\n")
        text += ["".join(f"{x:12.8f}" for x in row) + "\n" for row in frame]
    path.write_text("".join(text), encoding="utf-8")


def assert_same_walk(found: Trajectory, true: Walk, atol: float) -> None:
    """Check positions up to the lattice vectors that the first frame was wrapped by."""
    start = np.rint((found.positions[0] - true.positions[0]) @ np.linalg.inv(true.cells[0]))
    np.testing.assert_allclose(found.positions, (true.fractional + start) @ true.cells, atol=atol)
    np.testing.assert_allclose(found.cells, true.cells, atol=atol)
    assert found.symbols == SYMBOLS


@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_an_xdatcar_gives_the_walk_that_was_written(tmp_path: Path, varying: bool, packed: bool) -> None:
    true, path = walk(np.random.default_rng(0), FRAMES, varying=varying), tmp_path / "XDATCAR"
    write_xdatcar(path, true, header_each_time=varying)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = read_trajectory(path, hints=HINTS)
    assert_same_walk(found, true, 1e-6)
    assert (found.fixed_cell is None) == varying
    assert found.timestep == 0.02
    assert np.isnan(found.temperature)
    assert found.info["positions"] == "unwrapped by frustra"
    assert read_trajectory(path, hints=TrajectoryHints(0.02, temperature=500)).temperature == 500


def test_an_xdatcar_written_by_ase_is_read(tmp_path: Path) -> None:
    true = walk(np.random.default_rng(1), FRAMES)
    ase.io.write(tmp_path / "XDATCAR", true.images(), format="vasp-xdatcar")
    assert_same_walk(read_trajectory(tmp_path / "XDATCAR", hints=HINTS), true, 1e-6)


@pytest.mark.parametrize(
    "name", ["0p_run1_actual", "50p_run1_actual", "0p_run1_inherent", "50p_run1_inherent"]
)
def test_published_xdatcars_have_the_positions_that_ase_reads(data: Path, name: str) -> None:
    path = data / f"argyrodite_Li6PS5I/{name}_XDATCAR.gz"
    found = read_trajectory(path, hints=TrajectoryHints(0.1))
    images = ase.io.read(path, index=":", format="vasp-xdatcar")
    gap = (found.positions - [i.positions for i in images]) @ np.linalg.inv(found.cells)
    np.testing.assert_allclose(gap, np.rint(gap), atol=1e-12)
    assert np.abs(np.rint(gap)).max() == 1  # ions do cross the edges of the cell
    assert np.abs(np.diff(found.positions @ np.linalg.inv(found.cells), axis=0)).max() < 0.4
    assert found.symbols == images[0].get_chemical_symbols()


def test_what_a_killed_run_left_of_its_last_frame_is_left_out_and_noted(tmp_path: Path) -> None:
    path, true = tmp_path / "XDATCAR", walk(np.random.default_rng(2), FRAMES)
    write_xdatcar(path, true)
    whole = path.read_bytes()
    for missing in (1, 5, 39, 100, 36 * 6 + 5, 36 * 6 + 20):
        path.write_bytes(whole[:-missing])
        found = read_trajectory(path, hints=HINTS)
        assert len(found) == FRAMES - 1
        assert "ends in the middle of a frame" in str(found.info["note"])
        assert_same_walk(found, Walk(true.fractional[:-1], true.cells[:-1]), 1e-6)


def replaced(old: str, new: str, at: int = 0) -> Callable[[str], str]:
    """Return what replaces one text in a file by another, from the frame with a number on."""

    def change(text: str) -> str:
        place = text.index(f"configuration={at:6d}") if at else 0
        assert old in text[place:]
        return text[:place] + text[place:].replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "empty"),
        (lambda text: text[:60], "no trajectory in a known format"),
        (lambda text: text[: text.index("configuration=     2")], "1 whole frame"),
        (replaced("Direct configuration=    20\n", "", 19), "frame 20 of .*damaged"),
        (replaced("0.", "x.", 20), "frame 20 of .*damaged"),
        (replaced("0.", "0 ", 20), "frame 20 of .*damaged"),
        (replaced("0.", "nan 0.", 20), "frame 20 of .*damaged"),
        (replaced("=    20", "=    2x", 20), "frame 20 of .*damaged"),
        (replaced("=    20", "=    25", 20), "frames 19 and 20 .* counted 19 and 25"),
        (replaced("3 1 2", "3 1"), "damaged header"),
        (replaced("3 1 2", "3 1 x"), "damaged header"),
        (replaced("Li Y Cl\n", ""), "damaged header"),
        (replaced("Li Y Cl", "Li Qq Cl"), "atoms of 'Qq'"),
        (replaced("           1\n", "one\n"), "damaged header"),
    ],
)
def test_a_damaged_xdatcar_is_refused_in_a_sentence(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    path = tmp_path / "XDATCAR"
    write_xdatcar(path, walk(np.random.default_rng(3), FRAMES))
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_trajectory(path, hints=HINTS)


def test_an_xdatcar_whose_atoms_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "XDATCAR"
    write_xdatcar(path, walk(np.random.default_rng(3), FRAMES), header_each_time=True)
    head, _, tail = path.read_text(encoding="utf-8").rpartition("3 1 2")
    path.write_text(head + "2 1 3" + tail, encoding="utf-8")
    with pytest.raises(DataError, match=r"frame 40 of .* other atoms than the first"):
        read_trajectory(path, hints=HINTS)


def test_a_time_step_is_asked_for_by_name(tmp_path: Path) -> None:
    write_xdatcar(tmp_path / "XDATCAR", walk(np.random.default_rng(3), FRAMES))
    with pytest.raises(DataError, match=r"give the time step \(--timestep, fs per frame\)"):
        read_trajectory(tmp_path / "XDATCAR")


def test_joined_xdatcars_go_on_with_a_note(tmp_path: Path) -> None:
    true = walk(np.random.default_rng(4), FRAMES)
    for number, part in enumerate((slice(0, 25), slice(25, None))):
        write_xdatcar(tmp_path / str(number), Walk(true.fractional[part], true.cells[part]))
    second = (tmp_path / "1").read_bytes()
    (tmp_path / "XDATCAR").write_bytes((tmp_path / "0").read_bytes() + second)
    found = read_trajectory(tmp_path / "XDATCAR", hints=HINTS)
    assert_same_walk(found, true, 1e-6)
    assert "counted anew from frame 26" in str(found.info["note"])


def test_names_of_potentials_and_a_scale_are_understood(tmp_path: Path) -> None:
    path, true = tmp_path / "XDATCAR", walk(np.random.default_rng(5), FRAMES)
    write_xdatcar(path, true)
    text = path.read_text(encoding="utf-8")
    volume = np.linalg.det(true.cells[0])
    for words, scale, factor in (("Li_sv/1a Y_sv Cl", "2.0", 2.0), ("Li Y Cl", f"-{8 * volume:.10f}", 2.0)):
        path.write_text(
            text.replace("Li Y Cl", words).replace("           1\n", f"{scale}\n"), encoding="utf-8"
        )
        found = read_trajectory(path, hints=HINTS)
        assert_same_walk(found, Walk(true.fractional, factor * true.cells), 1e-5)


def test_a_torn_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "XDATCAR.gz"
    write_xdatcar(path, walk(np.random.default_rng(6), 400))
    path.write_bytes(gzip.compress(path.read_bytes()))
    content = bytearray(path.read_bytes())
    cut(path, 0.7)
    with pytest.raises(DataError, match=r"XDATCAR\.gz is damaged"):
        read_trajectory(path, hints=HINTS)
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_trajectory(path, hints=HINTS)


SETTINGS = {"IBRION": "0", "POTIM": "2.0", "TEBEG": "600.0", "TEEND": "600.0", "SMASS": "0.0", "NSW": "40"}


def vectors(name: str, rows: np.ndarray) -> str:
    lines = "".join("<v>" + "".join(f" {x:15.8f}" for x in row) + " </v>\n" for row in rows)
    return f'<varray name="{name}" >\n{lines}</varray>\n'


def write_vasprun(path: Path, true: Walk, end: str = "</modeling>\n", **settings: str) -> None:
    """Write what VASP writes of a run: parameters, atoms, and of each step energies, forces and structure."""

    def structure(frame: np.ndarray, cell: np.ndarray, name: str = "") -> str:
        inverse = vectors("rec_basis", np.linalg.inv(cell).T)
        crystal = f"<crystal>\n{vectors('basis', cell)}<i name='volume'>1.0</i>\n{inverse}</crystal>\n"
        return f"<structure {name}>\n{crystal}{vectors('positions', frame)}</structure>\n"

    frames = true.fractional % 1.0
    values = "".join(f'<i name="{k}">{v}</i>\n' for k, v in {**SETTINGS, **settings}.items() if v)
    atoms = "".join(f"<rc><c>{s:2}</c><c>   1</c></rc>\n" for s in SYMBOLS)
    steps = "".join(
        "<calculation>\n<scstep><energy><i name='e_fr_energy'>-1.0</i><i name='e_wo_entrp'>-1.0</i>"
        f"<i name='e_0_energy'>-1.0</i></energy></scstep>\n{structure(f, c)}{vectors('forces', f)}"
        f"{vectors('stress', c)}<energy><i name='e_fr_energy'>-1.0</i><i name='e_wo_entrp'>-1.0</i>"
        "<i name='e_0_energy'>-1.0</i></energy>\n</calculation>\n"
        for f, c in zip(frames, true.cells, strict=True)
    )
    first, last = f'name="{"initialpos"}" ', 'name="finalpos" '
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<generator><i name="version">6.4</i>'
        f'</generator>\n<incar>\n<i name="POTIM">{SETTINGS["POTIM"]}</i>\n</incar>\n'
        '<kpoints><varray name="kpointlist"><v> 0 0 0 </v></varray></kpoints>\n'
        f'<parameters>\n<separator name="ionic">\n{values}</separator>\n</parameters>\n<atominfo>\n'
        f'<atoms> {len(SYMBOLS)} </atoms>\n<types> 3 </types>\n<array name="atoms">\n<set>\n{atoms}</set>\n'
        '</array>\n<array name="atomtypes"><set><rc><c>3</c><c>Li</c></rc></set></array>\n</atominfo>\n'
        f"{structure(frames[0], true.cells[0], first)}{steps}"
        f"{structure(frames[-1], true.cells[-1], last) if end else ''}{end}",
        encoding="utf-8",
    )


@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_vasprun_gives_the_walk_with_time_step_and_temperature(
    tmp_path: Path, varying: bool, packed: bool
) -> None:
    true, path = walk(np.random.default_rng(0), FRAMES, varying=varying), tmp_path / "vasprun.xml"
    write_vasprun(path, true)
    images = ase.io.read(path, index=":", format="vasp-xml")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = read_trajectory(path)
    assert_same_walk(found, true, 1e-6)
    assert (found.timestep, found.temperature) == (0.002, 600)
    gap = (found.positions - [i.positions for i in images]) @ np.linalg.inv(found.cells)
    np.testing.assert_allclose(gap, np.rint(gap), atol=1e-9)


def test_what_a_killed_run_left_of_a_vasprun_is_read_with_a_note(tmp_path: Path) -> None:
    path, true = tmp_path / "vasprun.xml", walk(np.random.default_rng(1), FRAMES)
    write_vasprun(path, true, end="")
    assert len(read_trajectory(path)) == FRAMES
    text = path.read_text(encoding="utf-8")
    steps = text.index("<calculation>")
    for kept in (0.3, 0.55, 0.811):
        path.write_text(text[: steps + int(kept * (len(text) - steps))], encoding="utf-8")
        found = read_trajectory(path)
        count = len(found)
        assert count == text[: path.stat().st_size].count("</calculation>")
        assert "middle of a frame" in str(found.info["note"])
        assert_same_walk(found, Walk(true.fractional[:count], true.cells[:count]), 1e-6)
    for part, message in ((text[:steps], "no whole frame"), (text[: steps - 900], "no whole frame")):
        path.write_text(part, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_trajectory(path)


@pytest.mark.parametrize(
    ("settings", "hints", "message"),
    [
        ({"IBRION": "2"}, {}, "IBRION = 2; expected molecular dynamics"),
        ({"ML_OUTBLOCK": "10"}, {}, r"give the time step \(--timestep, fs per frame\)"),
        ({}, {"timestep": 0.02}, r"has 2 fs per frame, but 20 fs were given"),
        ({}, {"temperature": 700.0}, "is of 600 K, but 700 K were given"),
        ({}, {"elements": ("Na", "Y", "Cl")}, "names its elements"),
    ],
)
def test_what_a_vasprun_says_otherwise_is_refused(
    tmp_path: Path, settings: dict[str, str], hints: dict[str, float], message: str
) -> None:
    write_vasprun(tmp_path / "vasprun.xml", walk(np.random.default_rng(2), 5), **settings)
    with pytest.raises(DataError, match=message):
        read_trajectory(tmp_path / "vasprun.xml", hints=TrajectoryHints(**hints))


@pytest.mark.parametrize(
    ("settings", "note"),
    [({"TEEND": "900.0"}, "changed on the way"), ({"SMASS": "-3.0"}, "no thermostat")],
)
def test_a_temperature_that_was_not_kept_is_not_told(
    tmp_path: Path, settings: dict[str, str], note: str
) -> None:
    write_vasprun(tmp_path / "vasprun.xml", walk(np.random.default_rng(2), 5), **settings)
    found = read_trajectory(tmp_path / "vasprun.xml")
    assert np.isnan(found.temperature)
    assert note in str(found.info["note"])
    hints = TrajectoryHints(temperature=700.0)
    assert read_trajectory(tmp_path / "vasprun.xml", hints=hints).temperature == 700


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</structure>", "</strcture>", "damaged .*mismatched tag"),
        ("<v>", "<v> x ", "frame 1 of .*damaged"),
        ("</calculation>", "</calculation></modeling>", "damaged"),
        (' name="positions"', ' name="places"', "frame 1 of .*damaged .*0 positions"),
    ],
)
def test_a_damaged_vasprun_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "vasprun.xml"
    write_vasprun(path, walk(np.random.default_rng(2), 5))
    head, mark, steps = path.read_text(encoding="utf-8").partition("<calculation>")
    path.write_text(head + mark + steps.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_trajectory(path)
