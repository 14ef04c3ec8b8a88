"""Steps that survive: a step's folder is named by a hash of its inputs and appears only when it is done.

A step works in a folder of its own and is renamed into place at the end. A killed run leaves finished
steps behind, and of an unfinished one what it can go on from; the next run with the same inputs does
only what is missing.
"""

import hashlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import Any

from frustra.campaign.locks import locked
from frustra.errors import DataError
from frustra.io import read_json, write_json

DONE = "done.json"
"""The last file of a finished step: how long it took, when it ended, and a digest of every file."""

LOCK = "lock"
"""In the folder of a step that is not done; held while a process works on it."""

_PROGRESS_EVERY = 0.5  # s between two reports of one job
_ORPHAN = 120.0  # s that a worker whose driver was killed may go on: longer than any heartbeat


@dataclass(frozen=True)
class Step:
    """One piece of work: a name, the inputs that determine its outcome, and the folder it ends in."""

    root: Path
    name: str
    inputs: dict[str, Any]
    version: int = 1
    """Raised by whoever changes the code of the step so that its outcome changes."""

    @property
    def key(self) -> str:
        """Hash of inputs and version; steps that use this one's outcome take it among theirs."""
        told = [self.name, self.version, self.inputs]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where the outcome is once the step is done."""
        return self.root / f"{self.name}-{self.key}"

    @property
    def part(self) -> Path:
        """Where the step works until it is done."""
        return self.folder.with_name(f"{self.folder.name}.part")

    @property
    def failure(self) -> Path:
        """Where it says why it failed, if it did."""
        return self.folder.with_name(f"{self.folder.name}.failed.json")

    @property
    def is_done(self) -> bool:
        """Whether the outcome is there, whole."""
        return is_whole(self.folder)

    def perform(self, work: Callable[[Path], None]) -> Path:
        """Do the work unless it is done; return the folder of the outcome.

        The folder that `work` is given may hold what an earlier, killed try left: the work goes on from
        there. A folder whose files were damaged since it was finished is put aside, and the work done anew.
        """
        if self.is_done:
            return self.folder
        self.part.mkdir(parents=True, exist_ok=True)
        with locked(self.part / LOCK, f"step {self.folder.name}", wait=_ORPHAN), self._failures():
            if self.is_done:  # by the one that was waited for
                return self.folder
            if self.folder.exists():
                self.folder.rename(self.folder.with_name(f"{self.folder.name}.damaged-{time.time():.0f}"))
            for half in self.part.rglob(".*"):  # files that a kill left half-written
                half.unlink(missing_ok=True)
            write_json(self.part / "inputs.json", {"version": self.version, **self.inputs})
            began = time.time()
            work(self.part)
            self._finish(time.time() - began)
        return self.folder

    def _finish(self, seconds: float) -> None:
        told = {"step": self.name, "seconds": round(seconds, 2), "ended": _now(), "files": _files(self.part)}
        write_json(self.part / DONE, told)
        self.part.rename(self.folder)
        (self.folder / LOCK).unlink(missing_ok=True)  # not before: another process would begin in between

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Keep the reason of a failure beside the step until it is tried again."""
        self.failure.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            full = _full(error, self.root)
            told = {"error": str(full or error) or type(error).__name__, "ended": _now()}
            with _best_effort():
                write_json(self.failure, {**told, "traceback": traceback.format_exc()})
            if full is not None:
                raise full from error
            raise


def _full(error: Exception, folder: Path) -> DataError | None:
    """Return the sentence for a full disk; HDF5 and others raise anything at all."""
    if not any(os.strerror(number) in str(error) for number in (ENOSPC, EDQUOT, EFBIG)):
        return None
    return DataError(f"no space left in {folder}", remedy="free some and run again; finished steps are kept")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


@contextmanager
def _best_effort() -> Iterator[None]:
    """Let a record go that cannot be written: on a full disk the failure itself matters more."""
    try:
        yield
    except OSError:
        return


def _files(folder: Path) -> dict[str, list[Any]]:
    """Return size, time of change (ns) and digest of every file, by its path in the folder."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / LOCK):
        told = path.stat()
        found[str(path.relative_to(folder))] = [told.st_size, told.st_mtime_ns, _digest(path)]
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def is_whole(folder: Path) -> bool:
    """Return whether a finished step's files are those that it wrote.

    Sizes are compared; the contents as well where a file was touched since.
    """
    try:
        files = read_json(folder / DONE)["files"]
        return all(_is_same(folder / name, *told) for name, told in files.items())
    except (DataError, KeyError, TypeError, AttributeError):
        return False


def _is_same(path: Path, size: int, changed: int, digest: str) -> bool:
    try:
        told = path.stat()
        return told.st_size == size and (told.st_mtime_ns == changed or _digest(path) == digest)
    except OSError:
        return False


def empty(part: Path) -> None:
    """Remove what a step has done so far, not its lock."""
    for path in part.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def clear_parts(root: Path) -> None:
    """Remove what killed runs left half-done and nothing will go on from."""
    for part in root.glob("**/*.part"):
        shutil.rmtree(part, ignore_errors=True)


class JobProgress:
    """What a job in a worker process tells the terminal: a small file, replaced twice a second."""

    def __init__(self, folder: Path, job: str) -> None:
        self._file = folder / f"{job}.json"
        self._last = 0.0

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
