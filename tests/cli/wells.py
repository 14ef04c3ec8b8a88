"""A model whose relaxed states are known: every atom is bound to the nearest of its wells by a spring."""

import os
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes  # noqa: TID251 - a model to be tried

A, REPEAT, SPRING = 5.2, 2, 2.0
BOX = A * REPEAT
LEVELS = {"oct": -1.0, "tet": -0.9, "Cl": -3.0}
"""eV, of an atom at the bottom of its well."""

_GRID = np.array(list(product(range(2 * REPEAT), repeat=3)))
CHLORINE = A / 2 * _GRID[_GRID.sum(axis=1) % 2 == 0]
OCT = A / 2 * _GRID[_GRID.sum(axis=1) % 2 == 1]
TET = A / 2 * (_GRID + 0.5)


def nearest(points: np.ndarray, wells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors from the nearest wells, and which those are."""
    away = points[:, None] - wells[None]
    away -= BOX * np.round(away / BOX)
    found = (away**2).sum(axis=2).argmin(axis=1)
    return away[np.arange(len(points)), found], found


class Wells(Calculator):
    """Springs to the wells of fcc Cl and of its octahedra and tetrahedra, which Li may hold."""

    implemented_properties = ["energy", "energies", "forces"]  # noqa: RUF012 - ASE reads a list

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        time.sleep(float(os.environ.get("WELLS_SLEEP", "0")))
        points, lithium = self.atoms.positions, self.atoms.numbers == 3
        away, level = np.zeros_like(points), np.full(len(points), LEVELS["Cl"])
        away[~lithium], _ = nearest(points[~lithium], CHLORINE)
        away[lithium], which = nearest(points[lithium], np.concatenate([OCT, TET]))
        level[lithium] = np.where(which < len(OCT), LEVELS["oct"], LEVELS["tet"])
        energies = level + SPRING / 2 * (away**2).sum(axis=1)
        self.results = {"energy": energies.sum(), "energies": energies, "forces": -SPRING * away}


def calculator() -> Wells:
    """Return the model."""
    return Wells()
