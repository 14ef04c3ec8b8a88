"""MD by LAMMPS: each piece is one process that starts from a restart file."""

import shutil
from pathlib import Path

import numpy as np
from ase import Atoms

from frustra.engines.chain import Frames, Leg
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
from frustra.structures import fingerprint

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
    timestep, thermostat_time, barostat_time
        ps.
    thermostat
        `bussi` or `nose-hoover`.
    folder
        Where LAMMPS' files go.
    """

    def __init__(
        self,
        atoms: Atoms,
        potential: LammpsPotential,
        timestep: float,
        thermostat: str,
        thermostat_time: float,
        barostat_time: float,
        folder: Path,
    ) -> None:
        self._atoms, self._potential, self._folder = atoms, potential, folder
        self._timestep, self._thermostat = timestep, thermostat
        self._thermostat_time, self._barostat_time = thermostat_time, barostat_time

    @property
    def identity(self) -> dict[str, str]:
        """Hashes of start and potential, and the settings; see `Engine`."""
        return {
            "engine": "LAMMPS",
            "start": fingerprint(self._atoms),
            "potential": self._potential.fingerprint,
            "timestep": f"{self._timestep:.8g}",
            "nvt": f"{self._thermostat} {self._thermostat_time:.8g}",
            "npt": f"{self._thermostat_time:.8g} {self._barostat_time:.8g}",
        }

    def advance(
        self, leg: Leg, seed: int, before: Path | None, after: Path, progress: Progress | None
    ) -> Frames:
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
            f"timestep {self._timestep:g}",
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
        temperatures = f"{leg.begin:g} {leg.end:g} {self._thermostat_time:g}"
        if leg.ensemble == "npt":
            coupling = cell_coupling(self._atoms.cell.array, f"0.0 0.0 {self._barostat_time:g}")
            return [f"fix md all npt temp {temperatures} {coupling}"]
        if self._thermostat == "nose-hoover":
            return [f"fix md all nvt temp {temperatures}"]
        return ["fix md all nve", f"fix bath all temp/csvr {temperatures} {seed}"]

    def _frames(self, leg: Leg, work: Path) -> Frames:
        count, atoms = (leg.steps // leg.every if leg.every else 0), len(self._atoms)
        if not count:
            return Frames(np.empty((0, atoms, 3)), np.empty((0, 3, 3)))
        dump = work / "frames.dump"
        positions = read_dump(dump, atoms, 4)[1:, :, 1:4]  # the first is the last of the piece before
        if len(positions) != count:
            raise EngineError(
                f"{len(positions)} of {count} frames were written", remedy="check the disk's free space"
            )
        cells = read_cells(dump, atoms)[1:] if leg.ensemble == "npt" else None
        fixed = np.broadcast_to(self._atoms.cell.array, (count, 3, 3))
        dump.unlink()
        return Frames(positions, fixed if cells is None else cells)


def start_velocities(temperature: float, seed: int) -> str:
    """Return the command for velocities at twice the temperature: half goes into the lattice's energy."""
    return f"velocity all create {2 * temperature:g} {seed} mom yes rot no dist gaussian\n"
