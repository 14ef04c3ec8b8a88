"""Poly-anion groups, such as PS4 or BH4: which atoms belong together."""

import re
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from frustra.arrays import IntArray
from frustra.errors import StructureError
from frustra.geometry import nearest_neighbours
from frustra.structures import formula, indices_of
from frustra.trajectory import Frames

CLEAR = 1.2
"""The next atom must be this much further from the centre than the last one of the group."""

_FORMULA = re.compile(r"([A-Z][a-z]?)([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class Groups:
    """Groups of a centre and its ligands, such as P with four S."""

    name: str
    centre: str
    """Element of the centres."""
    ligand: str
    """Element of the atoms around them."""
    members: IntArray
    """(groups, 1 + n) indices of the atoms: the centre, then its ligands in ascending order."""

    @property
    def centres(self) -> IntArray:
        """(groups,) indices of the centres."""
        return self.members[:, 0]


def is_group(name: str) -> bool:
    """Return whether a name is that of a group such as PS4, and not that of an element."""
    return name not in atomic_numbers and _parsed(name) is not None


def ligand_of(name: str) -> str:
    """Return the element of the atoms around the centre of a group."""
    return _required(name)[1]


def groups_of(frames: Frames, name: str) -> Groups:
    """Return the groups of a formula; they must be the same in all frames.

    The ligands of a centre are its n nearest atoms of their element. Other atoms of that element are free.

    Parameters
    ----------
    frames
        Of one crystal.
    name
        Centre, ligand and their number, such as PS4, BH4, YCl6 or OH.

    Raises
    ------
    StructureError
        Not such a formula, elements that are absent; a ligand that two centres share, as in corner-sharing
        polyhedra; a next ligand that is less than `CLEAR` times as far as the last one; or groups that
        exchange atoms between frames.
    """
    centre, ligand, count = _required(name)
    found: IntArray | None = None
    for t in range(len(frames)):
        members = _members(frames.atoms(t), name, centre, ligand, count)
        if found is not None and not np.array_equal(members, found):
            raise StructureError(
                f"groups {name} that exchange atoms before frame {t}", "the same groups in all frames"
            )
        found = members
    if found is None:
        raise StructureError(f"no frames to find {name} in", "at least one")
    return Groups(name, centre, ligand, found)


def _required(name: str) -> tuple[str, str, int]:
    """Return centre, ligand and number of a formula; refuse what is none."""
    parsed = _parsed(name)
    if parsed is None:
        raise StructureError(f"the group {name!r}", "centre, ligand and number, such as PS4")
    return parsed


def _parsed(name: str) -> tuple[str, str, int] | None:
    told = _FORMULA.fullmatch(name)
    if not told or not {told[1], told[2]} <= {*chemical_symbols[1:]} or told[1] == told[2]:
        return None
    count = int(told[3] or 1)
    return (told[1], told[2], count) if count else None


def _members(atoms: Atoms, name: str, centre: str, ligand: str, count: int) -> IntArray:
    """Return the groups of one frame."""
    centres, ligands = indices_of(atoms, centre), indices_of(atoms, ligand)
    for element, indices in ((centre, centres), (ligand, ligands)):
        if not len(indices):
            raise StructureError(f"no {element} in {formula(atoms)}", f"the atoms of {name}")
    if len(ligands) < count * len(centres):
        raise StructureError(
            f"{len(ligands)} {ligand} for {len(centres)} groups {name}",
            f"at least {count * len(centres)}",
            "name the group that the crystal has; groups that share atoms cannot be told apart",
        )
    near = nearest_neighbours(atoms.positions[centres], atoms.positions[ligands], atoms.cell.array, count + 1)
    chosen = np.sort(ligands[near.index[:, :count]], axis=1)
    times = np.bincount(chosen.ravel())
    if times.max() > 1:
        raise StructureError(
            f"{int((times > 1).sum())} {ligand} that belong to more than one {name}",
            "groups without common atoms",
            "groups that share corners have no energies of their own: take the elements one by one",
        )
    ratio = near.distances[:, count] / near.distances[:, count - 1]
    if ratio.min() < CLEAR:
        worst = int(ratio.argmin())
        last, after = near.distances[worst, count - 1 :]
        raise StructureError(
            f"{centre} (atom {centres[worst]}) has {ligand} number {count} at {last:.2f} Å and the next at "
            f"{after:.2f} Å",
            f"a clear end of {name}, the next {CLEAR:g} times as far",
            "name the group that the crystal has",
        )
    return np.concatenate([centres[:, None], chosen], axis=1)
