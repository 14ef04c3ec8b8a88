"""What a run consists of and how far it is: written by the run, read by `frustra status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from frustra.campaign.jobs import Job
from frustra.campaign.locks import holder, is_held
from frustra.campaign.materials import Material
from frustra.campaign.workflow import DONE, is_whole, read_progress
from frustra.errors import DataError
from frustra.io import read_json, write_json

LEDGER = "jobs.json"
"""In the run's folder of steps."""

LOCK = "lock"
"""In the run's folder; held while a run works on it."""

State = Literal["done", "running", "failed", "left"]


@dataclass(frozen=True)
class JobStatus:
    """How far a job is."""

    job: str
    state: State
    seconds: float
    """Computing time of its finished steps."""
    ended: str
    """When its last finished step ended; empty if none has."""
    note: str
    """What it does, why it failed, or what it waits for."""


@dataclass(frozen=True)
class RunStatus:
    """How far a run is."""

    folder: Path
    driver: str
    """The process that works on it; empty if none does."""
    jobs: tuple[JobStatus, ...]

    def count(self, state: State) -> int:
        """Return how many jobs are in a state."""
        return sum(job.state == state for job in self.jobs)


def write_ledger(materials: Sequence[Material]) -> None:
    """Record every planned job: with the folders of its steps once its inputs are known."""
    root = materials[0].context.root / "steps"
    rows: list[dict[str, Any]] = []
    for m in materials:
        known = {job.name: _folders(job, root) for job in m.jobs()}
        rows += [
            {"job": job.name, "work": job.force_calls, "steps": known.get(job.name, [])}
            for job in m.planned()
        ]
    write_json(root / LEDGER, rows)


def _folders(job: Job, root: Path) -> list[str]:
    return [str(step.folder.relative_to(root)) for step in job.steps]


def status_of(folder: Path) -> RunStatus:
    """Return how far the run in a folder is, from its files alone.

    Raises
    ------
    DataError
        The folder holds no run.
    """
    steps = folder / "steps"
    if not (steps / LEDGER).is_file():
        raise DataError(f"no run in {folder}", "the folder of a run (runs/NAME)", "check the path")
    driver = holder(folder / LOCK) if is_held(folder / LOCK) else ""
    rows = read_json(steps / LEDGER)
    return RunStatus(folder, driver, tuple(_status(row, steps, bool(driver)) for row in rows))


def _status(row: dict[str, Any], steps: Path, driven: bool) -> JobStatus:
    folders = [steps / name for name in row["steps"]]
    finished = [read_json(f / DONE) for f in folders if is_whole(f)]
    seconds = sum(float(told["seconds"]) for told in finished)
    ended = str(finished[-1]["ended"]) if finished else ""
    state, note = _state(row, folders, len(finished), steps, driven)
    return JobStatus(row["job"], state, seconds, ended, note)


def _state(
    row: dict[str, Any], folders: list[Path], finished: int, steps: Path, driven: bool
) -> tuple[State, str]:
    if folders and finished == len(folders):
        return "done", ""
    failed = [f.with_name(f"{f.name}.failed.json") for f in folders]
    reasons = [read_json(f)["error"] for f in failed if f.is_file()]
    if reasons:
        return "failed", str(reasons[0])
    told = read_progress(steps / ".progress", row["job"])
    if told is None:
        return "left", "" if folders else "waits for the ground state"
    doing = f"{told[0]}, {min(100, 100 * told[1] // max(1, row['work']))} %"
    return ("running", doing) if driven else ("left", f"stopped: {doing}")
