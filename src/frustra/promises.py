"""What a potential promises, one function for each promise: the measures behind `check_potential`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial.transform import Rotation

from frustra.arrays import Array
from frustra.engines.potential import Evaluation, Potential
from frustra.errors import PotentialError
from frustra.snapshots import ENERGY_SUM_TOLERANCE

RATTLE = 0.08
"""Standard deviation of the displacements (Å) that leave no force zero by symmetry."""

COMPRESSION, SHEAR = 0.02, 0.01
"""Strains that leave no component of the stress zero."""

STEP, STRAIN = 0.02, 0.004
"""Steps of the stencils: root mean square displacement (Å) of the atoms, and strain."""

DIRECTIONS = 4
"""Random directions along which the energy is differentiated."""

TINY, NOISE_PAIRS = 1e-5, 6
"""Displacement (Å) within which only rounding bends the energy, and how often it is sampled."""

DERIVATIVE_TOLERANCE = 2e-3
"""Relative error of a derivative of the energy that the stencil and single precision may cause."""

DERIVATIVE_LIMIT = 1e-2
"""Relative error that no noise of the energy excuses: half of one that must be found."""

SIGMAS = 4
"""Standard deviations of the noise that a tolerance makes room for."""

FORCE_TOLERANCE = 2e-3
"""Largest change of a force, in units of the root mean square force; of the stress likewise."""

ENERGY_TOLERANCE = 5e-5
"""Largest change of the energy, eV per atom: what a well-set mesh for long-range forces may cause."""

ATOMIC_TOLERANCE = 5e-4
"""Largest change of a per-atom energy, eV: a tenth of a bin of the density of atomistic states."""

SUM = "sum of per-atom energies"
"""The check on which a density of atomistic states depends first."""


class Record(BaseModel):
    """The base of what is reported: frozen; what is not finite becomes null in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Check(Record):
    """One promise: what was measured and whether it was kept."""

    name: str = Field(description="what was checked")
    value: float | None = Field(None, description="largest or root mean square deviation; null: not measured")
    tolerance: float | None = Field(None, description="largest value that passes")
    unit: str = Field("", description="unit of both; empty for a ratio or a count")
    passed: bool = Field(description="whether it passed; a check that does not apply passes")
    note: str = Field("", description="why it failed and what this means, or why it was skipped")
    atomic: bool = Field(False, description="whether only the per-atom energies are concerned")


@dataclass(frozen=True)
class Subject:
    """The potential, the structure it is checked on, and what several checks need of them."""

    potential: Potential
    atoms: Atoms
    seed: int

    def evaluate(self, *frames: Atoms) -> Evaluation:
        """Evaluate copies: what the potential does to its input is another check's concern."""
        found = self.potential.evaluate([f.copy() for f in frames])
        atomic = found.atomic_energies
        if atomic is None or atomic.shape == found.forces.shape[:2]:
            return found
        note = f"they have the shape {atomic.shape} instead of {found.forces.shape[:2]}"
        return replace(found, atomic_energies=None, note=note)

    def rng(self, *stream: int) -> np.random.Generator:
        """Return random numbers of their own for each check."""
        return np.random.default_rng((self.seed, *stream))

    @cached_property
    def base(self) -> Evaluation:
        """What the potential says of the structure."""
        return self.evaluate(self.atoms)

    @cached_property
    def noise(self) -> float:
        """Standard deviation (eV) of the energy by rounding: of (E(x + δ) + E(x − δ))/√2 for tiny δ."""
        steps = TINY * self.rng(1).normal(size=(NOISE_PAIRS, len(self.atoms), 3))
        energies = self.evaluate(*(displaced(self.atoms, d) for d in (*steps, *-steps))).energies
        return float(np.std(energies.reshape(2, -1).sum(axis=0) / np.sqrt(2), ddof=1))

    @cached_property
    def force_scale(self) -> float:
        """Root mean square over the atoms of the force, eV/Å."""
        return float(np.sqrt((self.base.forces[0] ** 2).sum(axis=1).mean()))


Measure = Callable[[Subject], tuple[Check, ...]]


def guarded(name: str, measure: Measure, subject: Subject, *passing: type[Exception]) -> tuple[Check, ...]:
    """Turn whatever a model raises into a failed check, except for what is let pass."""
    try:
        return measure(subject)
    except passing:
        raise
    except Exception as error:  # noqa: BLE001 - a foreign model may raise anything
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return (Check(name=name, passed=False, note=f"it could not be evaluated ({told})"),)


def evaluation(subject: Subject) -> tuple[Check, ...]:
    """Check the shapes of what is returned for one frame."""
    count, found = len(subject.atoms), subject.base
    shapes = [
        ("energies", found.energies, (1,)),
        ("forces", found.forces, (1, count, 3)),
        ("stress", found.stress, (1, 3, 3)),
    ]
    wrong = [
        f"{name} of shape {values.shape} instead of {shape}"
        for name, values, shape in shapes
        if values is not None and values.shape != shape
    ]
    return (Check(name="evaluation", value=len(wrong), tolerance=0, passed=not wrong, note="; ".join(wrong)),)


def _sum(subject: Subject) -> tuple[Check, ...]:
    found, note, value = subject.base, "", None
    if found.atomic_energies is not None:
        value = float(np.abs(found.atomic_energies.sum(axis=1) - found.energies).max()) / len(subject.atoms)
    try:
        found.partition(subject.potential.name)
    except PotentialError as refusal:
        note = str(refusal)
    tolerance = ENERGY_SUM_TOLERANCE
    check = Check(
        name=SUM, value=value, tolerance=tolerance, unit="eV/atom", passed=not note, note=note, atomic=True
    )
    return (check,)


def _forces(subject: Subject) -> tuple[Check, ...]:
    """−F·u against dE/dt along x + t u, for random directions u of all atoms."""
    directions = subject.rng(2).normal(size=(DIRECTIONS, len(subject.atoms), 3))
    directions /= np.sqrt((directions**2).sum(axis=2).mean(axis=1))[:, None, None]
    frames = [displaced(subject.atoms, t * u) for u in directions for t in STEP * _STENCIL]
    slopes = _slopes(subject.evaluate(*frames).energies, STEP)
    expected = -np.einsum("kij,ij->k", directions, subject.base.forces[0])
    means = "forces are not the slope of the energy: MD does not conserve it, relaxations end off the minimum"
    return (_derivative("forces", slopes, expected, subject.noise * _NOISE_GAIN / STEP, means),)


def _stress(subject: Subject) -> tuple[Check, ...]:
    """Six components of V σ against dE/dε."""
    name = "stress"
    if subject.base.stress is None:
        claims = ", although it claims one" if "stress" in subject.potential.provides else ""
        return (
            Check(name=name, passed=True, note=f"skipped: it gives no stress{claims}; the cell is fixed"),
        )
    pairs = list(combinations_with_replacement(range(3), 2))
    modes = np.zeros((len(pairs), 3, 3))
    for mode, (i, j) in zip(modes, pairs, strict=True):
        mode[i, j] += 0.5
        mode[j, i] += 0.5
    frames = [deformed(subject.atoms, np.eye(3) + t * m) for m in modes for t in STRAIN * _STENCIL]
    slopes = _slopes(subject.evaluate(*frames).energies, STRAIN)
    expected = subject.atoms.get_volume() * np.einsum("kij,ij->k", modes, subject.base.stress[0])
    means = "stress is not the slope of the energy with strain: cells relaxed or averaged with it are wrong"
    return (_derivative(name, slopes, expected, subject.noise * _NOISE_GAIN / STRAIN, means),)


_STENCIL = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12
_NOISE_GAIN = float(np.linalg.norm(_WEIGHTS))


def _slopes(energies: Array, step: float) -> Array:
    slopes: Array = energies.reshape(-1, len(_STENCIL)) @ _WEIGHTS / step
    return slopes


def _derivative(name: str, slopes: Array, expected: Array, noise: float, means: str) -> Check:
    """Compare slopes with what the model says they are: root mean square error over root mean square.

    The tolerance makes room for the noise of the energy. Where this room would let a wrong derivative
    pass, the check fails. An error beyond the tolerance that is still below 1 % passes with a note.
    """
    scale = float(np.sqrt(np.mean(slopes**2)))
    if scale == 0:
        return Check(name=name, passed=False, note="the energy does not change at all: nothing to compare")
    error = float(np.sqrt(np.mean((slopes - expected) ** 2))) / scale
    wanted = DERIVATIVE_TOLERANCE + SIGMAS * noise / scale
    tolerance = min(wanted, DERIVATIVE_LIMIT)
    if wanted > DERIVATIVE_LIMIT:
        note = f"the energy is too noisy to tell (slopes ± {100 * noise / scale:.1g} %): use double precision"
        return Check(name=name, value=error, tolerance=tolerance, passed=False, note=note)
    if tolerance < error <= DERIVATIVE_LIMIT:
        note = (
            f"doubtful: its {means}; {100 * error:.1g} % is little beside what a model is wrong by, and may "
            "come from an energy with kinks: use a thermostat, and look whether relaxations converge"
        )
        return Check(name=name, value=error, tolerance=DERIVATIVE_LIMIT, passed=True, note=note)
    passed = error <= tolerance
    return Check(
        name=name, value=error, tolerance=tolerance, passed=passed, note="" if passed else f"its {means}"
    )


def _translation(subject: Subject) -> tuple[Check, ...]:
    shift = subject.rng(3).uniform(-20, 20, 3)
    seen = subject.evaluate(displaced(subject.atoms, np.broadcast_to(shift, (len(subject.atoms), 3))))
    means = "it depends on where the crystal lies: drift and wrapping of atoms change its results"
    return _compared("translation", subject, seen, subject.base, means)


def _rotation(subject: Subject) -> tuple[Check, ...]:
    turn = Rotation.random(rng=subject.rng(4)).as_matrix()
    seen = subject.evaluate(deformed(subject.atoms, turn))
    back = Evaluation(
        seen.energies,
        seen.forces @ turn,
        seen.atomic_energies,
        None if seen.stress is None else turn.T @ seen.stress @ turn,
    )
    means = "it depends on how the crystal lies in space: equivalent sites get different energies"
    return _compared("rotation", subject, back, subject.base, means)


def _permutation(subject: Subject) -> tuple[Check, ...]:
    order = subject.rng(5).permutation(len(subject.atoms))
    seen, home = subject.evaluate(subject.atoms[order]), np.argsort(order)
    atomic = None if seen.atomic_energies is None else seen.atomic_energies[:, home]
    back = Evaluation(seen.energies, seen.forces[:, home], atomic, seen.stress)
    means = "it depends on the order of the atoms: equal ions are not treated alike"
    return _compared("permutation", subject, back, subject.base, means)


def _batch(subject: Subject) -> tuple[Check, ...]:
    rng = subject.rng(6)
    moves = RATTLE * rng.normal(size=(2, len(subject.atoms), 3))
    frames = [subject.atoms, displaced(subject.atoms, moves[0]), displaced(subject.atoms, moves[1])]
    frames[1] = frames[1][rng.permutation(len(subject.atoms))]
    frames[2] = deformed(frames[2], np.eye(3) + np.diag([SHEAR, -SHEAR, SHEAR]))
    singles = _joined([subject.evaluate(f) for f in frames])
    means = "what it says of a frame depends on the frames evaluated with it"
    return _compared("batch", subject, subject.evaluate(*frames), singles, means)


def _joined(parts: Sequence[Evaluation]) -> Evaluation:
    atomic = [p.atomic_energies for p in parts if p.atomic_energies is not None]
    stress = [p.stress for p in parts if p.stress is not None]
    return Evaluation(
        np.concatenate([p.energies for p in parts]),
        np.concatenate([p.forces for p in parts]),
        np.concatenate(atomic) if len(atomic) == len(parts) else None,
        np.concatenate(stress) if len(stress) == len(parts) else None,
    )


def _compared(
    name: str, subject: Subject, seen: Evaluation, expected: Evaluation, means: str
) -> tuple[Check, ...]:
    """Compare two evaluations that must agree, quantity by quantity."""
    count = len(subject.atoms)
    stress = 0.0 if expected.stress is None else float(np.linalg.norm(expected.stress, axis=(1, 2)).max())
    rows = [
        ("energy", seen.energies / count, expected.energies / count, ENERGY_TOLERANCE, "eV/atom"),
        ("forces", seen.forces, expected.forces, FORCE_TOLERANCE * subject.force_scale, "eV/Å"),
        ("stress", seen.stress, expected.stress, FORCE_TOLERANCE * stress, "eV/Å³"),
        (_ATOMIC, seen.atomic_energies, expected.atomic_energies, ATOMIC_TOLERANCE, "eV"),
    ]
    return tuple(
        _agreement(f"{name}: {quantity}", float(np.abs(a - b).max()), tolerance, unit, means)
        for quantity, a, b, tolerance, unit in rows
        if a is not None and b is not None
    )


_ATOMIC = "per-atom energies"


def _agreement(name: str, error: float, tolerance: float, unit: str, means: str) -> Check:
    passed = error <= tolerance
    return Check(
        name=name,
        value=error,
        tolerance=tolerance,
        unit=unit,
        passed=passed,
        note="" if passed else means,
        atomic=name.endswith(_ATOMIC),
    )


class _Bystander:
    """Stands for the calculator of a frame that a potential must leave alone."""


def _untouched(subject: Subject) -> tuple[Check, ...]:
    frame = subject.atoms.copy()
    frame.info["told"] = "by the user"
    frame.set_array("mark", np.arange(len(frame)))
    frame.calc = _Bystander()
    before = _contents(frame)
    subject.potential.evaluate([frame])
    after = _contents(frame)
    keys = sorted(before.keys() | after.keys())
    changed = [k for k in keys if k not in before or k not in after or not _same(before[k], after[k])]
    note = f"it changes {', '.join(changed)} of the frames it is given: data that are used again are spoilt"
    check = Check(
        name="input untouched",
        value=len(changed),
        tolerance=0,
        passed=not changed,
        note=note if changed else "",
    )
    return (check,)


def _contents(frame: Atoms) -> dict[str, Any]:
    held: dict[str, Any] = {name: values.copy() for name, values in frame.arrays.items()}
    held |= {f"info {key}": value for key, value in frame.info.items()}
    return held | {"cell": frame.cell.array.copy(), "pbc": frame.pbc.copy(), "calc": frame.calc}


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and bool(np.array_equal(a, b)))


PROMISES: dict[str, Measure] = {
    SUM: _sum,
    "forces": _forces,
    "stress": _stress,
    "translation": _translation,
    "rotation": _rotation,
    "permutation": _permutation,
    "batch": _batch,
    "input untouched": _untouched,
}


def displaced(atoms: Atoms, by: Array) -> Atoms:
    """Return a copy with every atom moved by (atoms, 3), Å."""
    moved: Atoms = atoms.copy()
    moved.positions += by
    return moved


def deformed(atoms: Atoms, matrix: Array) -> Atoms:
    """Apply a matrix to every vector, of the cell and of the atoms: r' = M r."""
    result: Atoms = atoms.copy()
    result.set_cell(atoms.cell.array @ matrix.T, scale_atoms=False)
    result.positions = atoms.positions @ matrix.T
    return result
