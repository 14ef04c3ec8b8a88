"""Anyone's trajectories → g(r) of any pairs at every temperature, also by the kind of site."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from frustra.analysis.rdf.curve import Radial, radial
from frustra.analysis.rdf.pairs import FRAMES, PairDistribution, pair_distribution, stride_of
from frustra.analysis.rdf.peak import Peak, first_minimum, first_peak
from frustra.analysis.rdf.resolved import NOWHERE, resolved_distribution, site_classes
from frustra.arrays import Array
from frustra.errors import AnalysisError, StudyError
from frustra.geometry import minkowski, perpendicular_heights
from frustra.io.hints import TrajectoryHints
from frustra.stats import Line, fit_line
from frustra.surveys.runs import Runs, Tell, runs_by_temperature
from frustra.surveys.sites import Places, SiteChoice, places_of
from frustra.trajectory import Frames

REMEMBERED = 1.5
"""Factor of the variance, from blocks that are not independent, from which on it is mentioned."""

MOST_SHELLS = 100_000

METHODS = ("counts", "pymatgen")
"""Ways to g(r): pairs in shells over what an ideal gas has there; a published convention."""


@dataclass(frozen=True)
class RdfSettings:
    """What is counted, and how."""

    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    """Elements looked from and at; by default the mobile one with itself and with every other."""
    reach: float = 10.0
    """Largest distance, Å."""
    thickness: float = 0.05
    """Of a shell, Å."""
    frames: int = FRAMES
    """Frames of a run that are looked at, at least; fewer than twice as many are."""
    method: str = "counts"
    """One of `METHODS`."""
    by_site: Literal["", "kind", "label"] = ""
    """Whether mobile ions are told apart by their site, and by what of it."""

    def __post_init__(self) -> None:
        if not 0 < self.thickness <= self.reach / 10:
            raise StudyError(
                f"shells of {self.thickness:g} Å up to {self.reach:g} Å", "a thickness above 0 and ten shells"
            )
        if not self.reach / self.thickness <= MOST_SHELLS:
            raise StudyError(
                f"shells of {self.thickness:g} Å up to {self.reach:g} Å", f"at most {MOST_SHELLS} of them"
            )
        if self.method not in METHODS:
            raise StudyError(f"the method {self.method!r}", " or ".join(METHODS))
        if self.by_site and self.method != "counts":
            raise StudyError(
                f"the method {self.method} by site",
                "counts",
                "leave --method or --by-site and --by-label away",
            )
        if self.frames < 1:
            raise StudyError(f"{self.frames} frames", "at least one")

    @property
    def edges(self) -> Array:
        """(bins + 1,) Å."""
        return np.asarray(
            np.linspace(0, self.reach, max(1, round(self.reach / self.thickness)) + 1), dtype=float
        )


@dataclass(frozen=True)
class PairCurves:
    """g(r) of one pair at every temperature."""

    first: str
    """Name of the atoms that are looked from, such as Li, or Li(oct)."""
    second: str
    """Name of the atoms that are looked at."""
    curves: tuple[Radial, ...]
    """In the order of rising temperature."""
    peaks: tuple[Peak | None, ...]
    """The first peak of each; None where there is none."""
    broadening: Line | None
    """Squared width of the first peak (Å²) against T (K); None with fewer than two temperatures."""
    notes: tuple[str, ...]
    """What to know before quoting a number."""


@dataclass(frozen=True)
class RdfSurvey:
    """What is found in anyone's trajectories."""

    settings: RdfSettings
    pairs: tuple[PairCurves, ...]
    notes: tuple[str, ...]
    """What the readers had to say, and what was looked at."""


@dataclass
class _Found:
    """The runs of each pair, temperature by temperature, as they come in."""

    runs: dict[tuple[str, str], list[list[PairDistribution]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, several: Sequence[Sequence[PairDistribution]]) -> None:
        """Take what every run of one temperature has; each gives the same pairs unless none was there."""
        here: dict[tuple[str, str], list[PairDistribution]] = {}
        for one in (d for run in several for d in run):
            here.setdefault((one.first, one.second), []).append(one)
        for pair, found in here.items():
            self.runs.setdefault(pair, []).append(found)


def rdf_of(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    settings: RdfSettings,
    choice: SiteChoice = SiteChoice(),  # noqa: B008 - frozen
    tell: Tell = lambda _: None,
) -> RdfSurvey:
    """Return g(r) of pairs of elements at every temperature of some trajectories.

    Parameters
    ----------
    paths, hints
        As for `runs_by_temperature`.
    specie
        The mobile element; it is not needed where the pairs are given.
    settings
        What is counted, and how.
    choice
        Which sites, where ions are told apart by them.
    tell
        Called with what is being done.

    Raises
    ------
    DataError
        A file that cannot be read; an element that is absent.
    AnalysisError
        A pair of which there is a single atom.
    StudyError
        Neither a mobile element nor pairs, or sites without a mobile element.
    """
    if not specie and (settings.by_site or not settings.pairs):
        raise StudyError("no mobile element", "one such as Li", "name it: --specie")
    ladder: Iterable[Places | Runs] = (
        places_of(paths, specie, hints, choice, tell)
        if settings.by_site
        else runs_by_temperature(paths, hints, tell)
    )
    return rdf_along(ladder, specie, settings, tell)


def rdf_along(
    ladder: Iterable[Places | Runs], specie: str, settings: RdfSettings, tell: Tell = lambda _: None
) -> RdfSurvey:
    """Return g(r) of pairs of elements along a ladder of temperatures; parameters as for `rdf_of`."""
    found, halves = _Found(), []
    for here in ladder:
        runs, notes = (here.runs, here.notes) if isinstance(here, Places) else here
        found.notes += [n for n in (*notes, *_thinned(runs, settings)) if n not in found.notes]
        tell(f"counting pairs at {runs[0].temperature:g} K")
        places = here if isinstance(here, Places) else None
        found.add([list(_of_run(run, specie, settings, places, k)) for k, run in enumerate(runs)])
        halves.append(_half(runs[0]))
    if settings.reach > min(halves):
        found.notes.append(
            f"beyond {min(halves):.1f} Å, half the cell, atoms meet images of one and the same atom"
        )
    if not found.runs:
        raise AnalysisError("no two atoms to form a pair", "some", "name the pairs: --pairs Li-Cl")
    pairs = [_curves(runs, settings) for runs in found.runs.values()]
    return RdfSurvey(settings, tuple(pairs), tuple(found.notes))


def _of_run(
    run: Frames, specie: str, settings: RdfSettings, places: Places | None, number: int
) -> Iterator[PairDistribution]:
    """Give the distributions of one run."""
    for first, second in settings.pairs or _usual_pairs(run, specie):
        if places is not None and first == (specie,):
            classes = site_classes(places.sites, places.visits[number], settings.by_site or "kind")
            found = resolved_distribution(run, specie, second, classes, None, settings.edges, settings.frames)
            yield from found.values()
        else:
            yield pair_distribution(run, first, second, settings.edges, settings.frames)


def _usual_pairs(run: Frames, specie: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the mobile element with itself, if there are two of it, and with every other element."""
    alone = len(run.indices_of(specie)) == 1
    others = sorted(set(run.symbols) - {specie}, key=run.symbols.index)
    return [((specie,), (s,)) for s in ([] if alone else [specie]) + others]


def _thinned(runs: Sequence[Frames], settings: RdfSettings) -> Iterator[str]:
    """Say which frames were left out."""
    at = f"{runs[0].temperature:g} K: " if np.isfinite(runs[0].temperature) else ""
    stride = stride_of(runs[0], settings.frames)
    if stride > 1:
        yield f"{at}one frame in {stride} was looked at, of {len(runs[0])}"


def _half(run: Frames) -> float:
    """Return half the smallest height of the cell, Å."""
    return float(perpendicular_heights(minkowski(run.read([0], []).cells[0])[0]).min()) / 2


def _curves(runs: Sequence[Sequence[PairDistribution]], settings: RdfSettings) -> PairCurves:
    """Return g(r) of one pair at every temperature, with the first peak, whose end is common to all."""
    curves = [radial(several, settings.method) for several in runs]
    peaks: list[Peak | None] = [None] * len(runs)
    notes = [note for curve in curves for note in _doubts(curve)]
    try:
        end = first_minimum([d for several in runs for d in several])
        peaks = [first_peak(several, end) for several in runs]
    except AnalysisError as refusal:
        notes.append(f"no first peak: {refusal}")
    one = curves[0]
    return PairCurves(
        one.first, one.second, tuple(curves), tuple(peaks), _broadening(curves, peaks), tuple(notes)
    )


def _broadening(curves: Sequence[Radial], peaks: Sequence[Peak | None]) -> Line | None:
    known = [(c.temperature, p.square) for c, p in zip(curves, peaks, strict=True) if p is not None]
    known = [(t, s) for t, s in known if np.isfinite(t) and s.std > 0]
    if len({t for t, _ in known}) < 2:
        return None
    return fit_line([t for t, _ in known], [s.value for _, s in known], [s.std for _, s in known])


def _doubts(curve: Radial) -> Iterator[str]:
    at = f"{curve.temperature:g} K: " if np.isfinite(curve.temperature) else ""
    blocks = curve.blocks
    if len(blocks) < 2:
        yield f"{at}a single frame, so that nobody knows the errors"
    elif len(blocks) < 4:
        yield f"{at}errors from {len(blocks)} frames only"
    if blocks.coordination_inefficiency > REMEMBERED:
        yield (
            f"{at}blocks of {blocks.duration:.3g} ps are not independent, or the runs differ; errors were "
            f"widened by up to {np.sqrt(blocks.coordination_inefficiency):.1f}, and longer runs are needed"
        )
    if NOWHERE in curve.first:
        yield f"{at}{blocks.atoms.sum():.0f} times an ion was in no site"
