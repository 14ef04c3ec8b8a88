"""Write Li3YCl6.cif: one ordered 30-atom cell of the P-3m1 structure (every second 6h site holds Li).

Lattice parameters a = 11.20, c = 6.04 Å and sites as found by diffraction; the 6h site is half occupied
in the crystal, so one choice is made here and `frustra run` looks for a lower one itself.
"""

from pathlib import Path

from ase import Atoms
from ase.spacegroup import crystal

A, C = 11.20, 6.04
SITES = {
    "1a": ("Y", (0.0, 0.0, 0.0)),
    "2d": ("Y", (1 / 3, 2 / 3, 0.488)),
    "6g": ("Li", (0.32, 0.0, 0.0)),
    "6h": ("Li", (0.33, 0.0, 0.5)),
    "6i": ("Cl", (0.113, -0.113, 0.783)),
    "6i'": ("Cl", (0.214, -0.214, 0.256)),
    "6i''": ("Cl", (0.437, -0.437, 0.746)),
}


def ordered_cell() -> Atoms:
    """Return Li9Y3Cl18 with the three 6h sites (x, 0, ½), (0, x, ½) and (−x, −x, ½) filled."""
    elements, positions = zip(*SITES.values(), strict=True)
    atoms = crystal(elements, positions, spacegroup=164, cellpar=[A, A, C, 90, 90, 120], onduplicates="error")
    half = [i for i, kind in enumerate(atoms.arrays["spacegroup_kinds"]) if kind == list(SITES).index("6h")]
    x = atoms.get_scaled_positions()[half][:, :2].sum(axis=1) % 1.0
    empty = [i for i, s in zip(half, x, strict=True) if s > 0.5]
    del atoms[empty]
    return Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True)


if __name__ == "__main__":
    ordered_cell().write(Path(__file__).parent / "Li3YCl6.cif")
