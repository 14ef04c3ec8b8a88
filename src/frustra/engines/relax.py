"""Static relaxation: many frames in one cell, or one crystal with its cell."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms
from pydantic import Field

from frustra.engines.batched import relax_batched
from frustra.engines.calculator import CalculatorPotential
from frustra.engines.descend import descend
from frustra.engines.lammps import (
    Progress,
    cell_coupling,
    preamble,
    read_dump,
    run_lammps,
    write_data,
)
from frustra.engines.live import forces_of
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.potential import Potential
from frustra.engines.relax_ase import relax_cell, snapshots_of
from frustra.engines.springs import Springs
from frustra.errors import EngineError
from frustra.settings import Settings
from frustra.snapshots import Snapshots


class RelaxSettings(Settings):
    """How frames are relaxed statically, in a fixed cell."""

    fmax: float = Field(
        0.002, gt=0, le=0.05, description="largest force on an atom at the end (eV/Å); at most 0.05"
    )
    max_steps: int = Field(1000, ge=1, description="steps after which a frame counts as not converged")
    max_move: float = Field(
        0.2,
        gt=0,
        description="largest move of an atom in one step (Å), small enough to stay in the basin",
    )
    batch: int = Field(
        0,
        ge=0,
        description="frames relaxed at once on one GPU by torch-sim, for families that have a batched model "
        "(sevennet, mace); 0: one after the other",
    )


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
    if folder is None:
        with TemporaryDirectory(prefix="frustra-") as temporary:
            return relax_frames(frames, potential, settings, Path(temporary), progress)
    crystal, springs, found = frames[0], Springs(frames[0].numbers), []
    with forces_of(crystal, potential, _fresh(folder / "frames")) as forces:
        for number, frame in enumerate(frames):
            if progress is not None:
                progress(number)
            limits = settings.fmax, settings.max_steps, settings.max_move
            found.append(descend(forces, frame.positions, crystal.cell.array, springs, *limits))
    relaxed = [Atoms(crystal.numbers, d.positions, cell=crystal.cell, pbc=True) for d in found]
    stops = [(d.reason, d.calls, d.steps) for d in found]
    return snapshots_of(frames, relaxed, potential, settings.fmax, stops)


def _fresh(folder: Path) -> Path:
    """Return an empty folder: LAMMPS outlives a killed worker for a while, and must find its own removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _minimise(settings: RelaxSettings) -> list[str]:
    """Return the commands of one relaxation by LAMMPS' conjugate gradients."""
    return [
        "min_style cg",
        f"min_modify norm max dmax {settings.max_move:g} line quadratic",
        f"minimize 0.0 {settings.fmax:g} {settings.max_steps} {10 * settings.max_steps}",
    ]


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
    rounds = [line for _ in range(3) for line in (box, *_minimise(settings), "unfix box")]
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
