"""Models that know the wells of `tests.cli.wells`, and tell other energies of them."""

from typing import Any

import numpy as np

from tests.cli.wells import OCT, TET, Wells, nearest

SHARED, DEEPER, CONSTANT = 0.05, 0.02, 3.0
"""eV."""


class Other(Wells):
    """Tells `own` more of every tetrahedral Li, and `total` of that is not taken from the Cl around."""

    def __init__(self, own: float, total: float, constant: float = 0.0) -> None:
        super().__init__()
        self._own, self._total, self._constant = own, total, constant

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        lithium = self.atoms.numbers == 3
        _, which = nearest(self.atoms.positions[lithium], np.concatenate([OCT, TET]))
        tet = which >= len(OCT)
        energies = self.results["energies"].copy()
        energies[lithium] += self._own * tet + self._constant
        moved = (self._own - self._total) * tet.sum() + self._constant * lithium.sum()
        energies[~lithium] -= moved / (~lithium).sum()
        self.results |= {"energies": energies, "energy": energies.sum()}


class NoTet(Wells):
    """Has no tetrahedral wells: such ions go to the nearest octahedron."""

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        lithium = self.atoms.numbers == 3
        away, _ = nearest(self.atoms.positions[lithium], OCT)
        energies, forces = self.results["energies"].copy(), self.results["forces"].copy()
        energies[lithium] = -1.0 + (away**2).sum(axis=1)
        forces[lithium] = -2.0 * away
        self.results |= {"energies": energies, "energy": energies.sum(), "forces": forces}


def shares() -> Other:
    """Return a model that shares out the same total differently."""
    return Other(SHARED, 0.0, CONSTANT)


def deeper() -> Other:
    """Return a model that differs in what can be measured."""
    return Other(DEEPER, DEEPER)


def no_tet() -> NoTet:
    """Return a model in which ions leave their sites."""
    return NoTet()
