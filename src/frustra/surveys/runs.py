"""Anyone's trajectories, opened and put together by temperature."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from frustra.errors import DataError
from frustra.io import ladder_files, open_trajectory
from frustra.io.hints import TrajectoryHints
from frustra.trajectory import Frames

Tell = Callable[[str], None]
"""Called with what is being done."""

Runs = tuple[list[Frames], list[str]]
"""Open runs of one temperature, and what their readers had to say."""


def runs_by_temperature(
    paths: Sequence[Path], hints: TrajectoryHints, tell: Tell = lambda _: None
) -> Iterator[Runs]:
    """Give the runs of each temperature, open until the next are asked for, with their readers' notes.

    Folders `600K` come first, by ascending temperature, then files by the temperature that they tell.

    Parameters
    ----------
    paths
        As for `ladder_files`.
    hints
        What the files do not tell; a temperature holds for all of them.
    tell
        Called with what is being done.

    Raises
    ------
    DataError
        A file that cannot be read, or several that do not tell their temperature.
    """
    alone: list[Path] = []
    for temperature, files in ladder_files(paths):
        if temperature is None:
            alone += files
            continue
        if hints.temperature not in (None, temperature):
            raise DataError(
                f"{files[0].parent} is of {temperature:g} K, but {hints.temperature:g} K were given",
                remedy="leave --temperature away",
            )
        with ExitStack() as stack:
            yield _opened(files, replace(hints, temperature=temperature), stack, tell)
    with ExitStack() as stack:
        yield from _by_temperature(*_opened(alone, hints, stack, tell))


def _opened(files: Sequence[Path], hints: TrajectoryHints, stack: ExitStack, tell: Tell) -> Runs:
    runs, notes = [], []
    for file in files:
        tell(f"reading {file}")
        runs.append(stack.enter_context(open_trajectory(file, hints)))
        if note := runs[-1].info.get("note"):
            notes.append(f"{file}: {note}")
    return list(runs), notes


def _by_temperature(runs: list[Frames], notes: list[str]) -> Iterator[Runs]:
    """Put together the runs of one temperature; runs of unknown temperature cannot be."""
    temperatures = {round(t.temperature, 3) for t in runs if np.isfinite(t.temperature)}
    unknown = [t for t in runs if not np.isfinite(t.temperature)]
    if unknown and len(runs) > 1:
        raise DataError(
            f"{len(runs)} files of which {len(unknown)} do not tell their temperature",
            remedy="put them into folders 600K, 700K, …, or give --temperature if all have the same",
        )
    if unknown:
        yield unknown, notes
    for temperature in sorted(temperatures):
        yield [t for t in runs if round(t.temperature, 3) == temperature], notes
