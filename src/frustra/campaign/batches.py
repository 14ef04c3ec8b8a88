"""Frames of the runs of one temperature, relaxed in one cell in batches that survive a kill."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frustra.analysis.sampling import spread
from frustra.arrays import Array, IntArray
from frustra.engines.potential import Potential
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.errors import DataError, StudyError
from frustra.io import read_snapshots, write_snapshots
from frustra.snapshots import Snapshots, joined
from frustra.structures import strained
from frustra.surveys.runs import Tell
from frustra.surveys.values import known
from frustra.trajectory import Frames

BATCHES = "batches"
"""Folder of what is not yet put together."""

BATCH = 16
"""Frames relaxed between two checkpoints."""

CELLS = ("mean", "first", "own")
"""Which cell frames are relaxed in."""

SAME_CELL = 1e-6
"""Strain that is no strain."""

STRAIN = 0.15
"""Strain to the common cell above which frames are not of one crystal."""


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of each run are relaxed, and in which cell."""

    count: int | None = None
    """So many, spread evenly; by default all."""
    every: int | None = None
    """Every so many, from the first on."""
    cell: str = "mean"
    """`mean` of all frames of a temperature, that of its `first` frame, or the `own` one of each run."""

    def __post_init__(self) -> None:
        if self.count is not None and self.every is not None:
            raise StudyError("a number of frames and every so many of them", "--count or --every")
        for number in (self.count, self.every):
            if number is not None and number < 1:
                raise StudyError(f"{number} as a number of frames", "one or more")
        if self.cell not in CELLS:
            raise StudyError(f"the cell {self.cell!r}", f"one of {', '.join(CELLS)}")

    def frames_of(self, run: Frames) -> IntArray:
        """Return the numbers of the chosen frames."""
        if self.count is None:
            return np.arange(0, len(run), self.every or 1)
        if self.count > len(run):
            raise DataError(f"{self.count} frames of {len(run)}", "no more than there are", "lower --count")
        return spread(run, self.count).frames


@dataclass(frozen=True)
class Relaxed:
    """The relaxed frames of one temperature."""

    temperature: float
    """K; NaN where nobody knows it."""
    files: list[str]
    """One for each run."""
    parts: list[Snapshots]
    """The same, read."""
    cell: Array
    """(3, 3) of the first run, Å."""
    strain: float
    """Largest strain of a frame to its run's cell."""


@dataclass(frozen=True)
class Relaxing:
    """What relaxing frames takes, and where they go."""

    potential: Potential
    settings: RelaxSettings
    frames: FrameChoice
    folder: Path
    tell: Tell

    def relaxed(self, runs: Sequence[Frames]) -> Relaxed:
        """Relax the chosen frames of the runs of one temperature, or go on with that.

        Raises
        ------
        FrustraError
            Fewer frames than asked for, cells too different for one crystal, or what `relax_frames` refuses.
        """
        temperature = runs[0].temperature
        chosen = [self.frames.frames_of(run) for run in runs]
        cells, strain = cells_of(runs, self.frames.cell)
        pace = _Pace(self.tell, temperature, sum(len(c) for c in chosen))
        names = [_named(temperature, n if len(runs) > 1 else 0) for n in range(1, len(runs) + 1)]
        columns = zip(runs, chosen, cells, names, strict=True)
        parts = [self._run(run, frames, cell, name, pace) for run, frames, cell, name in columns]
        return Relaxed(temperature, [f"{name}.h5" for name in names], parts, cells[0], strain)

    def _run(self, run: Frames, frames: IntArray, cell: Array, name: str, pace: "_Pace") -> Snapshots:
        """Relax frames of one run batch by batch, and write all of them into one file."""
        path = self.folder / f"{name}.h5"
        with contextlib.suppress(DataError):  # missing or torn
            whole = read_snapshots(path)
            pace.found(len(whole))
            return whole
        parts, size = [], max(BATCH, self.settings.batch)
        for first in range(0, len(frames), size):
            rows = frames[first : first + size]
            parts.append(self._batch(run, rows, cell, self.folder / BATCHES / name / f"{first:06d}.h5", pace))
        times: Array = np.asarray(frames * run.timestep, dtype=np.float64)
        snapshots = joined(parts).with_origin(times, known(run.temperature) or 0.0)
        write_snapshots(path, snapshots)
        return snapshots

    def _batch(self, run: Frames, frames: IntArray, cell: Array, path: Path, pace: "_Pace") -> Snapshots:
        """Relax a few frames; what was relaxed before is read, so that a kill changes no number."""
        with contextlib.suppress(DataError):
            before = read_snapshots(path)
            pace.found(len(before))
            return before
        atoms = [strained(run.atoms(int(frame)), cell) for frame in frames]
        relaxed = relax_frames(atoms, self.potential, self.settings, path.with_suffix(""), pace.begun)
        write_snapshots(path, relaxed)
        pace.relaxed(len(frames))
        return read_snapshots(path)


class _Pace:
    """Tells how far a temperature is and how long the rest will take."""

    def __init__(self, tell: Tell, temperature: float, frames: int) -> None:
        self._tell, self._frames = tell, frames
        self._at = f"{temperature:g} K: " if np.isfinite(temperature) else ""
        self._done = self._fresh = 0
        self._began = time.monotonic()

    def found(self, frames: int) -> None:
        """Count frames that had been relaxed before."""
        self._done += frames

    def relaxed(self, frames: int) -> None:
        """Count frames that have just been relaxed."""
        self._done, self._fresh = self._done + frames, self._fresh + frames

    def begun(self, frame: int) -> None:
        """Tell that a frame of the next batch was begun."""
        number, fresh = self._done + frame, self._fresh + frame
        left = ""
        if fresh:
            seconds = (time.monotonic() - self._began) / fresh * (self._frames - number)
            left = f", about {_spelt(seconds)} left{' at this temperature' if self._at else ''}"
        self._tell(f"{self._at}relaxing frame {number + 1} of {self._frames}{left}")


def _spelt(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _named(temperature: float, number: int) -> str:
    """Return the name of a run's file; a run alone has no number."""
    words = ["snapshots"]
    if np.isfinite(temperature):
        words.append(f"{temperature:g}K")
    if number:
        words.append(str(number))
    return "-".join(words)


def cells_of(runs: Sequence[Frames], which: str) -> tuple[list[Array], float]:
    """Return the cell that the frames of each run are relaxed in, and the largest strain of a frame to it.

    Cells are in LAMMPS' orientation, where the mean of several is one again.

    Parameters
    ----------
    runs
        At one temperature.
    which
        `mean` of all frames of all runs, `first`, that of the first frame of the first run, or `own`, the
        fixed cell of each run.

    Raises
    ------
    DataError
        A run with a cell that varies if its own is wanted, or cells that differ by more than `STRAIN`.
    """
    first = [_standard(run.read([0], []).cells)[0] for run in runs]
    if which == "first":
        first = [first[0]] * len(runs)
    if which == "mean":
        sums = [sum(_standard(p.cells).sum(axis=0) for p in run.chunks(4096, [])) for run in runs]
        first = [np.sum(sums, axis=0) / sum(len(run) for run in runs)] * len(runs)
    strain = max(_strain(run, cell) for run, cell in zip(runs, first, strict=True))
    if which == "own" and strain > SAME_CELL:
        raise DataError(
            "frames to be relaxed in their own cell, which varies", "one cell in each run", "give --cell mean"
        )
    if strain > STRAIN:
        raise DataError(
            f"cells that differ by up to {100 * strain:.0f} % from the one that frames are to be relaxed in",
            f"at most {100 * STRAIN:.0f} %",
            "relax different crystals one by one",
        )
    return first, strain


def _standard(cells: Array) -> Array:
    """Return cells, (n, 3, 3), in LAMMPS' orientation: the Cholesky factors of their metrics."""
    standard: Array = np.asarray(np.linalg.cholesky(cells @ np.swapaxes(cells, 1, 2)), dtype=np.float64)
    return standard


def _strain(run: Frames, cell: Array) -> float:
    """Return the largest strain that takes a frame's cell to another."""
    largest = 0.0
    for part in run.chunks(4096, []):
        stretch = np.linalg.svd(np.linalg.solve(part.cells, cell), compute_uv=False)
        largest = max(largest, float(np.abs(stretch - 1).max()))
    return largest
