"""Static relaxation by ASE, with any calculator."""

import contextlib
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from ase.optimize.precon import Exp, PreconLBFGS

from frustra.arrays import Array
from frustra.engines.calculator import PotentialCalculator
from frustra.engines.lammps import Progress
from frustra.engines.potential import Potential
from frustra.geometry import LatticeType, lattice_type, with_lattice_type
from frustra.snapshots import Snapshots, relaxed_snapshots
from frustra.structures import strained

SINGLE = 1e-3
"""Relative difference between two evaluations of one force that a model in single precision may show."""


class LatticeFilter(FrechetCellFilter):
    """ASE's cell filter, letting the cell change only within its lattice type.

    The strain's share of the forces is divided by √N: it then weighs about as much as one atom's, and
    fmax bounds the stress to a few MPa.
    """

    def __init__(self, atoms: Atoms) -> None:
        super().__init__(atoms, exp_cell_factor=float(np.sqrt(len(atoms))))  # type: ignore[no-untyped-call]
        self._kind: LatticeType = lattice_type(atoms.cell.array)

    def get_forces(self, **settings: Any) -> Array:
        """Return the forces on atoms and, in the last three rows, on the strain."""
        forces: Array = super().get_forces(**settings)  # type: ignore[no-untyped-call]
        strain = forces[-3:]
        diagonal = np.diag(strain).copy()
        if self._kind == "isotropic":
            diagonal[:] = diagonal.mean()
        if self._kind == "uniaxial":
            diagonal[:2] = diagonal[:2].mean()
        forces[-3:] = (strain + strain.T) / 2 if self._kind == "general" else np.diag(diagonal)
        return forces


def relax_positions(
    frames: Sequence[Atoms],
    potential: Potential,
    fmax: float,
    max_steps: int,
    max_move: float,
    progress: Progress | None,
) -> Snapshots:
    """Relax the positions of every frame; see `relax_frames` for the rest and `_descend` for how."""
    relaxed, reasons, calls = [], [], []
    for number, frame in enumerate(frames):
        if progress is not None:
            progress(number)
        atoms = Atoms(frame.numbers, frame.positions, cell=frames[0].cell, pbc=True)
        count, done = _descend(atoms, potential, fmax, max_steps, max_move)
        relaxed.append(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True))
        calls.append(count)
        reasons.append("force tolerance" if done else f"{max_steps} steps")
    return snapshots_of(frames, relaxed, potential, fmax, reasons, calls)


def snapshots_of(
    frames: Sequence[Atoms],
    relaxed: Sequence[Atoms],
    potential: Potential,
    fmax: float,
    reasons: Sequence[str],
    calls: Sequence[int],
) -> Snapshots:
    """Evaluate relaxed frames once more and record what the relaxation did to each."""
    final = potential.evaluate(relaxed)
    return relaxed_snapshots(
        np.stack([f.positions for f in frames]),
        np.stack([a.positions for a in relaxed]),
        frames[0],
        final.energies,
        final.partition(potential.name),
        final.forces,
        fmax * (1 + SINGLE),
        list(zip(reasons, calls, strict=True)),
    )


def relax_cell(atoms: Atoms, potential: Potential, fmax: float, max_steps: int, max_move: float) -> Atoms:
    """Relax positions and cell within the lattice type; the cell stays where the potential has no stress."""
    free = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    _descend(free, potential, fmax, max_steps, max_move)
    if "stress" not in potential.provides:
        free.calc = None
        return free
    target: Any = LatticeFilter(free)
    LBFGS(target, logfile=os.devnull, maxstep=max_move).run(fmax=fmax, steps=max_steps)
    cell = with_lattice_type(free.cell.array, atoms.cell.array)
    return strained(Atoms(free.numbers, free.positions, cell=free.cell, pbc=True), cell)


def _descend(
    atoms: Atoms, potential: Potential, fmax: float, max_steps: int, max_move: float
) -> tuple[int, bool]:
    """Minimise the energy in place; return the evaluations it took and whether the forces are below fmax.

    L-BFGS with the exponential preconditioner of Packwood et al. (J. Chem. Phys. 144, 164109, 2016) needs
    a third of plain L-BFGS's evaluations on hot frames (`benchmarks/engines.py`). Where its line search
    gives up, as in the rounding of single precision, plain L-BFGS goes on.
    """
    counter = PotentialCalculator(potential)
    atoms.calc = counter
    with contextlib.suppress(RuntimeError, ValueError, np.linalg.LinAlgError), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a line search that is tried again says so
        first = PreconLBFGS(atoms, precon=Exp(A=3.0), logfile=os.devnull, maxstep=max_move, memory=20)
        if first.run(fmax=fmax, steps=max_steps):
            return counter.calls, True
    left = max(1, max_steps - counter.calls)
    done = LBFGS(atoms, logfile=os.devnull, maxstep=max_move).run(fmax=fmax, steps=left)
    return counter.calls, bool(done)
