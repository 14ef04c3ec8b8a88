"""Write CaF2.cif: the conventional cell of fluorite, with the lattice parameter of `caf2.lmp` at 0 K."""

from pathlib import Path

from ase import Atoms
from ase.spacegroup import crystal

A = 5.443  # Å


def fluorite() -> Atoms:
    """Return Ca4F8: Ca on 4a, F on 8c, in the tetrahedra of Ca."""
    sites = [(0, 0, 0), (0.25, 0.25, 0.25)]
    atoms = crystal(("Ca", "F"), sites, spacegroup=225, cellpar=[A, A, A, 90, 90, 90])
    return Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True)


if __name__ == "__main__":
    fluorite().write(Path(__file__).parent / "CaF2.cif")
