"""Molecular dynamics with any potential: the mean cell at a temperature, and production in that cell."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Literal

import numpy as np
from ase import Atoms
from pydantic import Field, ValidationInfo, field_validator

from frustra.arrays import Array
from frustra.engines.chain import Bath, Chain, Engine, Leg
from frustra.engines.lammps import Progress, preamble, run_lammps, write_data
from frustra.engines.md_ase import AseEngine
from frustra.engines.md_lammps import LammpsEngine, start_velocities
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.potential import Potential
from frustra.errors import PotentialError
from frustra.geometry import with_lattice_type
from frustra.io import TrajectoryWriter, read_trajectory
from frustra.settings import Settings
from frustra.stats import block_error
from frustra.structures import lower_triangular
from frustra.trajectory import Trajectory
from frustra.units import FS

SMALLEST_NPT = 150
"""Time steps below which an NPT run gives no mean cell."""

CHECKPOINT = {"LAMMPS": 10.0, "ASE": 1.0}
"""Time between checkpoints by default, ps: a fast engine spends its time better than on starting anew."""

_CELL_STEPS = 10  # steps between the cells that are averaged


class MDSettings(Settings):
    """How molecular dynamics is run."""

    temperatures: tuple[float, ...] = Field(description="the temperature ladder (K), ascending")
    replicas: int = Field(
        1, ge=1, description="independent runs at each temperature; their spread shows in the errors"
    )
    timestep: float = Field(
        2.0, gt=0, le=10, description="time step (fs); 2 suits Li compounds, 1 anything with H"
    )
    equilibration: float = Field(5.0, ge=0, description="time before production that is discarded (ps)")
    production: float = Field(50.0, gt=0, description="time that is analysed (ps)")
    production_at: dict[float, float] = Field(
        {},
        description="another such time at some temperatures, "
        '`{ "425" = 80.0 }`; `frustra refine --run` adds them',
    )
    interval: float = Field(0.1, gt=0, description="time between stored frames (ps)")
    thermostat: Literal["bussi", "nose-hoover"] = Field(
        "bussi",
        description='"bussi": stochastic velocity rescaling; "nose-hoover": a chain of three; neither slows '
        "diffusion, as Langevin's does",
    )
    thermostat_time: float = Field(0.1, gt=0, description="time constant of the thermostat (ps)")
    cell: Literal["npt", "fixed"] = Field(
        "npt",
        description='"npt": the mean cell at each temperature and zero pressure; '
        '"fixed": the relaxed cell at 0 K for all',
    )
    npt_time: float = Field(10.0, gt=0, description="time of the NPT run (ps); its first third is discarded")
    barostat_time: float = Field(0.5, gt=0, description="time constant of the Nosé–Hoover barostat (ps)")
    checkpoint: float | None = Field(
        None,
        gt=0,
        description="time between checkpoints (ps), which a killed run goes on from; by default 10 with "
        "LAMMPS and 1 with ASE",
    )

    @field_validator("temperatures")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or any(t <= 0 for t in value) or list(value) != sorted(set(value)):
            raise ValueError("the temperatures must be positive, distinct and ascending")
        return value

    @field_validator("production_at")
    @classmethod
    def _of_the_ladder(cls, value: dict[float, float], info: ValidationInfo) -> dict[float, float]:
        ladder = info.data.get("temperatures", value)
        if any(t not in ladder for t in value) or any(time <= 0 for time in value.values()):
            raise ValueError("its keys must be temperatures of the ladder, its times positive")
        return value

    def at(self, temperature: float) -> "MDSettings":
        """Return the settings at one temperature: its own production, no others."""
        own = self.production_at.get(temperature, self.production)
        return self.model_copy(update={"production": own, "production_at": {}})

    def steps(self, time: float) -> int:
        """Return how many time steps a time (ps) takes."""
        return max(1, round(time * FS / self.timestep))

    @property
    def frame_steps(self) -> int:
        """Time steps between stored frames."""
        return self.steps(self.interval)


class StartSettings(Settings):
    """From what arrangement of the ions production starts."""

    order: Literal["ordered", "quenched", "both"] = Field(
        "ordered",
        description='"ordered": the ground state; "quenched": disordered by heat, then cooled to the '
        'temperature; "both": each, to see hysteresis',
    )
    hot: float = Field(1000.0, gt=0, description="temperature that disorders the ions (K)")
    hold: float = Field(10.0, ge=0, description="time at that temperature (ps)")
    cool: float = Field(20.0, ge=0, description="time of cooling to the temperature of production (ps)")


@dataclass(frozen=True)
class MeanCell:
    """The cell at a temperature and zero pressure."""

    cell: Array
    """(3, 3), Å; time average of the cell, of the lattice type that the crystal began with."""
    std: Array
    """(3, 3), Å; standard errors from block averages."""


def run_md(
    atoms: Atoms,
    potential: Potential,
    settings: MDSettings,
    temperature: float,
    rng: np.random.Generator,
    folder: Path | None = None,
    quench: StartSettings | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """Run NVT molecular dynamics and return its production frames, unwrapped.

    Velocity Verlet with the stochastic velocity-rescaling thermostat of Bussi, Donadio and Parrinello
    (J. Chem. Phys. 126, 014101, 2007) or a Nosé–Hoover chain (Martyna, Klein and Tuckerman, J. Chem.
    Phys. 97, 2635, 1992). LAMMPS runs pair styles, ASE any other potential.

    Parameters
    ----------
    atoms
        The start, in the cell to be used.
    potential, settings, temperature
        What to run, at which temperature (K).
    rng
        Where all random numbers come from.
    folder
        Where checkpoints go: a run that was killed goes on from there when it is called again with the
        same arguments, and gives the same trajectory. Without one nothing is kept.
    quench
        Heat and cool the ions first; without it the run starts from the atoms as they are.
    progress
        Called with the number of the current time step.

    Raises
    ------
    EngineError
        The engine is missing or failed.
    DataError
        The folder holds checkpoints of another run.
    """
    if folder is None:
        with TemporaryDirectory(prefix="frustra-") as name:
            return run_md(atoms, potential, settings, temperature, rng, Path(name), quench, progress)
    return read_trajectory(write_md(atoms, potential, settings, temperature, rng, folder, quench, progress))


def write_md(
    atoms: Atoms,
    potential: Potential,
    settings: MDSettings,
    temperature: float,
    rng: np.random.Generator,
    folder: Path,
    quench: StartSettings | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run MD as `run_md` does, without holding the trajectory in memory; return its file.

    The file is `trajectory.h5` in the folder; the checkpoints beside it are removed once it is written.
    """
    checkpoints = folder / "md"
    engine = _engine(atoms, potential, settings, checkpoints)
    legs = _quench_legs(settings, quench, temperature) if quench else []
    if settings.equilibration:
        legs.append(Leg(temperature, temperature, settings.steps(settings.equilibration)))
    every = settings.frame_steps
    production = settings.steps(settings.production)
    legs.append(Leg(temperature, temperature, production, every))
    chain = Chain(engine, legs, _checkpoint_steps(engine, settings), rng, checkpoints)
    info: dict[str, str | float | int] = {
        "engine": engine.identity["engine"],
        "ensemble": "NVT (Bussi)" if settings.thermostat == "bussi" else "NVT (Nosé–Hoover chain)",
        "start": "quenched" if quench else "ordered",
        "potential": potential.name,
        "timestep_fs": settings.timestep,
        "discarded_ps": settings.equilibration,
    }
    interval = every * settings.timestep / FS
    numbers = atoms.numbers.astype(np.int64)
    path = folder / "trajectory.h5"
    with TrajectoryWriter(path, numbers, interval, temperature, info, cell=atoms.cell.array) as writer:
        for frames in chain.run(progress):
            writer.append(frames.positions)
    shutil.rmtree(checkpoints)
    return path


def mean_cell(
    atoms: Atoms,
    potential: Potential,
    settings: MDSettings,
    temperature: float,
    rng: np.random.Generator,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> MeanCell:
    """Average the cell over a short NPT run that keeps the lattice type.

    LAMMPS: Nosé–Hoover with coupled edges; ASE: Martyna–Tobias–Klein (isotropic for a cubic cell, else
    with all six strains), the mean brought to the lattice type of the start.

    Raises
    ------
    EngineError
        The engine is missing or failed.
    PotentialError
        The potential gives no stress.
    """
    if folder is None:
        with TemporaryDirectory(prefix="frustra-") as name:
            return mean_cell(atoms, potential, settings, temperature, rng, Path(name), progress)
    if "stress" not in potential.provides:
        raise PotentialError(f"{potential.name} gives no stress", remedy='set cell = "fixed" in [md]')
    engine = _engine(atoms, potential, settings, folder)
    steps = settings.steps(settings.npt_time)
    legs = [Leg(temperature, temperature, steps, _CELL_STEPS, "npt")]
    chain = Chain(engine, legs, _checkpoint_steps(engine, settings), rng, folder)
    cells = np.concatenate([frames.cells for frames in chain.run(progress)])
    standard = np.array([lower_triangular(Atoms(cell=c))[0].cell.array for c in cells])
    kept = standard[len(standard) // 3 :]
    return MeanCell(with_lattice_type(kept.mean(axis=0), atoms.cell.array), block_error(kept))


def cool(
    atoms: Atoms,
    potential: Potential,
    settings: MDSettings,
    quench: StartSettings,
    temperature: float,
    rng: np.random.Generator,
    folder: Path,
    progress: Progress | None = None,
) -> Atoms:
    """Hold the crystal hot, cool it to a temperature (K) and return the last frame."""
    engine = _engine(atoms, potential, settings, folder)
    legs = _quench_legs(settings, quench, temperature)
    size = _checkpoint_steps(engine, settings)
    ends = [Leg(p.begin, p.end, p.steps, p.steps) for leg in legs for p in leg.cut(size)]  # one frame each
    positions = atoms.positions
    for frames in Chain(engine, ends, settings.steps(quench.hold + quench.cool), rng, folder).run(progress):
        positions = frames.positions[-1]
    return Atoms(atoms.numbers, positions, cell=atoms.cell, pbc=True)


def _quench_legs(settings: MDSettings, quench: StartSettings, temperature: float) -> list[Leg]:
    times = ((quench.hot, quench.hot, quench.hold), (quench.hot, temperature, quench.cool))
    return [Leg(begin, end, settings.steps(time)) for begin, end, time in times if time > 0]


def _engine(atoms: Atoms, potential: Potential, settings: MDSettings, folder: Path) -> Engine:
    bath = Bath(settings.timestep / FS, settings.thermostat, settings.thermostat_time, settings.barostat_time)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(potential, LammpsPotential):
        return LammpsEngine(atoms, potential, bath, folder)
    return AseEngine(atoms, potential, bath)


def _checkpoint_steps(engine: Engine, settings: MDSettings) -> int:
    return settings.steps(settings.checkpoint or CHECKPOINT[engine.identity["engine"]])


def measured_speed(atoms: Atoms, potential: Potential, steps: int = 60) -> float:
    """Return the speed of MD with one process, atom-steps/s.

    A short run of LAMMPS for a pair style, else three evaluations.
    """
    if isinstance(potential, LammpsPotential):
        return _lammps_speed(atoms, potential, steps)
    potential.evaluate([atoms])  # the first loads the model
    began = perf_counter()
    for shift in (0.01, 0.02, 0.03):
        moved: Atoms = atoms.copy()
        moved.positions[0] += shift  # so that nothing is remembered
        potential.evaluate([moved])
    return 3 * len(atoms) / (perf_counter() - began)


def _lammps_speed(atoms: Atoms, potential: LammpsPotential, steps: int) -> float:
    with TemporaryDirectory(prefix="frustra-") as name:
        folder = Path(name)
        write_data(folder / "structure.data", atoms, potential.species, potential.charges)
        script = preamble(potential.commands, potential.charges) + start_velocities(300.0, 1)
        output = run_lammps(script + f"timestep 0.001\nfix md all nve\nrun {steps}\n", folder)
    seconds = float(re.findall(r"Loop time of (\S+)", output)[-1])
    return len(atoms) * steps / max(seconds, 1e-6)
