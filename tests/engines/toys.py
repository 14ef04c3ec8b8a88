"""Potentials whose energies can be written down."""

from itertools import product

import numpy as np
from ase import Atoms

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
