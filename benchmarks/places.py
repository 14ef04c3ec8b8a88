"""How fast ions are assigned to polyhedra that follow the anions: frustra and site-analysis, same frames.

    python benchmarks/places.py XDATCAR [...] --specie Li [--anions S,I] [--json FILE]

frustra finds the sites by itself, then assigns every ion of every frame. site-analysis is given the vertices
of the same polyhedra, which saves its user the hand-made reference structure, and assigns the same ions;
only the assignment is timed, of structures that are in memory already. `PYTHON_WITH_SITE_ANALYSIS` names the
Python of an environment that has it (with numba, if it shall be fast). Both answers are compared ion by ion.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from frustra.analysis.assignment import visits_of
from frustra.io import TrajectoryHints, read_trajectory
from frustra.sites import Sites
from frustra.surveys.sites import run_sites
from frustra.trajectory import Trajectory

OTHER_PYTHON = "PYTHON_WITH_SITE_ANALYSIS"
REPEATS = 3

SITE_ANALYSIS = """
import json, sys, time
import numpy as np
from pymatgen.core import Lattice, Structure
from site_analysis.atom import atoms_from_structure
from site_analysis.polyhedral_site import PolyhedralSite
from site_analysis.builders import TrajectoryBuilder
data = np.load(sys.argv[1])
specie, vertices = str(data["specie"]), json.loads(str(data["vertices"]))
frames = [
    Structure(Lattice(cell), data["symbols"].tolist(), positions)
    for cell, positions in zip(data["cells"], data["fractional"])
]
def assigned(chosen):
    PolyhedralSite.reset_index()
    sites = [PolyhedralSite(vertex_indices=v) for v in vertices]
    trajectory = (
        TrajectoryBuilder().with_structure(frames[0]).with_mobile_species(specie)
        .with_existing_sites(sites).build()
    )
    began = time.process_time()
    for number, frame in enumerate(chosen):
        trajectory.append_timestep(frame, t=number)
    return time.process_time() - began, trajectory, sites
assigned(frames[:2])  # compiles what is compiled
seconds, trajectory, sites = assigned(frames)
row = {s.index: k for k, s in enumerate(sites)}
found = [[-1 if s is None else row[s] for s in frame] for frame in trajectory.atoms_trajectory]
np.save(sys.argv[2], np.array(found))
print(seconds)
"""


def timed_visits(run: Trajectory, sites: Sites, specie: str) -> tuple[float, np.ndarray]:
    """Assign by frustra: shortest time of a few, s, and sites."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        visits = visits_of(run, sites, specie)
        times.append(time.process_time() - began)
    return min(times), visits.site


def of_peer(run: Trajectory, sites: Sites, specie: str, folder: Path) -> tuple[float, np.ndarray] | None:
    """Assign by site-analysis in its own environment; None if there is none."""
    python = os.environ.get(OTHER_PYTHON)
    if not python:
        print(f"site-analysis left out: {OTHER_PYTHON} names no Python that has it", file=sys.stderr)
        return None
    rows = np.flatnonzero(sites.open)
    fractional = run.positions @ np.linalg.inv(run.cells)
    np.savez(
        folder / "frames.npz",
        fractional=fractional - np.floor(fractional),
        cells=np.array(run.cells),
        symbols=np.array(run.symbols),
        specie=specie,
        vertices=json.dumps([sites.vertices[k].tolist() for k in rows]),
    )
    command = [python, "-c", SITE_ANALYSIS, str(folder / "frames.npz"), str(folder / "sites.npy")]
    out = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
        for _ in range(REPEATS)
    ]
    found = np.load(folder / "sites.npy")
    return min(float(o) for o in out), np.where(found < 0, -1, rows[found])


def row(path: Path, specie: str, anions: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Compare both on one file."""
    run = read_trajectory(path, hints=TrajectoryHints(timestep=0.1, temperature=500.0))
    began = time.process_time()
    sites = run_sites([run], specie, anions or None)
    finding = time.process_time() - began
    seconds, mine = timed_visits(run, sites, specie)
    line = {
        "file": path.name,
        "frames": len(run),
        "ions": mine.shape[1],
        "sites": int(sites.open.sum()),
        "finding the sites (s)": round(finding, 2),
        "frustra (ms/frame)": round(1e3 * seconds / len(run), 3),
    }
    peer = of_peer(run, sites, specie, folder)
    if peer:
        line |= {
            "site-analysis (ms/frame)": round(1e3 * peer[0] / len(run), 3),
            "ratio": round(peer[0] / seconds, 1),
            "ions elsewhere": int((peer[1] != mine).sum()),
            "of": mine.size,
            "in no site by site-analysis": int((peer[1] < 0).sum()),
        }
    return line


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--specie", default="Li")
    parser.add_argument("--anions", default="")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    anions = tuple(asked.anions.split(",")) if asked.anions else ()
    with TemporaryDirectory() as name:
        found = [row(path, asked.specie, anions, Path(name)) for path in asked.files]
    heads = list(found[0])
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for line in found:
        print("| " + " | ".join(str(line[h]) for h in heads) + " |")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
