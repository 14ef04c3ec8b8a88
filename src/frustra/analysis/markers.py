"""Markers of the super-ionic transition against temperature, each with an onset of its own.

Every marker is a quantity with errors at several temperatures. Whether it breaks, and where, is asked as of
the Arrhenius plot (`breaks_of`), here against T itself. Most markers rise smoothly with T even where nothing
happens; so a break also has to beat two smooth curves, a parabola and a + b exp(−Δ/kT).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t as student

from frustra.analysis.arrhenius import Arrhenius
from frustra.analysis.breaks import CLAIM, FEWEST, POWER, Breaks, breaks_of
from frustra.analysis.models import Kind, Scale, Series, design_of, fit_model
from frustra.arrays import Array, BoolArray
from frustra.stats import Estimate
from frustra.units import BOLTZMANN

GAPS = np.geomspace(0.02, 2.0, 60)
"""eV: energies Δ of the activated curve that are tried."""

VISIBLE = 0.5
"""Part of a marker's whole change: a jump of it must be visible before its absence is claimed."""

CONDUCTIVITY = "conductivity"
"""What the Arrhenius plot is called among the markers."""

Verdict = Literal["agree", "disagree", "partly", "one", "none", "cannot tell"]


class Reading(NamedTuple):
    """A quantity at one temperature."""

    temperature: float
    """K."""
    value: float
    std: float
    """Standard error; ±1.96 of it holds 95 %."""
    doubtful: bool = False
    """Whether the temperature is not equilibrated; it counts all the same."""


@dataclass(frozen=True)
class Marker:
    """A quantity against temperature, and whether it breaks."""

    name: str
    label: str
    unit: str
    temperatures: Array
    """(n,) K, ascending; of a derivative, the middles of the steps."""
    values: Array
    """(n,)."""
    std: Array
    """(n,) standard errors."""
    doubtful: BoolArray
    """(n,) whether the temperature is not equilibrated."""
    model: Kind | Literal["undecided"]
    breaks: Breaks | None
    """None with too few temperatures."""
    reason: str
    """A sentence: what was found, or why nothing can be told."""

    @property
    def onset(self) -> Estimate | None:
        """Temperature of the break, K; None where none is claimed."""
        return self.breaks.transition if self.breaks and self.model in ("kink", "jump") else None


def widened(std: float, blocks: int, least: float = 0.0) -> float:
    """Return a standard error from a few blocks such that ±1.96 of it holds 95 % (Student's t).

    Parameters
    ----------
    std, blocks
        The error and how many blocks it comes from; NaN with fewer than two.
    least
        What one more event would change: no error is smaller, also where all blocks are alike.
    """
    if blocks < 2:
        return float("nan")
    return max(float(std * student.ppf(0.975, blocks - 1) / 1.96), least)


def marker_of(name: str, label: str, unit: str, readings: Sequence[Reading], missing: str = "") -> Marker:
    """Return a marker with its onset.

    Readings that are not numbers, or have no error, are left out.

    Parameters
    ----------
    name, label, unit
        Its key in files, what a figure calls it, and its unit.
    readings
        At different temperatures.
    missing
        Why there are none, if so.
    """
    known = sorted(r for r in readings if np.isfinite(r).all() and r.std > 0)
    temperatures, values, std, doubtful = np.array(known, dtype=float).reshape(-1, 4).T
    found = None
    model: Kind | Literal["undecided"] = "undecided"
    count = f"{len(known)} temperature" + ("" if len(known) == 1 else "s")
    reason = missing or f"cannot tell: {count} with an error; a break needs {FEWEST} or more"
    if len(known) >= FEWEST:
        series = Series(temperatures, values, std, np.zeros(len(known), bool))
        found = breaks_of(series, scale_of(series))
        model, reason = found.model, found.reason
        if found.transition is not None and is_gradual(series, found.scale):
            model = "undecided"
            reason = (
                f"cannot tell: the change is gradual; a smooth curve fits as well as a {found.model} at "
                f"{found.candidate.value:.0f} K"
            )
        height = smallest_jump(found)
        if model == "line" and height > VISIBLE * found.scale.height:
            model, reason = "undecided", f"cannot tell: only a jump of {height:.2g} {unit} would be seen"
    return Marker(name, label, unit, temperatures, values, std, doubtful > 0, model, found, reason)


def scale_of(series: Series) -> Scale:
    """Return the priors of a break: as high as the data's range, as steep as twice the range over the ladder.

    The range is at least the largest error, so that of a marker that does not move nothing is expected.
    """
    spread = max(float(np.ptp(series.values)), float(series.std.max()))
    extent = float(np.ptp(series.temperatures))
    return Scale(_itself, slope=2 * spread / extent, height=spread)


def _itself(temperature: Array) -> Array:
    return np.asarray(temperature, dtype=float)


def is_gradual(series: Series, scale: Scale) -> bool:
    """Return whether a parabola in T, or a + b exp(−Δ/kT), describes the data as well as a break (BIC)."""
    x = (series.temperatures - series.temperatures.mean()) / np.ptp(series.temperatures)
    hottest = 1 / series.temperatures[-1]
    activated = np.exp(-GAPS[:, None] / BOLTZMANN * (1 / series.temperatures - hottest))
    ones = np.ones_like(x)
    designs = [np.stack([ones, x, x**2]), *(np.stack([ones, a]) for a in activated)]
    weighted, target = [(d / series.std).T for d in designs], series.values / series.std
    residuals = [target - w @ np.linalg.lstsq(w, target)[0] for w in weighted]
    penalty = 3 * float(np.log(len(target)))  # both have three parameters
    smooth = min(float(r @ r) for r in residuals) + penalty
    breaks: tuple[Kind, Kind] = ("kink", "jump")
    return smooth < CLAIM + min(fit_model(kind, series, scale).bic(len(target)) for kind in breaks)


def smallest_jump(found: Breaks) -> float:
    """Return the height of a jump in the middle of the ladder that would be claimed nine times in ten."""
    series = found.series
    middle = np.array([np.median(series.temperatures) + 1e-6])
    columns = design_of("jump", series.temperatures, middle, found.scale, float(middle[0]))[0]
    weighted = columns / series.std[:, None]
    error = float(np.sqrt(np.linalg.pinv(weighted.T @ weighted)[3, 3]))
    return error * (float(np.sqrt(CLAIM + 3 * np.log(len(series.values)))) + POWER)


def derivative(readings: Sequence[Reading]) -> list[Reading]:
    """Return the finite differences between neighbouring temperatures, at the middles of the steps.

    The errors of neighbours are anti-correlated, for they share a value: taken as independent, as here,
    they make a claim harder, not easier.
    """
    known = sorted(r for r in readings if np.isfinite(r).all())
    return [
        Reading(
            (hot.temperature + cold.temperature) / 2,
            (hot.value - cold.value) / (hot.temperature - cold.temperature),
            float(np.hypot(hot.std, cold.std)) / (hot.temperature - cold.temperature),
            hot.doubtful or cold.doubtful,
        )
        for cold, hot in pairwise(known)
    ]


@dataclass(frozen=True)
class Agreement:
    """Whether the markers tell of one transition."""

    verdict: Verdict
    sentence: str
    onsets: dict[str, Estimate]
    """Label → temperature of the onset, K; of those that show one."""
    common: tuple[float, float] | None
    """K, where the 95 % intervals of all onsets overlap; None if they do not, or there are not two."""


def agreement(markers: Sequence[Marker], arrhenius: Arrhenius | None) -> Agreement:
    """Compare the onsets of all markers, and of the conductivity or diffusivity.

    `agree`: two or more show an onset, all intervals overlap, and none is without. `partly`: another marker
    has no break. `disagree`: onsets that do not overlap. `one`: a single marker shows an onset, the others
    cannot tell. `none`: no onset, and at least one marker without a break. `cannot tell`: neither.
    Markers from the same snapshots are not independent: two that agree are less than two witnesses.
    """
    models: dict[str, str] = {}
    found: dict[str, Estimate | None] = {}
    if arrhenius is not None:
        models[CONDUCTIVITY], found[CONDUCTIVITY] = arrhenius.model, arrhenius.transition
    for m in markers:
        models[m.label], found[m.label] = m.model, m.onset
    onsets = {label: e for label, e in found.items() if e is not None}
    without = [label for label, model in models.items() if model == "line"]
    unclear = [label for label, model in models.items() if model == "undecided"]
    common = _overlap(list(onsets.values()))
    verdict = _verdict(len(onsets), len(without), common is not None)
    sentence = "; ".join(
        text
        for text in (
            _VERDICTS[verdict] + (f" ({common[0]:.0f}–{common[1]:.0f} K)" if common else ""),
            "onset: " + ", ".join(f"{k} {_kelvin(e)}" for k, e in onsets.items()) if onsets else "",
            f"no break: {', '.join(without)}" if without else "",
            f"cannot tell: {', '.join(unclear)}" if unclear else "",
        )
        if text
    )
    return Agreement(verdict, sentence + ".", onsets, common)


_VERDICTS: dict[Verdict, str] = {
    "agree": "The markers agree on a transition",
    "partly": "Only some markers show an onset",
    "disagree": "The markers do not agree: their onsets do not overlap",
    "one": "Only one marker shows an onset",
    "none": "No marker shows an onset",
    "cannot tell": "No marker can tell of a transition",
}


def _verdict(onsets: int, without: int, overlap: bool) -> Verdict:
    if onsets == 0:
        return "none" if without else "cannot tell"
    if onsets > 1 and not overlap:
        return "disagree"
    if without:
        return "partly"
    return "agree" if onsets > 1 else "one"


def _overlap(onsets: Sequence[Estimate]) -> tuple[float, float] | None:
    """Return what all intervals have in common; None if nothing, or if there are fewer than two."""
    if len(onsets) < 2:
        return None
    low, high = max(e.low for e in onsets), min(e.high for e in onsets)
    return (low, high) if low <= high else None


def _kelvin(e: Estimate) -> str:
    return f"{e.value:.0f} K ({e.low:.0f}–{e.high:.0f})"
