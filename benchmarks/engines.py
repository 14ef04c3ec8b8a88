"""What frustra's engines cost beside what a user would run instead: one table, ratios within one run.

    python benchmarks/engines.py [overhead] [workers] [relaxation] [--json FILE]

Everything uses one thread and the shipped potential on 240 atoms of Li3YCl6 (ASE's MD: 256 atoms of a
Lennard-Jones crystal). Nothing else should run on the machine meanwhile.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.md.bussi import Bussi
from ase.optimize import FIRE, FIRE2, LBFGS, BFGSLineSearch, LBFGSLineSearch
from ase.optimize.precon import Exp, PreconLBFGS

from frustra.campaign.executors import ResourceSettings, executor_of
from frustra.engines.calculator import CalculatorPotential
from frustra.engines.lammps import preamble, read_dump, run_lammps, write_data, write_dump
from frustra.engines.md import MDSettings, run_md
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.engines.zoo import load_potential
from frustra.io import read_structure
from frustra.structures import supercell

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 2
FMAX = 0.01  # eV/Å
SAME = 0.03  # eV: relaxed energies of one basin to this largest force
SNAPSHOTS = 20
Row = tuple[str, ...]


def crystal() -> Atoms:
    """Return 240 atoms of Li3YCl6."""
    return supercell(read_structure(ROOT / "examples/li3ycl6/Li3YCl6.cif"), (2, 2, 2))


def timed(work: Callable[[], Any]) -> float:
    """Return the shortest of a few times, s."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def overhead() -> list[Row]:
    """Our MD, checkpoints and trajectory file included, against the engines by themselves."""
    settings = MDSettings(temperatures=(600.0,), equilibration=0.0, production=20.0)
    atoms, potential = crystal(), load_potential("pod:li-y-cl")

    def ours() -> None:
        run_md(atoms, potential, settings, 600.0, np.random.default_rng(1))

    def bare() -> None:
        with TemporaryDirectory() as name:
            _bare_lammps(Path(name), settings.steps(settings.production))

    rows = [_ratio("LAMMPS, POD, 240 atoms, 20 ps", timed(ours), timed(bare))]
    argon, model = _argon()
    settings = MDSettings(temperatures=(40.0,), equilibration=0.0, production=1.0)
    steps, every = settings.steps(settings.production), settings.frame_steps

    def ours_ase() -> None:
        run_md(argon, model, settings, 40.0, np.random.default_rng(1))

    def bare_ase() -> None:
        moving, rng, kept = argon.copy(), np.random.default_rng(1), []
        moving.calc = model.calculator
        masses = moving.get_masses()[:, None]
        moving.set_momenta(rng.standard_normal((len(moving), 3)) * np.sqrt(masses * units.kB * 80))
        dynamics = Bussi(moving, 2 * units.fs, 40.0, 100 * units.fs, rng=rng)
        dynamics.attach(lambda: kept.append(moving.get_positions()), interval=every)
        dynamics.run(steps)

    return [*rows, _ratio("ASE, Lennard-Jones, 256 atoms, 1 ps", timed(ours_ase), timed(bare_ase))]


def _ratio(name: str, ours: float, theirs: float) -> Row:
    return name, f"{ours:.2f}", f"{theirs:.2f}", f"{100 * (ours / theirs - 1):+.1f} %"


def _lennard_jones() -> LennardJones:
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)


def _argon() -> tuple[Atoms, CalculatorPotential]:
    return bulk("Ar", "fcc", a=5.3, cubic=True).repeat(4), CalculatorPotential("lj", _lennard_jones, "lj")


def one_run(seed: int, length: float = 5.0) -> None:
    """Run MD for some time (ps): what each worker does."""
    settings = MDSettings(temperatures=(600.0,), equilibration=0.0, production=length)
    run_md(crystal(), load_potential("pod:li-y-cl"), settings, 600.0, np.random.default_rng(seed))


def workers() -> list[Row]:
    """Eight equal MD runs with one worker and with two; and bare LAMMPS, one and two at once."""
    seconds = []
    for count in (1, 2):
        with TemporaryDirectory() as name, executor_of(ResourceSettings(workers=count), Path(name)) as pool:
            wait([pool.submit(one_run, 1, 0.2) for _ in range(4 * count)])  # workers are up
            began = time.perf_counter()
            for future in [pool.submit(one_run, seed) for seed in range(8)]:
                future.result()
            seconds.append(time.perf_counter() - began)
    one, two = (_at_once(count) for count in (1, 2))
    return [
        ("8 MD runs of 5 ps", f"{seconds[0]:.1f}", f"{seconds[1]:.1f}", f"{seconds[0] / seconds[1]:.2f}"),
        ("bare LAMMPS: what the machine gives", f"{2 * one:.1f}", f"{two:.1f}", f"{2 * one / two:.2f}"),
    ]


def _at_once(count: int) -> float:
    """Return the time that so many bare LAMMPS runs of 10 ps take side by side, s."""
    with TemporaryDirectory() as name, ThreadPoolExecutor(count) as threads:
        folders = [Path(name) / str(i) for i in range(count)]
        began = time.perf_counter()
        wait([threads.submit(_bare_lammps, folder, 5000) for folder in folders])
        return time.perf_counter() - began


def _bare_lammps(folder: Path, steps: int) -> None:
    """Run LAMMPS as a user's own script would."""
    potential = load_potential("pod:li-y-cl")
    folder.mkdir(exist_ok=True)
    write_data(folder / "structure.data", crystal(), potential.species)
    run_lammps(
        preamble(potential.commands)
        + "velocity all create 1200 1 mom yes rot no dist gaussian\ntimestep 0.002\n"
        "fix md all nve\nfix bath all temp/csvr 600 600 0.1 1\nthermo 200\n"
        "dump frames all custom 50 frames.dump id xu yu zu\n"
        f"dump_modify frames sort id format float %.6f\nrun {steps}\n",
        folder,
    )


def hot_frames() -> list[Atoms]:
    """Return frames of MD at 600 K, 1 ps apart."""
    settings = MDSettings(temperatures=(600.0,), equilibration=5.0, production=20.0, interval=1.0)
    run = run_md(crystal(), load_potential("pod:li-y-cl"), settings, 600.0, np.random.default_rng(7))
    return [run.atoms(i) for i in range(SNAPSHOTS)]


LAMMPS_WAYS = {
    "LAMMPS cg": ("min_style cg", "min_modify norm max dmax 0.1 line quadratic", 1),
    "LAMMPS cg, then fire": ("min_style cg", "min_modify norm max dmax 0.1 line quadratic", 2),
    "LAMMPS cg backtrack": ("min_style cg", "min_modify norm max dmax 0.1 line backtrack", 1),
    "LAMMPS sd": ("min_style sd", "min_modify norm max dmax 0.1 line quadratic", 1),
    "LAMMPS fire": ("min_style fire", "min_modify norm max dmax 0.1", 1),
    "LAMMPS quickmin": ("min_style quickmin", "min_modify norm max dmax 0.1", 1),
}

ASE_WAYS: dict[str, Callable[[Atoms], Any]] = {
    "ASE FIRE": lambda a: FIRE(a, logfile=None, maxstep=0.1),
    "ASE FIRE2": lambda a: FIRE2(a, logfile=None, maxstep=0.1),
    "ASE LBFGS": lambda a: LBFGS(a, logfile=None, maxstep=0.1),
    "ASE LBFGS, memory 20": lambda a: LBFGS(a, logfile=None, maxstep=0.1, memory=20),
    "ASE LBFGSLineSearch": lambda a: LBFGSLineSearch(a, logfile=None, maxstep=0.1),
    "ASE BFGSLineSearch": lambda a: BFGSLineSearch(a, logfile=None, maxstep=0.1),
    "ASE PreconLBFGS (Exp)": lambda a: PreconLBFGS(
        a, precon=Exp(A=3.0), logfile=None, maxstep=0.1, memory=20
    ),
    "ASE PreconLBFGS (none)": lambda a: PreconLBFGS(a, precon=None, logfile=None, maxstep=0.1),
}


def _our_way(frames: list[Atoms]) -> tuple[float, float, int, Any]:
    began = time.perf_counter()
    found = relax_frames(frames, load_potential("pod:li-y-cl"), RelaxSettings(fmax=FMAX))
    seconds = time.perf_counter() - began
    return found.force_calls.mean(), seconds / len(frames), int(found.converged.sum()), found.energies


def relaxation() -> list[Row]:
    """Force calls and seconds per snapshot to the same largest force, and the energies reached."""
    frames = hot_frames()
    found = {"frustra": _our_way(frames)}
    found |= {name: _lammps_way(frames, *way) for name, way in LAMMPS_WAYS.items()}
    calculator = _in_process()
    for name, way in ASE_WAYS.items():
        found[name] = _ase_way(frames, calculator, way)
    usual = np.median([energies for *_, energies in found.values()], axis=0)  # of the basin most end in
    return [
        (
            name,
            f"{calls:.0f}",
            f"{seconds:.2f}",
            f"{converged}/{len(frames)}",
            f"{np.sum(np.abs(energies - usual) < SAME)}/{len(frames)}",
            f"{1000 * np.median(energies - usual):+.1f}",
        )
        for name, (calls, seconds, converged, energies) in found.items()
    ]


def _lammps_way(frames: list[Atoms], style: str, modify: str, rounds: int) -> tuple[float, float, int, Any]:
    potential = load_potential("pod:li-y-cl")
    run = f"minimize 0.0 {FMAX} 2000 20000"
    ways = [[style, modify, run], ["min_style fire", "min_modify norm max dmax 0.1", run]][:rounds]
    lines = [
        "thermo 0", "thermo_style custom step pe", f"variable i loop 0 {len(frames) - 1} pad", "label next",
        "read_dump frames.dump $i x y z box no", "reset_timestep 0", *(line for way in ways for line in way),
        "write_dump all custom out.dump id fx fy fz modify sort id append yes format float %.8g",
        'print "$(pe:%.10g)" append energies.txt screen no', "next i", "jump SELF next",
    ]  # fmt: skip
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder / "structure.data", frames[0], potential.species)
        cells = np.array([f.cell.array for f in frames])
        write_dump(folder / "frames.dump", np.array([f.positions for f in frames]), cells)
        began = time.perf_counter()
        output = run_lammps(preamble(potential.commands) + "\n".join(lines) + "\n", folder)
        seconds = time.perf_counter() - began
        forces = read_dump(folder / "out.dump", len(frames[0]), 4)[:, :, 1:]
        energies = np.loadtxt(folder / "energies.txt")
    calls = sum(int(line.split()[-1]) for line in output.splitlines() if "force evaluations" in line)
    largest = np.linalg.norm(forces, axis=2).max(axis=1)
    return calls / len(frames), seconds / len(frames), int((largest <= FMAX).sum()), energies


def _in_process() -> Any:
    """Return an ASE calculator that calls LAMMPS in this process, so that a force call costs the same."""
    import ctypes  # noqa: PLC0415
    from importlib import metadata  # noqa: PLC0415

    found = [Path(str(f.locate())) for f in metadata.files("mpich") or [] if f.name.startswith("libmpi.so")]
    library = max(found, key=lambda path: path.stat().st_size)  # the others are stand-ins for links
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    from ase.calculators.lammpslib import LAMMPSlib  # noqa: PLC0415

    potential = load_potential("pod:li-y-cl")
    types = {s: i + 1 for i, s in enumerate(potential.species)}
    header = ["units metal", "atom_style atomic", "atom_modify map array sort 0 0"]
    return LAMMPSlib(
        lmpcmds=list(potential.commands), atom_types=types, lammps_header=header, keep_alive=True,
        log_file=os.devnull,
    )  # fmt: skip


class _Counted:
    """Count the evaluations of a calculator."""

    def __init__(self, calculator: Any) -> None:
        self.calls = 0
        self._calculate = calculator.calculate
        self._calculator = calculator

    def __enter__(self) -> Self:
        def calculate(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return self._calculate(*args, **kwargs)

        self._calculator.calculate = calculate
        return self

    def __exit__(self, *_: object) -> None:
        self._calculator.calculate = self._calculate


def _ase_way(
    frames: list[Atoms], calculator: Any, way: Callable[[Atoms], Any]
) -> tuple[float, float, int, Any]:
    energies, converged = [], 0
    began = time.perf_counter()
    with _Counted(calculator) as counted:
        for frame in frames:
            atoms = frame.copy()
            atoms.calc = calculator
            try:
                way(atoms).run(fmax=FMAX, steps=2000)
            except Exception as error:  # noqa: BLE001 - a line search may give up
                print(f"  {type(error).__name__}: {error}", file=sys.stderr)
            energies.append(atoms.get_potential_energy())
            converged += np.linalg.norm(atoms.get_forces(), axis=1).max() <= FMAX
    seconds = time.perf_counter() - began
    return counted.calls / len(frames), seconds / len(frames), int(converged), np.array(energies)


TABLES: dict[str, tuple[Callable[[], list[Row]], Row]] = {
    "overhead": (overhead, ("MD", "frustra (s)", "bare engine (s)", "overhead")),
    "workers": (workers, ("campaign", "1 worker (s)", "2 workers (s)", "ratio")),
    "relaxation": (
        relaxation,
        ("minimiser", "force calls", "s", "converged", "same basin", "E above usual (meV)"),
    ),
}


def main() -> None:
    """Run the tables asked for and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = {}
    for name in asked.tables or TABLES:
        make, heads = TABLES[name]
        rows = make()
        found[name] = [dict(zip(heads, row, strict=True)) for row in rows]
        print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        print(flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
