"""Many systems at once on one GPU, by torch-sim (the extra `torchsim`, Python 3.12 or later).

A GPU that evaluates one frame of a few hundred atoms is mostly idle; frames evaluated together fill it.
torch-sim's models give no per-atom energies: the potential itself is asked for those at the end.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from importlib import import_module
from typing import Any

import numpy as np
from ase import Atoms

from frustra.arrays import Array
from frustra.engines.calculator import CalculatorPotential
from frustra.engines.descend import REACHED
from frustra.engines.lammps import Progress
from frustra.engines.relax_ase import snapshots_of
from frustra.engines.zoo import imported
from frustra.errors import EngineError, PotentialError
from frustra.snapshots import Snapshots
from frustra.trajectory import Trajectory
from frustra.units import BOLTZMANN

_SWAP = 5  # steps between two looks at which frames are done
_ALPHA = 70.0  # eV/Å²: the first guess of the curvature, as in ASE's L-BFGS


def _sevennet(calculator: Any) -> Any:
    kind = import_module("sevenn.torchsim").SevenNetModel
    model = deepcopy(calculator.model)  # it is changed for batches, and the calculator still needs its own
    return kind(model, modal=calculator.modal, device=calculator.device)


def _mace(calculator: Any) -> Any:
    kind = import_module("torch_sim.models.mace").MaceModel
    model = calculator.models[0]
    return kind(model, device=calculator.device, dtype=next(model.parameters()).dtype, compute_stress=False)


BATCHED: dict[str, Callable[[Any], Any]] = {"SevenNetCalculator": _sevennet, "MACECalculator": _mace}
"""From the class of a loaded calculator to its torch-sim model."""


def batched_model(potential: CalculatorPotential) -> Any:
    """Return the torch-sim model of a potential.

    Raises
    ------
    PotentialError
        torch-sim is not installed, or the family has no torch-sim model here.
    """
    imported("torch_sim", "torchsim")
    kind = type(potential.calculator).__name__
    if kind not in BATCHED:
        raise PotentialError(
            f"no batched model of {potential.name}",
            "a potential of a family with one (sevennet, mace)",
            "set batch = 0 in [relax]",
        )
    return BATCHED[kind](potential.calculator)


def relax_batched(
    frames: Sequence[Atoms],
    potential: CalculatorPotential,
    batch: int,
    fmax: float,
    max_steps: int,
    max_move: float,
    progress: Progress | None = None,
) -> Snapshots:
    """Relax frames by L-BFGS, `batch` at a time; see `relax_frames`.

    A frame leaves its batch as soon as its forces are below `fmax`.
    """
    model = batched_model(potential)
    relaxed: list[Atoms] = []
    stops: list[tuple[str, int, int]] = []
    for first in range(0, len(frames), batch):
        if progress is not None:
            progress(first)
        chosen = frames[first : first + batch]
        part = [Atoms(f.numbers, f.positions, cell=frames[0].cell, pbc=True) for f in chosen]
        positions, steps, done = _descend(part, model, fmax, max_steps, max_move)
        relaxed += [Atoms(a.numbers, x, cell=a.cell, pbc=True) for a, x in zip(part, positions, strict=True)]
        reasons = [REACHED if d else f"{max_steps} steps" for d in done]
        stops += [(reason, s + 1, s) for reason, s in zip(reasons, steps, strict=True)]
    return snapshots_of(frames, relaxed, potential, fmax, stops)


def _descend(
    frames: Sequence[Atoms], model: Any, fmax: float, max_steps: int, max_move: float
) -> tuple[list[Array], list[int], list[bool]]:
    """Minimise all frames together; return positions, steps and success of each, in their order."""
    import torch_sim as ts  # noqa: PLC0415

    state = ts.lbfgs_init(ts.initialize_state(list(frames), model.device, model.dtype), model, alpha=_ALPHA)
    within = ts.generate_force_convergence_fn(fmax)
    left = list(range(len(frames)))
    positions: list[Array] = [f.positions for f in frames]
    steps, done = [max_steps] * len(frames), [False] * len(frames)
    for step in range(0, max_steps + 1, _SWAP):
        finished = within(state).nonzero().flatten().tolist()
        if step + _SWAP > max_steps:
            finished = list(range(len(left)))
        for place, one in zip(finished, state.pop(finished) if finished else (), strict=True):
            frame = left[place]
            positions[frame] = one.positions.double().cpu().numpy()
            steps[frame], done[frame] = step, bool(within(one)[0])
        left = [frame for place, frame in enumerate(left) if place not in finished]
        if not left:
            break
        for _ in range(_SWAP):
            state = ts.lbfgs_step(state, model, max_step=max_move)
    return positions, steps, done


def run_md_batched(
    starts: Sequence[Atoms],
    potential: CalculatorPotential,
    temperatures: Sequence[float],
    steps: int,
    every: int,
    timestep: float,
    thermostat_time: float,
    seed: int,
) -> list[Trajectory]:
    """Run NVT MD of several systems at once, each at its own temperature (Bussi's thermostat).

    Parameters
    ----------
    starts, temperatures
        One start in its cell, and one temperature (K), for each system.
    steps, every
        Time steps, and how many of them lie between stored frames.
    timestep, thermostat_time
        ps.
    seed
        Of all random numbers; the same GPU and versions give the same trajectories, others may not.

    Raises
    ------
    EngineError
        Not one temperature for each start, or positions that are not finite.
    """
    if len(temperatures) != len(starts):
        raise EngineError(f"{len(temperatures)} temperatures for {len(starts)} starts", "one for each")
    model = batched_model(potential)
    import torch
    import torch_sim as ts  # noqa: PLC0415

    dt, tau = (timestep * ts.units.MetalUnits.time, thermostat_time * ts.units.MetalUnits.time)
    kt = torch.tensor([BOLTZMANN * t for t in temperatures], device=model.device, dtype=model.dtype)
    state = ts.initialize_state(list(starts), model.device, model.dtype)
    state.rng = seed
    state = ts.nvt_vrescale_init(state, model, kT=2 * kt)  # half goes into the lattice's energy
    stored = []
    for step in range(1, steps + 1):
        state = ts.nvt_vrescale_step(model, state, dt=dt, kT=kt, tau=tau)
        if step % every == 0:
            stored.append(state.positions.double().cpu().numpy())
    if not all(np.isfinite(x).all() for x in stored):
        raise EngineError("MD that ran away: positions are not finite", remedy="lower the time step")
    return _split(np.array(stored), starts, temperatures, every * timestep, potential.name)


def _split(
    positions: Array, starts: Sequence[Atoms], temperatures: Sequence[float], interval: float, name: str
) -> list[Trajectory]:
    """Cut the atoms of all systems, which lie one after the other, into one trajectory each."""
    ends = np.cumsum([len(s) for s in starts])
    info: dict[str, str | float | int] = {"engine": "torch-sim", "ensemble": "NVT (Bussi)", "potential": name}
    return [
        Trajectory(
            positions=positions[:, end - len(atoms) : end],
            cells=np.broadcast_to(atoms.cell.array, (len(positions), 3, 3)),
            numbers=atoms.numbers.astype(np.int64),
            timestep=interval,
            temperature=float(t),
            info=info,
        )
        for atoms, t, end in zip(starts, temperatures, ends, strict=True)
    ]
