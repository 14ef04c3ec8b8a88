"""Measure the fitted Li-Y-Cl potential against its teacher and write its card."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from ase.io import read
from card import write_card
from numpy.typing import NDArray
from scipy.stats import spearmanr
from student import (
    SPECIES,
    STEP_PS,
    TEMPERATURES,
    Ladder,
    Student,
    Teacher,
    header,
    lammps,
    relax,
    run_ladder,
    speed,
)

Record = dict[str, Any]
UPWARD, DOWNWARD = 9001, 9101
LEFT_SITE = 1.1


def stage(path: Path, measure: Callable[[], Record]) -> Record:
    """Return the stored result of a measurement, or measure and store it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure(), indent=1))
        print(f"measured: {path.stem}", flush=True)
    result: Record = json.loads(path.read_text())
    return result


def rms(values: NDArray[np.float64]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def errors(found: Sequence[Atoms], labelled: Sequence[Atoms]) -> Record:
    """Compare the student's energies and forces with the teacher's, in meV and Angstrom."""
    size = len(found[0])
    student = np.array([a.arrays["student_energies"].sum() for a in found])
    teacher = np.array([a.info["energy"] for a in labelled])
    difference = 1000 * (student - teacher) / size
    ours = np.concatenate([a.arrays["student_forces"] for a in found])
    theirs = np.concatenate([a.arrays["forces"] for a in labelled])
    symbols = np.concatenate([np.array(a.get_chemical_symbols()) for a in found])
    return {
        "frames": len(found),
        "energy_rmse_mev_per_atom": rms(difference),
        "energy_offset_mev_per_atom": float(difference.mean()),
        "energy_scatter_mev_per_atom": float(difference.std()),
        "force_rmse_mev_per_ang": 1000 * rms(ours - theirs),
        "force_rms_teacher_mev_per_ang": 1000 * rms(theirs),
        "force_slope": float((ours * theirs).sum() / (theirs**2).sum()),
        "force_rmse_by_element": {s: 1000 * rms((ours - theirs)[symbols == s]) for s in SPECIES},
    }


def own_md(ladders: dict[str, dict[int, list[Atoms]]], teacher: Teacher) -> Record:
    """Measure the errors on frames of the student's own MD, none of them used in the fit."""
    pairs = {
        kelvin: [(a, teacher.label(a)) for runs in ladders.values() for a in runs[kelvin]]
        for kelvin in TEMPERATURES
    }
    result: Record = {
        str(kelvin): errors([a for a, _ in both], [b for _, b in both]) for kelvin, both in pairs.items()
    }
    every = [pair for both in pairs.values() for pair in both]
    result["all"] = errors([a for a, _ in every], [b for _, b in every])
    return result


def lengths(atoms: Atoms) -> list[float]:
    """Return a (the mean of a and b) and c."""
    a, b, c = atoms.cell.lengths()
    return [float((a + b) / 2), float(c)]


def ordered_cell(folder: Path, data: Path, student: Student) -> Atoms:
    """Relax the ordered 30-atom cell by the student, repeatedly, for the modes along c are soft."""
    atoms = read(data / "LYC_ordered_exp.cif")
    for _ in range(5):
        atoms = relax(folder, atoms, student, cell=True)
    return atoms


def lattice(folder: Path, data: Path, student: Student, teacher: Teacher) -> Record:
    """Relax the ordered 30-atom cell by student and teacher."""
    unit = read(data / "LYC_ordered_exp.cif")
    return {
        "student": lengths(ordered_cell(folder, data, student)),
        "teacher": lengths(teacher.relax(unit, cell=True, fmax=0.0005)),
        "experiment": lengths(unit),
    }


def lithium(atoms: Atoms) -> NDArray[np.bool_]:
    """Return which atoms are Li."""
    return np.array(atoms.get_chemical_symbols()) == "Li"


def share(totals: NDArray[np.float64], per_li: Sequence[NDArray[np.float64]]) -> Record:
    """Return how far the per-Li energies follow the relaxed total energy per Li."""
    means = np.array([1000 * e.mean() for e in per_li])
    return {
        "slope_of_mean_on_total": float(np.polyfit(totals, means, 1)[0]),
        "correlation_with_total": float(np.corrcoef(totals, means)[0, 1]),
        "standard_deviation_mev": 1000 * float(np.std(np.concatenate(per_li))),
    }


def orderings(folder: Path, states: dict[str, Atoms], student: Student, teacher: Teacher) -> Record:
    """Compare the relaxed energies of different Li orderings in one cell, in meV per Li."""
    rows, ours, theirs = [], [], []
    for name, atoms in states.items():
        by_student = relax(folder / name, atoms, student)
        single = teacher.label(by_student)
        own = teacher.relax(by_student, fmax=0.02)
        energies = (
            by_student.arrays["student_energies"].sum(),
            single.info["energy"],
            own.info["energy"],
        )
        rows.append([1000 * float(e) / lithium(atoms).sum() for e in energies])
        ours.append(by_student.arrays["student_energies"][lithium(atoms)])
        theirs.append(own.arrays["energies"][lithium(atoms)])
    table = np.array(rows) - np.array(rows)[0]
    difference = table[:, [0]] - table[:, 1:]
    return {
        "unit": "meV per Li, relative to the first ordering",
        "orderings": {
            name: dict(zip(("student", "teacher_single_point", "teacher_relaxed"), row, strict=True))
            for name, row in zip(states, table.tolist(), strict=True)
        },
        "spread_teacher_relaxed": float(table[:, 2].std()),
        "scatter_single_point": float(difference[:, 0].std()),
        "scatter_relaxed": float(difference[:, 1].std()),
        "slope_relaxed": float(np.polyfit(table[:, 2], table[:, 0], 1)[0]),
        "rank_correlation_relaxed": float(spearmanr(table[:, 0], table[:, 2]).statistic),
        "li_energy_share": {
            "student": share(table[:, 0], ours),
            "teacher": share(table[:, 2], theirs),
        },
    }


def site_displacements(start: Atoms, later: Atoms) -> NDArray[np.float64]:
    """Return how far each Li moved between two relaxed frames, without framework drift."""
    moved, _ = find_mic(later.positions - start.positions, start.cell, start.pbc)
    li = lithium(start)
    lengths_moved: NDArray[np.float64] = np.linalg.norm(moved[li] - moved[~li].mean(axis=0), axis=1)
    return lengths_moved


def stability(folder: Path, ground: Atoms, student: Student) -> Record:
    """Run the lowest known ordering long at 300 K and the hot cells; look for anything odd."""
    resting = run_ladder(folder / "T300", ground, student, Ladder((300,), 77, 30000, 2500))[300]
    largest = []
    left = []
    for index, atoms in enumerate(resting):
        relaxed = relax(folder / f"relaxed{index}", atoms, student)
        moved = site_displacements(ground, relaxed)
        largest.append(float(moved.max()))
        left.append(int((moved > LEFT_SITE).sum()))
    result: Record = {
        "300": {
            "ps": 30000 * STEP_PS,
            "largest_li_displacement_ang": largest,
            "li_that_left_their_site": left,
        }
    }
    for kelvin, steps in ((800, 20000), (1000, 5000)):
        ladder = Ladder((kelvin,), 78, steps, 1000)
        hot = run_ladder(folder / f"T{kelvin}", ground, student, ladder)[kelvin]
        energies = [a.arrays["student_energies"].sum() / len(a) for a in hot]
        nearest = min(float(np.min(_distances(a))) for a in hot[::5])
        result[str(kelvin)] = {
            "ps": steps * STEP_PS,
            "atoms_lost": len(ground) - min(len(a) for a in hot),
            "potential_energy_ev_per_atom_range": [float(min(energies)), float(max(energies))],
            "shortest_distance_ang": nearest,
        }
    return result


def _distances(atoms: Atoms) -> NDArray[np.float64]:
    """Return the distances between different atoms."""
    found: NDArray[np.float64] = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
    return found


def energy_sum(folder: Path, atoms: Atoms, student: Student) -> Record:
    """Check that the per-atom energies sum to the total energy that LAMMPS reports."""
    script = header(folder, atoms, student, "sum")
    script += "compute s all reduce sum c_pe\nthermo_style custom step pe c_s\n"
    script += "thermo_modify format float %.10f\nrun 0\n"
    rows = lammps(folder, script, "sum").splitlines()
    at = next(i for i, row in enumerate(rows) if row.split()[:2] == ["Step", "PotEng"])
    _, total, summed = (float(x) for x in rows[at + 1].split())
    return {"total_ev": total, "largest_difference_ev": abs(total - summed)}


def fit_errors(work: Path) -> Record:
    """Read what fitpod reports for the held-out trajectories and for the final training set."""
    last = max(work.glob("fit*/pod_training_errors.pod"))
    paths = {"held_out_trajectories": work / "holdout/pod_test_errors.pod", "training": last}
    result = {}
    for name, path in paths.items():
        row = next(r for r in path.read_text().splitlines() if r.startswith("All files"))
        _, _, count, _, _, energy, _, force = row.split()
        result[name] = {
            "frames": int(count),
            "energy_rmse_mev_per_atom": 1000 * float(energy),
            "force_rmse_mev_per_ang": 1000 * float(force),
        }
    return result


def validate(
    work: Path, data: Path, student: Student, teacher: Teacher, out: Path, made_from: Record
) -> None:
    """Measure everything, stage by stage, and write the card and the model's page."""
    here = work / "validate"
    unit = ordered_cell(here / "cell", data, student)
    start = unit.repeat((2, 2, 2))
    ground = relax(here / "ground", read(data / "LYC_222_lowest_found.extxyz"), student, cell=True)
    found: Record = {"date": datetime.now(UTC).date().isoformat(), **fit_errors(work)}
    found["gauge"] = json.loads((work / "gauge" / "effect.json").read_text())
    found["lattice"] = stage(here / "lattice.json", lambda: lattice(here / "unit", data, student, teacher))
    found["energy_sum"] = stage(here / "energy_sum.json", lambda: energy_sum(here / "sum", start, student))
    found["speed"] = stage(
        here / "speed.json",
        lambda: {"atoms": 240, "steps_per_s": speed(here / "speed", start, student)},
    )
    ladders = {
        "up": run_ladder(here / "up", start, student, Ladder(TEMPERATURES, UPWARD)),
        "down": run_ladder(here / "down", start, student, Ladder(TEMPERATURES[::-1], DOWNWARD)),
    }
    found["own_md"] = stage(here / "own_md.json", lambda: own_md(ladders, teacher))
    lowest = ground.copy()
    lowest.set_cell(start.cell, scale_atoms=True)
    states = {"ordered": start, "lowest_found": lowest}
    for direction, runs in ladders.items():
        states |= {f"{direction}_{kelvin}K": runs[kelvin][-1] for kelvin in TEMPERATURES}
    found["orderings"] = stage(
        here / "orderings.json", lambda: orderings(here / "orderings", states, student, teacher)
    )
    found["stability"] = stage(
        here / "stability.json", lambda: stability(here / "stability", ground, student)
    )
    write_card(out, {**made_from, "errors": found})
