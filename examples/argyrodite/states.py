"""State tables of Li6PS5I with and without S/I disorder, from public frames that DFT relaxed.

    python states.py FOLDER --potential chgnet:0.3.0 --out OUT

FOLDER holds `0p_run1_inherent_XDATCAR.gz`, `50p_run1_inherent_XDATCAR.gz` and the same of `actual`, the MD
frames that were relaxed: https://github.com/bjmorgan/data_argyrodite_disorder (MIT licence). The per-atom
energies are those of the potential in the frames as DFT relaxed them; nothing is relaxed here, but for a few
frames with `--relax`, which tell how far the potential's own minima are.
"""

import argparse
from pathlib import Path

import numpy as np

import frustra as fr
from frustra.engines.potential import Potential
from frustra.snapshots import Snapshots, joined, relaxed_snapshots
from frustra.trajectory import Trajectory

HINTS = fr.TrajectoryHints(timestep=5.0, temperature=500.0)  # every 50th frame of a run in steps of 0.1 ps
DISORDER = ("0p", "50p")
SPECIES = ("Li", "PS4", "P", "S", "I")


def twins(folder: Path, disorder: str) -> tuple[Trajectory, Trajectory]:
    """Return the MD frames and the same frames relaxed by DFT."""
    paths = (folder / f"{disorder}_run1_{kind}_XDATCAR.gz" for kind in ("actual", "inherent"))
    actual, inherent = (fr.read_trajectory(path, hints=HINTS) for path in paths)
    return actual, inherent


def evaluated(actual: Trajectory, inherent: Trajectory, frame: int, potential: Potential) -> Snapshots:
    """Return one frame as DFT relaxed it, with the per-atom energies of a potential."""
    atoms = inherent.atoms(frame)
    found = potential.evaluate([atoms])
    return relaxed_snapshots(
        actual.positions[[frame]],
        inherent.positions[[frame]],
        atoms,
        found.energies,
        found.partition(potential.name),
        found.forces,
        np.inf,  # it is DFT that converged; `fmax` tells what the potential says of it
        [("relaxed by DFT", 1)],
    )


def snapshots_of(folder: Path, disorder: str, count: int, potential: Potential, out: Path) -> Snapshots:
    """Return some frames of one run, evenly spaced; those in the file are not evaluated again."""
    path = out / f"{disorder}.h5"
    if path.is_file():
        return fr.read_snapshots(path)
    actual, inherent = twins(folder, disorder)
    chosen = np.linspace(0, len(inherent) - 1, count).round().astype(int)
    parts = []
    for number, frame in enumerate(chosen):
        parts.append(evaluated(actual, inherent, frame, potential))
        print(f"{disorder}: {number + 1} of {count} frames", flush=True)
    times = chosen * inherent.timestep
    snapshots = joined(parts).with_origin(times, inherent.temperature)
    fr.write_snapshots(path, snapshots)
    return snapshots


def main() -> None:
    """Write the snapshots and the state table of every species of both crystals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--potential", default="chgnet:0.3.0")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--relax", type=int, default=0, help="frames of each that the potential relaxes")
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    potential = fr.load_potential(given.potential, Path())
    for disorder in DISORDER:
        snapshots = snapshots_of(given.folder, disorder, given.frames, potential, given.out)
        for specie in SPECIES:
            table = fr.tabulate(snapshots, specie, material=disorder)
            fr.write_states(given.out / f"{disorder}_{specie}.parquet", table)
        if given.relax:
            chosen = np.linspace(0, len(snapshots) - 1, given.relax).round().astype(int)
            frames = [snapshots.atoms(int(k)) for k in chosen]
            relaxed = fr.relax_frames(frames, potential, fr.RelaxSettings(fmax=0.01))
            fr.write_snapshots(given.out / f"{disorder}_relaxed.h5", relaxed)


if __name__ == "__main__":
    main()
