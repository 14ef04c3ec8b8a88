"""What a density of atomistic states costs beside the only other public code: one table for each part.

    python benchmarks/doas.py relaxation [--atoms 240 960 3840] [--frames 5] [--steps 3] [--json FILE]

`relaxation`: relaxed snapshots per second of processor time and force calls per snapshot. The other code
relaxes every frame with a new calculator and ASE's BFGS, whose Hessian is dense. Here both get forces from
the same LAMMPS that stays alive, so that a force call costs the same; the processor time of LAMMPS is
included. Above `--whole` atoms only `--steps` steps of BFGS are made, as all would take hours. What a frame
would take is then told for as many steps as were needed at 240 atoms: a supposition, and marked as such.

Everything uses one thread. Times are of the processor, so that other work on the machine disturbs little.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS

from frustra.engines.descend import descend
from frustra.engines.live import forces_of
from frustra.engines.md import MDSettings, run_md
from frustra.engines.springs import Springs
from frustra.engines.zoo import load_potential
from frustra.io import read_structure
from frustra.structures import supercell

ROOT = Path(__file__).resolve().parents[1]
MODEL = "pod:li-y-cl"
CELLS = {240: (2, 2, 2), 960: (2, 4, 4), 3840: (4, 4, 8)}
FMAXES = (0.05, 0.01)  # eV/Å
MAX_MOVE = 0.2  # Å: the default of both


@dataclass(frozen=True)
class Row:
    """One way on one set of frames."""

    atoms: int
    fmax: float
    way: str
    frames: int
    force_calls: float
    seconds: float
    energies: list[float]
    note: str = ""
    peak_MB: float = 0.0  # noqa: N815 - the unit


class LiveCalculator(Calculator):
    """An ASE calculator that asks a LAMMPS that stays alive, and counts how often."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE reads a list

    def __init__(self, forces: Any) -> None:
        super().__init__()
        self._forces, self.calls = forces, 0

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = (), changes: Sequence[str] = all_changes
    ) -> None:
        """Evaluate energy and forces."""
        super().calculate(atoms, properties, changes)
        energy, forces = self._forces(self.atoms.positions)
        self.calls += 1
        self.results = {"energy": energy, "forces": forces}


def hot_frames(atoms: int, count: int, folder: Path) -> Path:
    """Return a file with frames of MD at 600 K, made if it is missing."""
    path = folder / f"frames-{atoms}-{count}.npz"
    if path.is_file():
        return path
    interval = {240: 1.0, 960: 0.5}.get(atoms, 0.2)
    equilibration = {240: 3.0, 960: 2.0}.get(atoms, 1.0)
    settings = MDSettings(
        temperatures=(600.0,), equilibration=equilibration, production=count * interval, interval=interval
    )
    crystal = supercell(read_structure(ROOT / "examples/li3ycl6/Li3YCl6.cif"), CELLS[atoms])
    run = run_md(crystal, load_potential(MODEL), settings, 600.0, np.random.default_rng(7))
    np.savez(path, positions=run.positions[:count], cell=run.cells[0], numbers=run.numbers)
    return path


def processor_time() -> float:
    """Return the processor time of this process and of those that it started and that have ended, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def ours(frames: list[Atoms], fmaxes: Sequence[float], _: int) -> list[Row]:
    """Relax as `relax_frames` does: one process, springs learned on the way."""
    return [_ours(frames, fmax) for fmax in fmaxes]


def _ours(frames: list[Atoms], fmax: float) -> Row:
    began, crystal, springs, found = processor_time(), frames[0], Springs(frames[0].numbers), []
    with TemporaryDirectory() as name, forces_of(crystal, load_potential(MODEL), Path(name)) as forces:
        for frame in frames:
            limits = fmax, 1000, MAX_MOVE
            found.append(descend(forces, frame.positions, crystal.cell.array, springs, *limits))
    calls = np.mean([f.calls for f in found])
    seconds = (processor_time() - began) / len(frames)
    return Row(len(crystal), fmax, "frustra", len(frames), float(calls), seconds, [f.energy for f in found])


def dense(frames: list[Atoms], fmaxes: Sequence[float], steps: int) -> list[Row]:
    """Relax every frame with a new calculator and ASE's BFGS, from one largest force to the next."""
    rows: list[list[Row]] = [[] for _ in fmaxes]
    for frame in frames:
        with TemporaryDirectory() as name, ExitStack() as stack:
            began = processor_time()
            forces = stack.enter_context(forces_of(frame, load_potential(MODEL), Path(name)))
            atoms, marks = frame.copy(), []
            atoms.calc = LiveCalculator(forces)
            way = BFGS(atoms, logfile=None, maxstep=MAX_MOVE)
            for fmax in fmaxes:
                done = way.run(fmax=fmax, steps=steps)
                marks.append((processor_time(), atoms.calc.calls, atoms.get_potential_energy(), done))
            stack.close()  # LAMMPS has ended: its time counts from now on
            lammps = processor_time() - marks[-1][0]
            for place, (fmax, (seconds, calls, energy, done)) in enumerate(zip(fmaxes, marks, strict=True)):
                spent = seconds - began + lammps * calls / marks[-1][1]
                note = "" if done else f"stopped after {calls - 1} steps"
                rows[place].append(Row(len(frame), fmax, "ASE BFGS", 1, calls, spent, [float(energy)], note))
    return [_mean(of_one) for of_one in rows]


def _mean(rows: list[Row]) -> Row:
    energies = [r.energies[0] for r in rows]
    calls, seconds = (float(np.mean([getattr(r, n) for r in rows])) for n in ("force_calls", "seconds"))
    return replace(rows[0], frames=len(rows), force_calls=calls, seconds=seconds, energies=energies)


WAYS: dict[str, Callable[[list[Atoms], Sequence[float], int], list[Row]]] = {
    "frustra": ours,
    "ASE BFGS": dense,
}


def measured(way: str, path: Path, count: int, steps: int, fmaxes: Sequence[float]) -> list[Row]:
    """Run one way in this process, which should be a new one: memory is its peak."""
    held = np.load(path)
    frames = [Atoms(held["numbers"], x, cell=held["cell"], pbc=True) for x in held["positions"][:count]]
    rows = WAYS[way](frames, fmaxes, steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [replace(row, peak_MB=peak) for row in rows]


def in_new_process(way: str, path: Path, count: int, steps: int, fmaxes: Sequence[float]) -> list[Row]:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "one", way, str(path), str(count), str(steps), *map(str, fmaxes)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - us
    return [Row(**row) for row in json.loads(told.splitlines()[-1])]


def _supposed(row: Row, before: Sequence[Row]) -> Row:
    """Note how long a frame would take, where only some steps were made, with as many as a smaller one."""
    same = [r for r in before if r.way == row.way and r.fmax == row.fmax and not r.note]
    if not row.note or not same:
        return row
    steps = same[0].force_calls - 1
    whole = row.seconds / (row.force_calls - 1) * steps
    return replace(
        row, note=f"{row.note}; {whole:.0f} s if it takes {steps:.0f}, as at {same[0].atoms} atoms"
    )


def relaxation(asked: argparse.Namespace) -> list[Row]:
    """Measure both ways at every size."""
    rows = []
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(TemporaryDirectory()))
        for atoms in asked.atoms:
            path = hot_frames(atoms, asked.frames, folder)
            few = asked.frames if atoms == min(CELLS) else 1  # a frame takes minutes
            theirs = (few, 1000, FMAXES) if atoms <= asked.whole else (1, asked.steps, FMAXES[-1:])
            for way, count, *limits in (("frustra", asked.frames, 1000, FMAXES), ("ASE BFGS", *theirs)):
                found = [_supposed(row, rows) for row in in_new_process(way, path, count, *limits)]
                rows += found
                print("\n".join(_told(row) for row in found), flush=True)
    return rows


HEADS = (
    "atoms",
    "fmax (eV/Å)",
    "way",
    "frames",
    "force calls",
    "s per frame",
    "frames per s",
    "peak (MB)",
    "note",
)


def _told(row: Row) -> str:
    cells = [
        row.atoms, f"{row.fmax:g}", row.way, row.frames, f"{row.force_calls:.1f}", f"{row.seconds:.3g}",
        f"{1 / row.seconds:.3g}", f"{row.peak_MB:.0f}", row.note,
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


TABLES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {"relaxation": relaxation}
"""From a table's name to what measures it."""


def main() -> None:
    """Make the table that is asked for."""
    if sys.argv[1:2] == ["one"]:
        way, path, count, steps, *fmaxes = sys.argv[2:]
        rows = measured(way, Path(path), int(count), int(steps), [float(f) for f in fmaxes])
        print(json.dumps([asdict(row) for row in rows]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--atoms", type=int, nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps of BFGS where all would take hours")
    parser.add_argument("--whole", type=int, default=960, help="atoms up to which BFGS makes all its steps")
    parser.add_argument("--folder", type=Path, help="where frames are kept for another time")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    rows = TABLES[asked.table](asked)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(r) for r in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
