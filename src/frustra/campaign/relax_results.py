"""What `frustra relax` tells: the schema of `--json` and of the file that says that it is done."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from frustra.analysis.equilibrium import combined, relaxed_energy
from frustra.analysis.inherent import NOT_RELAXED, inherent_structures, symmetry_classes
from frustra.arrays import IntArray
from frustra.campaign.batches import SAME_CELL, Relaxed
from frustra.snapshots import Snapshots
from frustra.states import StateTable
from frustra.stats import Estimate
from frustra.surveys.values import Record, Value, known, sure_value


class RelaxedAtResult(Record):
    """What relaxing the frames of one temperature gave."""

    T_K: float | None = Field(description="temperature; null if not known")
    files: list[str] = Field(description="relaxed frames, one file for each run")
    runs: int = Field(description="independent runs")
    frames: int = Field(description="frames of all runs that were relaxed")
    converged: int = Field(description="frames whose forces came below `fmax_eV_A`")
    reasons: dict[str, int] = Field(description="why relaxations stopped, with the number of frames")
    force_calls: float = Field(description="mean number of evaluations of the forces per frame")
    steps: float = Field(description="mean number of steps of the minimiser per frame")
    final_fmax_eV_A: float = Field(description="largest force on an atom at the end, of all frames")
    max_displacement_A: float = Field(description="largest displacement of an atom by the relaxation")
    cell_A: list[list[float]] = Field(description="cell that all frames were strained to, one vector a row")
    strain: float = Field(description="largest strain of a frame's cell to it, 0.01 for 1 %")
    ions: int | None = Field(description="mobile ions (or groups) in the cell; null if none was named")
    left_basin: int | None = Field(
        description="ions that relaxation moved more than half way from their site to the nearest other, in "
        "all frames; null without a state table"
    )
    left_basin_fraction: float | None = Field(description="the same as a fraction of all ions")
    structures: int = Field(description="distinct inherent structures among the converged frames")
    most_frequent: int = Field(description="frames of the one that was found most often")
    symmetry_classes: int = Field(
        description="structures that differ in their sorted per-atom energies: those that a symmetry of the "
        "crystal maps on each other count once"
    )
    energy_eV: Value | None = Field(
        description="mean relaxed total energy of the converged frames per mobile ion, per atom if none was "
        "named; its error by block averages; null if no frame converged"
    )
    lowest_eV: float | None = Field(description="the lowest of them; null if no frame converged")
    notes: list[str] = Field(description="what was doubted or could not be told")


class RelaxResult(Record):
    """Frames relaxed statically, temperature by temperature."""

    folder: str = Field(description="where the files are")
    potential: str = Field(description="what evaluated the forces")
    fmax_eV_A: float = Field(description="force tolerance")
    specie: str | None = Field(description="mobile element or group; null if none was named")
    states: str | None = Field(description="the state table of all temperatures; null without one")
    temperatures: list[RelaxedAtResult] = Field(description="by ascending temperature")
    notes: list[str] = Field(description="what the readers of the files had to say, and what is missing")


def result_at(at: Relaxed, specie: str, states: StateTable | None, cell: str) -> RelaxedAtResult:
    """Return what is told of one temperature.

    Parameters
    ----------
    at
        Its relaxed frames.
    specie, states
        The mobile element or group, and the state table; empty and None where there are none.
    cell
        Which cell the frames are in, in a word of `CELLS`.
    """
    parts = at.parts
    ions = None if states is None else len(states) // sum(len(p) for p in parts)
    left = None if states is None else int(states["left_basin"].sum())
    found = _structures(parts, specie, states)
    times = np.bincount(found) if len(found) else np.zeros(1, dtype=np.int64)
    energy, lowest = _energy(parts, ions or parts[0].numbers.size)
    return RelaxedAtResult(
        T_K=known(at.temperature),
        files=at.files,
        runs=len(parts),
        frames=sum(len(p) for p in parts),
        converged=sum(int(p.converged.sum()) for p in parts),
        reasons=dict(Counter(str(r) for p in parts for r in p.reason)),
        force_calls=float(np.mean(np.concatenate([p.force_calls for p in parts]))),
        steps=float(np.mean(np.concatenate([p.steps for p in parts]))),
        final_fmax_eV_A=max(float(p.fmax.max()) for p in parts),
        max_displacement_A=max(float(p.max_displacement.max()) for p in parts),
        cell_A=at.cell.tolist(),
        strain=at.strain,
        ions=ions,
        left_basin=left,
        left_basin_fraction=None if states is None or left is None else left / len(states),
        structures=int((times > 0).sum()),
        most_frequent=int(times.max()),
        symmetry_classes=len({*np.concatenate(symmetry_classes(parts)).tolist()} - {NOT_RELAXED}),
        energy_eV=energy,
        lowest_eV=lowest,
        notes=_notes(at, cell),
    )


def _structures(parts: Sequence[Snapshots], specie: str, states: StateTable | None) -> IntArray:
    """Return the number of the inherent structure of every converged frame."""
    if states is not None:
        ions = len(states) // sum(len(p) for p in parts)
        numbers = states["structure"][::ions]
    else:
        numbers = np.concatenate(inherent_structures(parts, specie or None))
    found: IntArray = numbers[numbers != NOT_RELAXED]
    return found


def _energy(parts: Sequence[Snapshots], ions: int) -> tuple[Value | None, float | None]:
    """Return the mean relaxed energy of the converged frames of all runs per ion, and the lowest."""
    kept = [p for p in parts if p.converged.any()]
    if not kept:
        return None, None
    energy = combined([relaxed_energy(p, 0.0, ions) for p in kept])
    return sure_value(Estimate.normal(energy.mean, energy.std)), energy.lowest


def _notes(at: Relaxed, cell: str) -> list[str]:
    notes = []
    if at.strain > SAME_CELL:
        to = "that of the first frame" if cell == "first" else "the mean of all frames"
        notes.append(f"frames were strained to one cell, {to}, by up to {100 * at.strain:.2g} %")
    lost = sum(int((~p.converged).sum()) for p in at.parts)
    if lost:
        notes.append(f"{lost} frames did not converge: they count for neither structures nor energies")
    return notes
