"""Diffusivity from trajectories: our time and memory; error bars beside the truth, ours and those of others.

    python benchmarks/transport.py [large] [peers] [--peers PYTHON] [--runs 20]

`large`: 10⁴ frames of 10³ mobile ions. `peers`: random walks of known D, small enough for every code; PYTHON
is an interpreter with kinisi, pymatgen-analysis-diffusion and gemdat (`pip install` them into an environment
of their own). Everything uses one thread. Nothing else should run on the machine meanwhile.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

JUMP = 3.0  # Å
TIMESTEP = 0.1  # ps
BOX = 30.0  # Å
TRUE = 0.05  # Å²/ps
RATE = 6 * TRUE * TIMESTEP / JUMP**2  # jumps per ion and frame
SIZES = {"30 jumps": (30, 300), "120 jumps": (60, 600)}
"""Ions and frames; ions × frames × RATE jumps are expected."""
Row = tuple[str, ...]
Found = tuple[float, float]
"""D and its standard error, Å²/ps; the error is NaN where a code gives none."""


def walk(rng: np.random.Generator, ions: int, frames: int) -> Any:
    """Return ions that hop on a cubic lattice and vibrate, (frames, ions, 3), Å."""
    positions = np.zeros((frames, ions, 3))
    hops = rng.choice([-JUMP, JUMP], (frames - 1, ions)) * (rng.random((frames - 1, ions)) < RATE)
    np.put_along_axis(positions[1:], rng.integers(0, 3, (frames - 1, ions, 1)), hops[..., None], axis=2)
    np.cumsum(positions, axis=0, out=positions)
    for k in range(frames):
        positions[k] += 0.1 * rng.standard_normal((ions, 3))
    return positions


def large() -> list[Row]:
    """Run ours on 10⁴ frames × 10³ ions, in processes of their own."""
    with TemporaryDirectory() as folder:
        _this("--write", folder)
        return [_large_row(where, folder) for where in ("memory", "file")]


def _this(*arguments: str, python: str = sys.executable) -> str:
    """Run this script and return the last line that it prints."""
    command = [python, "-W", "ignore", __file__, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1])
    return (ran.stdout.splitlines() or [""])[-1]


def _large_row(where: str, folder: str) -> Row:
    seconds, value, std, peak, size = json.loads(_this("--large", where, folder))
    times = f"{peak / size:.2f}"
    return (where, f"{seconds:.1f}", f"{peak / 1e6:.0f}", times, f"{value / TRUE:.4f}", f"{std / TRUE:.4f}")


def _write(folder: str) -> None:
    """Write the large run as an array and as our file."""
    from frustra.io import write_trajectory  # noqa: PLC0415

    positions = walk(np.random.default_rng(1), 1000, 10_000)
    positions = np.concatenate([positions, np.zeros((len(positions), 4, 3))], axis=1)
    np.save(Path(folder) / "run.npy", positions)
    write_trajectory(Path(folder) / "run.h5", _run(positions, 4))


def _run(positions: Any, anions: int) -> Any:
    from frustra.trajectory import Trajectory  # noqa: PLC0415

    frames, atoms = positions.shape[:2]
    cells = np.broadcast_to(np.eye(3) * BOX, (frames, 3, 3))
    return Trajectory(positions, cells, np.array([3] * (atoms - anions) + [17] * anions), TIMESTEP, 600.0)


def _large(where: str, folder: str) -> list[float]:
    from frustra.analysis.transport import diffusion_of  # noqa: PLC0415
    from frustra.io import open_trajectory  # noqa: PLC0415

    if where == "file":
        run = open_trajectory(Path(folder) / "run.h5")
    else:
        run = _run(np.load(Path(folder) / "run.npy"), 4)
    began = time.perf_counter()
    found = diffusion_of(run, "Li")
    seconds = time.perf_counter() - began
    return [seconds, found.value, found.std, _peak(), 8 * 3 * len(run) * len(run.numbers)]


def _peak() -> float:
    """Return the most memory that this process has held, bytes; on Linux without its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        return 1024.0 * float(lines["VmHWM"].split()[0])
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def ours(positions: Any, method: str = "gls") -> Found:
    """Return D of frustra; an upper bound has no error."""
    from frustra.analysis.transport import TransportSettings, diffusion_of  # noqa: PLC0415

    found = diffusion_of(_run(_with_anions(positions), 2), "Li", TransportSettings(method=method))
    return found.value, found.std


def _with_anions(positions: Any) -> Any:
    return np.concatenate([positions, np.zeros((len(positions), 2, 3))], axis=1) + BOX / 2


def kinisi(positions: Any, count: int = 0) -> Found:
    """Return kinisi's posterior from where the MSD is expected to reach a²/2, with all or with some lags."""
    import scipp  # noqa: PLC0415
    from ase import Atoms  # noqa: PLC0415
    from kinisi.analyze import DiffusionAnalyzer  # noqa: PLC0415

    symbols = ["Li"] * positions.shape[1] + ["Cl"] * 2
    frames = [Atoms(symbols, p, cell=[BOX] * 3, pbc=True) for p in _with_anions(positions)]
    step, lags = scipp.scalar(TIMESTEP, unit="ps"), None
    if count:
        some = np.unique(np.round(np.geomspace(1, len(frames) - 1, count)))
        lags = scipp.array(dims=["time interval"], values=some * TIMESTEP, unit="ps")
    found = DiffusionAnalyzer.from_ase(frames, "Li", step, scipp.scalar(1), dt=lags, progress=False)
    start = min(JUMP**2 / 2 / (6 * TRUE), 0.1 * len(frames) * TIMESTEP)
    found.diffusion(scipp.scalar(start, unit="ps"), progress=False)
    samples = found.D.values * 1e4
    return float(samples.mean()), float(samples.std())


def pymatgen(positions: Any) -> Found:
    """Return pymatgen's D with the error it quotes, "smoothed = max"."""
    from pymatgen.analysis.diffusion.analyzer import (
        DiffusionAnalyzer,
    )
    from pymatgen.core import Lattice, Structure

    moved = _with_anions(positions)
    species = ["Li"] * positions.shape[1] + ["Cl"] * 2
    crystal = Structure(Lattice.cubic(BOX), species, moved[0], coords_are_cartesian=True)
    displacements = (moved - moved[0]).transpose(1, 0, 2)
    found = DiffusionAnalyzer(crystal, displacements, "Li", 600, 1000 * TIMESTEP, 1, smoothed="max")
    return found.diffusivity * 1e4, found.diffusivity_std_dev * 1e4


def gemdat(positions: Any) -> Found:
    """Return GEMDAT's D of the whole run, and the deviation that it gives of ten parts."""
    from gemdat import Trajectory  # noqa: PLC0415
    from gemdat.metrics import TrajectoryMetrics, TrajectoryMetricsStd  # noqa: PLC0415
    from pymatgen.core import Element

    species = [Element("Li")] * positions.shape[1] + [Element("Cl")] * 2
    run = Trajectory(
        species=species, coords=_with_anions(positions) / BOX % 1, lattice=np.eye(3) * BOX,
        time_step=TIMESTEP * 1e-12, metadata={"temperature": 600}, constant_lattice=True,
    ).filter("Li")  # fmt: skip
    parts = TrajectoryMetricsStd(run.split(10)).tracer_diffusivity(dimensions=3)
    whole = TrajectoryMetrics(run).tracer_diffusivity(dimensions=3)
    return float(whole) * 1e8, float(parts.s) * 1e8


CODES: dict[str, tuple[str, Callable[[Any], Found]]] = {
    "frustra": ("frustra", ours),
    "frustra, he-zhu-mo": ("frustra", lambda positions: ours(positions, "he-zhu-mo")),
    "kinisi, all lags (its default)": ("kinisi", kinisi),
    "kinisi, 25 spread lags": ("kinisi", lambda positions: kinisi(positions, 25)),
    "pymatgen-analysis-diffusion": ("pymatgen", pymatgen),
    "GEMDAT": ("gemdat", gemdat),
}


def peers(python: str, runs: int) -> list[Row]:
    """Compare all codes on the same walks."""
    rows = []
    with TemporaryDirectory() as name:
        for size, (ions, frames) in SIZES.items():
            rng = np.random.default_rng([ions, frames])
            path = Path(name) / "walks.npy"
            np.save(path, np.array([walk(rng, ions, frames) for _ in range(runs)]))
            for code, (package, _) in CODES.items():
                interpreter = sys.executable if package == "frustra" else python
                rows.append(
                    (f"{ions} ions, {frames} frames, {size}", code, *_judged(interpreter, code, path))
                )
    return rows


def _judged(python: str, code: str, path: Path) -> Row:
    """Run one code on all walks and compare its errors with its distance from the truth."""
    if not python:
        return ("not run: no --peers", *[""] * 5)
    try:
        found = np.array(json.loads(_this("--code", code, str(path), python=python)))
    except RuntimeError as error:
        return (f"not run: {str(error)[:60]}", *[""] * 5)
    known = np.isfinite(found[:, 1])
    value, std = found[known, 0] / TRUE, found[known, 1] / TRUE
    return (
        f"{known.sum()}/{len(found)}",
        f"{value.mean():.2f}",
        f"{np.sqrt(np.mean((value - 1) ** 2)):.2f}",
        f"{np.median(std):.2g}",
        f"{np.mean(np.abs(value - 1) < 1.96 * std):.0%}",
        f"{found[:, 2].mean():.2f}",
    )


def _one_code(code: str, path: str) -> None:
    walks, found = np.load(path), []
    CODES[code][1](walks[0][:50])  # whatever is imported, is imported
    for positions in walks:
        began = time.perf_counter()
        value, std = CODES[code][1](positions)
        found.append((value, std, time.perf_counter() - began))
    print(json.dumps(found))


def table(heads: Row, rows: list[Row]) -> None:
    """Print a table."""
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def main() -> None:
    """Run the tables asked for and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", choices=["large", "peers", []])
    parser.add_argument("--peers", metavar="PYTHON", dest="python", default="")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--large", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--code", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        _write(asked.write)
    elif asked.large:
        print(json.dumps(_large(*asked.large)))
    elif asked.code:
        _one_code(*asked.code)
    else:
        tables = asked.tables or ["large", "peers"]
        if "large" in tables:
            heads = ("from", "s", "peak (MB)", "peak/positions", "D/true", "error/true")
            table(heads, large())
        if "peers" in tables:
            heads = ("walk", "code", "runs with an error", "mean D/true", "rms of D/true − 1", "stated error")
            table((*heads, "within 1.96 errors", "s per run"), peers(asked.python, asked.runs))


if __name__ == "__main__":
    main()
