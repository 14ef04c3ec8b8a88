"""Where the mobile ions are: their number density on a grid, averaged over the symmetry of the framework."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from pydantic import Field

from frustra.analysis.displacement import BLOCK, FEWEST
from frustra.analysis.volume.framework import Framework, aligned, framework_of
from frustra.analysis.volume.symmetry import (
    Symmetry,
    averaged,
    brought_home,
    fitting_grid,
    no_symmetry,
    repeats,
    symmetry_of,
)
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.geometry import clusters
from frustra.settings import Settings
from frustra.sites.peaks import smeared
from frustra.trajectory import Frames

BLOCKS = 4
"""Parts of the time of all runs together, from whose scatter the error comes."""

HALVES = np.array([[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
"""Which blocks are in which half of the time; of two blocks, the first corner."""

COMPARED = 0.3
"""Å: densities are smeared by this Gaussian before they are compared, as single counts differ always."""

ROUGH = 2.0
"""A density that departs from its mean over symmetry by more than so many standard errors is told."""

LARGEST = 16_000_000
"""Points of a grid: the counts of all blocks and their means then take 2 GB."""

STRAINED = 0.01
"""A cell whose lengths differ by more than this part among directions that symmetry makes equal is told."""

ONE_ATOM = 0.7
"""Å: atoms that translations bring so near to each other are one."""


class VolumeSettings(Settings):
    """How the density of the mobile ion is counted and averaged."""

    grid: float = Field(
        0.2, ge=0.02, le=2, description="largest distance of points along the cell vectors, Å"
    )
    smear: float = Field(
        0.0, ge=0, le=2, description="standard deviation of a Gaussian that smears every ion, Å; 0 is none"
    )
    symmetry: bool = Field(True, description="take the mean over the symmetry of the mean framework")
    symprec: float = Field(
        0.3, gt=0, le=1, description="how far framework atoms may be from where the symmetry puts them, Å"
    )
    alike: tuple[str, ...] = Field(
        (), description="elements that count as one for the symmetry, such as Cl and Br that share sites"
    )


@dataclass(frozen=True)
class IonDensity:
    """The number density of the mobile ion on a grid, relative to the framework."""

    values: Array
    """(n1, n2, n3), Å⁻³, at `origin` + m/n of the cell; the sum times the volume of a point is `ions`."""
    cell: Array
    """(3, 3), Å: the mean cell of all frames."""
    origin: Array
    """(3,), Å: the first point of the grid, on an element of symmetry, half a spacing away at most."""
    framework: Atoms
    """All other atoms at their mean places in the first run, wrapped into the cell."""
    specie: str
    """Mobile element."""
    temperature: float
    """K; NaN where nobody knows it."""
    ions: float
    """In the cell."""
    frames: int
    """Of all runs together."""
    runs: int
    """Independent runs that were added up."""
    smear: float
    """Standard deviation of the Gaussian of every ion, Å."""
    symmetry: Symmetry
    """The group of which the density is the mean; P1 without."""
    departure: float
    """½ ∫ abs(ρ − mean of ρ over symmetry) dV/ions, both smeared by 0.3 Å: 0 where the ions themselves have
    the symmetry of the framework, 1 where they have nothing of it. NaN without symmetry."""
    scatter: float
    """The standard error of the density in the same measure, ½ ∫ abs(error) dV/ions, from four blocks of
    time, without symmetry; too small where ions stay in place longer than a block. NaN of one frame."""
    notes: tuple[str, ...]
    """What was doubted."""

    @property
    def voxel(self) -> float:
        """Volume of a point of the grid, Å³."""
        return abs(float(np.linalg.det(self.cell))) / self.values.size

    def level(self, fraction: float) -> float:
        """Return the density (Å⁻³) above which is this fraction of all ions, on the least volume."""
        ordered = np.sort(self.values, axis=None)[::-1]
        held = np.cumsum(ordered)
        return float(ordered[min(np.searchsorted(held, fraction * held[-1]), len(ordered) - 1)])

    def volume_of(self, fraction: float) -> float:
        """Return the least volume that holds this fraction of all ions, in units of the cell's."""
        return float((self.values >= self.level(fraction)).mean())

    def projection(self, axis: int) -> Array:
        """Return the density integrated along a cell vector, Å⁻²: ions per area normal to it."""
        length = float(np.linalg.norm(self.cell[axis]))
        total: Array = self.values.sum(axis=axis) * length / self.values.shape[axis]
        return total


def ion_density(runs: Sequence[Frames], specie: str, settings: VolumeSettings | None = None) -> IonDensity:
    """Count the mobile ions of all runs on a grid, and take the mean over the framework's symmetry.

    Ions are counted at the nearest point of the grid, in fractional coordinates of each frame's own cell,
    after the drift of the framework's centre of mass is taken off. ρ = counts/(frames · volume of a point).

    Parameters
    ----------
    runs
        Runs of the same atoms at one temperature.
    specie
        Element of the mobile ions.
    settings
        Grid, smearing, symmetry.

    Raises
    ------
    DataError
        The element is absent, no frames, or runs of different atoms or cells.
    AnalysisError
        A grid of more points than memory holds.
    """
    settings = settings or VolumeSettings()
    if not runs:
        raise DataError("no runs")
    framework, offsets, notes = aligned([framework_of(run, specie) for run in runs])
    symmetry, shape = _grid(framework, settings, notes)
    counts, frames = _counts(runs, specie, [offset + symmetry.origin for offset in offsets], shape)
    voxel = abs(float(np.linalg.det(framework.cell))) / np.prod(shape)
    raw: Array = counts.sum(axis=0) / (frames.sum() * voxel)
    values = averaged(raw, symmetry) if symmetry.operations > 1 else raw
    scatter = _scatter(counts, frames, framework.cell)
    departure = np.nan if values is raw else _difference(raw, values, framework.cell)
    notes += _doubts(departure, scatter, _strain(framework.cell, symmetry), symmetry.space_group)
    return IonDensity(
        values=smeared(values, framework.cell, settings.smear),
        cell=framework.cell,
        origin=symmetry.origin @ framework.cell,
        framework=_atoms(framework),
        specie=specie,
        temperature=runs[0].temperature,
        ions=len(runs[0].indices_of(specie)),
        frames=int(frames.sum()),
        runs=len(runs),
        smear=settings.smear,
        symmetry=symmetry,
        departure=departure,
        scatter=scatter,
        notes=tuple(notes),
    )


def _atoms(framework: Framework) -> Atoms:
    return Atoms(framework.numbers, scaled_positions=framework.places % 1.0, cell=framework.cell, pbc=True)


def _grid(
    framework: Framework, settings: VolumeSettings, notes: list[str]
) -> tuple[Symmetry, tuple[int, int, int]]:
    """Return the symmetry of which the mean is taken, and a grid that fits it."""
    symmetry = no_symmetry()
    if settings.symmetry and len(framework.numbers):
        kinds = np.where(_any_of(framework, settings.alike), 0, framework.numbers)
        symmetry = symmetry_of(framework.cell, framework.places, kinds, settings.symprec)
        if symmetry.operations == 1:
            notes.append(
                f"the mean framework has no symmetry within {settings.symprec:g} Å: no mean over symmetry"
            )
    shape = fitting_grid(framework.cell, settings.grid, symmetry)
    if shape is None:
        notes.append(f"no grid fits the operations of {symmetry.space_group}: no mean over symmetry")
        symmetry = no_symmetry()
        shape = fitting_grid(framework.cell, settings.grid, symmetry)
    if shape is None or np.prod(shape, dtype=float) > LARGEST:
        raise AnalysisError(
            f"a grid of {shape} points", f"at most {LARGEST:,} points", "take a larger distance: --grid"
        )
    return brought_home(symmetry, shape), shape


def _any_of(framework: Framework, elements: Sequence[str]) -> BoolArray:
    """Return which atoms are of these elements; refuse one that the framework has not."""
    found = Atoms(framework.numbers).symbols
    missing = sorted(set(elements) - set(found))
    if missing:
        raise DataError(
            f"no {', '.join(missing)} in the framework", f"elements among {', '.join(sorted(set(found)))}"
        )
    return np.isin(np.array(found), elements)


def _counts(
    runs: Sequence[Frames], specie: str, offsets: Sequence[Array], shape: tuple[int, int, int]
) -> tuple[Array, Array]:
    """Return how many ions were nearest to each point in each block of time, and the frames of the blocks.

    Parameters
    ----------
    offsets
        For each run, (frames, 3) in cell vectors, what is taken off the positions.
    """
    total = sum(len(run) for run in runs)
    blocks = BLOCKS if total >= BLOCKS else min(total, 2)
    counts, frames, done = np.zeros((blocks, np.prod(shape))), np.zeros(blocks), 0
    for run, offset in zip(runs, offsets, strict=True):
        mobile, first = run.indices_of(specie), 0
        for part in run.chunks(max(FEWEST[0], BLOCK // len(mobile)), mobile):
            last = first + len(part)
            places = part.positions @ np.linalg.inv(part.cells) - offset[first:last, None]
            points = np.floor(places * shape + 0.5).astype(np.int64) % shape
            number = np.ravel_multi_index(tuple(np.moveaxis(points, -1, 0)), shape)
            block = (done + np.arange(len(part))) * blocks // total
            for b in np.unique(block):
                counts[b] += np.bincount(number[block == b].ravel(), minlength=counts.shape[1])
            frames += np.bincount(block, minlength=blocks)
            done, first = done + len(part), last
    return counts.reshape(blocks, *shape), frames


def _difference(one: Array, other: Array, cell: Array) -> float:
    """Return ½ ∫ abs(ρ1 − ρ2) dV/ions of smeared densities: from 0 for equal to 1 for apart."""
    gap = np.abs(smeared(one, cell, COMPARED) - smeared(other, cell, COMPARED))
    return float(gap.sum() / (2 * one.sum()))


def _scatter(counts: Array, frames: Array, cell: Array) -> float:
    """Return ½ ∫ abs(error of ρ) dV/ions from the scatter of the blocks; NaN of one block.

    Half the difference of two halves of the time scatters as the mean of all does; blocks are halved in every
    way.
    """
    if len(counts) < 2:
        return np.nan
    blocks = [smeared(c, cell, COMPARED) / f for c, f in zip(counts, frames, strict=True)]
    ways = HALVES[:, : len(blocks)][: len(blocks) - 1]
    errors = [np.abs(sum(sign * b for sign, b in zip(way, blocks, strict=True))).sum() for way in ways]
    return float(np.mean(errors) / (2 * sum(b.sum() for b in blocks)))


def _strain(cell: Array, symmetry: Symmetry) -> float:
    """Return by how much, at most, an operation changes a length: 0 where the cell has the symmetry."""
    metric = cell @ cell.T
    changed = symmetry.rotations.transpose(0, 2, 1) @ metric @ symmetry.rotations
    squares = np.linalg.eigvals(np.linalg.solve(metric, changed)).real
    return float(np.abs(np.sqrt(squares) - 1).max())


def _doubts(departure: float, scatter: float, strain: float, name: str) -> list[str]:
    doubts = []
    if strain > STRAINED:
        doubts.append(
            f"the cell departs from {name} by {strain:.1%} in length: so far the mean mixes unlike places"
        )
    if departure > ROUGH * scatter:
        how = f"the ions depart from {name} by {departure:.2f}, but their scatter is {scatter:.2f}"
        doubts.append(f"{how}: they are ordered, or the run is too short; the mean over symmetry hides it")
    return doubts


def folded(density: IonDensity) -> IonDensity:
    """Return the part of the cell that pure translations along its vectors repeat: of a supercell, one cell.

    Framework atoms that the translations map on each other are put at their mean.
    """
    parts = np.array(repeats(density.symmetry))
    if (parts == 1).all():
        return density
    size = np.array(density.values.shape) // parts
    cell = density.cell / parts[:, None]
    numbers, positions = [], []
    for z in np.unique(density.framework.numbers):
        atoms = density.framework.positions[density.framework.numbers == z]
        _, places = clusters(atoms, cell, ONE_ATOM)
        numbers += [z] * len(places)
        positions += list(places)
    return replace(
        density,
        values=density.values[: size[0], : size[1], : size[2]],
        cell=cell,
        framework=Atoms(numbers, positions=np.reshape(positions, (-1, 3)), cell=cell, pbc=True),
        ions=density.ions / float(parts.prod()),
        symmetry=_of_part(density.symmetry, parts),
    )


def _of_part(symmetry: Symmetry, parts: IntArray) -> Symmetry:
    """Return the operations in units of the smaller cell, each once."""
    rotations = symmetry.rotations * parts[:, None] // parts[None]
    translations = np.round(symmetry.translations * parts % 1.0, 9) % 1.0
    rows = np.concatenate([rotations.reshape(-1, 9), translations], axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    first = np.sort(first)
    return replace(
        symmetry,
        rotations=rotations[first],
        translations=translations[first],
        operations=symmetry.operations // int(parts.prod()),
        origin=symmetry.origin * parts,
    )
