"""From relaxed frames before and after hops to the table of transitions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.hops import Hops, directions
from frustra.analysis.transitions.alone import Ends, companions_of, displacements, ends_of
from frustra.analysis.transitions.choice import ChosenHops, classes_of
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError
from frustra.sites.record import Sites
from frustra.snapshots import Snapshots
from frustra.transitions import Transitions
from frustra.visits import Visits

REASONS = {
    "converged": "a relaxation did not converge",
    "origin": "the ion relaxed out of its origin",
    "target": "the ion relaxed out of its target",
}
"""Why a transition is not used."""


def tabulate_transitions(
    chosen: ChosenHops, hops: Hops, sites: Sites, relaxed: Snapshots, places: Visits, alone: IntArray
) -> Transitions:
    """Return one row per chosen hop: the energies of its relaxed states, and whether they are those.

    A transition can be used (`ok`) if both frames converged and the relaxed ion is in the origin before and
    in the target after, in copies of them that lie as far apart as in the hop. Others are kept with a reason.

    Parameters
    ----------
    chosen, hops, sites
        Which hops of a run, between which sites.
    relaxed
        The frames `chosen.frames`, relaxed, and behind them those of `moved_alone`.
    places
        The site of every ion in them.
    alone
        (m,) the hops, of the chosen ones, that the latter are of.

    Raises
    ------
    DataError
        Other relaxed frames than these.
    """
    count = len(chosen.frames)
    if not len(relaxed) == len(places) == count + len(alone):
        raise DataError(f"{len(relaxed)} relaxed frames", f"the {count + len(alone)} asked for")
    ends = ends_of(chosen, hops, places)
    reason = _reasons(ends, relaxed)
    row = np.full(len(chosen), -1)
    companions = companions_of(places, ends.before, ends.after, ends.column)
    row[companions == 0] = ends.after[companions == 0]
    row[alone] = count + np.arange(len(alone))
    still = _nothing_else_moved(ends, row, relaxed, places) & (reason == "")
    columns: dict[str, Any] = {
        **_origin(chosen, hops),
        **_sites(hops, sites, chosen.rows),
        "before": ends.before,
        "after": ends.after,
        "alone": row,
        **_energies(relaxed, places.ions, ends.ion, {"before": ends.before, "after": ends.after}),
        **_energies(relaxed, places.ions, ends.ion, {"alone": row}),
        "companions": companions,
        "distance": np.linalg.norm(displacements(relaxed, places.ions, ends), axis=1),
        "converged": relaxed.converged[ends.before] & relaxed.converged[ends.after],
        "ok": reason == "",
        "alone_ok": still,
        "reason": reason,
    }
    return Transitions(columns)


def _origin(chosen: ChosenHops, hops: Hops) -> dict[str, NDArray[Any]]:
    """Return the columns that tell which hops these are."""
    rows, step = chosen.rows, hops.timestep
    return {
        "material": np.full(len(rows), "material"),
        "temperature": np.full(len(rows), hops.temperature),
        "run": np.zeros(len(rows), int),
        "ion": hops.ion[rows],
        "left": hops.left[rows] * step,
        "arrived": hops.arrived[rows] * step,
        "time_before": chosen.before * step,
        "time_after": chosen.after * step,
        "chain": chosen.chain,
        "weight": chosen.weight,
    }


def _sites(hops: Hops, sites: Sites, rows: IntArray) -> dict[str, NDArray[Any]]:
    """Return the columns that tell between which sites the hops are."""
    origin, target = hops.origin[rows], hops.target[rows]
    return {
        "origin": origin,
        "target": target,
        "via": hops.via[rows],
        **{f"shift_{axis}": hops.shift[rows, k] for k, axis in enumerate("abc")},
        "origin_kind": sites.kind[origin],
        "target_kind": sites.kind[target],
        "origin_label": sites.label[origin],
        "target_label": sites.label[target],
        "pathway": classes_of(hops, sites)[rows],
        "direction": directions(hops.vector[rows], sites),
    }


def _reasons(ends: Ends, relaxed: Snapshots) -> NDArray[np.str_]:
    converged = relaxed.converged[ends.before] & relaxed.converged[ends.after]
    failed = [~converged, ~ends.in_origin, ~ends.in_target]
    return np.select(failed, list(REASONS.values()), default="").astype("U40")


def _energies(
    relaxed: Snapshots, mobile: IntArray, ion: IntArray, frames: dict[str, IntArray]
) -> dict[str, Array]:
    """Return the energies of the ion, of the other mobile ones and of all; NaN where there is no frame."""
    sums, found = relaxed.atomic_energies[:, mobile].sum(axis=1), {}
    for name, row in frames.items():
        energy = np.where(row < 0, np.nan, relaxed.atomic_energies[row, ion])
        found[f"energy_{name}"] = energy
        found[f"others_{name}"] = sums[row] - energy
        found[f"total_{name}"] = np.where(row < 0, np.nan, relaxed.energies[row])
    return found


def _nothing_else_moved(ends: Ends, row: IntArray, relaxed: Snapshots, places: Visits) -> BoolArray:
    """Return of which hops the frame alone converged with the ion in its target, and no other moved."""
    there = places.site[row, ends.column] == places.site[ends.after, ends.column]
    others = companions_of(places, ends.before, row, ends.column)
    known: BoolArray = (row >= 0) & relaxed.converged[row] & there & (others == 0)
    return known
