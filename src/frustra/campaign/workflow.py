"""Steps that survive: a step's folder is named by a hash of its inputs and appears only when it is done.

A step works in a folder of its own and is renamed into place at the end, so a killed run leaves finished
steps behind and nothing half-done; the next run with the same inputs does only what is missing.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from frustra.errors import DataError
from frustra.io import read_json, write_json

DONE = "done.json"
"""The last file of a finished step: its inputs, its duration, when it ended."""

_PROGRESS_EVERY = 0.5  # s between two reports of one job


@dataclass(frozen=True)
class Step:
    """One piece of work: a name, the inputs that determine its outcome, and the folder it ends in."""

    root: Path
    name: str
    inputs: dict[str, Any]

    @property
    def key(self) -> str:
        """Hash of the inputs; steps that use this one's outcome take it among theirs."""
        return hashlib.sha256(json.dumps([self.name, self.inputs], sort_keys=True).encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where the outcome is once the step is done."""
        return self.root / f"{self.name}-{self.key}"

    @property
    def is_done(self) -> bool:
        """Whether the outcome is there."""
        return (self.folder / DONE).is_file()

    def perform(self, work: Callable[[Path], None]) -> Path:
        """Do the work in a folder of its own unless it is done; return the folder of the outcome."""
        if self.is_done:
            return self.folder
        part = self.folder.with_name(f"{self.folder.name}.part-{os.getpid()}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        began = time.time()
        write_json(part / "inputs.json", self.inputs)
        work(part)
        ended = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_json(
            part / DONE,
            {"step": self.name, "seconds": round(time.time() - began, 2), "ended": ended},
        )
        if self.folder.exists():
            shutil.rmtree(self.folder)
        part.rename(self.folder)
        return self.folder


def clear_parts(root: Path) -> None:
    """Remove what killed runs left half-done."""
    for part in root.glob("**/*.part-*"):
        shutil.rmtree(part, ignore_errors=True)


class RunLock:
    """One process at a time may work on a run folder."""

    def __init__(self, root: Path) -> None:
        self._file = root / "lock"

    def __enter__(self) -> Self:
        """Take the lock; a lock whose process is gone is taken over."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if self._file.is_file():
            owner = self._file.read_text(encoding="utf-8").strip()
            if owner.isdigit() and int(owner) not in {0, os.getpid()} and _alive(int(owner)):
                raise DataError(
                    f"{self._file.parent} is in use by process {owner}",
                    "one run per folder",
                    "wait for it, stop it, or choose another --out",
                )
        self._file.write_text(str(os.getpid()), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        self._file.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


class JobProgress:
    """What a job in a worker process tells the terminal: a small file, replaced twice a second."""

    def __init__(self, folder: Path, job: str) -> None:
        self._file = folder / f"{job}.json"
        self._last = 0.0
        self._base = 0

    def stage(self, label: str, base: int) -> Callable[[int], None]:
        """Return a callback for one stage; `base` is the work done before it (force calls)."""

        def tell(count: int) -> None:
            if time.monotonic() - self._last > _PROGRESS_EVERY:
                self._last = time.monotonic()
                write_json(self._file, {"stage": label, "done": base + count})

        self._last = 0.0
        tell(0)
        return tell

    def end(self) -> None:
        """Forget the job."""
        self._file.unlink(missing_ok=True)


def read_progress(folder: Path, job: str) -> tuple[str, int] | None:
    """Return the stage and the work done of a running job; None before it starts and after it ends."""
    try:
        told = read_json(folder / f"{job}.json")
    except DataError:
        return None
    return str(told["stage"]), int(told["done"])
