"""Files that appear in one piece, and the plain formats: text, JSON, CSV.

Every file is written beside its place and renamed into it, so that a kill never leaves half a file.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from frustra.errors import DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_space(path: Path, size: int) -> None:
    """Refuse to begin what does not fit on the disk: HDF5 crashes where it fills up while it writes.

    Twice the size has to be free, as others may write at the same time.

    Raises
    ------
    OSError
        No space left on the device (ENOSPC).
    """
    if shutil.disk_usage(path.parent).free < 2 * size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def write_text(path: Path, text: str) -> None:
    """Write a text file in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in one piece."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no file {path}", remedy="check the path") from None
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error})", remedy="make it anew") from None


def write_csv(path: Path, columns: dict[str, Any]) -> None:
    """Write named columns of equal length as CSV."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns)] + [",".join(_csv_cell(v) for v in row) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def _csv_cell(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float | np.floating) else str(value)


def require(path: Path) -> None:
    """Refuse a path where no file is."""
    if not path.is_file():
        raise DataError(f"no file {path}", remedy="check the path")
