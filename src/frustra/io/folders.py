"""Which files belong to which temperature, by the folders `600K`, `700K` and so on."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from frustra.errors import DataError
from frustra.io.trajectories import format_of

_KELVIN = re.compile(r"(\d+(?:\.\d+)?)[ _]?K")

Group = tuple[float | None, list[Path]]


def ladder_files(paths: Iterable[Path | str]) -> list[Group]:
    """Return the trajectory files of each temperature, the lowest first.

    A folder `600K` (or `600_K`, `600.5K`) holds the runs at 600 K, several of them as replicas; another
    folder holds such folders. A file in such a folder, also one named directly, has its temperature. The
    files are recognised by their content; others, such as a POSCAR, are left out.

    Parameters
    ----------
    paths
        Files and folders.

    Returns
    -------
    list
        Temperatures, K, with their files in the order of names; then None with each file of which only
        the file itself may tell the temperature.

    Raises
    ------
    DataError
        No such path; a folder without trajectories; one with several formats, which may be twice the same
        run; or a file named twice.
    """
    known: dict[float, list[Path]] = {}
    unknown: list[Group] = []
    for path in map(Path, paths):
        for folder, files in _files_at(path):
            temperature = _temperature_of(folder)
            if temperature is None:
                unknown += [(None, [file]) for file in files]
            else:
                known.setdefault(temperature, []).extend(files)
    _require_each_once([file for _, files in [*known.items(), *unknown] for file in files])
    return [*sorted(known.items()), *unknown]


def _files_at(path: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Give folders, each with those of its files that are meant."""
    if path.is_file():
        yield path.parent, [path]
        return
    if not path.is_dir():
        raise DataError(f"no file or folder {path}", remedy="check the path")
    if _temperature_of(path) is not None:
        yield path, _trajectories_in(path)
        return
    inner = sorted(p for p in path.iterdir() if p.is_dir() and _temperature_of(p) is not None)
    if not inner:
        raise DataError(f"{path} has no folders such as 600K", "one for each temperature", "name the files")
    for folder in inner:
        yield folder, _trajectories_in(folder)


def _temperature_of(folder: Path) -> float | None:
    name = _KELVIN.fullmatch(folder.resolve().name)
    return float(name[1]) if name else None


def _trajectories_in(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    formats = {file: format_of(file) for file in files}
    found = [file for file in files if formats[file]]
    if not found:
        raise DataError(f"{folder} has no trajectory", "files in a format that frustra reads")
    kinds = sorted({str(formats[file]) for file in found})
    if len(kinds) > 1:
        names = ", ".join(file.name for file in found)
        raise DataError(
            f"{folder} has trajectories in several formats ({names}), perhaps of the same run",
            "the runs of one temperature in one format",
            "name the files to be read",
        )
    return found


def _require_each_once(files: list[Path]) -> None:
    seen = set()
    for file in files:
        if file.resolve() in seen:
            raise DataError(f"{file} is named twice", "each run once")
        seen.add(file.resolve())
