"""A crystal to try a potential on, built from nothing but the elements that it knows."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii, vdw_radii
from ase.spacegroup import crystal

from frustra.geometry import perpendicular_heights
from frustra.structures import ANION_ELEMENTS, FORMAL_CHARGES

SPACING = 1.08
"""Distance between neighbours in units of the sum of their radii."""

MARGIN = 1.05
"""Height of the cell over the cutoff: the crystal may be compressed."""

MOST_SITES = 256
"""Sites to which the crystal grows for the sake of the cutoff."""

PREFERRED = ("Li", "Y", "Cl")
"""Elements taken where a potential knows all three, in the trigonal crystal of Li₃YCl₆ (space group 164)."""

TRIGONAL: dict[str, list[tuple[float, float, float]]] = {
    "Y": [(0, 0, 0), (1 / 3, 2 / 3, 0.5)],
    "Li": [(0.32, 0, 0)],
    "Cl": [(0.113, -0.113, 0.783), (0.214, -0.214, 0.256), (0.437, -0.437, 0.746)],
}
HALF_LITHIUM = (0.33, 0, 0.5)
"""A sixfold site of which lithium takes three."""

EDGES = (11.20, 11.20, 6.04, 90, 90, 120)

MOST_SPECIES = 6

NOBLE_GASES = ("He", "Ne", "Ar", "Kr", "Xe", "Rn")

Counts = dict[str, int]


def specimen(
    species: Sequence[str], cutoff: float, charges: Sequence[float], rng: np.random.Generator
) -> Atoms:
    """Return a crystal of the elements without overlapping atoms.

    Li, Y and Cl give trigonal Li₃YCl₆. Else cations and anions fill the two sublattices of rock salt in
    neutral proportions, with vacancies; elements of one kind only fill a face-centred lattice. Who sits
    where is random.
    Neighbours are 1.08 times the sum of their covalent radii apart (van der Waals radii for noble gases).

    Parameters
    ----------
    species
        Elements; Li, Y and Cl are taken where all three are among them, else the first six.
    cutoff
        Å; the cell is higher, unless this takes more than 256 sites.
    charges
        Charge of each element, e; empty for the formal charges.
    """
    if set(PREFERRED) <= set(species):
        return _trigonal(cutoff, rng)
    cations, anions = _neutral(species[:MOST_SPECIES], dict(zip(species, charges, strict=False)))
    return _rock_salt([p for p in (cations, anions) if p], cutoff, rng)


def _trigonal(cutoff: float, rng: np.random.Generator) -> Atoms:
    sites = [(element, place) for element, places in TRIGONAL.items() for place in places]
    sites.append(("Li", HALF_LITHIUM))
    cell = crystal([e for e, _ in sites], [p for _, p in sites], spacegroup=164, cellpar=EDGES)
    halves = np.flatnonzero(cell.arrays["spacegroup_kinds"] == len(sites) - 1)
    del cell[rng.permutation(halves)[: len(halves) // 2]]
    plain = Atoms(cell.numbers, cell.positions, cell=cell.cell, pbc=True)
    low = perpendicular_heights(cell.cell.array)[0] < MARGIN * cutoff
    grown: Atoms = plain.repeat((2, 2, 2) if low else (1, 1, 2))
    return grown


def _neutral(species: Sequence[str], charges: dict[str, float]) -> tuple[Counts, Counts]:
    """Return how many of each cation and anion make a neutral unit; all cations carry equal parts of it."""
    usual = {e: FORMAL_CHARGES.get(e, -2 if e in ANION_ELEMENTS else 3) for e in species}
    charge = {e: Fraction(charges.get(e, usual[e])).limit_denominator(20) for e in species}
    positive, negative = [e for e in species if charge[e] > 0], [e for e in species if charge[e] < 0]
    if not positive or not negative:
        return dict.fromkeys(species, 1), {}
    parts = {e: charge[e] * len(positive) for e in positive}
    parts |= {e: -charge[e] * len(negative) for e in negative}
    scale = lcm(*(p.denominator for p in parts.values()))
    whole = {e: int(p * scale) for e, p in parts.items()}
    total = lcm(*whole.values())
    return {e: total // whole[e] for e in positive}, {e: total // whole[e] for e in negative}


def _rock_salt(parts: Sequence[Counts], cutoff: float, rng: np.random.Generator) -> Atoms:
    """Fill one or both sublattices of rock salt with as many formula units as they hold."""
    means = [sum(_radius(e) * n for e, n in p.items()) / sum(p.values()) for p in parts]
    edge = SPACING * (2 * sum(means) if len(parts) == 2 else 2**1.5 * means[0])
    needed = max(sum(p.values()) for p in parts)
    repeat = max(2, int(np.ceil(np.cbrt(needed / 4))))
    while repeat * edge < MARGIN * cutoff and 4 * len(parts) * (repeat + 1) ** 3 <= MOST_SITES:
        repeat += 1
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cells = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    symbols: list[str] = []
    places = []
    for part, origin in zip(parts, (0.0, 0.5), strict=False):
        sites = (cells + corners + origin).reshape(-1, 3)
        filling = [e for e, n in part.items() for _ in range(n * (len(sites) // needed))]
        symbols += filling
        places.append(rng.permutation(sites)[: len(filling)])
    return Atoms(symbols, positions=edge * np.concatenate(places), cell=[repeat * edge] * 3, pbc=True)


def _radius(element: str) -> float:
    radii = vdw_radii if element in NOBLE_GASES else covalent_radii
    return float(radii[atomic_numbers[element]])
