"""How fast trajectories of other programs are read: frustra, ASE and pymatgen on the same files.

    python benchmarks/readers.py [--frames N] [--json FILE]

One run reads each file by each reader in turn, checks that the positions are equal, and prints the ratios of
processor time.
frustra's time includes the unwrapping, which the others do not do. A reader that is not installed is left
out: pymatgen is meant to be in an environment of its own, which `PYTHON_WITH_PYMATGEN` names.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import ase.io
import numpy as np

from frustra.io import TrajectoryHints, read_trajectory

ATOMS = {"Li": 192, "P": 32, "S": 160, "I": 32}
EDGE = 20.433  # Å
REPEATS = 3
OTHER_PYTHON = "PYTHON_WITH_PYMATGEN"
HINTS = TrajectoryHints(timestep=0.1, elements=tuple(ATOMS))
Row = tuple[str, ...]

PYMATGEN = """
import sys, time
import numpy as np
from pymatgen.io.vasp.outputs import Xdatcar
began = time.process_time()
found = Xdatcar(sys.argv[1])
seconds = time.process_time() - began
np.save(sys.argv[2], np.array([s.frac_coords for s in found.structures]))
print(seconds)
"""


def walk(frames: int) -> np.ndarray:
    """Return fractional positions (frames, atoms, 3) of a random walk, unwrapped."""
    rng = np.random.default_rng(1)
    steps = rng.normal(0, 0.004, (frames, sum(ATOMS.values()), 3))
    steps[0] = rng.uniform(size=steps.shape[1:])
    return np.cumsum(steps, axis=0)


def write_xdatcar(path: Path, positions: np.ndarray) -> None:
    """Write as VASP does."""
    symbols, counts = " ".join(ATOMS), " ".join(str(n) for n in ATOMS.values())
    cell = "".join("".join(f"{x:12.6f}" for x in row) + "\n" for row in EDGE * np.eye(3))
    with path.open("w", encoding="utf-8") as file:
        file.write(f"walk\n           1\n{cell}{symbols}\n{counts}\n")
        for number, frame in enumerate(positions, 1):
            file.write(f"Direct configuration={number:6d}\n")
            np.savetxt(file, frame % 1.0, fmt="%12.8f", delimiter="")


def write_dump(path: Path, positions: np.ndarray) -> None:
    """Write as LAMMPS does with `dump custom id type x y z`."""
    types = np.repeat(np.arange(1, len(ATOMS) + 1), list(ATOMS.values()))
    ids = np.arange(1, len(types) + 1)
    box = f"0.0 {EDGE}\n" * 3
    with path.open("w", encoding="utf-8") as file:
        for step, frame in enumerate(positions):
            file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(ids)}\n")
            file.write(f"ITEM: BOX BOUNDS pp pp pp\n{box}ITEM: ATOMS id type x y z\n")
            np.savetxt(file, np.column_stack([ids, types, EDGE * (frame % 1.0)]), fmt="%d %d %g %g %g")


def timed(read: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the shortest of a few times, s, and what was read."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        found = read()
        times.append(time.process_time() - began)
    return min(times), found


def ours(path: Path) -> tuple[float, np.ndarray]:
    """Read with frustra; fractional, unwrapped."""
    seconds, positions = timed(lambda: read_trajectory(path, hints=HINTS).positions)
    return seconds, positions / EDGE


def of_ase(path: Path, kind: str) -> tuple[float, np.ndarray]:
    """Read with ASE; fractional."""
    images: list[Any] = []

    def read() -> np.ndarray:
        images[:] = ase.io.read(path, index=":", format=kind)
        return np.empty(0)

    seconds, _ = timed(read)
    return seconds, np.array([image.positions for image in images]) / EDGE


def of_pymatgen(path: Path, folder: Path) -> tuple[float, np.ndarray] | None:
    """Read with pymatgen in its own environment; None if there is none."""
    python = os.environ.get(OTHER_PYTHON)
    if not python:
        print(f"pymatgen left out: {OTHER_PYTHON} names no Python that has it", file=sys.stderr)
        return None
    command = [python, "-c", PYMATGEN, str(path), str(folder / "pymatgen.npy")]
    times = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603
        for _ in range(REPEATS)
    ]
    return min(times), np.load(folder / "pymatgen.npy")


def same(one: np.ndarray, other: np.ndarray) -> str:
    """Return how far positions differ, in Å, up to lattice vectors; refuse more than the files' digits."""
    gap = one - other
    worst = EDGE * np.abs(gap - np.rint(gap)).max()
    if one.shape != other.shape or worst > 1e-3:
        raise SystemExit(f"positions differ by {worst:g} Å")
    return f"{worst:.0e}"


def row(name: str, mine: tuple[float, np.ndarray], reader: str, other: tuple[float, np.ndarray]) -> Row:
    """Compare one reader with ours."""
    return (
        name,
        reader,
        f"{mine[0]:.3f}",
        f"{other[0]:.3f}",
        f"{other[0] / mine[0]:.1f}",
        same(mine[1], other[1]),
    )


def rows(frames: int, folder: Path) -> list[Row]:
    """Write the files and read them."""
    positions, found = walk(frames), []
    plain, packed, dump = folder / "XDATCAR", folder / "XDATCAR.gz", folder / "lammps.dump"
    write_xdatcar(plain, positions)
    packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
    write_dump(dump, positions)
    for path in (plain, packed):
        mine = ours(path)
        found.append(row(path.name, mine, "ASE", of_ase(path, "vasp-xdatcar")))
        theirs = of_pymatgen(path, folder)
        if theirs:
            found.append(row(path.name, mine, "pymatgen", theirs))
    mine = ours(dump)
    np.testing.assert_allclose(mine[1], positions - np.floor(positions[0]), atol=1e-5)  # the walk itself
    found.append(row("LAMMPS dump", mine, "ASE", of_ase(dump, "lammps-dump-text")))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    heads = ("file", "reader", "frustra (s)", "reader (s)", "ratio", "largest difference (Å)")
    with TemporaryDirectory() as name:
        found = rows(asked.frames, Path(name))
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for line in found:
        print("| " + " | ".join(line) + " |")
    if asked.json:
        table = [dict(zip(heads, line, strict=True)) for line in found]
        asked.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
