"""Fit the embedded Li-Y-Cl potential from a data folder, end to end.

A proper orthogonal descriptor (POD) potential is fitted to a published moment tensor potential:
first to its labelled frames, then, in two rounds, also to frames of the student's own molecular
dynamics, relaxed frames and strained cells, all labelled by the teacher. Then the gauge of its
per-atom energies is fixed, and it is validated and written with its card. Every stage is skipped
where its output exists in the work folder.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from gauge import SPREAD_WEIGHTS, fix_gauge
from student import (
    TEMPERATURES,
    Ladder,
    Student,
    Teacher,
    lammps,
    read_frames,
    relax,
    run_ladder,
    write_frames,
)
from validate import validate

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHIPPED = ROOT / "src" / "frustra" / "potentials" / "li-y-cl"

PARAMETERS: dict[str, str | int | float] = {
    "species": "Li Y Cl",
    "pbc": "1 1 1",
    "rin": 0.8,
    "rcut": 5.3,
    "bessel_polynomial_degree": 3,
    "inverse_polynomial_degree": 4,
    "onebody": 1,
    "twobody_number_radial_basis_functions": 7,
    "threebody_number_radial_basis_functions": 4,
    "threebody_angular_degree": 2,
    "fourbody_number_radial_basis_functions": 3,
    "fourbody_angular_degree": 2,
    "fivebody_number_radial_basis_functions": 0,
    "fivebody_angular_degree": 0,
    "sixbody_number_radial_basis_functions": 0,
    "sixbody_angular_degree": 0,
    "sevenbody_number_radial_basis_functions": 0,
    "sevenbody_angular_degree": 0,
}
WEIGHTS = {"fitting_weight_energy": 200, "fitting_weight_force": 1}
RELAXED_COPIES = 3
HELD_OUT = (4, 13, 16, 20, 23, 25)
# (start of the seeds, linear strain of the cell, temperatures) of each round's two runs
ROUNDS = (
    ((1000, 1.0, TEMPERATURES[::-1]), (2000, 1.015, TEMPERATURES)),
    ((3000, 1.0, TEMPERATURES), (4000, 0.985, TEMPERATURES[::-1])),
)


def trajectories(all_frames: Sequence[Atoms]) -> list[list[Atoms]]:
    """Split the teacher's frames into their trajectories: consecutive frames of one cell."""
    split: list[list[Atoms]] = []
    for atoms in all_frames:
        same = split and np.allclose(split[-1][-1].cell.array, atoms.cell.array, atol=1e-6)
        if same:
            split[-1].append(atoms)
        else:
            split.append([atoms])
    return split


def fitpod(folder: Path, train: Sequence[Atoms], test: Sequence[Atoms] = ()) -> Student:
    """Fit by LAMMPS ``fitpod``, unless the folder already holds the coefficients."""
    student = Student(folder / "parameters.pod", folder / "pod_coefficients.pod")
    if student.coefficients.exists():
        return student
    write_frames(folder / "train" / "train.xyz", train)
    lines = [
        "file_format extxyz",
        "file_extension xyz",
        'path_to_training_data_set "train"',
        "error_analysis_for_training_data_set 1",
        *(f"{key} {value}" for key, value in WEIGHTS.items()),
    ]
    if test:
        write_frames(folder / "test" / "test.xyz", test)
        lines += ['path_to_test_data_set "test"', "error_analysis_for_test_data_set 1"]
    (folder / "data.pod").write_text("\n".join(lines) + "\n")
    student.parameters.write_text("".join(f"{k} {v}\n" for k, v in PARAMETERS.items()))
    lammps(folder, "units metal\nfitpod parameters.pod data.pod\n", "fit")
    return student


def ordered_supercell(data: Path, student: Student, folder: Path) -> Atoms:
    """Return the ordered 240-atom cell, relaxed with its lattice parameters by the student."""
    unit = relax(folder, read(data / "LYC_ordered_exp.cif"), student, cell=True)
    return unit.repeat((2, 2, 2))


def strained_cells(data: Path, count: int, seed: int) -> list[Atoms]:
    """Return rattled and strained copies of the ordered 60-atom cell."""
    unit = read(data / "LYC_ordered_exp.cif").repeat((1, 1, 2))
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        atoms = unit.copy()
        noise = rng.uniform(-0.01, 0.01, (3, 3))
        strain = np.diag(rng.uniform(-0.035, 0.025, 3)) + (noise + noise.T) / 2
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        atoms.positions += rng.normal(0, rng.uniform(0, 0.06), atoms.positions.shape)
        made.append(atoms)
    return made


def near_ground_state(data: Path, student: Student, folder: Path, seed: int) -> list[Atoms]:
    """Return the lowest known Li ordering, relaxed by the student, and rattled copies of it."""
    start = read(data / "LYC_222_lowest_found.extxyz")
    relaxed = relax(folder, start, student, cell=True)
    rng = np.random.default_rng(seed)
    made = [relaxed]
    for width in (0.02, 0.04, 0.06, 0.08):
        atoms = relaxed.copy()
        atoms.positions += rng.normal(0, width, atoms.positions.shape)
        made.append(atoms)
    return made


def new_frames(
    folder: Path, data: Path, student: Student, teacher: Teacher, index: int
) -> tuple[list[Atoms], list[Atoms]]:
    """Run one round of the student's own MD and relaxations and label its frames.

    Returns the moving frames and the relaxed ones.
    """
    stores = folder / "moving.xyz", folder / "relaxed.xyz"
    if stores[1].exists():
        return read_frames(stores[0]), read_frames(stores[1])
    start = ordered_supercell(data, student, folder / "cell")
    moving: list[Atoms] = []
    resting: list[Atoms] = []
    for seed, strain, temperatures in ROUNDS[index]:
        atoms = start.copy()
        atoms.set_cell(start.cell.array * strain, scale_atoms=True)
        ladder = Ladder(temperatures, seed)
        by_temperature = run_ladder(folder / f"md{seed}", atoms, student, ladder)
        for kelvin, frames in by_temperature.items():
            moving += frames
            name = folder / f"relax{seed}-{kelvin}"
            resting.append(relax(name, frames[-1], student))
    moving += strained_cells(data, 40, seed=index)
    resting += near_ground_state(data, student, folder / "lowest", seed=index)
    resting.append(start)
    for store, found in zip(stores, (moving, resting), strict=True):
        write_frames(store, [teacher.label(a) for a in found])
    return read_frames(stores[0]), read_frames(stores[1])


def fit(work: Path, data: Path, teacher: Teacher) -> tuple[Student, dict[str, int]]:
    """Fit, then refit in rounds; return the student and the numbers of frames used."""
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "train.xyz.gz"
        shutil.copy(data / "training_LiYCl" / "train_mtp.extxyz.gz", plain)
        given = read_frames(plain)
    blocks = trajectories(given)
    fitpod(
        work / "holdout",
        [a for i, block in enumerate(blocks) if i not in HELD_OUT for a in block[::2]],
        [a for i in HELD_OUT for a in blocks[i]],
    )
    frames_used = {"given": len(given)}
    train = list(given)
    student = fitpod(work / "fit0", train)
    for_gauge = given[::12]
    for index in range(len(ROUNDS)):
        folder = work / f"round{index + 1}"
        moving, relaxed = new_frames(folder, data, student, teacher, index)
        frames_used[f"round {index + 1}"] = len(moving) + len(relaxed)
        train += moving + RELAXED_COPIES * relaxed
        for_gauge += moving[::8] + relaxed
        student = fitpod(work / f"fit{index + 1}", train)
        print(f"round {index + 1}: fitted to {len(train)} frames", flush=True)
    radial = int(PARAMETERS["twobody_number_radial_basis_functions"])
    return fix_gauge(work / "gauge", for_gauge, student, radial), frames_used


def main() -> None:
    """Fit, validate, and write the shipped files."""
    default = Path(os.environ.get("FRUSTRA_DATA", ROOT.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--work", type=Path, default=Path("runs") / "li-y-cl")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    work, data = args.work.resolve(), args.data.resolve()
    teacher = Teacher(data / "potentials_LYC_MTP" / "PBE.optB88.mtp")
    student, frames_used = fit(work, data, teacher)
    args.out.mkdir(parents=True, exist_ok=True)
    shutil.copy(student.parameters, args.out / "parameters.pod")
    shutil.copy(student.coefficients, args.out / "coefficients.pod")
    settings: dict[str, object] = {**PARAMETERS, **WEIGHTS, "relaxed_copies": RELAXED_COPIES}
    settings["gauge_spread_weights"] = SPREAD_WEIGHTS
    validate(work, data, student, teacher, args.out, {"frames": frames_used, "fit": settings})


if __name__ == "__main__":
    main()
