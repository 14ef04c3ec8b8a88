"""Crystals: building and checking them before anything is computed."""

import hashlib
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from frustra.arrays import Array, IntArray
from frustra.errors import StructureError
from frustra.geometry import perpendicular_heights, with_images

ANION_ELEMENTS = ("F", "Cl", "Br", "I", "O", "S", "Se", "Te", "N")
"""Elements taken as anions unless the user says otherwise."""

FORMAL_CHARGES = {
    "H": 1, "Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Cu": 1, "Ag": 1, "Mg": 2, "Ca": 2, "Zn": 2, "Al": 3,
    "F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2,
}  # fmt: skip
"""Charges (e) of the usual mobile ions, used for the conductivity unless the user says otherwise."""

FLAT = 1e-3
"""Volume of a cell in units of its edges' product, below which it counts as flat."""

OVERLAP_FRACTION = 0.6
"""Two atoms closer than this fraction of the sum of their covalent radii overlap."""


def formula(atoms: Atoms) -> str:
    """Return the reduced chemical formula, as `Li3YCl6`."""
    return str(atoms.symbols.formula.reduce()[0].format("metal"))


def indices_of(atoms: Atoms, *elements: str) -> IntArray:
    """Return the indices of the atoms of the given elements, in order."""
    found = np.flatnonzero(np.isin(np.array(atoms.get_chemical_symbols()), elements))
    return found.astype(np.int64)


def anions_of(atoms: Atoms, specie: str, named: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the anion elements of the framework: those named, else those of `ANION_ELEMENTS`.

    A mobile anion keeps away from other anions: its sites are the polyhedra of cations. Which of them make
    the framework cannot be told from the formula, so that they have to be named.

    Raises
    ------
    StructureError
        The structure has none of them, or lacks one that is named; or the mobile ion is an anion and nothing
        is named.
    """
    present = set(atoms.get_chemical_symbols())
    missing = [e for e in named or () if e not in present]
    if missing:
        raise StructureError(
            f"no anion {', '.join(missing)} in {formula(atoms)}", "framework elements", "correct `anions`"
        )
    if named:
        return tuple(named)
    if specie in ANION_ELEMENTS:
        cations = sorted(present - {*ANION_ELEMENTS, specie}) or ["…"]
        quoted = "[" + ", ".join(f'"{c}"' for c in cations) + "]"
        raise StructureError(
            f"no anion element in {formula(atoms)} around {specie}, which is an anion itself",
            "the cations whose polyhedra are its sites",
            f"name them: --anions {','.join(cations)}, or anions = {quoted} in the study file",
        )
    anions = tuple(e for e in ANION_ELEMENTS if e in present)
    if not anions:
        raise StructureError(
            f"no anion element in {formula(atoms)}",
            f"one of {', '.join(ANION_ELEMENTS)}",
            "name the anions: --anions, or anions = [...] in the study file",
        )
    return anions


def supercell(atoms: Atoms, repeat: Sequence[int]) -> Atoms:
    """Return the structure repeated along each axis, in LAMMPS' orientation of the cell."""
    return lower_triangular(atoms.repeat(tuple(repeat)))[0]


def lower_triangular(atoms: Atoms) -> tuple[Atoms, Array]:
    """Return the structure in LAMMPS' orientation of the cell, and the rotation R that led there.

    The first cell vector lies along x and the second in the xy plane; a left-handed cell is inverted.
    Positions turn with the cell: r' = R r, so that vectors v' of the result are v = v' R in rows.
    """
    turned: Atoms = atoms.copy()
    standard, _ = atoms.cell.standard_form()
    standard = standard * np.sign(np.linalg.det(standard))  # right-handed
    turned.set_cell(standard, scale_atoms=True)
    rotation = np.linalg.solve(atoms.cell.array, standard).T
    return Atoms(numbers=turned.numbers, positions=turned.positions, cell=turned.cell, pbc=True), rotation


def strained(atoms: Atoms, cell: ArrayLike) -> Atoms:
    """Return the structure in another cell, at the same fractional positions."""
    result: Atoms = atoms.copy()
    result.set_cell(np.asarray(cell, dtype=float), scale_atoms=True)
    return result


def fingerprint(atoms: Atoms) -> str:
    """Return a hash of elements, positions and cell (to 1e-6 Å)."""
    digest = hashlib.sha256(atoms.numbers.astype(np.int64).tobytes())
    for lengths in (atoms.positions, atoms.cell.array):
        digest.update((np.round(lengths, 6) + 0.0).tobytes())  # + 0.0 turns -0.0 into 0.0
    return digest.hexdigest()[:16]


def has_volume(atoms: Atoms) -> bool:
    """Return whether the cell is three-dimensional: finite vectors that are not coplanar."""
    cell = atoms.cell.array
    lengths = np.linalg.norm(cell, axis=1)
    return bool(np.isfinite(cell).all() and abs(np.linalg.det(cell)) > FLAT * np.prod(lengths))


def check_structure(
    atoms: Atoms, specie: str, species: Sequence[str] | None, cutoff: float | None
) -> list[str]:
    """Refuse a structure that a potential cannot simulate; return warnings about a doubtful one.

    Parameters
    ----------
    atoms
        The supercell to be simulated.
    specie
        The mobile element.
    species, cutoff
        The elements that the potential knows and the range of its interactions (Å); None if it does
        not say, and then not checked.

    Raises
    ------
    StructureError
        No mobile ion, an unknown element, no volume, overlapping atoms, or a cell in which an
        atom would interact with its own image.
    """
    symbols = set(atoms.get_chemical_symbols())
    if specie not in symbols:
        raise StructureError(
            f"no {specie} in {formula(atoms)}",
            "at least one mobile ion",
            "check `specie` in the study file",
        )
    unknown = sorted(symbols - set(species or symbols))
    if species is not None and unknown:
        raise StructureError(
            f"{', '.join(unknown)} in {formula(atoms)}",
            f"only elements the potential knows ({', '.join(species)})",
            "choose another potential or structure",
        )
    if not has_volume(atoms) or not np.isfinite(atoms.positions).all():
        raise StructureError(
            f"{formula(atoms)} has no three-dimensional cell or positions that are not finite",
            "a periodic crystal",
            "check the structure file",
        )
    _refuse_overlaps(atoms)
    return [] if cutoff is None else _check_size(atoms, cutoff)


def _check_size(atoms: Atoms, cutoff: float) -> list[str]:
    height = float(perpendicular_heights(atoms.cell.array).min())
    if height <= cutoff:
        raise StructureError(
            f"a cell only {height:.2f} Å high",
            f"more than the potential's cutoff of {cutoff:g} Å",
            "enlarge `supercell` in the study file",
        )
    if height < 2 * cutoff:
        small = f"The cell is {height:.1f} Å high, less than twice the potential's cutoff ({cutoff:g} Å)"
        return [f"{small}: expect strong finite-size effects; a larger supercell is advised."]
    return []


def _refuse_overlaps(atoms: Atoms) -> None:
    radii = covalent_radii[atoms.numbers]
    reach = 2 * OVERLAP_FRACTION * float(radii.max())
    cloud = with_images(atoms.positions, atoms.cell.array, reach)
    pairs = cKDTree(cloud.positions).query_pairs(reach, output_type="ndarray")
    pairs = pairs[(pairs < len(atoms)).any(axis=1)]
    if len(pairs) == 0:
        return
    i, j = cloud.index[pairs].T
    distances = np.linalg.norm(cloud.positions[pairs[:, 0]] - cloud.positions[pairs[:, 1]], axis=1)
    ratio = distances / (radii[i] + radii[j])
    worst = int(ratio.argmin())
    if ratio[worst] < OVERLAP_FRACTION:
        a, b = int(i[worst]), int(j[worst])
        raise StructureError(
            f"overlapping atoms: {atoms.symbols[a]} (atom {a}) and {atoms.symbols[b]} (atom {b}) "
            f"are {distances[worst]:.2f} Å apart",
            f"at least {OVERLAP_FRACTION * (radii[a] + radii[b]):.2f} Å",
            "check the structure file (partial occupancies must be resolved into an ordered cell)",
        )
