"""Levels: per-atom energies of one kind of ion, of which a density of states is made.

They come from a StateTable, or from anything else that holds energies of relaxed frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from frustra.analysis.classes import classes_by
from frustra.analysis.decorrelation import Decorrelation, independent_snapshots
from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.states import StateTable

MOST_GROUPS = 256
"""Groups of neighbouring snapshots into which a temperature is divided for the bootstrap at most."""

LEAST_GROUPS = 8
"""Groups of snapshots that are left for the errors, however alike the snapshots are."""

FROZEN = "no ion changed its site in any run: the errors are those of one arrangement"
SHORT = "the run is too short to tell when its snapshots are independent; the errors are lower bounds"

PARTS = 32
"""Parts of a file, in its order, that count as independent where nobody knows its snapshots."""


@dataclass(frozen=True)
class Levels:
    """Energies of one kind of ion at one temperature."""

    temperature: float
    """K."""
    energy: Array
    """(n,) per-atom energies in relaxed snapshots, eV."""
    number: IntArray
    """(n,) the class of each, a row of `LevelTable.names`."""
    frame: IntArray | None
    """(n,) its snapshot, 0 … f − 1 in the order of time; None where nobody knows it."""
    block: int = 1
    """Neighbouring snapshots that count as one, because they are like one another."""

    def __post_init__(self) -> None:
        if not len(self.energy):
            raise AnalysisError(f"no states at {self.temperature:g} K", "at least one")
        if not np.isfinite(self.energy).all():
            raise DataError(f"energies at {self.temperature:g} K that are not finite", "numbers, in eV")

    def __len__(self) -> int:
        """Return the number of states."""
        return len(self.energy)

    @property
    def snapshots(self) -> int | None:
        """How many snapshots there are; None where nobody knows it."""
        return None if self.frame is None else int(self.frame.max()) + 1

    def groups(self) -> tuple[IntArray, int]:
        """Return which group of snapshots each state is in, and how many groups there are.

        A group is what the bootstrap draws: `block` neighbouring snapshots, more of them where there would
        be more than 256 groups. Where the snapshots are not known, a group is a 32nd of the states in their
        order.
        """
        if self.frame is None or self.snapshots is None:
            count = min(PARTS, len(self))
            return np.arange(len(self)) * count // len(self), count
        snapshots = self.snapshots
        size = max(self.block, -(-snapshots // MOST_GROUPS))
        count = max(1, snapshots // size)
        return np.minimum(self.frame // size, count - 1), count  # the last group holds what is left over

    def sums(self) -> Array | None:
        """Return the summed energy of every snapshot, (f,) eV.

        None where the snapshots are not known, or have different numbers of ions.
        """
        if self.frame is None:
            return None
        counts = np.bincount(self.frame)
        if counts.min() != counts.max():
            return None
        total: Array = np.bincount(self.frame, weights=self.energy).astype(float)
        return total


@dataclass(frozen=True)
class LevelTable:
    """Levels at several temperatures, told apart by the same classes."""

    specie: str
    """The ion: an element, or a group of atoms whose energies were added."""
    levels: tuple[Levels, ...]
    """One for each temperature, ascending."""
    by: str = ""
    """What tells the classes apart, a column of the state table; empty if nothing does."""
    names: tuple[str, ...] = ("all",)
    """Of the classes."""
    ordered: bool = False
    """Whether the classes are numbers or ranges of them."""
    notes: tuple[str, ...] = ()
    """What to know of where they come from."""

    def __post_init__(self) -> None:
        if not self.levels:
            raise AnalysisError("no states", "those of one temperature at least")
        if any(a.temperature >= b.temperature for a, b in pairwise(self.levels)):
            raise AnalysisError("temperatures that do not rise", "each of them once, in rising order")

    @property
    def temperatures(self) -> list[float]:
        """K, ascending."""
        return [one.temperature for one in self.levels]

    def __len__(self) -> int:
        """Return the number of states at all temperatures."""
        return sum(map(len, self.levels))

    def with_blocks(self, blocks: Sequence[int]) -> "LevelTable":
        """Return the same levels with so many snapshots counting as one at each temperature."""
        pairs = zip(self.levels, blocks, strict=True)
        return replace(self, levels=tuple(replace(one, block=max(1, b)) for one, b in pairs))


def levels_of(states: StateTable, by: str = "site", quantiles: int = 4) -> LevelTable:
    """Return the levels of a state table; those of snapshots that did not converge are left out.

    Parameters
    ----------
    states
        Of one material and one element.
    by, quantiles
        The column that tells the classes, and into how many its numbers are divided: see `classes_by`.

    Raises
    ------
    AnalysisError
        No converged state, more than one material or element, or no such column.
    """
    states = converged_states(states)
    classes = classes_by(states, by, quantiles)
    found = []
    for temperature in states.temperatures:
        rows = np.flatnonzero(states["temperature"] == temperature)
        found.append(
            Levels(temperature, states["energy"][rows], classes.number[rows], states.select(rows).frames)
        )
    table = LevelTable(str(states["element"][0]), tuple(found), by, classes.names, classes.ordered)
    return blocked(table, independent_snapshots(states))


def blocked(table: LevelTable, found: Mapping[float, Decorrelation]) -> LevelTable:
    """Return the levels with neighbouring snapshots counting as one that hold the same arrangement of ions.

    A bootstrap of blocks as long as the statistical inefficiency g still cuts memory off at their ends: with
    blocks of 1 + 3 (g − 1) snapshots its intervals of 95 % hold the mean in 90–93 % of runs whose snapshots
    remember one another by 0.5 to 0.8, with g itself in 80–88 %. Eight groups are left, however long the
    memory; a note tells where that is too many.

    Parameters
    ----------
    table
        Its snapshots must be known.
    found
        How long the memory of the snapshots is, at every temperature (K).
    """
    blocks, notes = [], []
    for one in table.levels:
        told, most = found[one.temperature], max(1, (one.snapshots or 1) // LEAST_GROUPS)
        wanted = int(np.ceil(1 + 3 * (told.inefficiency - 1) - 0.3))  # a tenth of a snapshot is no memory
        blocks.append(min(wanted, most))
        if told.longest > 1 and (told.is_lower_bound or wanted > most):
            notes.append(f"{one.temperature:g} K: {FROZEN if told.frozen else SHORT}")
    return replace(table.with_blocks(blocks), notes=(*table.notes, *notes))


def converged_states(states: StateTable) -> StateTable:
    """Return the states of snapshots that converged; they must be of one material and element.

    Raises
    ------
    AnalysisError
        No converged state, or more than one material or element.
    """
    for column in ("material", "element"):
        kinds = np.unique(states[column])
        if len(kinds) > 1:
            raise AnalysisError(f"states of {', '.join(kinds)} together", f"one {column}", "select it first")
    states = states.select(states["converged"])
    if len(states) == 0:
        raise AnalysisError("no state from a converged snapshot", "at least one", "raise `max_steps`")
    return states
