"""Several potentials as one: their mean, and how far they differ."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from ase import Atoms

from frustra.arrays import Array, IntArray
from frustra.engines.potential import Evaluation, Potential, Property, check_frames
from frustra.errors import PotentialError

FAMILY = "committee"
"""Name of the loader."""


@dataclass(frozen=True)
class CommitteeDeviation:
    """How far the members of a committee differ on frames with the same number of atoms."""

    forces: Array
    """(frames, atoms), eV/Å: √⟨|F_i − ⟨F_i⟩|²⟩ over the members, as DP-GEN defines it."""
    largest: Array
    """(frames,), eV/Å: the largest of `forces` in each frame."""
    atomic_energies: Array | None
    """(frames, atoms), eV: standard deviation over the members of the aligned per-atom energy; None if a
    member gives no per-atom energies."""


class Committee:
    """The mean of several potentials, itself a potential.

    Energy, forces, stress and per-atom energies are the members' arithmetic means, so that the forces are
    the slope of the energy and the per-atom energies sum to it wherever this holds for every member. It
    knows the elements that all members know and provides what all of them provide. Its cutoff is the
    largest; None if a member does not tell. The order of the members does not matter.

    Raises
    ------
    PotentialError
        Fewer than two members, the same model twice, or members without a common element.
    """

    def __init__(self, members: Sequence[Potential], name: str = "") -> None:
        self.members = tuple(members)
        if len(self.members) < 2:
            raise PotentialError(f"a committee of {len(self.members)}", "at least two members", "add models")
        fingerprints = sorted(m.fingerprint for m in self.members)
        if len(set(fingerprints)) < len(fingerprints):
            raise PotentialError(
                "a committee with the same model twice", "different ones", "else its spread is too small"
            )
        self.name = name or f"{FAMILY}:{'+'.join(m.name for m in self.members)}"
        self.fingerprint = sha256("\0".join(fingerprints).encode()).hexdigest()[:16]
        self.species = _common_species(self.members)
        ranges = [m.cutoff for m in self.members]
        known = [r for r in ranges if r is not None]
        self.cutoff = max(known) if len(known) == len(ranges) else None
        self.provides: frozenset[Property] = frozenset.intersection(*(m.provides for m in self.members))
        self.not_for = tuple(dict.fromkeys(w for m in self.members for w in m.not_for))

    def evaluate(self, frames: Sequence[Atoms]) -> Evaluation:
        """Return the mean of what the members say of the frames."""
        found = self._each(frames)
        silent = [m.name for m, f in zip(self.members, found, strict=True) if f.atomic_energies is None]
        return Evaluation(
            energies=np.mean([f.energies for f in found], axis=0),
            forces=np.mean([f.forces for f in found], axis=0),
            atomic_energies=_mean([f.atomic_energies for f in found]),
            stress=_mean([f.stress for f in found]),
            note=f"none from {', '.join(silent)}" if silent else "",
        )

    def deviation(self, frames: Sequence[Atoms]) -> CommitteeDeviation:
        """Return how far the members differ, for each frame and atom.

        Forces: ε_i = √⟨|F_i − ⟨F_i⟩|²⟩ with ⟨ ⟩ the mean over members (DP-GEN: Zhang et al., Comput. Phys.
        Commun. 253, 107206, 2020). Per-atom energies: models share out the total differently, to begin
        with by a constant for each species, so that e_i^m − ⟨e^m⟩_s is compared, where ⟨e^m⟩_s is the mean
        of member m over all atoms of the species s of i in all given frames. The spread is the standard
        deviation (over n, not n − 1) of that over the members. What is told of a species with a single
        atom in a single frame is thus zero: give many frames.

        Parameters
        ----------
        frames
            Frames with the same number of atoms.

        Raises
        ------
        PotentialError
            The members cannot evaluate the frames, or the per-atom energies of one do not sum to its total.
        """
        found = self._each(frames)
        forces = _root_mean_square([f.forces for f in found])
        numbers = np.array([f.numbers for f in frames], dtype=np.int64)
        spread = None
        if all(f.atomic_energies is not None for f in found):
            parts = [f.partition(m.name) for m, f in zip(self.members, found, strict=True)]
            spread = _root_mean_square([_aligned(p, numbers)[..., None] for p in parts])
        return CommitteeDeviation(forces, forces.max(axis=1), spread)

    def _each(self, frames: Sequence[Atoms]) -> list[Evaluation]:
        check_frames(frames, self.name, self.species)
        return [m.evaluate(frames) for m in self.members]


def _common_species(members: Sequence[Potential]) -> tuple[str, ...] | None:
    """Return the elements that all members know, of those members that tell."""
    told = [m.species for m in members if m.species is not None]
    if not told:
        return None
    common = tuple(sorted(set(told[0]).intersection(*told[1:]), key=told[0].index))
    if not common:
        raise PotentialError(
            f"members without a common element ({'; '.join(', '.join(s) for s in told)})",
            "models of the same material",
        )
    return common


def _mean(values: Sequence[Array | None]) -> Array | None:
    given = [v for v in values if v is not None]
    return np.asarray(np.mean(given, axis=0)) if len(given) == len(values) else None


def _root_mean_square(values: Sequence[Array]) -> Array:
    """Return √⟨|v − ⟨v⟩|²⟩ over the first axis, with the norm over the last."""
    members = np.array(values)
    deviations: Array = np.sqrt(((members - members.mean(axis=0)) ** 2).sum(axis=-1).mean(axis=0))
    return deviations


def _aligned(energies: Array, numbers: IntArray) -> Array:
    """Subtract the mean of each species over all frames; both arrays are (frames, atoms)."""
    result = energies.copy()
    for number in np.unique(numbers):
        of_species = numbers == number
        result[of_species] -= energies[of_species].mean()
    return result


def load_committee(model: str, argument: str, base: Path) -> Committee:
    """Load a committee: names of models joined by `+`, as `pod:li-y-cl+mtp:model.mtp`.

    Raises
    ------
    PotentialError
        Fewer than two members, or one that cannot be loaded.
    """
    from frustra.engines.zoo import load_potential  # noqa: PLC0415 - which names this loader

    names = re.split(r"\+(?=[\w-]+:)", argument)  # a file may have a + in its name
    if any(n.startswith(f"{FAMILY}:") for n in names):
        raise PotentialError(f"a committee in the committee {model!r}", "single models", "name its members")
    return Committee([load_potential(n, base) for n in names], model)
