"""The radial distribution function g(r) between atoms of MD frames.

g_AB(r) = V/(N_A (N_B − δ_AB)) Σ ⟨δ(r − r_ij)⟩/(4π r²): how many more B are at a distance r from an A than in
an ideal gas of the same density, in which an atom of N has (N − 1)/V others. Every periodic image of an atom
counts, so that r may exceed half the cell and any cell will do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.geometry import minkowski, perpendicular_heights, with_images, wrap
from frustra.trajectory import Frames, Trajectory

BIN = 0.05
"""Å."""

REACH = 8.0
"""Å: no first peak ends further out."""

FRAMES = 200
"""Frames of a run that are looked at, evenly spaced."""

READ = 20
"""Frames held at once."""

PAIRS = 2_000_000
"""Pairs of atoms held at once."""

IMAGES = 5_000_000
"""Atoms and periodic images of them that are held at most."""


@dataclass(frozen=True)
class PairDistribution:
    """Distances between two kinds of atoms in the frames of one run."""

    first: str
    """Name of the atoms that are looked from, such as Li."""
    second: str
    """Name of the atoms that are looked at, such as Cl/Br."""
    temperature: float
    """K."""
    timestep: float
    """Time between frames that were looked at, ps."""
    edges: Array
    """(bins + 1,) Å."""
    counts: Array
    """(frames, bins) pairs, every one from its first atom."""
    expected: Array
    """(frames, bins) the same in an ideal gas of the same density."""
    atoms: Array
    """(frames,) atoms of the first kind."""
    own: float = 0.0
    """δ_AB/N_B: which part of the second kind is the atom itself."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.counts)

    @property
    def centres(self) -> Array:
        """(bins,) Å."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def values(self) -> Array:
        """(bins,) g(r), which is 1 in an ideal gas; NaN where there was nobody to be a pair."""
        return ratio(self.counts.sum(axis=0), self.expected.sum(axis=0))


def ratio(counts: Array, expected: Array) -> Array:
    """Return counts/expected; NaN where nothing is expected."""
    found: Array = np.full(np.shape(counts), np.nan)
    return np.divide(counts, expected, out=found, where=expected > 0)


@dataclass(frozen=True)
class Shells:
    """Two groups of atoms, and the shells of distance in which their pairs are counted."""

    atoms: IntArray
    """Indices of all of them, ascending."""
    first: IntArray
    """Rows of `atoms` that are looked from."""
    second: IntArray
    """Rows of `atoms` that are looked at; it may hold some of the first."""
    edges: Array
    """(bins + 1,) ascending, Å."""

    @property
    def volumes(self) -> Array:
        """(bins,) Å³."""
        volumes: Array = 4 / 3 * np.pi * np.diff(self.edges**3)
        return volumes

    def of(self, distances: Array) -> IntArray:
        """Return the shell that each distance is in, its inner edge included; −1 or beyond the last outside.

        Of equal shells the number is reckoned and put right where rounding missed it, nine times faster.
        """
        if not np.allclose(np.diff(self.edges), self.edges[1] - self.edges[0], rtol=1e-6):
            return np.asarray(np.searchsorted(self.edges, distances, side="right") - 1, dtype=np.int64)
        last = len(self.edges) - 1
        near: IntArray = ((distances - self.edges[0]) * (last / (self.edges[-1] - self.edges[0]))).astype(
            np.int64
        )
        near = np.clip(near, 0, last - 1)
        near -= distances < self.edges[near]
        near += distances >= self.edges[near + 1]
        return near

    def count(self, frame: Array, cell: Array, codes: tuple[IntArray, IntArray], classes: int = 1) -> Array:
        """Return the pairs in each shell, (classes, bins).

        Parameters
        ----------
        frame
            (atoms, 3), Å, anywhere, of `atoms`.
        cell
            (3, 3), Å; compact, or many images are made for nothing.
        codes
            For each first and each second atom a number; their sum is the class of a pair.
        classes
            How many classes there are.
        """
        reach = float(self.edges[-1])
        cloud = with_images(frame[self.second], cell, reach)
        tree, home = cKDTree(cloud.positions, balanced_tree=False), wrap(frame[self.first], cell)
        atom = np.where(np.arange(len(cloud.index)) < len(self.second), self.second[cloud.index], -1)
        code = codes[1][cloud.index]
        neighbours = 4.2 * reach**3 * len(self.second) / abs(np.linalg.det(cell))
        some = max(1, int(PAIRS / (neighbours + 1)))
        bins = len(self.edges) - 1
        found = np.zeros(classes * bins)
        for start in range(0, len(home), some):
            near = cKDTree(home[start : start + some]).sparse_distance_matrix(
                tree, reach, output_type="ndarray"
            )
            i, j = near["i"] + start, near["j"]
            shell = self.of(near["v"])
            counted = (
                (self.first[i] != atom[j]) & (shell >= 0) & (shell < bins)
            )  # an atom is not its own pair
            which = ((codes[0][i] + code[j]) * bins + shell)[counted]
            found += np.bincount(which, minlength=classes * bins)
        return found.reshape(classes, bins)


def pair_distribution(
    run: Frames,
    first: str | Sequence[str],
    second: Sequence[str],
    edges: Array | None = None,
    most: int = FRAMES,
) -> PairDistribution:
    """Return g(r) from one or several elements to others, over evenly spaced frames of a run.

    Every periodic image of an atom counts, so that any cell will do. An atom is no neighbour of itself, and
    an ideal gas of N atoms has (N − 1)/V of others.

    Parameters
    ----------
    run
        Of constant or varying cell; a few frames at a time are held in memory.
    first, second
        Elements; both may hold the same.
    edges
        (bins + 1,) edges of the bins, Å; by default up to 8 Å, or half the smallest height of the cell.
    most
        How many frames are looked at, at least; fewer than twice as many are.

    Raises
    ------
    DataError
        An element is absent.
    AnalysisError
        A single atom, which has no neighbour of its kind; edges that do not ascend or are too far; no frames.
    """
    shells = shells_of(run, first, second, edges)
    codes = np.zeros(len(shells.first), np.int64), np.zeros(len(shells.second), np.int64)
    itself = np.isin(shells.first, shells.second).mean()
    counts, expected = [], []
    for _, positions, cell in frames_of(run, most, shells.atoms):
        counts.append(shells.count(positions, cell, codes)[0])
        pairs = len(shells.first) * (len(shells.second) - itself)
        expected.append(shells.volumes * pairs / abs(np.linalg.det(cell)))
    return PairDistribution(
        first if isinstance(first, str) else "/".join(first),
        "/".join(second),
        run.temperature,
        run.timestep * stride_of(run, most),
        shells.edges,
        np.array(counts),
        np.array(expected),
        np.full(len(counts), float(len(shells.first))),
        float(itself) / len(shells.second),
    )


def shells_of(
    run: Frames, first: str | Sequence[str], second: Sequence[str], edges: Array | None = None
) -> Shells:
    """Return who is looked at and how far; see `pair_distribution`."""
    if len(run) == 0:
        raise AnalysisError("no frames", "at least one")
    firsts = [first] if isinstance(first, str) else first
    centre, around = (
        np.unique(np.concatenate([run.indices_of(s) for s in several])) for several in (firsts, second)
    )
    if len(around) <= 1 and np.isin(around, centre).all():
        raise AnalysisError(
            f"a single {'/'.join(firsts)}", "two atoms for a distance", "enlarge the supercell"
        )
    cell = run.read([0], []).cells[0]
    if edges is None:
        edges = _edges(cell)
    edges = np.asarray(edges, dtype=float)
    if len(edges) < 2 or edges[0] < 0 or not (np.diff(edges) > 0).all():
        raise AnalysisError("edges of shells that do not ascend from 0 on", "two or more that do")
    images = np.prod(1 + np.ceil(2 * edges[-1] / perpendicular_heights(minkowski(cell)[0]))) * len(around)
    if images > IMAGES:
        raise AnalysisError(
            f"{images:.0e} periodic images within {edges[-1]:g} Å", f"{IMAGES:.0e} at most", "look less far"
        )
    atoms = np.union1d(centre, around)
    return Shells(atoms, np.searchsorted(atoms, centre), np.searchsorted(atoms, around), edges)


def _edges(cell: Array) -> Array:
    reach = min(REACH, float(perpendicular_heights(cell).min()) / 2)
    return np.asarray(BIN * np.arange(int(reach / BIN + 1e-9) + 1), dtype=float)


def stride_of(run: Frames, most: int) -> int:
    """Return how many frames further the next one is that is looked at."""
    return max(1, len(run) // most)


def frames_of(run: Frames, most: int, atoms: IntArray) -> Iterator[tuple[int, Array, Array]]:
    """Give number, positions and compact cell of evenly spaced frames."""
    stride = stride_of(run, most)
    given, compact = np.zeros((3, 3)), np.zeros((3, 3))
    for start in range(0, len(run), stride * READ):
        part: Trajectory = run.read(slice(start, min(start + stride * READ, len(run)), stride), atoms)
        for k, (positions, cell) in enumerate(zip(part.positions, part.cells, strict=True)):
            if not np.array_equal(cell, given):
                given, compact = cell, minkowski(cell)[0]
            yield start + k * stride, positions, compact
