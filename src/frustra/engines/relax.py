"""Static relaxation: many frames in one cell, or one crystal with its cell."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms
from pydantic import Field

from frustra.arrays import Array
from frustra.engines.batched import relax_batched
from frustra.engines.calculator import CalculatorPotential
from frustra.engines.lammps import (
    Progress,
    cell_coupling,
    preamble,
    read_dump,
    run_lammps,
    write_data,
    write_dump,
)
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.potential import Potential
from frustra.engines.relax_ase import relax_cell, relax_positions
from frustra.errors import EngineError
from frustra.settings import Settings
from frustra.snapshots import Snapshots, relaxed_snapshots


class RelaxSettings(Settings):
    """How frames are relaxed statically, in a fixed cell."""

    fmax: float = Field(
        0.005, gt=0, le=0.01, description="largest force on an atom at the end (eV/Å); at most 0.01"
    )
    max_steps: int = Field(1000, ge=1, description="steps after which a frame counts as not converged")
    max_move: float = Field(
        0.1,
        gt=0,
        description="largest move of an atom in one line search (Å), small enough to stay in the basin",
    )
    batch: int = Field(
        0,
        ge=0,
        description="frames relaxed at once on one GPU by torch-sim, for families that have a batched model "
        "(sevennet, mace); 0: one after the other",
    )


def _minimise(settings: RelaxSettings) -> list[str]:
    """Return the commands of one relaxation: conjugate gradients, then FIRE for what they leave."""
    run = f"minimize 0.0 {settings.fmax:g} {settings.max_steps} {10 * settings.max_steps}"
    norm = f"min_modify norm max dmax {settings.max_move:g}"
    return ["min_style cg", f"{norm} line quadratic", run, "min_style fire", norm, run]


def relax_frames(
    frames: Sequence[Atoms],
    potential: Potential,
    settings: RelaxSettings | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Snapshots:
    """Relax frames of one composition statically in one fixed cell (that of the first frame).

    Parameters
    ----------
    frames
        At least one; the same elements in the same order in all. Positions of later frames are taken
        as they are: strain them to the common cell first.
    potential, settings
        What to relax with and how far.
    folder
        Where LAMMPS' files go, if LAMMPS evaluates the potential; a temporary folder if not given.
    progress
        Called with the number of the frame that was begun.

    Returns
    -------
    Snapshots
        Every frame, converged or not, with the reason it stopped.

    Raises
    ------
    EngineError
        LAMMPS is missing or failed.
    PotentialError, DataError
        There are no per-atom energies, or they do not sum to the total.
    """
    settings = settings or RelaxSettings()
    if not frames:
        raise EngineError("no frames to relax", "at least one")
    if settings.batch and isinstance(potential, CalculatorPotential):
        return relax_batched(
            frames, potential, settings.batch, settings.fmax, settings.max_steps, settings.max_move, progress
        )
    if not isinstance(potential, LammpsPotential):
        return relax_positions(
            frames, potential, settings.fmax, settings.max_steps, settings.max_move, progress
        )
    if folder is None:
        with TemporaryDirectory(prefix="frustra-") as temporary:
            return relax_frames(frames, potential, settings, Path(temporary), progress)
    work = _fresh(folder / "frames")
    write_data(work / "structure.data", frames[0], potential.species, potential.charges)
    start = np.stack([f.positions for f in frames])
    cell = frames[0].cell.array.copy()
    write_dump(work / "frames.dump", start, np.broadcast_to(cell, (len(start), 3, 3)))
    script = _frames_script(potential, _minimise(settings), len(frames))
    output = run_lammps(script, work, progress, mark=r"FRAME (\d+)")
    return _collect(output, work, frames[0], start, settings.fmax)


def _fresh(folder: Path) -> Path:
    """Return an empty folder: LAMMPS outlives a killed worker for a while, and must find its own removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _frames_script(potential: LammpsPotential, minimise: list[str], count: int) -> str:
    columns = "id x y z fx fy fz c_pe"
    loop = [
        "compute pe all pe/atom",
        "thermo 0",
        "thermo_style custom step pe",
        f"variable i loop 0 {count - 1} pad",
        "label next",
        'print "FRAME ${i}"',
        "read_dump frames.dump $i x y z box no",
        "reset_timestep 0",
        *minimise,
        f"write_dump all custom relaxed.dump {columns} modify sort id append yes format float %.12g",
        'print "$(pe:%.12g)" append energies.txt screen no',
        "next i",
        "jump SELF next",
    ]
    return preamble(potential.commands, potential.charges) + "\n".join(loop) + "\n"


def _collect(output: str, folder: Path, atoms: Atoms, start: Array, fmax: float) -> Snapshots:
    values = read_dump(folder / "relaxed.dump", len(atoms), 8)
    if len(values) != len(start):
        raise EngineError(f"LAMMPS relaxed {len(values)} of {len(start)} frames", remedy=f"see {folder}")
    reasons = re.findall(r"Stopping criterion = (.+)", output)[1::2]
    calls = [int(n) for n in re.findall(r"force evaluations = \d+ (\d+)", output)]
    both = [first + second for first, second in zip(calls[0::2], calls[1::2], strict=True)]
    energies = np.array((folder / "energies.txt").read_text(encoding="utf-8").split(), dtype=float)
    return relaxed_snapshots(
        start,
        values[:, :, 1:4],
        atoms,
        energies,
        values[:, :, 7],
        values[:, :, 4:7],
        fmax * (1 + 1e-6),
        list(zip(reasons, both, strict=True)),
    )


def relax_crystal(
    atoms: Atoms,
    potential: Potential,
    settings: RelaxSettings | None = None,
    folder: Path | None = None,
) -> tuple[Atoms, float]:
    """Relax positions and cell at zero pressure, keeping the lattice type; return crystal and energy (eV).

    The cell and the positions are relaxed in three rounds, because LAMMPS takes the strain relative
    to the cell that a round began with; a last round relaxes the positions in the final cell.

    Raises
    ------
    EngineError
        LAMMPS is missing or failed.
    """
    settings = settings or RelaxSettings()
    if not isinstance(potential, LammpsPotential):
        relaxed = relax_cell(atoms, potential, settings.fmax, settings.max_steps, settings.max_move)
        energy = potential.evaluate([relaxed]).energies[0]
        return relaxed, float(energy)
    if folder is None:
        with TemporaryDirectory(prefix="frustra-") as temporary:
            return relax_crystal(atoms, potential, settings, Path(temporary))
    work = _fresh(folder / "crystal")
    write_data(work / "structure.data", atoms, potential.species, potential.charges)
    box = f"fix box all box/relax {cell_coupling(atoms.cell.array, '0.0')} vmax 0.005"
    rounds = [line for _ in range(3) for line in (box, *_minimise(settings)[:3], "unfix box")]
    finish = [
        'print "CELL $(lx:%.12g) $(ly:%.12g) $(lz:%.12g) $(xy:%.12g) $(xz:%.12g) $(yz:%.12g)"',
        "write_dump all custom relaxed.dump id xu yu zu modify sort id format float %.12g",
    ]
    head = preamble(potential.commands, potential.charges)
    output = run_lammps(head + "\n".join(["thermo 0", *rounds, *finish]) + "\n", work)
    found = re.findall(r"^CELL (.+)$", output, flags=re.MULTILINE)
    lx, ly, lz, xy, xz, yz = (float(v) for v in found[-1].split())
    cell = np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
    positions = read_dump(work / "relaxed.dump", len(atoms), 4)[0, :, 1:4]
    strained = Atoms(numbers=atoms.numbers, positions=positions, cell=cell, pbc=True)
    final = relax_frames([strained], potential, settings, folder)
    return final.atoms(0), float(final.energies[0])
