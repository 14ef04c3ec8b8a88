"""Trajectories of any program: recognised by their content, unwrapped, in memory or in a scratch file."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

import numpy as np

from frustra.errors import DataError
from frustra.io.ase_files import ase_trajectory, extxyz
from frustra.io.diffusion_analyzer import diffusion_analyzer
from frustra.io.files import require
from frustra.io.h5md import TrajectoryFile, TrajectoryWriter
from frustra.io.h5md_foreign import foreign_h5md, written_by_others
from frustra.io.hints import TrajectoryHints, require_elements, temperature_of, timestep_of
from frustra.io.lammps_dump import lammps_dump
from frustra.io.source import Block, Source, opened
from frustra.io.unwrap import unwrapped
from frustra.io.vasprun import vasprun
from frustra.io.xdatcar import MARK, xdatcar
from frustra.trajectory import Frames, Selection, Trajectory

IN_MEMORY = 2**30
"""Bytes of positions up to which a foreign trajectory is held in memory."""

HEAD = 2**14
"""Bytes by which a file is recognised."""

OURS, FOREIGN = "H5MD written by frustra", "H5MD of other programs"

Reader = Callable[[Path, TrajectoryHints], AbstractContextManager[Source]]


def _is_xyz(head: bytes) -> bool:
    return head.split(b"\n", 1)[0].strip().isdigit()


READERS: dict[str, tuple[Callable[[bytes], bool], Reader]] = {
    FOREIGN: (lambda _: False, foreign_h5md),
    "VASP XDATCAR": (lambda head: MARK in head, xdatcar),
    "VASP vasprun.xml": (lambda head: b"<modeling>" in head, vasprun),
    "LAMMPS text dump": (lambda head: head.lstrip().startswith(b"ITEM:"), lammps_dump),
    "ASE .traj": (lambda head: head.startswith(b"- of Ulm"), ase_trajectory),
    "DiffusionAnalyzer .json of pymatgen": (lambda head: head.lstrip().startswith(b"{"), diffusion_analyzer),
    "extended XYZ": (_is_xyz, extxyz),
}
"""How the start of a file tells its format, and what opens it; HDF5 files tell it by their content."""


def read_trajectory(
    path: Path | str,
    frames: Selection = None,
    atoms: Selection = None,
    hints: TrajectoryHints | None = None,
) -> Trajectory:
    """Read a trajectory, or only some frames and atoms of it, in float64.

    Parameters and errors are those of `open_trajectory` and `Frames.read`.
    """
    with open_trajectory(path, hints) as file:
        return file.read(frames, atoms)


def open_trajectory(path: Path | str, hints: TrajectoryHints | None = None) -> Frames:
    """Open a trajectory of any program to read parts of it; use it as a context manager, or close it.

    Read are H5MD, our own and that of other programs, VASP's XDATCAR and vasprun.xml, LAMMPS' text dumps,
    extended XYZ, ASE's .traj and pymatgen's DiffusionAnalyzer as JSON, the text files also with gzip; the
    content tells which. Positions are unwrapped: by image flags or unwrapped columns where there are any,
    else by the minimum image from frame to frame. A foreign file is read once, in its order: up to 1 GiB of
    positions (`IN_MEMORY`) are then held in memory, more go to a scratch file in the temporary directory, in
    single precision, which vanishes when it is closed. `info` tells the format, and under `note` what was
    left out.

    Parameters
    ----------
    path
        The file.
    hints
        What the file does not tell.

    Raises
    ------
    DataError
        No such file, an unknown format, a damaged file (an incomplete last frame is left out instead), fewer
        than two frames, atoms that change, steps above 0.4 of a cell vector, unequal times between frames;
        a time step or elements that nobody tells, or hints that contradict the file.
    """
    path, hints = Path(path), hints or TrajectoryHints()
    require(path)
    found = format_of(path)
    if found == OURS:
        return _own(path, hints)
    if found is None:
        raise DataError(
            f"{path} is {'no trajectory in a known format' if path.stat().st_size else 'empty'}",
            f"{OURS}, {', '.join(READERS)}",
        )
    with READERS[found][1](path, hints) as source:
        return _collected(path, source, hints)


def format_of(path: Path) -> str | None:
    """Return the format of a trajectory file; None if it is something else."""
    with opened(path) as file:
        head = file.read(HEAD)
    if head.startswith(b"\x89HDF") or path.suffix in (".h5", ".h5md", ".hdf5"):
        return FOREIGN if written_by_others(path) else OURS
    return next((name for name, (is_it, _) in READERS.items() if is_it(head)), None)


def _own(path: Path, hints: TrajectoryHints) -> TrajectoryFile:
    file = TrajectoryFile(path)
    try:
        timestep_of(path, file.timestep, hints)
        file.temperature = temperature_of(path, file.temperature, hints)
        require_elements(path, file.numbers, hints)
        if hints.positions == "wrapped":
            raise DataError(f"the positions in {path} are unwrapped", remedy="leave --positions away")
    except DataError:
        file.close()
        raise
    return file


def _collected(path: Path, source: Source, hints: TrajectoryHints) -> Frames:
    """Hold all frames in memory, or in a scratch file if they are too many."""
    blocks = unwrapped(path, source, hints)
    kept: deque[Block] = deque()
    size = frames = 0
    for block in blocks:
        kept.append(block)
        size, frames = size + block.positions.nbytes, frames + len(block.positions)
        if size >= IN_MEMORY and frames > 1:
            return _in_scratch(path, source, chain(_drained(kept), blocks))
    if frames < 2:
        raise DataError(f"{path} has {frames or 'no'} whole frame{'s' * (frames != 1)}", "at least two")
    return _in_memory(path, source, kept, frames)


def _drained(blocks: deque[Block]) -> Iterator[Block]:
    """Give the blocks in order and let go of them, so that no two copies of all are held."""
    while blocks:
        yield blocks.popleft()


def _in_memory(path: Path, source: Source, blocks: deque[Block], frames: int) -> Trajectory:
    positions = np.empty((frames, len(source.numbers), 3))
    cells, done = np.empty((frames, 3, 3)), 0
    for block in _drained(blocks):
        part = slice(done, done + len(block.positions))
        positions[part], cells[part] = block
        done = part.stop
    if (cells == cells[0]).all():
        cells = np.broadcast_to(cells[0].copy(), cells.shape)
    info = _info(path, source)
    return Trajectory(positions, cells, source.numbers, source.timestep, source.temperature, info)


def _in_scratch(path: Path, source: Source, blocks: Iterable[Block]) -> TrajectoryFile:
    """Write all frames to a file that has no name any more when it is returned: closed, it is gone."""
    with tempfile.TemporaryDirectory(prefix="frustra-") as folder:
        scratch = Path(folder) / "trajectory.h5"
        try:
            with TrajectoryWriter(scratch, source.numbers, source.timestep, source.temperature) as writer:
                for block in blocks:
                    writer.append(block.positions, block.cells)
            file = TrajectoryFile(scratch)
        except OSError as error:
            raise DataError(
                f"the scratch file for {path} cannot be written to {folder} ({error})",
                remedy="give a folder with more space by the environment variable TMPDIR",
            ) from None
    file.path, file.info = path, _info(path, source)
    return file


def _info(path: Path, source: Source) -> dict[str, str | float | int]:
    how = "unwrapped in the file" if source.unwrapped else "unwrapped by frustra"
    told: dict[str, str | float | int] = {"file": path.name, "format": source.format, "positions": how}
    return told | ({"note": "; ".join(source.notes)} if source.notes else {})
