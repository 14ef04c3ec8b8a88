"""MD by LAMMPS: each piece is one process that starts from a restart file."""

import shutil
from pathlib import Path

import numpy as np
from ase import Atoms

from frustra.engines.chain import Bath, Leg, Stored
from frustra.engines.lammps import (
    Progress,
    cell_coupling,
    preamble,
    read_cells,
    read_dump,
    run_lammps,
    write_data,
)
from frustra.engines.pairstyle import LammpsPotential
from frustra.errors import EngineError

_TELL = 200  # steps between reports

_THERMO = r"\s*(\d+)(?:\s+-?\d\S*){4}\s*$"
"""A line of `step temp pe press vol`; other lines begin with numbers too."""


class LammpsEngine:
    """LAMMPS' integrators: Bussi's thermostat or a Nosé–Hoover chain; Nosé–Hoover for NPT.

    Parameters
    ----------
    atoms
        The start, in LAMMPS' orientation of the cell.
    potential
        A pair style.
    bath
        Time step, thermostat and barostat.
    folder
        Where LAMMPS' files go.
    """

    def __init__(self, atoms: Atoms, potential: LammpsPotential, bath: Bath, folder: Path) -> None:
        self._atoms, self._potential = atoms, potential
        self._bath, self._folder = bath, folder

    @property
    def identity(self) -> dict[str, str]:
        """What determines the run; see `Engine`."""
        return self._bath.identity("LAMMPS", self._atoms, self._potential)

    def advance(
        self, leg: Leg, seed: int, before: Path | None, after: Path, progress: Progress | None
    ) -> Stored:
        """Run one piece; see `Engine`."""
        work = self._folder / "lammps"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        run_lammps(self._script(leg, seed, before, work), work, progress, mark=_THERMO)
        (work / "after.restart").replace(after)
        return self._frames(leg, work)

    def _script(self, leg: Leg, seed: int, before: Path | None, work: Path) -> str:
        commands, charges = self._potential.commands, self._potential.charges
        if before is None:
            write_data(work / "structure.data", self._atoms, self._potential.species, charges)
            head = preamble(commands, charges) + start_velocities(leg.begin, seed)
        else:
            shutil.copyfile(before, work / "before.restart")
            head = preamble(commands, charges, restart="before.restart") + "reset_timestep 0\n"
        lines = [
            f"timestep {self._bath.timestep:g}",
            f"thermo {_TELL}",
            "thermo_style custom step temp pe press vol",
            "thermo_modify flush yes lost error",
            *self._fixes(leg, seed + 1),
        ]
        if leg.every:
            lines += [
                f"dump frames all custom {leg.every} frames.dump id xu yu zu",
                "dump_modify frames sort id format float %.6f",
            ]
        return head + "\n".join([*lines, f"run {leg.steps}", "write_restart after.restart", ""])

    def _fixes(self, leg: Leg, seed: int) -> list[str]:
        temperatures = f"{leg.begin:g} {leg.end:g} {self._bath.thermostat_time:g}"
        if leg.ensemble == "npt":
            coupling = cell_coupling(self._atoms.cell.array, f"0.0 0.0 {self._bath.barostat_time:g}")
            return [f"fix md all npt temp {temperatures} {coupling}"]
        if self._bath.thermostat == "nose-hoover":
            return [f"fix md all nvt temp {temperatures}"]
        return ["fix md all nve", f"fix bath all temp/csvr {temperatures} {seed}"]

    def _frames(self, leg: Leg, work: Path) -> Stored:
        count, atoms = (leg.steps // leg.every if leg.every else 0), len(self._atoms)
        if not count:
            return Stored(np.empty((0, atoms, 3)), np.empty((0, 3, 3)))
        dump = work / "frames.dump"
        positions = read_dump(dump, atoms, 4)[1:, :, 1:4]  # the first is the last of the piece before
        if len(positions) != count:
            raise EngineError(
                f"{len(positions)} of {count} frames were written", remedy="check the disk's free space"
            )
        cells = read_cells(dump, atoms)[1:] if leg.ensemble == "npt" else None
        fixed = np.broadcast_to(self._atoms.cell.array, (count, 3, 3))
        dump.unlink()
        return Stored(positions, fixed if cells is None else cells)


def start_velocities(temperature: float, seed: int) -> str:
    """Return the command for velocities at twice the temperature: half goes into the lattice's energy."""
    return f"velocity all create {2 * temperature:g} {seed} mom yes rot no dist gaussian\n"
