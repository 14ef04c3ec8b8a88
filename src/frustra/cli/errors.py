"""How commands end: what the user can mend in one sentence and exit code 2."""

import errno
import os
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, redirect_stdout

import typer

from frustra.errors import FrustraError

STOPPED = 130
"""Exit code of a run that the user stopped."""

STDOUT, STDERR = 1, 2


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what the user can mend into one sentence and exit code 2."""
    try:
        yield
    except FrustraError as error:
        _fail(str(error), 1 if isinstance(error, BrokenExecutor) else 2)  # workers lost: nobody's input
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EFBIG}:
            raise
        place = f" ({error.filename})" if error.filename else ""
        _fail(f"{os.strerror(error.errno)}{place}; finished steps are kept; mend it and run again")
    except KeyboardInterrupt:
        typer.echo("\nStopped. Finished steps are kept: the same command goes on from here.", err=True)
        raise typer.Exit(STOPPED) from None


def _fail(sentence: str, code: int = 2) -> None:
    typer.echo(f"frustra: {' '.join(sentence.split())}", err=True)
    raise typer.Exit(code)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send to stderr whatever a model or its libraries print, also those not written in Python."""
    sys.stdout.flush()
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, STDOUT)
        os.close(kept)
