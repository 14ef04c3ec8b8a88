"""Potentials whose energies can be written down."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes  # noqa: TID251 - a model to be tried
from ase.neighborlist import neighbor_list

from frustra.engines.calculator import CalculatorPotential
from frustra.engines.pairstyle import LammpsPotential

EPSILON, SIGMA, CUTOFF = 0.0104, 3.40, 8.5  # argon-like: eV, Å, Å


def lennard_jones() -> LammpsPotential:
    """Return a Lennard-Jones potential, cut and shifted to zero."""
    commands = (
        f"pair_style lj/cut {CUTOFF}",
        f"pair_coeff * * {EPSILON} {SIGMA}",
        "pair_modify shift yes",
    )
    return LammpsPotential("lj", ("Ar",), CUTOFF, commands, "lj")


def lennard_jones_energies(atoms: Atoms) -> np.ndarray:
    """Return the per-atom energies, by a sum over all pairs and images."""
    shift = (SIGMA / CUTOFF) ** 12 - (SIGMA / CUTOFF) ** 6
    energies = np.zeros(len(atoms))
    reach = range(-3, 4)
    for image in product(reach, reach, reach):
        vectors = atoms.positions[:, None] - atoms.positions[None] + np.array(image) @ atoms.cell.array
        r = np.linalg.norm(vectors, axis=2)
        pair = np.zeros_like(r)
        near = (r > 1e-9) & (r < CUTOFF)
        x = (SIGMA / r[near]) ** 6
        pair[near] = 4 * EPSILON * (x * x - x - shift)
        energies += pair.sum(axis=1) / 2
    return energies


class LennardJonesCalculator(Calculator):
    """The same closed form for ASE, with the pairs of all near images at once."""

    implemented_properties = ["energy", "energies", "forces", "stress"]  # noqa: RUF012 - ASE reads a list

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        i, r, vectors = neighbor_list("idD", self.atoms, CUTOFF)
        shift = (SIGMA / CUTOFF) ** 12 - (SIGMA / CUTOFF) ** 6
        x = (SIGMA / r) ** 6
        count = len(self.atoms)
        energies = np.bincount(i, 4 * EPSILON * (x * x - x - shift), count) / 2
        pull = (4 * EPSILON * (6 * x - 12 * x * x) / r**2)[:, None] * vectors
        stress = vectors.T @ pull / (2 * self.atoms.get_volume())
        self.results = {
            "energy": energies.sum(),
            "energies": energies,
            "forces": np.stack([np.bincount(i, pull[:, k], count) for k in range(3)], axis=1),
            "stress": stress[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)],
        }


def lennard_jones_calculator() -> CalculatorPotential:
    """Return the same potential as `lennard_jones`, for ASE's engine."""
    return CalculatorPotential("lj-ase", LennardJonesCalculator, "lj-ase", species=("Ar",), cutoff=CUTOFF)
