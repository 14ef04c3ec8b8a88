"""Which frames of a trajectory become snapshots, and snapshots as frames again."""

import numpy as np
from ase import Atoms

from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.snapshots import Snapshots
from frustra.trajectory import Frames, Trajectory


def evenly_spaced(trajectory: Frames, count: int) -> tuple[list[Atoms], Array]:
    """Return `count` frames spread evenly over the trajectory, and their times (ps).

    The frames keep their unwrapped positions. Of a trajectory in a file, only they are read.

    Raises
    ------
    AnalysisError
        The trajectory has fewer frames than asked for.
    """
    if count > len(trajectory):
        raise AnalysisError(
            f"{count} snapshots asked of {len(trajectory)} frames",
            "no more than there are",
            "lower `snapshots`",
        )
    edges = np.linspace(0, len(trajectory), count + 1)
    chosen = np.minimum(((edges[:-1] + edges[1:]) / 2).astype(int), len(trajectory) - 1)
    return [trajectory.atoms(int(f)) for f in chosen], chosen * trajectory.timestep


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
