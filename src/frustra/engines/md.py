"""Molecular dynamics by LAMMPS: the mean cell at a temperature, and production in that cell."""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from ase import Atoms
from pydantic import Field, field_validator

from frustra.arrays import Array
from frustra.engines.lammps import Progress, preamble, read_dump, run_lammps, write_data
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.relax import cell_coupling
from frustra.errors import EngineError
from frustra.settings import Settings
from frustra.stats import block_error
from frustra.trajectory import Trajectory
from frustra.units import FS

SMALLEST_NPT = 150
"""Time steps below which an NPT run gives no mean cell."""


class MDSettings(Settings):
    """How molecular dynamics is run."""

    temperatures: tuple[float, ...] = Field(description="the temperature ladder (K), ascending")
    timestep: float = Field(
        2.0, gt=0, le=10, description="time step (fs); 2 suits Li compounds, 1 anything with H"
    )
    equilibration: float = Field(5.0, ge=0, description="time before production that is discarded (ps)")
    production: float = Field(50.0, gt=0, description="time that is analysed (ps)")
    interval: float = Field(0.1, gt=0, description="time between stored frames (ps)")
    thermostat: float = Field(
        0.1,
        gt=0,
        description="time constant of the stochastic velocity-rescaling (Bussi) thermostat (ps); "
        "it does not slow diffusion, as Langevin's does",
    )
    cell: Literal["npt", "fixed"] = Field(
        "npt",
        description='"npt": the mean cell at each temperature and zero pressure; '
        '"fixed": the relaxed cell at 0 K for all',
    )
    npt_time: float = Field(10.0, gt=0, description="time of the NPT run (ps); its first third is discarded")
    barostat: float = Field(0.5, gt=0, description="time constant of the Nosé–Hoover barostat (ps)")

    @field_validator("temperatures")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or any(t <= 0 for t in value) or list(value) != sorted(set(value)):
            raise ValueError("the temperatures must be positive, distinct and ascending")
        return value

    def steps(self, time: float) -> int:
        """Return how many time steps a time (ps) takes."""
        return max(1, round(time * FS / self.timestep))

    @property
    def frame_steps(self) -> int:
        """Time steps between stored frames."""
        return self.steps(self.interval)


@dataclass(frozen=True)
class MeanCell:
    """The cell at a temperature and zero pressure."""

    cell: Array
    """(3, 3), Å; time average of the cell vectors."""
    std: Array
    """(3, 3), Å; standard errors from block averages."""


def mean_cell(
    atoms: Atoms,
    potential: LammpsPotential,
    settings: MDSettings,
    temperature: float,
    seed: int,
    folder: Path,
    progress: Progress | None = None,
) -> MeanCell:
    """Average the cell over a short NPT run (Nosé–Hoover) that keeps the lattice type.

    Raises
    ------
    EngineError
        LAMMPS is missing or failed.
    """
    steps, every = settings.steps(settings.npt_time), 10
    coupling = cell_coupling(atoms.cell.array).replace("{p}", f"0.0 0.0 {settings.barostat:g}")
    script = _start(atoms, potential, settings, temperature, seed, folder) + _lines(
        f"fix md all npt temp {temperature:g} {temperature:g} {settings.thermostat:g} {coupling}",
        f'fix cell all print {every} "$(lx:%.8f) $(ly:%.8f) $(lz:%.8f) $(xy:%.8f) $(xz:%.8f) $(yz:%.8f)" '
        'file cell.txt screen no title ""',
        f"run {steps}",
    )
    run_lammps(script, folder, progress)
    lx, ly, lz, xy, xz, yz = np.loadtxt(folder / "cell.txt", ndmin=2).T
    zero = np.zeros_like(lx)
    cells = np.stack([lx, zero, zero, xy, ly, zero, xz, yz, lz], axis=1).reshape(-1, 3, 3)
    kept = cells[len(cells) // 3 :]
    return MeanCell(kept.mean(axis=0), block_error(kept))


def run_md(
    atoms: Atoms,
    potential: LammpsPotential,
    settings: MDSettings,
    temperature: float,
    seed: int,
    folder: Path,
    progress: Progress | None = None,
) -> Trajectory:
    """Run NVT molecular dynamics and return its production frames, unwrapped.

    Velocity Verlet with the stochastic velocity-rescaling thermostat of Bussi, Donadio and Parrinello
    (J. Chem. Phys. 126, 014101, 2007).

    Parameters
    ----------
    atoms
        The start, in the cell to be used.
    potential, settings, temperature, seed
        What to run.
    folder
        Where LAMMPS' files go.
    progress
        Called with the number of the current time step.

    Raises
    ------
    EngineError
        LAMMPS is missing or failed.
    DataError
        The trajectory is incomplete or not finite.
    """
    production, every = settings.steps(settings.production), settings.frame_steps
    script = _start(atoms, potential, settings, temperature, seed, folder) + _lines(
        "fix md all nve",
        f"fix bath all temp/csvr {temperature:g} {temperature:g} {settings.thermostat:g} {seed}",
        f"run {settings.steps(settings.equilibration)}" if settings.equilibration else "",
        f"dump frames all custom {every} frames.dump id xu yu zu",
        "dump_modify frames sort id format float %.6f",
        f"run {production}",
    )
    run_lammps(script, folder, progress)
    positions = read_dump(folder / "frames.dump", len(atoms), 4)[:, :, 1:4]
    expected = production // every + 1
    if len(positions) < expected:
        raise EngineError(
            f"{len(positions)} of {expected} frames were written",
            remedy="check the disk's free space",
        )
    (folder / "frames.dump").unlink()
    info: dict[str, str | float | int] = {
        "engine": "LAMMPS",
        "ensemble": "NVT (Bussi)",
        "potential": potential.name,
        "seed": seed,
        "timestep_fs": settings.timestep,
        "discarded_ps": settings.equilibration,
    }
    cells = np.broadcast_to(atoms.cell.array, (len(positions), 3, 3))
    interval = every * settings.timestep / FS
    return Trajectory(positions, cells, atoms.numbers.astype(np.int64), interval, temperature, info)


def cool(
    atoms: Atoms,
    potential: LammpsPotential,
    settings: MDSettings,
    ramp: tuple[float, float],
    times: tuple[float, float],
    seed: int,
    folder: Path,
    progress: Progress | None = None,
) -> Atoms:
    """Hold the crystal at the ramp's first temperature, cool it to the second, return the last frame.

    Parameters
    ----------
    ramp
        First and last temperature, K.
    times
        How long to hold and how long to cool, ps.
    """
    high, low = ramp
    hold, down = (settings.steps(t) for t in times)
    script = _start(atoms, potential, settings, high, seed, folder) + _lines(
        "fix md all nve",
        f"fix bath all temp/csvr {high:g} {high:g} {settings.thermostat:g} {seed}",
        f"run {hold}",
        "unfix bath",
        f"fix bath all temp/csvr {high:g} {low:g} {settings.thermostat:g} {seed + 1}",
        f"run {down}",
        "write_dump all custom last.dump id xu yu zu modify sort id format float %.10g",
    )
    run_lammps(script, folder, progress)
    positions = read_dump(folder / "last.dump", len(atoms), 4)[0, :, 1:4]
    return Atoms(numbers=atoms.numbers, positions=positions, cell=atoms.cell, pbc=True)


def measured_speed(atoms: Atoms, potential: LammpsPotential, steps: int = 60) -> float:
    """Return the speed of a short MD run with one thread, atom-steps/s."""
    settings = MDSettings(temperatures=(300.0,))
    with TemporaryDirectory(prefix="frustra-") as folder:
        script = _start(atoms, potential, settings, 300.0, 1, Path(folder)) + _lines(
            "fix md all nve", f"run {steps}"
        )
        output = run_lammps(script, Path(folder))
    seconds = float(re.findall(r"Loop time of (\S+)", output)[-1])
    return len(atoms) * steps / max(seconds, 1e-6)


def _start(
    atoms: Atoms,
    potential: LammpsPotential,
    settings: MDSettings,
    temperature: float,
    seed: int,
    folder: Path,
) -> str:
    """Write the structure; return the commands up to the thermostat.

    The velocities start at twice the temperature: half goes into the potential energy of the lattice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_data(folder / "structure.data", atoms, potential.species, potential.charges)
    return preamble(potential.commands, potential.charges) + _lines(
        f"timestep {settings.timestep / FS:g}",
        "thermo 200",
        "thermo_style custom step temp pe press vol",
        "thermo_modify flush yes lost error",
        f"velocity all create {2 * temperature:g} {seed} mom yes rot no dist gaussian",
    )


def _lines(*commands: str) -> str:
    return "\n".join(c for c in commands if c) + "\n"
