"""What a potential is to the rest of frustra, and what it returns."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from ase import Atoms

from frustra.arrays import Array
from frustra.errors import PotentialError
from frustra.snapshots import ENERGY_SUM_TOLERANCE

Property = Literal["energy", "forces", "atomic_energies", "stress"]
"""What a potential may give; energy and forces always."""

WITH_ATOMIC_ENERGIES = (
    "pod, lammps, deepmd, mtp, nep, sevennet, chgnet, mace, nequip and metatomic models, "
    "and any ASE calculator with results['energies']"
)
"""Which kinds of potentials give per-atom energies; told to whoever brings one that does not."""


@dataclass(frozen=True)
class Evaluation:
    """What a potential says of frames with the same number of atoms."""

    energies: Array
    """(frames,) total energy, eV."""
    forces: Array
    """(frames, atoms, 3), eV/Å."""
    atomic_energies: Array | None = None
    """(frames, atoms) per-atom energy, eV, or None; `partition` checks them."""
    stress: Array | None = None
    """(frames, 3, 3) in eV/Å³, positive under tension (dE/dε / V); None if the potential has none."""
    note: str = ""
    """Why there are no per-atom energies."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.energies).all() and np.isfinite(self.forces).all()):
            raise PotentialError(
                "energies or forces that are not finite", remedy="check the structure and the potential"
            )

    def partition(self, name: str) -> Array:
        """Return the per-atom energies; refuse what does not sum to the total energy.

        Raises
        ------
        PotentialError
            There are none, or |Σ e_i − E| exceeds 10⁻⁵ eV per atom.
        """
        if self.atomic_energies is None:
            raise PotentialError(
                f"{name} gives no per-atom energies" + (f" ({self.note})" if self.note else ""),
                f"one of {WITH_ATOMIC_ENERGIES}",
                "a density of atomistic states needs them; MD alone does not",
            )
        if self.atomic_energies.shape != self.forces.shape[:2]:
            raise PotentialError(
                f"per-atom energies of {name} with the shape {self.atomic_energies.shape}",
                f"{self.forces.shape[:2]}, one for each frame and atom",
            )
        error = float(np.abs(self.atomic_energies.sum(axis=1) - self.energies).max())
        if not error <= ENERGY_SUM_TOLERANCE * self.forces.shape[1]:
            raise PotentialError(
                f"per-atom energies of {name} that miss the total energy by {error:.3g} eV",
                "a sum equal to the total",
                f"a density of atomistic states needs one of {WITH_ATOMIC_ENERGIES}",
            )
        return self.atomic_energies


class Potential(Protocol):
    """Any model of the potential energy. It can be pickled, so that worker processes have it too."""

    @property
    def name(self) -> str:
        """What `load_potential` made it from."""
        ...

    @property
    def species(self) -> tuple[str, ...] | None:
        """Elements it knows; None if it does not say."""
        ...

    @property
    def cutoff(self) -> float | None:
        """Range of the interactions, Å; None if it does not say."""
        ...

    @property
    def provides(self) -> frozenset[Property]:
        """What it claims to give; `frustra check-potential` finds out whether that is true."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that defines it, taken when it was loaded."""
        ...

    @property
    def not_for(self) -> tuple[str, ...]:
        """What its model card warns of."""
        ...

    def evaluate(self, frames: Sequence[Atoms]) -> Evaluation:
        """Return energies, forces and what else it provides; the frames stay as they are."""
        ...


def check_frames(frames: Sequence[Atoms], name: str, species: Sequence[str] | None) -> None:
    """Refuse frames that one evaluation cannot take.

    Raises
    ------
    PotentialError
        No frames, frames with different numbers of atoms, or an element that the potential does not know.
    """
    if not frames:
        raise PotentialError(f"no frames for {name}", "at least one")
    counts = sorted({len(f) for f in frames})
    if len(counts) > 1:
        raise PotentialError(
            f"frames with {', '.join(map(str, counts))} atoms for {name}", "the same number in all"
        )
    unknown = sorted({s for f in frames for s in f.get_chemical_symbols()} - set(species or ()))
    if species is not None and unknown:
        raise PotentialError(
            f"{', '.join(unknown)} in frames for {name}",
            f"only {', '.join(species)}",
            "use another potential",
        )


def file_fingerprint(files: Iterable[Path], *words: str) -> str:
    """Return a hash of files' contents and of words such as a package's version."""
    digest = hashlib.sha256("\0".join(words).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
