"""What every relaxation ends with, and the relaxation of a cell by ASE, with any calculator."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS

from frustra.arrays import Array
from frustra.engines.calculator import PotentialCalculator
from frustra.engines.descend import descend
from frustra.engines.live import forces_of
from frustra.engines.potential import Potential
from frustra.engines.springs import Springs
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


def snapshots_of(
    frames: Sequence[Atoms],
    relaxed: Sequence[Atoms],
    potential: Potential,
    fmax: float,
    stops: Sequence[tuple[str, int, int]],
) -> Snapshots:
    """Evaluate relaxed frames once more and record what the relaxation did to each.

    Parameters
    ----------
    stops
        Of each frame why it stopped, its evaluations of the forces, and its steps.
    """
    final = potential.evaluate(relaxed)
    return relaxed_snapshots(
        np.stack([f.positions for f in frames]),
        np.stack([a.positions for a in relaxed]),
        frames[0],
        final.energies,
        final.partition(potential.name),
        final.forces,
        fmax * (1 + SINGLE),
        stops,
    )


def relax_cell(atoms: Atoms, potential: Potential, fmax: float, max_steps: int, max_move: float) -> Atoms:
    """Relax positions and cell within the lattice type; the cell stays where the potential has no stress."""
    free = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    with TemporaryDirectory(prefix="frustra-") as name, forces_of(free, potential, Path(name)) as forces:
        springs = Springs(free.numbers)
        found = descend(forces, free.positions, free.cell.array, springs, fmax, max_steps, max_move)
    free.positions = found.positions
    if "stress" not in potential.provides:
        return free
    free.calc = PotentialCalculator(potential)
    target: Any = LatticeFilter(free)
    LBFGS(target, logfile=os.devnull, maxstep=max_move).run(fmax=fmax, steps=max_steps)
    cell = with_lattice_type(free.cell.array, atoms.cell.array)
    return strained(Atoms(free.numbers, free.positions, cell=free.cell, pbc=True), cell)
