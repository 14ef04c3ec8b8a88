"""Anyone's trajectories → hops, rates, residence times, occupancies and strings at every temperature."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frustra.analysis.collective import Strings, strings_in, strings_of
from frustra.analysis.hops import Hops, HopSettings, hops_of, pathways_of
from frustra.analysis.residence import (
    Activation,
    Pathway,
    Residence,
    activations_of,
    rates_of,
    residences_of,
)
from frustra.analysis.site_occupancy import Occupancy, occupancy_of
from frustra.analysis.vibration import Vibration, vibration_of
from frustra.errors import AnalysisError
from frustra.io.hints import TrajectoryHints
from frustra.io.hops import HOP_COLUMNS
from frustra.sites.record import Sites
from frustra.surveys.runs import Tell
from frustra.surveys.sites import Places, SiteChoice, faces_told, places_of
from frustra.units import FS

SEED = 0
"""Of the random shifts in time."""

ROBUST = 0.8
"""Part of the hops that must be left with twice the time to settle, or it is mentioned."""

LOST = 0.01
"""Part of the ions nowhere that is mentioned."""

BRIEF = 3
"""Frames: where half of the stays are shorter, hops are missed."""


@dataclass(frozen=True)
class HopsAt:
    """What the runs of one temperature tell."""

    temperature: float
    """K; NaN where nobody knows it."""
    sites: Sites
    labels: NDArray[np.str_]
    """(sites,) class of every site by which hops are told apart: its kind, or its label."""
    runs: tuple[Hops, ...]
    pathways: tuple[Pathway, ...]
    """Classes of hops, also those that were not seen."""
    residences: tuple[Residence, ...]
    """By the class of the site."""
    occupancy: Occupancy
    strings: Strings
    vibration: Vibration | AnalysisError
    """Or why there is no attempt frequency."""
    notes: tuple[str, ...]

    @property
    def hops(self) -> int:
        """Hops of all runs."""
        return sum(len(h) for h in self.runs)


@dataclass(frozen=True)
class HopSurvey:
    """What is found in anyone's trajectories."""

    specie: str
    settings: HopSettings
    temperatures: tuple[HopsAt, ...]
    """Ascending."""
    activations: Mapping[str, Activation | AnalysisError]
    """For each class of hops that was seen; or why there is no energy."""


def survey_hops(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    settings: HopSettings,
    choice: SiteChoice = SiteChoice(),  # noqa: B008 - frozen
    by_label: bool = False,
    tell: Tell = lambda _: None,
) -> HopSurvey:
    """Find the hops of the mobile ions at every temperature, and what follows from them.

    Parameters
    ----------
    paths, specie, hints
        As for `places_of`.
    settings
        What counts as a hop.
    choice
        Which sites.
    by_label
        Whether pathways are told apart by the labels of the sites, rather than by their kinds.
    tell
        Called with what is being done.

    Raises
    ------
    FrustraError
        A file that cannot be read, a crystal without sites, or a run too short for a hop.
    """
    found = []
    for places in places_of(paths, specie, hints, choice, tell):
        at = f" at {places.temperature:g} K" if np.isfinite(places.temperature) else ""
        tell(f"looking for hops{at}")
        found.append(hops_at(places, settings, by_label))
    found.sort(key=lambda f: np.nan_to_num(f.temperature))
    energies = activations_of([f.temperature for f in found], [f.pathways for f in found])
    return HopSurvey(specie, settings, tuple(found), energies)


def hops_at(places: Places, settings: HopSettings, by_label: bool = False) -> HopsAt:
    """Return what the runs of one temperature tell; parameters as for `survey_hops`."""
    sites = places.sites
    labels = sites.label if by_label else sites.kind
    runs = tuple(hops_of(v, sites, settings) for v in places.visits)
    try:
        vibration: Vibration | AnalysisError = vibration_of(places.runs, runs, places.visits[0].ions)
    except AnalysisError as refusal:
        vibration = refusal
    occupancy = faces_told(occupancy_of(places.visits, sites), sites)
    free = set(sites.label[sites.open].tolist())  # of others, only those that an ion was in
    shown = free | {c.name for c in occupancy.classes if c.occupancy.value > 0}
    return HopsAt(
        temperature=places.temperature,
        sites=sites,
        labels=labels,
        runs=runs,
        pathways=rates_of(runs, sites, labels),
        residences=tuple(r for r in residences_of(runs, sites.label) if r.name in shown),
        occupancy=replace(occupancy, classes=tuple(c for c in occupancy.classes if c.name in shown)),
        strings=strings_of(runs, np.random.default_rng(SEED)),
        vibration=vibration,
        notes=(*places.notes, *_doubts(runs, occupancy, settings)),
    )


def _doubts(runs: Sequence[Hops], occupancy: Occupancy, settings: HopSettings) -> Iterator[str]:
    """Say what limits the numbers."""
    hops, step = sum(len(h) for h in runs), max(h.timestep for h in runs)
    if step > settings.settle:
        yield (
            f"frames are {step * FS:g} fs apart, more than the {settings.settle * FS:g} fs in which an ion "
            "settles: every visit that is seen counts as settled"
        )
    stayed = np.concatenate([(h.stays.until - h.stays.first)[h.stays.ended] for h in runs])
    if len(stayed) and np.median(stayed) < BRIEF:
        yield (
            f"half of the stays last less than {BRIEF} frames, so that hops are missed and rates too low: "
            "write frames more often"
        )
    slower = sum(h.slower for h in runs)
    if hops and slower < ROBUST * hops:
        yield (
            f"if a visit needed twice the time to settle, {slower} of {hops} hops would be left: rates "
            "depend on that time"
        )
    ions = sum(h.ions for h in runs)
    if hops < ions:
        yield (
            f"{ions} ions hopped {hops} times in all: occupancies are mostly those of the start, and their "
            "errors too small"
        )
    if occupancy.nowhere.value > LOST:
        yield f"{100 * occupancy.nowhere.value:.1f} % of the ions are in no site"


def hop_table(survey: HopSurvey) -> dict[str, NDArray[Any]]:
    """Return all hops of a survey as the columns of `io.hops`."""
    parts = [_columns(at, number, hops) for at in survey.temperatures for number, hops in enumerate(at.runs)]
    return {c.name: np.concatenate([p[c.name] for p in parts]).astype(c.dtype) for c in HOP_COLUMNS}


def _columns(at: HopsAt, number: int, hops: Hops) -> dict[str, NDArray[Any]]:
    pathways = pathways_of(hops, at.sites, at.labels)
    names = np.array([w.name for w in pathways.ways], dtype=str)
    label = at.sites.label.astype(str)
    return {
        "temperature": np.full(len(hops), at.temperature),
        "run": np.full(len(hops), number),
        "ion": hops.ion,
        "left": hops.left * hops.timestep,
        "arrived": hops.arrived * hops.timestep,
        "residence": hops.residence,
        "origin": hops.origin,
        "target": hops.target,
        "via": hops.via,
        **{f"shift_{name}": hops.shift[:, k] for k, name in enumerate("abc")},
        **{name: hops.vector[:, k] for k, name in enumerate("xyz")},
        "origin_label": label[hops.origin],
        "target_label": label[hops.target],
        "pathway": names[pathways.member] if len(hops) else np.zeros(0, dtype=str),
        "recrossed": hops.recrossed,
        "lasting": hops.lasting,
        "string": strings_in(hops),
    }
