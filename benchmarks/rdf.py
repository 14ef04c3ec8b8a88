"""How fast g(r) is counted: frustra, ASE and pymatgen on the same frames.

    python benchmarks/rdf.py [--frames N]

192 ions in a cubic cell of 20.4 Å up to 10 Å, 200 shells, and the same in a skewed cell of the same volume,
for which ASE's function refuses so large a distance. One run counts by each in turn, checks that all have the
same pairs, and prints processor time for each frame. pymatgen is meant to be in an environment of its own,
which `PYTHON_WITH_PYMATGEN` names; it is left out otherwise. What is timed of it is the neighbour list and
the histogram of its distances, as the RDF of pymatgen-analysis-diffusion does it.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from ase import Atoms
from ase.geometry.rdf import get_rdf
from ase.neighborlist import neighbor_list

from frustra.analysis.rdf.curve import radial
from frustra.analysis.rdf.pairs import pair_distribution
from frustra.trajectory import Trajectory

IONS, EDGE, REACH, SHELLS = 192, 20.433, 10.0, 200
OTHER_PYTHON = "PYTHON_WITH_PYMATGEN"
Counter = Callable[[np.ndarray, np.ndarray], np.ndarray]

PYMATGEN = """
import sys, time
import numpy as np
from pymatgen.core import Lattice, Structure
cell, positions = np.load(sys.argv[1]), np.load(sys.argv[2])
frames = [Structure(Lattice(cell), ["Li"] * len(p), p, coords_are_cartesian=True) for p in positions]
began = time.process_time()
counts = sum(np.histogram(s.get_neighbor_list(%f)[3], %d, (0, %f))[0] for s in frames)
seconds = time.process_time() - began
np.save(sys.argv[3], counts)
print(seconds)
""" % (REACH, SHELLS, REACH)  # noqa: UP031 - braces would be doubled


def crystal(frames: int, cell: np.ndarray) -> np.ndarray:
    """Return ions that vibrate about places of their own, (frames, ions, 3), Å."""
    rng = np.random.default_rng(1)
    return rng.random((IONS, 3)) @ cell + 0.2 * rng.normal(size=(frames, IONS, 3))


def ours(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the pairs in each shell, with g, its errors and the coordination on the way."""
    cells = np.broadcast_to(cell, (len(positions), 3, 3))
    run = Trajectory(positions, cells, np.full(IONS, 3), 1.0, 600.0)
    return radial(
        [pair_distribution(run, "Li", ["Li"], np.linspace(0, REACH, SHELLS + 1), len(run))]
    ).blocks.counts.sum(axis=0)


def ase_rdf(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the pairs in each shell from the g(r) of ASE."""
    frames = [Atoms(f"Li{IONS}", p, cell=cell, pbc=True) for p in positions]
    g = get_rdf(frames, REACH, SHELLS, no_dists=True)
    volumes = 4 / 3 * np.pi * np.diff(np.linspace(0, REACH, SHELLS + 1) ** 3)
    return g * volumes * IONS**2 / abs(np.linalg.det(cell)) * len(positions)


def ase_neighbours(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the pairs in each shell from ASE's neighbour list."""
    frames = [Atoms(f"Li{IONS}", p, cell=cell, pbc=True) for p in positions]
    return sum(np.histogram(neighbor_list("d", a, REACH), SHELLS, (0, REACH))[0] for a in frames)


def timed(counter: Counter, positions: np.ndarray, cell: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the processor time of one frame, ms, and the pairs."""
    began = time.process_time()
    counts = counter(positions, cell)
    return 1e3 * (time.process_time() - began) / len(positions), counts


def pymatgen(python: str, positions: np.ndarray, cell: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the same of pymatgen, by another interpreter."""
    with TemporaryDirectory() as name:
        files = [str(Path(name) / f"{n}.npy") for n in ("cell", "positions", "counts")]
        np.save(files[0], cell)
        np.save(files[1], positions)
        command = [python, "-W", "ignore", "-c", PYMATGEN, *files]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
        return 1e3 * float(ran.stdout) / len(positions), np.load(files[2])


def rows(name: str, cell: np.ndarray, frames: int) -> list[tuple[str, ...]]:
    """Return the rows of one cell; ASE and pymatgen get fewer frames where they are slow."""
    positions = crystal(frames, cell)
    ours(positions[:2], cell)  # whatever is imported, is imported
    mine, truth = timed(ours, positions, cell)
    found = [(name, "frustra", f"{mine:.1f}", "1", "–")]
    few = positions[: max(2, frames // 20)]
    truth = ours(few, cell)
    codes: dict[str, Callable[[], tuple[float, np.ndarray]]] = {
        "ASE, geometry.rdf": lambda: timed(ase_rdf, few, cell),
        "ASE, neighbour list": lambda: timed(ase_neighbours, few, cell),
    }
    if python := os.environ.get(OTHER_PYTHON):
        codes["pymatgen, neighbour list"] = lambda: pymatgen(python, few, cell)
    for code, run in codes.items():
        try:
            milliseconds, counts = run()
        except Exception as error:  # noqa: BLE001 - what another code cannot do is a result
            found.append((name, code, f"not run: {type(error).__name__}", "", ""))
            continue
        worst = f"{np.abs(counts - truth).max():.0g}"
        found.append((name, code, f"{milliseconds:.1f}", f"{milliseconds / mine:.1f}", worst))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200)
    frames = parser.parse_args().frames
    cubic = EDGE * np.eye(3)
    skewed = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ cubic
    print("| cell | code | ms per frame | times ours | largest difference of a shell (pairs) |")
    print("| --- | --- | --- | --- | --- |")
    for row in rows("cubic", cubic, frames) + rows("skewed", skewed, frames):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    sys.exit(main())
