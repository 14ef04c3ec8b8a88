"""Does a potential keep its promises? `check_potential` measures it, whatever made the potential.

Every check compares a potential with itself: the sum of its per-atom energies with its energy, its forces
and its stress with differences of its energy, and what it says of the same crystal seen in another way. So
no reference data are needed, and nothing is said about how well it describes nature.
"""

import resource
import sys
import time
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from frustra.engines.calculator import CalculatorPotential
from frustra.engines.md import measured_speed
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.potential import Potential
from frustra.errors import FrustraError, StructureError
from frustra.promises import (
    COMPRESSION,
    PROMISES,
    RATTLE,
    SHEAR,
    SUM,
    Check,
    Record,
    Subject,
    deformed,
    displaced,
    evaluation,
    guarded,
)
from frustra.specimen import specimen
from frustra.structures import formula, has_volume, lower_triangular

__all__ = ["Check", "PotentialReport", "Verdict", "check_potential"]

FEWEST_ATOMS = 8
"""Atoms below which a structure is repeated, else too little of it can move."""

LARGE_FORCE = 30.0
"""Root mean square force (eV/Å) of a structure that no model was trained on."""


class Verdict(Record):
    """Whether the potential is fit for a purpose."""

    fit: bool = Field(description="whether it is")
    reason: str = Field(description="why, or why not")


class PotentialReport(Record):
    """What `check_potential` found."""

    potential: str = Field(description="name of the model")
    fingerprint: str = Field(description="hash of everything that defines it")
    structure: str = Field(description="reduced formula of the structure it was checked on")
    atoms: int = Field(description="atoms of that structure")
    checks: tuple[Check, ...] = Field(description="every check, in order")
    atom_steps_per_s: float | None = Field(description="speed; null if it could not be measured")
    memory_MiB: float = Field(  # noqa: N815 - keys carry their units
        description="peak resident memory of this process or of one it started, whichever is larger"
    )
    md: Verdict = Field(description="molecular dynamics and relaxation")
    doas: Verdict = Field(description="the density of atomistic states, which needs per-atom energies")
    not_for: tuple[str, ...] = Field((), description="what its model card warns of")
    warnings: tuple[str, ...] = Field((), description="reasons to doubt this report")


def check_potential(
    potential: Potential, atoms: Atoms | None = None, *, seed: int = 1, seconds: float = 1.0
) -> PotentialReport:
    """Check that a potential keeps its promises, and measure its speed and memory.

    The structure is compressed by 2 %, sheared and rattled, so that neither forces nor stress vanish by
    symmetry. Checked are: Σ e_i = E; F = −dE/dx and σ = (dE/dε)/V by fourth-order central differences;
    invariance under translation, rotation and permutation; that a batch gives what single frames give;
    and that the frames handed in stay as they are.

    Parameters
    ----------
    potential
        What to check.
    atoms
        A periodic crystal; without one, `frustra.specimen` builds it from the potential's elements.
    seed
        Decides on all displacements, directions and rotations.
    seconds
        How long the speed is measured, at least.

    Raises
    ------
    PotentialError, EngineError
        The potential cannot be loaded, or cannot be evaluated at all.
    StructureError
        No three-dimensional cell, or no structure for a potential that does not tell its elements.
    """
    if isinstance(potential, CalculatorPotential):
        _ = potential.calculator  # a model that cannot be loaded has nothing to check
    subject = Subject(potential, _prepared(potential, atoms, seed), seed)
    checks = guarded("evaluation", evaluation, subject, FrustraError)
    usable = checks[0].passed
    if usable:
        checks += tuple(c for name, measure in PROMISES.items() for c in guarded(name, measure, subject))
    md = _md_verdict(checks)
    return PotentialReport(
        potential=potential.name,
        fingerprint=potential.fingerprint,
        structure=formula(subject.atoms),
        atoms=len(subject.atoms),
        checks=checks,
        atom_steps_per_s=_speed(subject, seconds) if usable else None,
        memory_MiB=_peak_memory(),
        md=md,
        doas=_doas_verdict(checks, md),
        not_for=potential.not_for,
        warnings=_doubts(subject) if usable else (),
    )


def _doubts(subject: Subject) -> tuple[str, ...]:
    if subject.force_scale < LARGE_FORCE:
        return ()
    huge = f"Forces of {subject.force_scale:.3g} eV/Å: the structure is unlike anything a model is made for"
    return (f"{huge}, and tolerances grow with the forces; name a STRUCTURE of your material.",)


def _md_verdict(checks: Sequence[Check]) -> Verdict:
    failed = [c.name for c in checks if not c.passed and not c.atomic]
    if failed:
        return Verdict(fit=False, reason=f"failed: {', '.join(failed)}")
    notes = [c.note for c in checks if c.note.startswith("skipped")]
    notes += [f"{c.name} are doubtful, see above" for c in checks if c.note.startswith("doubtful")]
    return Verdict(fit=True, reason="; ".join(["energy, forces and invariances hold", *notes]))


def _doas_verdict(checks: Sequence[Check], md: Verdict) -> Verdict:
    if not md.fit:
        return Verdict(fit=False, reason="not fit for MD")
    failed = [c for c in checks if not c.passed]
    if any(c.name == SUM for c in failed):
        return Verdict(fit=False, reason=failed[0].note)
    if failed:
        return Verdict(fit=False, reason=f"failed: {', '.join(c.name for c in failed)}")
    return Verdict(fit=True, reason="its per-atom energies are a partition of its energy")


def _speed(subject: Subject, seconds: float) -> float | None:
    """Return atom-steps per second: of a short MD run by LAMMPS, or of repeated batches of four frames."""
    try:
        if isinstance(subject.potential, LammpsPotential):
            return measured_speed(lower_triangular(subject.atoms)[0], subject.potential)
        steps, began = 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - began < seconds:
            moves = subject.rng(8, steps).normal(0, 0.01, (4, len(subject.atoms), 3))
            subject.evaluate(*(displaced(subject.atoms, m) for m in moves))  # moved: nothing is remembered
            steps += len(moves)
        return steps * len(subject.atoms) / (time.perf_counter() - began)
    except Exception:  # noqa: BLE001 - a foreign model may raise anything; its failed checks tell why
        return None


def _peak_memory() -> float:
    """Return the peak resident memory (MiB) of this process or of its largest child."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak * unit / 2**20


def _prepared(potential: Potential, atoms: Atoms | None, seed: int) -> Atoms:
    """Return a plain periodic copy, compressed, sheared and rattled."""
    start = _own_structure(potential, seed) if atoms is None else atoms
    if len(start) == 0 or not has_volume(start) or not np.isfinite(start.positions).all():
        raise StructureError(
            "a structure without atoms, finite positions or a three-dimensional cell", "a periodic crystal"
        )
    plain = Atoms(numbers=start.numbers, positions=start.positions, cell=start.cell, pbc=True)
    if len(plain) < FEWEST_ATOMS:
        plain = plain.repeat(2)
    rng = np.random.default_rng((seed, 0))
    shear = rng.uniform(0.5, 1, (3, 3)) * SHEAR * rng.choice([-1, 1], (3, 3))
    strain = (1 - COMPRESSION) * np.eye(3) + (shear + shear.T) / 2
    return displaced(deformed(plain, strain), RATTLE * rng.normal(size=(len(plain), 3)))


def _own_structure(potential: Potential, seed: int) -> Atoms:
    if not potential.species:
        raise StructureError(
            f"no structure, and {potential.name} does not say which elements it knows",
            "a structure to check it on",
            "name one: frustra check-potential MODEL STRUCTURE",
        )
    charges = getattr(potential, "charges", ())
    return specimen(potential.species, potential.cutoff or 0.0, charges, np.random.default_rng((seed, 7)))
