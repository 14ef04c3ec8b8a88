"""One process at a time: locks that the system frees when their holder dies, however it dies."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from frustra.errors import DataError

_BUSY = {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
_POLL = 0.5  # s


@contextlib.contextmanager
def locked(path: Path, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock on a file while the block runs; its holder is written into it.

    Parameters
    ----------
    path
        The file, made if it is missing.
    what
        What the lock protects, for the message.
    wait
        How long to wait for another holder, s.

    Raises
    ------
    DataError
        Another process holds it; it is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait
        while not _taken(descriptor, path):
            if time.monotonic() >= deadline:
                raise DataError(
                    f"{what} is in use by {holder(path)}", "one process at a time", "wait for it or stop it"
                )
            time.sleep(_POLL)
        told = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(told).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _taken(descriptor, path)
    finally:
        os.close(descriptor)


def holder(path: Path) -> str:
    """Return who holds the lock, in words."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {told['process']} on {told['host']} since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _taken(descriptor: int, path: Path) -> bool:
    """Try to take the lock; on a file system without locks, look whether its holder lives."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        return not _lives(path)
    return True


def _lives(path: Path) -> bool:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["host"] != socket.gethostname():
            return True  # nothing can be known of it: better to refuse
        os.kill(int(told["process"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return int(told["process"]) != os.getpid()
