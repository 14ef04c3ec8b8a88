"""From relaxed snapshots to the StateTable."""

from collections.abc import Sequence

import numpy as np

from frustra.analysis.assignment import visits_of
from frustra.analysis.environment import environment_of
from frustra.analysis.framework import mean_framework
from frustra.analysis.sampling import relaxed_frames
from frustra.errors import StructureError
from frustra.sites import Sites, sites_of
from frustra.snapshots import Snapshots
from frustra.states import StateTable
from frustra.structures import anions_of, indices_of
from frustra.trajectory import Frames
from frustra.visits import Visits


def tabulate(
    snapshots: Snapshots,
    specie: str,
    anions: Sequence[str] | None = None,
    material: str = "material",
    run: int = 0,
    sites: Sites | None = None,
) -> StateTable:
    """Return one row per snapshot and mobile ion: its energy, its site, what is around it, how it relaxed.

    An ion is in the polyhedron of anions that contains it (`visits_of`). Of an element that is itself among
    the anions, every ion is a vertex and in no polyhedron.

    Parameters
    ----------
    snapshots
        Relaxed frames.
    specie
        The mobile element.
    anions
        Elements whose polyhedra are the sites; by default those of the given sites, else every anion element
        of the framework.
    material
        Name for the `material` column.
    run
        Number for the `run` column, of the independent run that the snapshots come from.
    sites
        Of this crystal, the same for all tables whose `place` is to be compared; by default those of the
        snapshots' mean framework.

    Raises
    ------
    StructureError
        The mobile element or the anions are absent, or anions of which no sites can be made.
    AnalysisError
        No snapshots, or anions without places of their own.
    DataError
        Sites of another crystal.
    """
    frames = relaxed_frames(snapshots)
    first = snapshots.atoms(0)
    mobile = indices_of(first, specie)
    if len(mobile) == 0:
        raise StructureError(
            f"no {specie} in the snapshots", f"one of {', '.join(sorted(set(first.symbols)))}"
        )
    around = _anions(snapshots, specie, anions, sites)
    sites = sites or _sites(frames, specie, around)
    environment = environment_of(frames, sites, _visits(frames, sites, specie, around), specie, around)
    count, ions = len(snapshots), len(mobile)
    rows = count * ions
    return StateTable(
        {
            "material": np.full(rows, material),
            "temperature": np.full(rows, snapshots.temperature),
            "run": np.full(rows, run),
            "snapshot": np.repeat(np.arange(count), ions),
            "time": np.repeat(snapshots.time, ions),
            "ion": np.tile(mobile, count),
            "element": np.full(rows, specie),
            "energy": snapshots.atomic_energies[:, mobile].ravel(),
            "displacement": snapshots.displacements[:, mobile].ravel(),
            "converged": np.repeat(snapshots.converged, ions),
            **environment,
        }
    )


def _anions(
    snapshots: Snapshots, specie: str, named: Sequence[str] | None, sites: Sites | None
) -> tuple[str, ...]:
    first = snapshots.atoms(0)
    if named is None and sites is not None and sites.tiling is not None:
        vertices = sites.tiling.anions[sites.tiling.anions < len(first)]
        return tuple(sorted({first.symbols[i] for i in vertices}))
    return anions_of(first, specie, named)


def _sites(frames: Frames, specie: str, anions: Sequence[str]) -> Sites:
    if specie in anions:  # no mean place is sought for what is mobile
        return sites_of(frames.atoms(0), anions)
    return sites_of(mean_framework([frames], specie, anions), anions, specie)


def _visits(frames: Frames, sites: Sites, specie: str, anions: Sequence[str]) -> Visits:
    if specie not in anions:
        return visits_of(frames, sites, specie)
    ions = frames.indices_of(specie)
    nowhere = np.full((len(frames), len(ions)), -1, dtype=np.int32)
    image = np.zeros((*nowhere.shape, 3), dtype=np.int16)
    torn = np.zeros(len(frames), dtype=np.int64)
    return Visits(nowhere, image, ions, frames.timestep, frames.temperature, torn)
