"""Any trajectory is opened the same way: in memory if small, else by a scratch file that vanishes."""

import contextlib
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

from frustra import diffusion_of, io
from frustra.errors import DataError
from frustra.io import TrajectoryFile, TrajectoryHints, trajectories
from frustra.trajectory import Trajectory
from tests.helpers import trajectory
from tests.io.test_lammps_dump import write_dump
from tests.io.test_vasp import write_vasprun, write_xdatcar
from tests.io.walks import HINTS, SYMBOLS, Walk, walk


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Lower the size from which a scratch file is used; return the temporary directory."""
    monkeypatch.setattr(trajectories, "IN_MEMORY", 2**20)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.mark.parametrize("varying", [False, True])
def test_a_large_file_goes_through_a_scratch_file_and_is_the_same(
    tmp_path: Path, small_memory: Path, monkeypatch: pytest.MonkeyPatch, varying: bool
) -> None:
    path = tmp_path / "XDATCAR"
    write_xdatcar(path, walk(np.random.default_rng(0), 15000, varying=varying), header_each_time=varying)
    with io.open_trajectory(path, HINTS) as file:
        assert isinstance(file, TrajectoryFile)
        assert list(small_memory.iterdir()) == []  # the system keeps what is open, and no longer
        found, part = file.read(), file.read(slice(100, 200), [3])
    monkeypatch.setattr(trajectories, "IN_MEMORY", 2**30)
    with io.open_trajectory(path, HINTS) as held:
        assert isinstance(held, Trajectory)
        np.testing.assert_array_equal(found.positions, held.positions.astype(np.float32))
        np.testing.assert_array_equal(found.cells, held.cells)
        np.testing.assert_array_equal(part.positions, found.positions[100:200, [3]])
        assert found.info == held.info
        assert (found.timestep, found.symbols) == (held.timestep, held.symbols)
        assert np.isnan(found.temperature)


def test_a_file_that_is_damaged_far_behind_leaves_no_scratch_file(tmp_path: Path, small_memory: Path) -> None:
    path = tmp_path / "XDATCAR"
    write_xdatcar(path, walk(np.random.default_rng(0), 15000))
    text = path.read_text(encoding="utf-8")
    place = text.index("configuration= 14000")
    path.write_text(text[:place] + text[place:].replace("0.", "x.", 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"frame 14000 of .*damaged"):
        io.open_trajectory(path, HINTS)
    assert list(small_memory.iterdir()) == []


def test_a_full_temporary_directory_is_told_in_a_sentence(
    tmp_path: Path, small_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "XDATCAR"
    write_xdatcar(path, walk(np.random.default_rng(0), 15000))

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(DataError, match=r"scratch file .* No space left on device.*TMPDIR"):
        io.open_trajectory(path, HINTS)
    assert list(small_memory.iterdir()) == []


UNDER_A_CAP = """
import resource, sys
from pathlib import Path
import numpy as np
from frustra.io import open_trajectory
from frustra.io import trajectories, TrajectoryHints

hints = TrajectoryHints(timestep=0.02, temperature=600)
trajectories.IN_MEMORY = 4 * 2**20
np.linalg.det(np.eye(40) @ np.eye(40)), np.fft.irfft(np.fft.rfft(np.ones(64)))  # their libraries' buffers
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
cap = 40 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (taken + cap, taken + cap))
with open_trajectory(sys.argv[1], hints) as file:
    assert len(file) == int(sys.argv[2]), len(file)
    assert len(file) * len(file.numbers) * 24 > 2 * cap
    assert sum(len(part) for part in file.chunks(1000)) == len(file)
    assert np.isfinite(file.read(slice(-1000, None)).positions).all()
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux caps the address space")
def test_a_file_larger_than_the_memory_is_read(tmp_path: Path) -> None:
    frames, atoms = 20_000, 180
    rng = np.random.default_rng(0)
    body = ["".join("".join(f"{x:12.8f}" for x in row) + "\n" for row in rng.uniform(size=(atoms, 3)))] * 2
    with gzip.open(tmp_path / "XDATCAR.gz", "wt", compresslevel=1) as file:
        file.write("walk\n1.0\n20 0 0\n0 20 0\n0 0 20\nLi Cl\n8 172\n")
        for k in range(frames):
            file.write(f"Direct configuration={k + 1:6d}\n{body[k % 2]}")
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    result = subprocess.run(
        [sys.executable, "-c", UNDER_A_CAP, str(tmp_path / "XDATCAR.gz"), str(frames)],
        env={**os.environ, **one, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stdout == "done\n", result.stderr


def test_our_own_file_takes_hints_that_agree_and_refuses_others(tmp_path: Path) -> None:
    record = trajectory(np.zeros((5, 2, 3)), timestep=0.02)
    path = tmp_path / "t.h5"
    io.write_trajectory(path, record)
    agreeing: dict[str, Any] = {"timestep": 0.02, "temperature": 600.4, "positions": "unwrapped"}
    with io.open_trajectory(path, TrajectoryHints(**agreeing, elements=("Li", "Cl"))) as file:
        assert file.temperature == 600
    for wrong, message in (
        ({"timestep": 0.002}, "has 20 fs per frame, but 2 fs were given"),
        ({"temperature": 700.0}, "is of 600 K, but 700 K were given"),
        ({"elements": ("Na", "Cl")}, "they are not Na,Cl"),
        ({"positions": "wrapped"}, "are unwrapped"),
    ):
        with pytest.raises(DataError, match=message):
            io.open_trajectory(path, TrajectoryHints(**wrong))


def test_a_temperature_that_is_not_known_is_stored_and_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    io.write_trajectory(path, trajectory(np.zeros((5, 2, 3)), temperature=np.nan))
    assert np.isnan(io.read_trajectory(path).temperature)
    assert io.read_trajectory(path, hints=TrajectoryHints(temperature=500.0)).temperature == 500


def test_what_is_no_trajectory_is_refused_with_the_formats_that_are(tmp_path: Path) -> None:
    for name, content in (("POSCAR", "Li\n1.0\n"), ("a.dcd", "\x00CORD\x00"), ("a.csv", "T,D\n1,2\n")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"no trajectory in a known format; expected .*XDATCAR.*LAMMPS"):
            io.open_trajectory(tmp_path / name, HINTS)
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="is empty"):
        io.open_trajectory(tmp_path / "empty", HINTS)
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataError, match="no file"):
            io.open_trajectory(path, HINTS)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"timestep": 0.0}, "a time step of 0 ps"),
        ({"timestep": np.nan}, "a time step of nan ps"),
        ({"temperature": -5.0}, "a temperature of -5 K"),
        ({"elements": ("Li", "lithium")}, "'lithium' among the elements"),
        ({"positions": "folded"}, "positions that are 'folded'"),
    ],
)
def test_hints_that_cannot_be_are_refused(hints: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TrajectoryHints(**hints)


def analyzer_json(path: Path, true: Walk) -> None:
    """Write what pymatgen writes of a DiffusionAnalyzer."""
    sites = [
        {"species": [{"element": e, "occu": 1}], "abc": abc}
        for e, abc in zip(SYMBOLS, true.fractional[0].tolist(), strict=True)
    ]
    structure = {"lattice": {"matrix": true.cells[0].tolist()}, "sites": sites}
    moved = (true.positions - true.positions[0]).transpose(1, 0, 2)
    content = {"structure": structure, "displacements": moved.round(6).tolist()}
    path.write_text(
        json.dumps({**content, "time_step": 2, "step_skip": 10, "temperature": 600}), encoding="utf-8"
    )


WRITERS: dict[str, Callable[[Path, Walk], None]] = {
    "XDATCAR": write_xdatcar,
    "vasprun.xml": write_vasprun,
    "a.dump": write_dump,
    "a.extxyz": lambda path, true: ase.io.write(path, true.images()),
    "a.traj": lambda path, true: ase.io.write(path, true.images()),
    "a.json": analyzer_json,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_with_bytes_changed_or_lost_is_read_or_refused_in_a_sentence(
    tmp_path: Path, name: str
) -> None:
    path, rng = tmp_path / name, np.random.default_rng(7)
    WRITERS[name](path, walk(np.random.default_rng(0), 6))
    content = path.read_bytes()
    told = name in ("vasprun.xml", "a.json")
    hints = None if told else TrajectoryHints(timestep=0.02)
    assert len(io.read_trajectory(path, hints=hints)) == 6
    for _ in range(60):
        place, lost = rng.integers(len(content)), rng.integers(60)
        byte = bytes([rng.integers(256)]) if lost == 0 else b""
        path.write_bytes(content[:place] + byte + content[place + max(lost, 1) :])
        with contextlib.suppress(DataError):
            assert len(io.read_trajectory(path, hints=hints)) in range(2, 7)


# DiffusionAnalyzer of pymatgen


def test_the_published_displacements_are_read_with_time_and_temperature(data: Path) -> None:
    path = data / "LGPS_600K/DiffusionAnalyzer.json.gz"
    found = io.read_trajectory(path)
    content = json.loads(gzip.decompress(path.read_bytes()))
    moved = np.array(content["displacements"]).transpose(1, 0, 2)
    np.testing.assert_allclose(found.positions - found.positions[0], moved, atol=1e-9)
    start = [site["xyz"] for site in content["structure"]["sites"]]
    np.testing.assert_allclose(found.positions[0], start, atol=1e-4)
    assert (len(found), found.timestep, found.temperature) == (1000, 0.02, 600)
    assert {s: found.symbols.count(s) for s in found.symbols} == {"Li": 20, "Ge": 2, "P": 4, "S": 24}
    assert found.volume == pytest.approx(content["structure"]["lattice"]["volume"], rel=1e-6)
    # its drift is that of the run: VASP keeps the centre of mass of all atoms, and the framework moves
    mass = found.masses / found.masses.sum()
    assert np.abs(np.einsum("fai,a->fi", moved, mass)).max() < 1e-3
    framework = np.array(found.symbols) != "Li"
    assert np.abs(moved[:, framework].mean(axis=1)).max() > 0.05
    assert "drift" in str(found.info["note"])
    assert diffusion_of(found, "Li").ions == 20
    with pytest.raises(DataError, match="has 20 fs per frame, but 2 fs were given"):
        io.read_trajectory(path, hints=TrajectoryHints(timestep=0.002))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '{"structure": {"sites": []}}',
        '{"structure": {"sites": [{"species": []}]}, "displacements": []}',
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        DataError, match=r"a\.json is damaged or something else .*DiffusionAnalyzer of pymatgen"
    ):
        io.open_trajectory(tmp_path / "a.json")
