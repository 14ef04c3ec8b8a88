"""Displacements of the mobile ions, free of drift, a few ions at a time; their mean square by FFT."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from frustra.arrays import Array, IntArray
from frustra.trajectory import Frames

BLOCK = 2**16
"""Positions held at once (1.6 MB) where a trajectory is read in parts, but at least `FEWEST`."""

FEWEST = (128, 8)
"""Frames, ions read together, however large the cell and long the run: files store them together."""

OWN_CENTRE = "centre of mass (no framework)"
"""What displacements are relative to where there are no other atoms."""


@dataclass(frozen=True)
class Motion:
    """How the mobile ions of one run move relative to the framework, along the axes of the crystal."""

    run: Frames
    mobile: IntArray
    """(ions,) indices."""
    drift: Array
    """(frames, 3), Å: the displacement of the centre of mass of all other atoms."""
    reference: str
    """What the drift is the drift of."""
    axes: Array
    """(3, 3) orthonormal rows; see `crystal_axes`."""

    def __iter__(self) -> Iterator[Array]:
        """Give displacements since the first frame, (ions, 3, frames), Å, of a few ions at a time."""
        at_once = max(1, BLOCK // len(self.run))
        together = max(FEWEST[1], at_once)
        for first in range(0, len(self.mobile), together):
            positions = self.run.read(atoms=self.mobile[first : first + together]).positions
            for ion in range(0, positions.shape[1], at_once):
                part = positions[:, ion : ion + at_once]
                relative = part - part[0] - self.drift[:, None]
                yield np.ascontiguousarray((relative @ self.axes.T).transpose(1, 2, 0))
            del positions, part  # before the next are read


def motion_of(run: Frames, specie: str, by_mass: bool = True) -> Motion:
    """Find the mobile ions, their axes, and the drift that is to be taken off them.

    The drift is that of the centre of mass of all other atoms; where there are none (a liquid of one
    element), of all atoms.

    Parameters
    ----------
    run, specie
        Frames, and the element of the mobile ions.
    by_mass
        Whether atoms count by their mass; otherwise all alike.

    Raises
    ------
    DataError
        The element is absent, or the file is damaged.
    """
    mobile = run.indices_of(specie)
    framework = np.setdiff1d(np.arange(len(run.numbers)), mobile)
    reference, name = (framework, "framework") if len(framework) else (mobile, OWN_CENTRE)
    masses = run.masses[reference] if by_mass else np.ones(len(reference))
    weights = masses / masses.sum()
    start = run.read(slice(1), reference)
    parts = run.chunks(max(FEWEST[0], BLOCK // len(reference)), reference)
    drift = [np.einsum("fai,a->fi", part.positions - start.positions, weights) for part in parts]
    return Motion(run, mobile, np.concatenate(drift), name, crystal_axes(start.cells[0]))


def crystal_axes(cell: Array) -> Array:
    """Return orthonormal rows x, y, z with z along c, y along c × a and x along y × z.

    Of orthorhombic, tetragonal and hexagonal cells in LAMMPS' orientation they are its x, y and z.
    """
    z, y = cell[2], np.cross(cell[2], cell[0])
    axes = np.array([np.cross(y, z), y, z])
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    result: Array = axes / lengths if lengths.all() else np.eye(3)
    return result


def displacements_of(trajectory: Frames, specie: str) -> tuple[Array, str]:
    """Return the displacements of the mobile ions since the first frame, free of drift.

    Of a trajectory in a file, only the mobile ions are held in memory.

    Returns
    -------
    tuple
        (frames, ions, 3) in Å along the Cartesian axes, and what they are relative to; see `motion_of`.

    Raises
    ------
    DataError
        The element is absent, or the file is damaged.
    """
    motion = motion_of(trajectory, specie)
    positions = trajectory.read(atoms=motion.mobile).positions
    return positions - positions[0] - motion.drift[:, None], motion.reference


def mean_square_displacement(displacements: Array) -> Array:
    """Return the MSD of each ion over all time origins, (lags, ions), Å².

    MSD(m) = ⟨|r(t+m) − r(t)|²⟩ over all t, by FFT in float64 (Calandrini et al., Collection SFN 12,
    201, 2011).

    Parameters
    ----------
    displacements
        (frames, ions, 3), Å, relative to the first frame.
    """
    result: Array = squares_of(displacements.transpose(1, 2, 0)).sum(axis=1).T
    return result


def squares_of(series: Array) -> Array:
    """Return ⟨(x(t+m) − x(t))²⟩ over all t for the lags m = 0, 1, … of series along the last axis."""
    frames = series.shape[-1]
    padded = next_fast_len(2 * frames, real=True)
    x = series - series.mean(axis=-1, keepdims=True)
    spectrum = rfft(x, padded)
    correlation = irfft(spectrum.real**2 + spectrum.imag**2, padded)[..., :frames]
    x *= x
    both_ends = np.cumsum(x[..., ::-1], axis=-1)[..., ::-1]  # of the lags 0, 1, …: what ends there
    both_ends += np.cumsum(x, axis=-1)[..., ::-1]  # and what begins
    result: Array = np.maximum((both_ends - 2 * correlation) / np.arange(frames, 0, -1), 0.0)
    return result


def shift_of(displacements: Array) -> Array:
    """Return how far each ion's mean place in the last quarter of the run is from that in the first, Å.

    Parameters
    ----------
    displacements
        (ions, 3, frames), Å.
    """
    quarter = max(1, displacements.shape[-1] // 4)
    ends = displacements[..., -quarter:].mean(axis=-1) - displacements[..., :quarter].mean(axis=-1)
    result: Array = np.linalg.norm(ends, axis=-1)
    return result
