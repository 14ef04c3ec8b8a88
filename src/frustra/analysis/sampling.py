"""Which frames of a trajectory become snapshots, how many are needed, and snapshots as frames again."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from frustra.analysis.assignment import visits_of
from frustra.analysis.decorrelation import Decorrelation, decorrelation_of
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.sites import Sites
from frustra.snapshots import Snapshots
from frustra.trajectory import Frames, Selection, Trajectory, frame_range

LOOKED_AT = 5000
"""Frames of a run in which the ions' sites are looked up to choose among them; of longer runs some."""


@dataclass(frozen=True)
class FrameSample:
    """Frames of one run to be relaxed."""

    frames: IntArray
    """(n,) ascending, evenly spaced over the run."""
    asked: int
    """How many were asked for."""
    independent: float
    """How many independent arrangements of the ions they are; NaN where nobody knows it. At most so many
    where the correlation time is a lower bound."""
    decorrelation: Decorrelation | None
    """Of the frames looked at; None where nobody knows it."""

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self.frames)


def decorrelated(run: Frames, sites: Sites, specie: str, count: int, least: int = 2) -> FrameSample:
    """Return the frames of a run that are at least two correlation times of the occupations (2 τ) apart.

    They are spread evenly over the run and are no more than asked for. A run that holds fewer gives as many
    as it holds, but `least` in any case: these are then not independent, and `FrameSample.independent` says
    how many they stand for. A run in which no ion changes its site is one arrangement.

    Parameters
    ----------
    run
        At one temperature, unwrapped.
    sites
        Of its crystal.
    specie
        The mobile element.
    count
        Frames wanted at most.
    least
        Frames taken even if they are correlated.

    Raises
    ------
    AnalysisError
        The run has fewer frames than asked for.
    DataError
        As `visits_of`.
    """
    length = len(run)
    _check(count, length)
    stride = max(1, length // max(LOOKED_AT, 4 * count))
    some = run if stride == 1 else _Every(run, stride)
    found = decorrelation_of([visits_of(some, sites, specie)], len(sites))
    held = found.independent
    taken = int(np.clip(int(held), min(least, count), count))
    return FrameSample(_even(length, taken), count, min(float(taken), held), found)


def spread(run: Frames, count: int) -> FrameSample:
    """Return evenly spaced frames, where nobody knows how correlated they are.

    Raises
    ------
    AnalysisError
        The run has fewer frames than asked for.
    """
    _check(count, len(run))
    return FrameSample(_even(len(run), count), count, np.nan, None)


def evenly_spaced(trajectory: Frames, count: int) -> tuple[list[Atoms], Array]:
    """Return `count` frames spread evenly over the trajectory, and their times (ps).

    The frames keep their unwrapped positions. Of a trajectory in a file, only they are read.

    Raises
    ------
    AnalysisError
        The trajectory has fewer frames than asked for.
    """
    return frames_of(trajectory, spread(trajectory, count))


def frames_of(run: Frames, sample: FrameSample) -> tuple[list[Atoms], Array]:
    """Return the frames of a sample, unwrapped, and their times (ps)."""
    times: Array = np.asarray(sample.frames * run.timestep, dtype=float)
    return [run.atoms(int(f)) for f in sample.frames], times


def _check(count: int, length: int) -> None:
    if count > length:
        raise AnalysisError(
            f"{count} snapshots asked of {length} frames", "no more than there are", "lower `snapshots`"
        )


def _even(length: int, count: int) -> IntArray:
    """Return the middle frames of equal parts of a run."""
    edges = np.linspace(0, length, count + 1)
    middles: IntArray = ((edges[:-1] + edges[1:]) / 2).astype(np.int64)
    return np.minimum(middles, length - 1)


class _Every(Frames):
    """Every nth frame of a run, read when it is needed."""

    def __init__(self, run: Frames, stride: int) -> None:
        self._run, self._stride = run, stride
        self.numbers, self.temperature, self.info = run.numbers, run.temperature, run.info
        self.timestep = run.timestep * stride

    def __len__(self) -> int:
        return len(range(0, len(self._run), self._stride))

    def read(self, frames: Selection = None, atoms: Selection = None) -> Trajectory:
        """Return some of these frames; see `Frames.read`."""
        chosen = frame_range(len(self), frames)
        n = self._stride
        return self._run.read(slice(chosen.start * n, chosen.stop * n, chosen.step * n), atoms)


@dataclass(frozen=True)
class Needed:
    """How many independent snapshots a stated error of the DOAS' entropy takes."""

    snapshots: int
    """So many."""
    error: float
    """Root mean square error of the entropy now, bias included, nat."""
    bias: float
    """By how much the entropy is too low, about (K − 1)/2N, nat."""
    enough: bool
    """Whether there are as many."""


def snapshots_needed(
    entropy_std: float, independent: float, bins: int, states: int, target: float
) -> Needed | None:
    """Return how many independent snapshots make the error of the plug-in entropy as small as wanted.

    With n snapshots the error is √(σ₁²/n + (b₁/n)²): σ₁² = σ² n from the standard error of those at hand,
    b₁ = b n from the bias b = (K − 1)/2N of N states in K occupied bins (Miller and Madow 1955). The bias
    takes the ions of one snapshot as independent; what moves them together makes it larger, up to
    (K − 1)/2n.

    Parameters
    ----------
    entropy_std
        Standard error of the entropy, nat.
    independent
        Independent snapshots that this error rests on: those that the bootstrap took as such.
    bins
        Bins that hold a state, K.
    states
        Energies counted, N, were the snapshots independent: of correlated ones ions times `independent`.
    target
        The error wanted, nat.

    Returns
    -------
    Needed | None
        None where nothing can be told: fewer than two independent snapshots, or no standard error.

    Raises
    ------
    AnalysisError
        No states, or a wanted error that is not positive.
    """
    if states < 1 or bins < 1 or not target > 0:
        raise AnalysisError(
            f"{states} states in {bins} bins for an error of {target:g} nat", "states and a positive error"
        )
    if not (independent >= 2 and np.isfinite(entropy_std)):
        return None
    bias = (bins - 1) / (2 * states)
    one, shift = entropy_std**2 * independent, bias * independent
    # σ₁² x + b₁² x² = target², x = 1/n, solved without a difference of nearly equal numbers
    inverse = one + np.sqrt(one**2 + 4 * shift**2 * target**2)
    needed = max(2, int(np.ceil(inverse / (2 * target**2) - 1e-9)))
    return Needed(needed, float(np.hypot(entropy_std, bias)), bias, independent >= needed)


def relaxed_frames(snapshots: Snapshots) -> Trajectory:
    """Return relaxed snapshots as frames, to be looked at in their order.

    Raises
    ------
    AnalysisError
        No snapshots.
    """
    if not len(snapshots):
        raise AnalysisError("no snapshots", "at least one")
    cells = np.broadcast_to(snapshots.cell, (len(snapshots), 3, 3))
    times = np.diff(snapshots.time)
    step = float(times.mean()) if len(times) and times.mean() > 0 else 1.0
    known = snapshots.temperature if snapshots.temperature > 0 else np.nan
    return Trajectory(snapshots.positions, cells, snapshots.numbers, step, known)
