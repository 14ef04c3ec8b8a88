"""The work behind transitions: frames of a run before and after some of its hops, relaxed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from frustra.analysis.assignment import visits_of
from frustra.analysis.hops import HopSettings, hops_of
from frustra.analysis.sampling import relaxed_frames
from frustra.analysis.transitions.alone import ends_of, moved_alone
from frustra.analysis.transitions.choice import choose_hops
from frustra.analysis.transitions.table import tabulate_transitions
from frustra.errors import AnalysisError, DataError, StructureError
from frustra.sites import Sites, sites_of
from frustra.snapshots import Snapshots, joined
from frustra.surveys.sites import MEAN_SYMMETRY
from frustra.trajectory import Frames
from frustra.transitions import Transitions, no_transitions

Relax = Callable[[str, list[Atoms]], Snapshots]
"""Relaxes frames in their order; the name tells the parts of the work apart."""


@dataclass(frozen=True)
class RelaxedHops:
    """What relaxing around hops of one run gave."""

    transitions: Transitions
    snapshots: Snapshots | None
    """The relaxed frames, to which `before` and `after` refer; None where there was nothing to relax."""
    lasting: dict[str, int]
    """Class → lasting hops of the run."""
    note: str
    """Why there is no transition; empty where there is one."""


def sites_of_ground(ground: Atoms, specie: str, anions: Sequence[str]) -> Sites:
    """Return the sites that all runs from a ground state have in common."""
    return sites_of(ground, anions, specie, MEAN_SYMMETRY)


def relax_hops(
    run: Frames,
    ground: Atoms,
    specie: str,
    anions: Sequence[str],
    count: int,
    rng: np.random.Generator,
    relax: Relax,
) -> RelaxedHops:
    """Relax the frames before and after some hops of a run; each frame once, also where hops share it.

    Where other ions moved meanwhile, the frame before with only the hopping ion moved is relaxed, too.

    Parameters
    ----------
    run
        One MD run in a fixed cell.
    ground
        The crystal whose sites the hops are between.
    specie, anions
        The mobile element, and those whose polyhedra are the sites.
    count
        Hops at most; see `choose_hops`.
    rng
        Draws the hops.
    relax
        Called once with all frames in the order of time, if there are any, and once with those in which an
        ion hops alone.

    Raises
    ------
    FrustraError
        What `relax` raises. Where hops cannot be told, there is a note instead.
    """
    try:
        sites = sites_of_ground(ground, specie, anions)
        visits = visits_of(run, sites, specie)
        hops = hops_of(visits, sites, HopSettings())
    except (AnalysisError, DataError, StructureError) as refusal:
        return RelaxedHops(no_transitions(), None, {}, f"hops cannot be told: {refusal}")
    chosen = choose_hops(hops, visits, sites, count, rng)
    if not len(chosen):
        why = "no hop that lasts" if not chosen.lasting else f"no hop chosen: {count} are asked for"
        return RelaxedHops(no_transitions(), None, chosen.lasting, why)
    snapshots = relax("hops", [run.atoms(int(f)) for f in chosen.frames])
    times = np.asarray(chosen.frames * run.timestep, dtype=float)
    snapshots = snapshots.with_origin(times, run.temperature)
    places = visits_of(relaxed_frames(snapshots), sites, specie)
    ends = ends_of(chosen, hops, places)
    alone, frames = moved_alone(ends, snapshots, places)
    if frames:
        moved = relax("alone", frames).with_origin(times[ends.before[alone]], run.temperature)
        snapshots = joined([snapshots, moved])
        places = visits_of(relaxed_frames(snapshots), sites, specie)
    table = tabulate_transitions(chosen, hops, sites, snapshots, places, alone)
    return RelaxedHops(table, snapshots, chosen.lasting, "")
