"""g(r) between classes of atoms, such as ions on one kind of site or in one third of the energies.

g_αβ is normalised by the atoms of each class that were present: in a frame with n_α and n_β of them, an ideal
gas has n_α (n_β − δ_αβ)/V pairs per volume. So every g_αβ goes to 1, and the total is exactly their mean,
g = Σ w_αβ g_αβ, weighted with the fraction of all pairs that each could have; where only the first atoms have
classes, w_α is the fraction of atoms in α.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from frustra.analysis.rdf.pairs import FRAMES, PairDistribution, Shells, frames_of, shells_of, stride_of
from frustra.arrays import Array, IntArray
from frustra.errors import DataError
from frustra.sites import SITE_KINDS, Sites
from frustra.states import StateTable
from frustra.trajectory import Frames
from frustra.visits import Visits

NOWHERE = "nowhere"
"""Name of the class of ions that are in no site."""

THIRDS = ("low", "middle", "high")
"""Names of the thirds of the energies."""


@dataclass(frozen=True)
class Classes:
    """To which class each atom of a kind belongs, frame by frame."""

    values: IntArray
    """(frames, atoms) number of the class, for all frames of a run and all atoms of an element in order."""
    names: tuple[str, ...]
    """Name of each class."""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or (self.values < 0).any() or (self.values >= len(self.names)).any():
            raise DataError(
                f"classes of shape {self.values.shape} with numbers other than of {len(self.names)} names",
                "(frames, atoms) numbers from 0 on",
            )


def resolved_distribution(
    run: Frames,
    first: str,
    second: Sequence[str],
    classes: Classes,
    others: Classes | None = None,
    edges: Array | None = None,
    most: int = FRAMES,
) -> dict[tuple[str, str], PairDistribution]:
    """Return g(r) between classes of atoms.

    Parameters
    ----------
    run, first, second, edges, most
        As for `pair_distribution`.
    classes
        Of the first atoms.
    others
        Of the second atoms; by default those of the first where both are one element, and else none.

    Returns
    -------
    dict
        One distribution for each pair of class names; the second is empty where the second atoms have none.
        Its name of the atoms is such as Li(oct).

    Raises
    ------
    DataError
        An element is absent; classes of other frames or atoms than the run has.
    AnalysisError
        As for `pair_distribution`.
    """
    shells = shells_of(run, first, second, edges)
    if others is None:
        alone = Classes(np.zeros((len(run), len(shells.second)), np.int64), ("",))
        others = classes if [first] == list(second) else alone
    for given, rows in ((classes, shells.first), (others, shells.second)):
        if given.values.shape != (len(run), len(rows)):
            raise DataError(
                f"classes of shape {given.values.shape}",
                f"({len(run)}, {len(rows)}): one per frame and atom",
            )
    size = (len(classes.names), len(others.names))
    counts, expected, atoms = [], [], []
    for frame, positions, cell in frames_of(run, most, shells.atoms):
        a, b = classes.values[frame], others.values[frame]
        counts.append(shells.count(positions, cell, (a * size[1], b), size[0] * size[1]))
        pairs = possible_pairs(shells, a, b, size)
        expected.append(pairs.reshape(-1, 1) * shells.volumes / abs(np.linalg.det(cell)))
        atoms.append(np.bincount(a, minlength=size[0]))
    found, kept = {}, (np.array(counts), np.array(expected), np.array(atoms, dtype=float))
    for k, (one, other) in enumerate(np.ndindex(size)):
        names = classes.names[one], others.names[other]
        found[names] = PairDistribution(
            _named(first, names[0]), _named("/".join(second), names[1]), run.temperature,
            run.timestep * stride_of(run, most), shells.edges,
            kept[0][:, k], kept[1][:, k], kept[2][:, one],
        )  # fmt: skip
    return found


def _named(atoms: str, name: str) -> str:
    return f"{atoms}({name})" if name else atoms


def possible_pairs(shells: Shells, a: IntArray, b: IntArray, size: tuple[int, int]) -> Array:
    """Return how many pairs of different atoms each two classes have in one frame, (classes, classes)."""
    pairs = np.outer(np.bincount(a, minlength=size[0]), np.bincount(b, minlength=size[1])).astype(float)
    _, i, j = np.intersect1d(shells.first, shells.second, return_indices=True)
    np.subtract.at(pairs, (a[i], b[j]), 1)
    return pairs


def site_classes(sites: Sites, visits: Visits, by: Literal["kind", "label"] = "kind") -> Classes:
    """Return the kind of site that every ion is in, or its label; those in no site are `nowhere`.

    Names of sites that no ion is ever in are left out.
    """
    given = sites.kind if by == "kind" else sites.label
    names = (*(SITE_KINDS if by == "kind" else np.unique(given).tolist()), NOWHERE)
    number = np.array([names.index(k) for k in given] + [len(names) - 1])  # −1 is the last: nowhere
    return _used(number[visits.site], names)


def _used(values: IntArray, names: Sequence[str]) -> Classes:
    used, numbers = np.unique(values, return_inverse=True)
    return Classes(numbers.reshape(values.shape).astype(np.int64), tuple(names[k] for k in used))


def energy_classes(table: StateTable, limits: tuple[float, float] | None = None) -> Classes:
    """Return which third of the energies the state of every ion is in: low, middle or high.

    Parameters
    ----------
    table
        Rows of one run and temperature with all ions of every snapshot, such as `tabulate` gives.
    limits
        Where the thirds meet, eV; by default such that each has as many rows. To compare temperatures or
        runs, give the same to all.

    Raises
    ------
    DataError
        Rows of several runs, or snapshots of which ions are missing.
    """
    order = np.lexsort((table["ion"], table["snapshot"]))
    frames, ions = len(np.unique(table["snapshot"])), len(np.unique(table["ion"]))
    if len({*zip(table["temperature"].tolist(), table["run"].tolist(), strict=True)}) != 1:
        raise DataError("states of several runs or of none", "those of one", "select the rows of one run")
    if len(table) != frames * ions or (table["ion"][order].reshape(frames, ions).std(axis=0) > 0).any():
        raise DataError(f"{len(table)} states of {frames} snapshots and {ions} ions", "one for each")
    energies = table["energy"][order].reshape(frames, ions)
    low, high = np.quantile(energies, (1 / 3, 2 / 3)) if limits is None else limits
    return Classes((energies > low).astype(np.int64) + (energies > high), THIRDS)
