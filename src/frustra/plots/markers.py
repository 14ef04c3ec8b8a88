"""The figure of all markers of the super-ionic transition, one below the other."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.arrhenius import Arrhenius
from frustra.analysis.markers import Marker
from frustra.plots.style import BLUE, GREY, INK, ORANGE, SOFT, certain, new_axes
from frustra.stats import COVER, Estimate
from frustra.units import CM2_PER_S, MS_PER_CM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = 60
"""Points of a curve."""

MARGIN = 12.0
"""K on each side of the ladder."""

UNITS = {"Å²": "Å$^2$", "k_B/ion": "$k_B$/ion"}


def plot_markers(
    markers: Sequence[Marker],
    arrhenius: Arrhenius | None = None,
    axes: "Sequence[Axes] | None" = None,
) -> "list[Axes]":
    """Draw every marker against T with 95 % errors, its onset as a band, and the model where it is certain.

    The conductivity (or diffusivity) comes first, if given. Markers without a value are left out. Symbols of
    temperatures that are not equilibrated are open. Where a jump may lie, nothing is drawn.

    Parameters
    ----------
    markers, arrhenius
        What to draw.
    axes
        One for each, from top to bottom; of a new figure if not given.
    """
    known = [m for m in markers if len(m.temperatures)]
    count = len(known) + (arrhenius is not None)
    drawn = list(axes) if axes is not None else _stacked(max(count, 1))
    panels = iter(drawn)
    if arrhenius is not None:
        doubtful = {t for m in known for t in m.temperatures[m.doubtful].tolist()}
        _draw_arrhenius(next(panels), arrhenius, doubtful)
    for marker, ax in zip(known, panels, strict=False):
        _draw_marker(ax, marker)
    ladders = [m.temperatures for m in known] + ([arrhenius.ladder.temperatures] if arrhenius else [])
    if ladders:
        every = np.concatenate(ladders)
        drawn[-1].set_xlim(every.min() - MARGIN, every.max() + MARGIN)
    drawn[-1].set_xlabel("T (K)")
    return drawn


def _stacked(rows: int) -> "list[Axes]":
    height = 0.7 + 1.05 * rows
    axes = new_axes(rows, 5.2, height, layout=None, sharex=True)
    figure: Any = axes[0].figure
    figure.subplots_adjust(left=0.13, right=0.98, bottom=0.45 / height, top=1 - 0.08 / height, hspace=0.08)
    return axes


def _draw_marker(ax: "Axes", marker: Marker) -> None:
    unit = UNITS.get(marker.unit, marker.unit)
    label = _math(marker.label) + (f" ({unit})" if unit else "")
    columns = (marker.temperatures, marker.values, marker.std, marker.doubtful)
    for t, value, std, doubtful in zip(*columns, strict=True):
        _draw_value(ax, t, value, COVER * std, doubtful)
    if marker.breaks is not None and marker.model != "undecided":
        for inside in certain(marker.breaks, marker.temperatures[0], marker.temperatures[-1], DRAWN):
            _draw_band(ax, inside, marker.breaks.curve(inside))
    _finish(ax, label, marker.model, marker.onset)


def _draw_arrhenius(ax: "Axes", fit: Arrhenius, doubtful: Container[float]) -> None:
    conducts = fit.ladder.quantity == "conductivity"
    unit = MS_PER_CM if conducts else CM2_PER_S
    for p in fit.ladder.points:
        y = unit * p.value * (p.temperature if conducts else 1.0)
        if p.is_upper_bound:
            ax.plot(p.temperature, y, "v", color=GREY, ms=6, mfc="none")
        else:
            span = np.exp(COVER * np.nan_to_num(p.std) / p.value)
            _draw_value(ax, p.temperature, y, [[y - y / span], [y * span - y]], p.temperature in doubtful)
    if fit.model != "undecided":
        ladder = fit.ladder.temperatures
        coldest = ladder[0] if fit.breaks.low_is_measured else fit.breaks.candidate.value
        for inside in certain(fit.breaks, coldest, ladder[-1], DRAWN):
            _draw_band(ax, inside, [unit * np.exp(v) for v in fit.breaks.curve(inside)])
    ax.set_yscale("log")
    label = "$\\sigma T$ (mS K/cm)" if conducts else "$D$ (cm$^2$/s)"
    _finish(ax, label, fit.model, fit.transition)


def _draw_value(ax: "Axes", x: float, y: float, error: Any, open_symbol: bool) -> None:
    face = "white" if open_symbol else BLUE
    ax.errorbar(x, y, error, fmt="o", color=BLUE, mfc=face, ms=4.2, capsize=2, lw=1, zorder=3)


def _draw_band(ax: "Axes", x: Any, curve: Sequence[Any]) -> None:
    middle, low, high = curve
    ax.plot(x, middle, color=INK, lw=1, zorder=2)
    ax.fill_between(x, low, high, color=INK, alpha=0.09, lw=0, zorder=1)


def _finish(ax: "Axes", label: str, model: str, onset: Estimate | None) -> None:
    """Say what the panel shows and what was found; draw the onset."""
    found = {"line": "no break", "undecided": "cannot tell"}.get(model, model)
    if onset is not None:
        found = f"{model} at {onset.value:.0f} K ({onset.low:.0f}–{onset.high:.0f})"
        ax.axvspan(onset.low, onset.high, color=ORANGE, alpha=0.16, lw=0, zorder=0)
        ax.axvline(onset.value, color=ORANGE, lw=1.2, zorder=1)
    ax.margins(y=0.12)
    low, high = ax.get_ylim()  # room for the text above the data
    logs = ax.get_yscale() == "log"
    ax.set_ylim(low, high * (high / low) ** 0.35 if logs else high + 0.35 * (high - low))
    ax.text(0.015, 0.93, label, transform=ax.transAxes, va="top", fontsize=8.5)
    colour = ORANGE if onset is not None else SOFT
    ax.text(0.985, 0.93, found, transform=ax.transAxes, va="top", ha="right", fontsize=8, color=colour)


def _math(label: str) -> str:
    return "$\\ln(D_c/D_{ab})$" if label == "ln(D_c/D_ab)" else label
