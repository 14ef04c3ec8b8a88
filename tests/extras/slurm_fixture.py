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

PARSL = ("process_worker_pool", "parsl.executors.high_throughput.interchange")
"""What the command lines of Parsl's processes hold."""


class Slurm:
    """What a test asks of the scheduler and of this machine, which is its one node."""

    def jobs(self) -> list[str]:
        """Return the jobs that wait, run or end."""
        shown = subprocess.run(
            ["squeue", "--noheader", "--format=%i"], check=True, capture_output=True, text=True
        )
        return shown.stdout.split()

    def processes(self, *marks: str) -> list[str]:
        """Return the command lines of living processes that are Parsl's or hold one of the marks."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = " ".join(process.info["cmdline"] or ())
            if process.info["status"] != psutil.STATUS_ZOMBIE and any(m in command for m in (*PARSL, *marks)):
                found.append(command)
        return found

    def emptied(self, *marks: str, within: float = 60) -> float:
        """Wait until no job and no process is left; return the seconds that it took."""
        return waited(lambda: not self.jobs() and not self.processes(*marks), within)


def waited(true: Callable[[], bool], within: float) -> float:
    """Wait until it is true; return the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within, f"not within {within} s"
        time.sleep(0.2)
    return time.monotonic() - began


@cache
def live() -> Slurm:
    """Return a Slurm that answers."""
    answers = ["sh", "-c", "sinfo --noheader --format=%T | grep -qE '^(idle|mixed|allocated)$'"]
    if subprocess.run(answers, check=False, stderr=subprocess.DEVNULL).returncode != 0:
        assert os.geteuid() == 0, "no Slurm answers, and only root can start one: scripts/slurm"
        subprocess.run([ROOT / "scripts/slurm"], check=True)
    return Slurm()


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    """Return a live Slurm without jobs; the test must leave none."""
    live().emptied()
    yield live()
    live().emptied()
