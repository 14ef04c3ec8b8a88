"""A live Slurm for tests: `scripts/slurm` starts one node where none answers."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

INTERCHANGE = ("parsl.executors.high_throughput.interchange", "HTEX interchange")
"""In the command line of the process between run and workers: its module, or the title it gives itself."""


class Slurm:
    """What one run has in the scheduler and on this machine, which is its only node."""

    def __init__(self, root: Path) -> None:
        start()
        self.root = root

    def jobs(self) -> list[str]:
        """Return the run's batch jobs that wait, run or end."""
        shown = subprocess.run(
            ["squeue", "--noheader", "--format=%i %o"], check=True, capture_output=True, text=True
        )
        lines = (line.split(maxsplit=1) for line in shown.stdout.splitlines())
        return [job for job, script in lines if script.startswith(f"{self.root}/")]

    def processes(self) -> list[psutil.Process]:
        """Return the run's living processes, on the node and beside it."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def interchange(self) -> psutil.Process:
        """Return the process between run and workers."""
        (found,) = (p for p in self.processes() if _is_interchange(p))
        return found

    def clear(self) -> None:
        """End whatever is left."""
        for process in self.processes():
            process.kill()
        subprocess.run(["scancel", *self.jobs()], check=False, stderr=subprocess.DEVNULL)

    def _owns(self, process: psutil.Process) -> bool:
        """Say whether a process names the run's folder, or writes into it."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if _is_interchange(process):
                return any(Path(f.path).is_relative_to(self.root) for f in process.open_files())
            return any(str(self.root) in word for word in process.cmdline())
        except psutil.NoSuchProcess:
            return False

    def emptied(self, within: float = 60) -> float:
        """Wait until no job and no process is left; return the seconds that it took."""
        return waited(lambda: not self.jobs() and not self.processes(), within)


def _is_interchange(process: psutil.Process) -> bool:
    command = " ".join(process.cmdline())
    return any(title in command for title in INTERCHANGE)


def waited(true: Callable[[], bool], within: float) -> float:
    """Wait until it is true; return the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within, f"not within {within} s"
        time.sleep(0.2)
    return time.monotonic() - began


@cache
def start() -> None:
    """Start Slurm unless one answers."""
    answers = ["sh", "-c", "sinfo --noheader --format=%T | grep -qE '^(idle|mixed|allocated|completing)'"]
    if subprocess.run(answers, check=False, stderr=subprocess.DEVNULL).returncode != 0:
        assert os.geteuid() == 0, "no Slurm answers, and only root can start one: scripts/slurm"
        subprocess.run([ROOT / "scripts/slurm"], check=True)


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Slurm]:
    """Return a live Slurm for a run in `tmp_path`; afterwards nothing of it may be left."""
    seen = Slurm(tmp_path)
    try:
        yield seen
        seen.emptied()
    finally:
        seen.clear()
