"""Which frames of a trajectory become snapshots."""

import numpy as np
from ase import Atoms

from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.trajectory import Frames


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
