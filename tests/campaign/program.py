"""The installed program, its processes and what it leaves behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from frustra.io import read_json, read_states
from frustra.states import COLUMNS
from tests.helpers import LYC

PROGRAM = Path(sys.executable).parent / "frustra"
BYTECODE = Path(__file__).parents[2] / ".pytest_cache/bytecode"
MARK = "FRUSTRA_TEST_RUN"
"""Environment variable that all processes of one run inherit."""

MATERIALS = ("a", "b")
SETTINGS = """
[prepare]
walkers = 1
moves = 8

[md]
temperatures = [400, 700]
equilibration = 0.1
production = 1
interval = 0.05
npt_time = 0.4
checkpoint = 0.2

[sampling]
snapshots = 3

[doas]
bootstrap = 20
"""


def study(folder: Path, *materials: str, **replaced: str) -> Path:
    """Write a study of 30 atoms per material; what stands in SETTINGS may be replaced, `moves="0"`."""
    text = SETTINGS
    for key, value in replaced.items():
        before = next(line for line in text.splitlines() if line.startswith(f"{key} ="))
        text = text.replace(before, f"{key} = {value}")
    crystals = (f'[materials.{m}]\nstructure = "{LYC}"\nsupercell = [1, 1, 1]\n' for m in materials)
    path = folder / "study.toml"
    path.write_text('name = "tiny"\n' + "".join(crystals) + text, encoding="utf-8")
    return path


def surroundings(mark: str = "") -> dict[str, str]:
    """Return the environment of a run; compiled modules are kept, or each start would compile them all."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    compiled = {"PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(BYTECODE))}
    return {**kept, **compiled, "OMP_NUM_THREADS": "1", "COLUMNS": "300", MARK: mark}


def frustra(*arguments: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [*before, PROGRAM, *(str(a) for a in arguments)],
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def complete(study_file: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run a study, which must succeed."""
    done = frustra("run", study_file, "--out", out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    return done


class Run:
    """A run in the background, with all its processes."""

    def __init__(self, study_file: Path, out: Path) -> None:
        self.out, self._mark = out, uuid4().hex
        self.driver = subprocess.Popen(
            [PROGRAM, "run", study_file, "--out", out, "--workers", "2"],
            env=surroundings(self._mark),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def processes(self, word: str = "") -> list[int]:
        """Return the run's living processes with a word in their command line."""
        return [p for p, command in _commands(f"{MARK}={self._mark}".encode()) if word in command]

    def lammps(self, below: str = "") -> list[int]:
        """Return the LAMMPS processes that work below a folder of the run."""
        return [p for p in self.processes("in.lammps") if str(self.out / "steps" / below) in _folder(p)]

    def workers(self) -> list[int]:
        """Return the worker processes."""
        return self.processes("spawn_main")

    def wait_for(self, happened: Callable[[], Any], within: float = 120) -> None:
        """Wait until something is true while the run goes on."""
        deadline = time.monotonic() + within
        while not happened():
            assert self.driver.poll() is None, self.driver.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def wait_for_file(self, pattern: str) -> None:
        """Wait until the run has written a file that matches a pattern."""

        def written() -> object:
            try:
                return next((self.out / "steps").glob(pattern), None)
            except FileNotFoundError:  # a folder was renamed while it was looked into
                return None

        self.wait_for(written)

    def kill(self) -> None:
        """End the driver as a power cut would."""
        self.driver.kill()
        self.driver.communicate()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what went to stderr."""
        _, told = self.driver.communicate(timeout=120)
        return self.driver.returncode, told


@contextmanager
def running(study_file: Path, out: Path) -> Iterator[Run]:
    """Give a run in the background; none of its processes outlives the block."""
    run = Run(study_file, out)
    try:
        yield run
    finally:
        for process in run.processes():
            send(process, signal.SIGKILL)
        run.driver.communicate()


def send(process: int, number: int) -> bool:
    """Send a signal; return whether the process was there."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def comes_true(true: Callable[[], bool], within: float) -> bool:
    """Return whether something becomes true within a time (s)."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return true()


def _commands(mark: bytes) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                yield int(folder.name), (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended


def _folder(process: int) -> str:
    try:
        return str(Path(f"/proc/{process}/cwd").readlink())
    except OSError:
        return ""


def copy_of(run: Path, out: Path, *without: str) -> Path:
    """Copy a run without its results and without the steps of these names."""
    shutil.copytree(run, out)
    for name in ("results.json", "states.parquet", "report.html"):
        (out / name).unlink()
    for step in (s for name in without for s in (out / "steps").rglob(f"{name}-*")):
        if step.is_dir():
            shutil.rmtree(step)
    return out


def finished(out: Path) -> dict[str, str]:
    """Return the marks of all finished steps, with times and digests, by their path."""
    return {
        str(p.parent.relative_to(out)): p.read_text(encoding="utf-8")
        for p in (out / "steps").rglob("done.json")
        if ".part" not in str(p) and ".damaged" not in str(p)
    }


def redone(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Return the steps that were done between two times."""
    return {name for name, told in after.items() if before.get(name) != told}


def assert_same(out: Path, reference: Path, *materials: str) -> None:
    """Compare every number of two runs: results, warnings and states must be equal, bit for bit."""
    found, wanted = (read_json(folder / "results.json") for folder in (out, reference))
    names = materials or tuple(wanted["materials"])
    assert sorted(found["materials"]) == sorted(names)
    for name in names:
        assert found["materials"][name] == wanted["materials"][name]
    theirs = [[w for w in r["warnings"] if w.startswith(names)] for r in (found, wanted)]
    assert theirs[0] == theirs[1]
    ours, others = (read_states(folder / "states.parquet") for folder in (out, reference))
    rows = np.isin(others["material"], names)
    for column in COLUMNS:
        np.testing.assert_array_equal(ours[column.name], others[column.name][rows])


def sentences(stderr: str) -> list[str]:
    """Return the program's own error sentences; there must be no traceback beside them."""
    assert "Traceback" not in stderr, stderr
    return [line for line in stderr.splitlines() if line.startswith("frustra: ")]
