"""From relaxed frames before and after hops to the table of transitions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.hops import Hops, directions
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
    chosen: ChosenHops, hops: Hops, sites: Sites, relaxed: Snapshots, places: Visits
) -> Transitions:
    """Return one row per chosen hop: the energies of its relaxed states, and whether they are those.

    A transition can be used (`ok`) if both frames converged and the relaxed ion is in the origin before and
    in the target after, in copies of them that lie as far apart as in the hop. Others are kept with a reason.

    Parameters
    ----------
    chosen, hops, sites
        Which hops of a run, between which sites.
    relaxed
        The frames `chosen.frames`, relaxed.
    places
        The site of every ion in them.

    Raises
    ------
    DataError
        Other relaxed frames than the chosen ones.
    """
    if not len(relaxed) == len(places) == len(chosen.frames):
        raise DataError(f"{len(relaxed)} relaxed frames", f"the {len(chosen.frames)} chosen ones")
    rows, ion = chosen.rows, hops.ion[chosen.rows]
    column = hops.stays.row[hops.stay[rows]]
    before, after = (np.searchsorted(chosen.frames, f) for f in (chosen.before, chosen.after))
    converged = relaxed.converged[before] & relaxed.converged[after]
    reason = _reasons(chosen, hops, places, column, before, after, converged)
    energies, mobile = relaxed.atomic_energies, places.ions
    sums = energies[:, mobile].sum(axis=1)
    columns: dict[str, Any] = {
        "material": np.full(len(rows), "material"),
        "temperature": np.full(len(rows), hops.temperature),
        "run": np.zeros(len(rows), int),
        "ion": ion,
        "left": hops.left[rows] * hops.timestep,
        "arrived": hops.arrived[rows] * hops.timestep,
        "time_before": chosen.before * hops.timestep,
        "time_after": chosen.after * hops.timestep,
        "before": before,
        "after": after,
        **_sites(hops, sites, rows),
        "chain": chosen.chain,
        "weight": chosen.weight,
        "energy_before": energies[before, ion],
        "energy_after": energies[after, ion],
        "others_before": sums[before] - energies[before, ion],
        "others_after": sums[after] - energies[after, ion],
        "total_before": relaxed.energies[before],
        "total_after": relaxed.energies[after],
        "companions": _companions(places, column, before, after),
        "distance": _distances(relaxed, mobile, ion, before, after),
        "converged": converged,
        "ok": reason == "",
        "reason": reason,
    }
    return Transitions(columns)


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


def _reasons(
    chosen: ChosenHops,
    hops: Hops,
    places: Visits,
    column: IntArray,
    before: IntArray,
    after: IntArray,
    converged: BoolArray,
) -> NDArray[np.str_]:
    rows = chosen.rows
    in_origin = places.site[before, column] == hops.origin[rows]
    across = places.image[after, column].astype(int) - places.image[before, column]
    in_target = places.site[after, column] == hops.target[rows]
    in_target &= ~in_origin | (across == hops.shift[rows]).all(axis=1)
    failed = [~converged, ~in_origin, ~in_target]
    return np.select(failed, list(REASONS.values()), default="").astype("U40")


def _companions(places: Visits, column: IntArray, before: IntArray, after: IntArray) -> IntArray:
    """Return how many ions but the hopping one are on another site, or another copy of it, after the hop."""
    moved = places.site[before] != places.site[after]
    moved |= (places.image[before] != places.image[after]).any(axis=2)
    moved[np.arange(len(column)), column] = False
    return np.asarray(moved.sum(axis=1), dtype=np.int64)


def _distances(
    relaxed: Snapshots, mobile: IntArray, ion: IntArray, before: IntArray, after: IntArray
) -> Array:
    """Return how far the ion is after the hop from where it was, relative to the framework's mean, Å."""
    moved = relaxed.positions[after] - relaxed.positions[before]
    fixed = np.setdiff1d(np.arange(len(relaxed.numbers)), mobile)
    drift = moved[:, fixed].mean(axis=1) if len(fixed) else np.zeros((len(moved), 3))
    distance: Array = np.linalg.norm(moved[np.arange(len(ion)), ion] - drift, axis=1)
    return distance
