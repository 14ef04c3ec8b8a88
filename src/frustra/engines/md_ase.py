"""MD by ASE, with any calculator."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.bussi import Bussi
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import MTKNPT, IsotropicMTKNPT, NoseHooverChainNVT

from frustra.engines.calculator import calculator_of, told
from frustra.engines.chain import Bath, Leg, Stored
from frustra.engines.lammps import Progress
from frustra.engines.potential import Potential
from frustra.errors import EngineError, FrustraError, PotentialError
from frustra.geometry import lattice_type
from frustra.io import replacing
from frustra.units import FS

_INNER = {"": ("_p_eps", "_p_g"), "_thermostat": ("_eta", "_p_eta"), "_barostat": ("_xi", "_p_xi")}
"""What a thermostat or a barostat of ASE remembers between steps, beside positions and momenta."""

_PS = FS * units.fs

_RAMP = 10  # steps at one temperature while it changes
_TELL = 20  # steps between reports


class AseEngine:
    """ASE's integrators: Bussi's thermostat or a Nosé–Hoover chain; Martyna–Tobias–Klein for NPT.

    While the temperature changes it is always Bussi's: ASE's chain has one temperature.

    Parameters
    ----------
    atoms
        The start.
    potential
        Any potential.
    bath
        Time step, thermostat and barostat.
    """

    def __init__(self, atoms: Atoms, potential: Potential, bath: Bath) -> None:
        self._atoms, self._potential, self._bath = atoms, potential, bath

    @property
    def identity(self) -> dict[str, str]:
        """What determines the run; see `Engine`."""
        return self._bath.identity("ASE", self._atoms, self._potential)

    def advance(
        self, leg: Leg, seed: int, before: Path | None, after: Path, progress: Progress | None
    ) -> Stored:
        """Run one piece; see `Engine`."""
        rng = np.random.default_rng(seed)
        atoms = Atoms(self._atoms.numbers, self._atoms.positions, cell=self._atoms.cell, pbc=True)
        inner: dict[str, Any] = {}
        if before is None:
            _thermalise(atoms, 2 * leg.begin, rng)  # half goes into the lattice's energy
        else:
            inner = _restore(atoms, before)
        calculator = calculator_of(self._potential)
        reset = getattr(calculator, "reset", None)
        if reset is not None:
            reset()  # what it remembers of other pieces must not show
        atoms.calc = calculator
        dynamics = self._dynamics(atoms, leg, rng)
        _set_inner(dynamics, inner)
        with _blaming(self._potential.name):
            frames = _run(dynamics, atoms, leg, progress)
        _save(after, atoms, dynamics)
        return frames

    def _dynamics(self, atoms: Atoms, leg: Leg, rng: np.random.Generator) -> MolecularDynamics:
        target, bath = _target(leg.begin, len(atoms)), self._bath
        dt, tau = _PS * bath.timestep, _PS * bath.thermostat_time
        if leg.ensemble == "npt":
            kind = IsotropicMTKNPT if lattice_type(atoms.cell.array) == "isotropic" else MTKNPT
            return kind(atoms, dt, target, 0.0, tdamp=tau, pdamp=_PS * bath.barostat_time)
        if bath.thermostat == "nose-hoover" and leg.begin == leg.end:
            return NoseHooverChainNVT(atoms, dt, target, tdamp=tau)
        return Bussi(atoms, dt, target, tau, rng=rng)


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Turn the errors of a model into one sentence."""
    try:
        yield
    except FrustraError:
        raise
    except Exception as error:
        raise PotentialError(
            f"{name} cannot be evaluated in MD ({told(error)})",
            remedy="check the structure, the model's file and its package",
        ) from error


def _thermalise(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Give the atoms Maxwell–Boltzmann momenta at a temperature (K), without net momentum."""
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature)
    atoms.set_momenta(momenta - masses / masses.sum() * momenta.sum(axis=0))


def _target(temperature: float, atoms: int) -> float:
    """Return what to ask of ASE, which counts 3N degrees of freedom, for a system without net momentum."""
    return temperature * (atoms - 1) / atoms


def _run(dynamics: MolecularDynamics, atoms: Atoms, leg: Leg, progress: Progress | None) -> Stored:
    count = leg.steps // leg.every if leg.every else 0
    positions = np.empty((count, len(atoms), 3))
    cells = np.empty((count, 3, 3))
    for step in range(1, leg.steps + 1):
        if leg.begin != leg.end and isinstance(dynamics, Bussi) and step % _RAMP == 1:
            part = (step - 1) / leg.steps
            _set_temperature(dynamics, leg.begin + part * (leg.end - leg.begin), len(atoms))
        dynamics.step()  # type: ignore[attr-defined]
        if leg.every and step % leg.every == 0:
            positions[step // leg.every - 1] = atoms.positions
            cells[step // leg.every - 1] = atoms.cell.array
        if progress is not None and step % _TELL == 0:
            progress(step)
    if not np.isfinite(atoms.positions).all():
        raise EngineError(
            f"MD with {type(dynamics).__name__} that ran away: positions are not finite",
            remedy="lower md.timestep, or check the potential (frustra check-potential)",
        )
    return Stored(positions, cells)


def _set_temperature(dynamics: Bussi, temperature: float, atoms: int) -> None:
    dynamics.temp = units.kB * _target(temperature, atoms)
    dynamics.target_kinetic_energy = 0.5 * dynamics.temp * dynamics.ndof


def _parts(dynamics: MolecularDynamics) -> dict[str, Any]:
    """Return the objects that remember something, by the name of the attribute that holds them."""
    return {
        name: dynamics if not name else getattr(dynamics, name)
        for name in _INNER
        if not name or hasattr(dynamics, name)
    }


def _save(path: Path, atoms: Atoms, dynamics: MolecularDynamics) -> None:
    held = {"positions": atoms.positions, "momenta": atoms.get_momenta(), "cell": atoms.cell.array}
    for part, owner in _parts(dynamics).items():
        held |= {f"{part}.{key}": getattr(owner, key) for key in _INNER[part] if hasattr(owner, key)}
    buffer = io.BytesIO()
    np.savez(buffer, **held)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _restore(atoms: Atoms, path: Path) -> dict[str, Any]:
    """Put atoms back where they were; return what thermostat and barostat remember."""
    with np.load(path) as held:
        values = {key: held[key] for key in held.files}
    atoms.set_cell(values.pop("cell"))
    atoms.set_positions(values.pop("positions"))
    atoms.set_momenta(values.pop("momenta"))
    return values


def _set_inner(dynamics: MolecularDynamics, inner: dict[str, Any]) -> None:
    owners = _parts(dynamics)
    for name, value in inner.items():
        part, key = name.split(".")
        if part in owners and hasattr(owners[part], key):  # absent after a change of ensemble
            setattr(owners[part], key, value.copy() if value.ndim else float(value))
