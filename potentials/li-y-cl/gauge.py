"""Fix the split of the total energy into per-atom energies, without changing totals.

A fit to total energies and forces leaves directions in which per-atom energies move by 0.1 eV while
totals hardly change. Among potentials with the same totals, the one is taken whose per-atom
energies vary least within each species, the framework's counting more than those of Li: then the
energy of a Li configuration is found on Li, not hidden in the framework.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from student import SPECIES, Student, header, lammps

Array = NDArray[np.float64]

TOLERANCES = {"energy_mev_per_atom": 0.03, "force_mev_per_ang": 3.0, "spread_mev": 100.0}
TYPICAL_FORCE = 0.5
SPREAD_WEIGHTS = {"Li": 0.1, "Y": 1.0, "Cl": 1.0}


def descriptors(folder: Path, atoms: Atoms, student: Student) -> tuple[Array, Array, Array]:
    """Return the derivatives of energy, forces and per-atom energies by the coefficients."""
    files = f"{student.parameters} {student.coefficients} {' '.join(SPECIES)}"
    script = header(folder, atoms, student, "d")
    script += (
        f"compute g all pod/global {files}\ncompute a all pod/atom {files}\n"
        "fix g all ave/time 1 1 1 c_g[*] mode vector file global.txt format ' %.10g'\n"
        "dump d all custom 1 atoms.txt type c_a[*]\ndump_modify d sort id format float %.12g\n"
        "run 0\n"
    )
    lammps(folder, script, "d")
    rows = np.loadtxt(folder / "global.txt", skiprows=4)[:, 1:]
    local = np.loadtxt(folder / "atoms.txt", skiprows=9)
    block = rows.shape[1] // len(SPECIES)
    species = local[:, 0].astype(int) - 1
    per_atom = np.zeros((len(local), rows.shape[1]))
    for index, kind in enumerate(species):
        per_atom[index, kind * block] = 1
        per_atom[index, kind * block + 1 : (kind + 1) * block] = local[index, 1:]
    return rows[0], rows[1:], per_atom


def quadratic_forms(folder: Path, frames: Sequence[Atoms], student: Student) -> dict[str, Array]:
    """Return the mean squares of energy, force and per-atom spread as quadratic forms."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "forms.npz"
    if store.exists():
        return dict(np.load(store))
    energy: list[Array] = []
    values: dict[str, list[Array]] = {s: [] for s in SPECIES}
    force = np.zeros(())
    count = 0
    for atoms in frames:
        total, forces, per_atom = descriptors(folder, atoms, student)
        energy.append(total / len(atoms))
        force = force + forces.T @ forces
        count += len(forces)
        symbols = np.array(atoms.get_chemical_symbols())
        for s in SPECIES:
            values[s].append(per_atom[symbols == s])
    rows = np.array(energy)
    forms = {"energy": rows.T @ rows / len(rows), "force": force / count}
    for s in SPECIES:
        stacked = np.concatenate(values[s])
        stacked -= stacked.mean(axis=0)
        forms[s] = stacked.T @ stacked / len(stacked)
    np.savez(store, **forms)
    return forms


def distorted(frames: Sequence[Atoms], count: int, seed: int) -> list[Atoms]:
    """Return strongly rattled and strained frames: totals must be kept far from rest as well."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        atoms = frames[index % len(frames)].copy()
        atoms.set_cell(atoms.cell.array * (1 + rng.uniform(-0.08, 0.08)), scale_atoms=True)
        atoms.positions += rng.normal(0, rng.uniform(0.1, 0.6), atoms.positions.shape)
        made.append(atoms)
    return made


def distorted_form(folder: Path, frames: Sequence[Atoms], student: Student) -> Array:
    """Return the mean square force change of distorted frames, relative to their forces."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "distorted.npy"
    if store.exists():
        return np.asarray(np.load(store))
    coefficients = np.loadtxt(student.coefficients, skiprows=1)
    form = np.zeros((len(coefficients), len(coefficients)))
    for atoms in frames:
        _, forces, _ = descriptors(folder, atoms, student)
        size = max(TYPICAL_FORCE, float(np.sqrt(np.mean((forces @ coefficients) ** 2))))
        form += (forces.T @ forces) * (TYPICAL_FORCE / size) ** 2 / len(forces) / len(frames)
    np.save(store, form)
    return form


def least_spread(coefficients: Array, forms: dict[str, Array]) -> Array:
    """Return coefficients of the same totals, within the tolerances, and the least spread."""
    keep = forms["energy"] / (TOLERANCES["energy_mev_per_atom"] / 1000) ** 2
    forces = forms["force"] + forms["distorted"]
    keep = keep + forces / (TOLERANCES["force_mev_per_ang"] / 1000) ** 2
    weight = (TOLERANCES["spread_mev"] / 1000) ** -2
    spread = sum(SPREAD_WEIGHTS[s] * weight * forms[s] for s in SPECIES)
    scale = np.sqrt(np.diag(keep) + np.diag(spread)) + 1e-12
    matrix = (keep + spread) / np.outer(scale, scale) + 1e-13 * np.eye(len(scale))
    change: Array = np.linalg.solve(matrix, -(spread @ coefficients) / scale) / scale
    return coefficients + change


def effect(before: Array, after: Array, forms: dict[str, Array]) -> dict[str, object]:
    """Return what changed on the frames used, in meV and Angstrom."""

    def size(vector: Array, form: Array) -> float:
        return 1000 * float(np.sqrt(vector @ form @ vector))

    return {
        "energy_change_mev_per_atom": size(after - before, forms["energy"]),
        "force_change_mev_per_ang": size(after - before, forms["force"]),
        "spread_before_mev": {s: size(before, forms[s]) for s in SPECIES},
        "spread_after_mev": {s: size(after, forms[s]) for s in SPECIES},
    }


def fix_gauge(folder: Path, frames: Sequence[Atoms], student: Student) -> Student:
    """Write the potential with the least spread of per-atom energies."""
    fixed = Student(student.parameters, folder / "coefficients.pod")
    if not fixed.coefficients.exists():
        forms = quadratic_forms(folder, frames, student)
        few = [a for a in frames if len(a) <= 60]
        forms["distorted"] = distorted_form(folder, distorted(few, 120, seed=5), student)
        before = np.loadtxt(student.coefficients, skiprows=1)
        after = least_spread(before, forms)
        lines = [f"model_coefficients: {len(after)} 0 0", *(f"{x:.12g}" for x in after)]
        (folder / "effect.json").write_text(json.dumps(effect(before, after, forms), indent=1))
        fixed.coefficients.write_text("\n".join(lines) + "\n")
    return fixed
