"""Which frames of its run a worker relaxes, and what it leaves behind of that choice."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from frustra.analysis.sampling import FrameSample, decorrelated, spread
from frustra.campaign.transitions import sites_of_ground
from frustra.errors import AnalysisError, DataError, StructureError
from frustra.io import read_json, write_json
from frustra.trajectory import Frames


@dataclass(frozen=True)
class Sampling:
    """How the snapshots of some runs at one temperature were chosen."""

    asked: int
    """Snapshots asked for."""
    taken: int
    """Snapshots relaxed."""
    independent: float
    """Independent arrangements of the ions among them; at most so many where `is_lower_bound`, NaN where
    nobody knows it."""
    tau: float
    """Integrated correlation time of the occupations of sites, ps; NaN where nobody knows it."""
    tau_std: float
    """Its standard error, ps; NaN for a bound."""
    is_lower_bound: bool
    """Whether the run is too short, and τ only known to be at least this."""
    frozen: bool
    """Whether no ion changed its site: the run is one arrangement."""
    note: str = ""
    """Why nobody knows τ, and the frames are merely evenly spaced."""


def chosen_frames(
    run: Frames, ground: Atoms, specie: str, anions: Sequence[str], count: int, least: int
) -> tuple[FrameSample, str]:
    """Return which frames to relax, and why they are merely evenly spaced; "" if they are decorrelated.

    Parameters
    ----------
    run
        In the mean cell of its temperature.
    ground
        The ground state that it started from.
    specie, anions
        The mobile element, and the elements whose polyhedra are the sites.
    count, least
        See `decorrelated`.

    Raises
    ------
    AnalysisError
        The run has fewer frames than asked for.
    """
    if specie in anions:
        return spread(run, count), f"{specie} is itself among the anions, and in no polyhedron of them"
    try:
        return decorrelated(run, sites_of_ground(ground, specie, anions), specie, count, least), ""
    except (AnalysisError, DataError, StructureError) as refusal:
        return spread(run, count), str(refusal)


def write_sampling(path: Path, sample: FrameSample, note: str) -> None:
    """Write what is to be known of a choice."""
    found = sample.decorrelation
    told = Sampling(
        asked=sample.asked,
        taken=len(sample),
        independent=sample.independent,
        tau=np.nan if found is None else found.tau,
        tau_std=np.nan if found is None else found.tau_std,
        is_lower_bound=found is not None and found.is_lower_bound,
        frozen=found is not None and found.frozen,
        note=note,
    )
    write_json(
        path, {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(told).items()}
    )


def read_sampling(path: Path) -> Sampling:
    """Read it back."""
    told: dict[str, Any] = {k: np.nan if v is None else v for k, v in read_json(path).items()}
    return Sampling(**told)


def of_all(runs: Sequence[Sampling]) -> Sampling:
    """Return the choices in independent runs at one temperature as one; τ is the mean of the runs' own."""
    known = [run for run in runs if np.isfinite(run.tau)]
    count = max(len(known), 1)
    return Sampling(
        asked=sum(run.asked for run in runs),
        taken=sum(run.taken for run in runs),
        independent=float(sum(run.independent for run in runs)),
        tau=float(np.mean([run.tau for run in known])) if known else np.nan,
        tau_std=float(np.sqrt(sum(run.tau_std**2 for run in known))) / count if known else np.nan,
        is_lower_bound=any(run.is_lower_bound for run in runs),
        frozen=all(run.frozen for run in runs),
        note=next((run.note for run in runs if run.note), ""),
    )
