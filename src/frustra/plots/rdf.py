"""Figures of g(r): one panel for each pair, one curve for each temperature."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from frustra.analysis.rdf.curve import Radial
from frustra.plots.style import DASHED, GREY, new_axes, temperature_colours
from frustra.stats import COVER
from frustra.surveys.rdf import PairCurves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 1.55
"""Of a panel, inches."""

ABREAST = 4
"""Temperatures in a row of the legend, above the panels: within them it would hide curves."""

ROOM = 1.06
"""The ordinate reaches this many times the highest value."""


def plot_rdf(pairs: Sequence[PairCurves], axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
    """Draw g(r) of every pair, with 95 % bands and the end of the first peak.

    Of two classes of one element, which have the same g(r) seen from both sides, one panel is drawn.

    Parameters
    ----------
    pairs
        What to draw.
    axes
        One for each panel, from top to bottom; of a new figure if not given.
    """
    chosen = [p for k, p in enumerate(pairs) if not any(_same(p, q) for q in pairs[:k])]
    drawn = (
        list(axes)
        if axes is not None
        else new_axes(len(chosen), 5.2, 0.9 + HEIGHT * len(chosen), sharex=True)
    )
    temperatures = sorted({c.temperature for p in chosen for c in p.curves if np.isfinite(c.temperature)})
    colours = dict(zip(temperatures, temperature_colours(temperatures), strict=True))
    for pair, ax in zip(chosen, drawn, strict=True):
        _draw(ax, pair, colours)
    drawn[-1].set_xlabel("$r$ (Å)")
    shown = max(drawn, key=lambda ax: len(ax.get_legend_handles_labels()[1]))
    if temperatures:
        handles, labels = shown.get_legend_handles_labels()
        drawn[0].legend(
            handles, labels, ncols=min(len(labels), ABREAST), loc="lower center", bbox_to_anchor=(0.5, 1.0)
        )
    return drawn


def _same(one: PairCurves, other: PairCurves) -> bool:
    """Return whether one pair is the other seen from its second atoms."""
    return (one.first, one.second) == (other.second, other.first) and one.first != one.second


def _draw(ax: "Axes", pair: PairCurves, colours: dict[float, tuple[float, ...]]) -> None:
    for curve in pair.curves:
        colour = colours.get(curve.temperature, GREY)
        error = COVER * np.nan_to_num(curve.std)
        label = f"{curve.temperature:g} K" if np.isfinite(curve.temperature) else None
        ax.fill_between(
            curve.r, np.maximum(curve.values - error, 0), curve.values + error, color=colour, alpha=0.22, lw=0
        )
        ax.plot(curve.r, curve.values, color=colour, lw=1.1, label=label)
    ax.axhline(1, color=GREY, lw=0.7, ls=DASHED, zorder=0)
    end = next((p.end for p in pair.peaks if p is not None), None)
    if end is not None:
        ax.axvline(end, color=GREY, lw=0.7, zorder=0)
    ax.set_ylim(0, ROOM * max(1.5, *(_top(c) for c in pair.curves)))
    ax.set_xlim(0, pair.curves[0].r[-1])
    ax.set_ylabel("$g(r)$")
    ax.text(0.015, 0.93, f"{pair.first}–{pair.second}", transform=ax.transAxes, va="top")


def _top(curve: Radial) -> float:
    """Return the highest value with its error, but not of errors that are larger than the value."""
    values, errors = np.nan_to_num(curve.values), COVER * np.nan_to_num(curve.std)
    return float((values + np.minimum(errors, values)).max())
