"""Fix the split of the total energy into per-atom energies, leaving every total as it is.

In a POD potential a pair of unlike species adds to the energies of both atoms through the same
radial functions, so a fit to totals cannot tell how much belongs to which. Moving part of a pair's
energy from one species to the other changes no total energy, force or stress of any structure.
This freedom is used up here: the per-atom energies of the framework are made to vary as little as
they can, those of Li counting less, so that the energy of a Li configuration is found on Li.
"""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from student import SPECIES, Student, header, lammps

Array = NDArray[np.float64]

SPREAD_WEIGHTS = {"Li": 0.1, "Y": 1.0, "Cl": 1.0}


def descriptors(folder: Path, atoms: Atoms, student: Student) -> Array:
    """Return the derivatives of the per-atom energies by the coefficients."""
    files = f"{student.parameters} {student.coefficients} {' '.join(SPECIES)}"
    script = header(folder, atoms, student, "local")
    script += (
        f"compute a all pod/atom {files}\ndump d all custom 1 atoms.txt type c_a[*]\n"
        "dump_modify d sort id format float %.12g\nrun 0\n"
    )
    lammps(folder, script, "local")
    local = np.loadtxt(folder / "atoms.txt", skiprows=9)
    block = local.shape[1]  # one more than the descriptors: the constant of the species
    per_atom = np.zeros((len(local), block * len(SPECIES)))
    for row, kind in enumerate(local[:, 0].astype(int) - 1):
        per_atom[row, kind * block] = 1
        per_atom[row, kind * block + 1 : (kind + 1) * block] = local[row, 1:]
    return per_atom


def transfers(size: int, radial: int) -> Array:
    """Return the changes of coefficients that move pair energy between two species."""
    block = size // len(SPECIES)
    columns = []
    for one, other in combinations(range(len(SPECIES)), 2):
        for function in range(radial):
            change = np.zeros(size)
            change[one * block + 1 + other * radial + function] = 1
            change[other * block + 1 + one * radial + function] = -1
            columns.append(change)
    return np.array(columns).T


def spread_forms(frames: Sequence[Array], symbols: Sequence[Array]) -> dict[str, Array]:
    """Return the variance of the per-atom energies of each species as a quadratic form."""
    forms = {}
    for species in SPECIES:
        rows = np.concatenate([d[s == species] for d, s in zip(frames, symbols, strict=True)])
        rows = rows - rows.mean(axis=0)
        forms[species] = rows.T @ rows / len(rows)
    return forms


def least_spread(coefficients: Array, forms: dict[str, Array], radial: int) -> Array:
    """Return the coefficients of the same totals and the least weighted variance."""
    moves = transfers(len(coefficients), radial)
    form = sum(weight * forms[species] for species, weight in SPREAD_WEIGHTS.items())
    amounts = np.linalg.lstsq(moves.T @ form @ moves, -moves.T @ form @ coefficients, rcond=1e-10)[0]
    result: Array = coefficients + moves @ amounts
    return result


def fix_gauge(folder: Path, frames: Sequence[Atoms], student: Student, radial: int) -> Student:
    """Write the potential of least spread and what the change did to these frames."""
    fixed = Student(student.parameters, folder / "coefficients.pod")
    if fixed.coefficients.exists():
        return fixed
    per_atom = [descriptors(folder, atoms, student) for atoms in frames]
    forms = spread_forms(per_atom, [np.array(a.get_chemical_symbols()) for a in frames])
    before = np.loadtxt(student.coefficients, skiprows=1)
    after = least_spread(before, forms, radial)
    effect = {
        "frames": len(frames),
        "largest_energy_change_ev": max(abs(float((d @ (after - before)).sum())) for d in per_atom),
        "spread_before_mev": {s: 1000 * float(np.sqrt(before @ f @ before)) for s, f in forms.items()},
        "spread_after_mev": {s: 1000 * float(np.sqrt(after @ f @ after)) for s, f in forms.items()},
    }
    (folder / "effect.json").write_text(json.dumps(effect, indent=1))
    lines = [f"model_coefficients: {len(after)} 0 0", *(f"{x:.14g}" for x in after)]
    fixed.coefficients.write_text("\n".join(lines) + "\n")
    return fixed
