"""Figures of percolation: the largest cluster against the level, and where it leads from end to end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.percolation.record import Percolation, Quantity
from frustra.analysis.percolation.states import StatePercolation
from frustra.arrays import Array
from frustra.plots.style import GREY, INK, new_axes, temperature_colours
from frustra.surveys.percolation import PathPercolation
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACTORS: dict[Quantity, float] = {"energy": MEV, "energy difference": MEV, "occupancy": 1.0, "rate": 1e3}

LABELS: dict[Quantity, str] = {
    "energy": "Highest mean energy of a site, above the lowest (meV)",
    "energy difference": "Largest difference of energy along a link (meV)",
    "occupancy": "Lowest occupancy of a site (ions)",
    "rate": "Lowest rate of hops along a link (ns$^{-1}$)",
}

LOGARITHMIC: tuple[Quantity, ...] = ("occupancy", "rate")

SYMBOLS = {1: "o", 2: "s", 3: "D"}
"""Where a way first leads on in so many dimensions."""


def plot_percolation(
    records: Sequence[Percolation],
    ax: "Axes | None" = None,
    temperatures: Sequence[float] | None = None,
    legend: bool = True,
) -> "Axes":
    """Draw the largest cluster against the level; symbols stand where one has no end in 1, 2, 3 directions.

    The bar of a symbol is the 95 % interval of its level; without an end it leaves the axes. The band holds
    95 % of the curves with shuffled values; with several records it is left out.

    Parameters
    ----------
    records
        Of one quantity, such as one per temperature.
    ax
        Of a new figure if not given.
    temperatures
        K, of the records, for their names; NaN where not known.
    legend
        Whether to explain the symbols.
    """
    ax = ax or new_axes(1, 5.2, 3.4)[0]
    known = list(temperatures) if temperatures is not None else [np.nan] * len(records)
    colours = temperature_colours(known) if len(records) > 1 else [INK]
    for record, temperature, colour in zip(records, known, colours, strict=True):
        if len(records) == 1:
            _draw_band(ax, record)
        _draw_curve(
            ax, record, colour, f"{temperature:g} K" if np.isfinite(temperature) else "largest cluster"
        )
        _draw_thresholds(ax, record, colour)
    quantity = records[0].quantity
    _scale(ax, records)
    ax.set_ylim(0, 1.06)
    ax.set_xlabel(LABELS[quantity])
    ax.set_ylabel("Sites in the largest cluster")
    if legend:
        ax.legend(handles=_handles(ax, records), loc="best")
    return ax


def plot_paths(paths: Sequence[PathPercolation], axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
    """Draw what trajectories tell: visited sites above, hops below.

    Parameters
    ----------
    paths
        By ascending temperature.
    axes
        Two; of a new figure if not given. Without any hop the second stays empty.
    """
    drawn = list(axes) if axes is not None else new_axes(2, 5.2, 6.0)
    plot_percolation([p.visited for p in paths], drawn[0], [p.temperature for p in paths])
    hopping = [p for p in paths if p.hopped is not None]
    if hopping:
        records = [p.hopped for p in hopping if p.hopped is not None]
        plot_percolation(records, drawn[1], [p.temperature for p in hopping], legend=False)
    else:
        drawn[1].set_axis_off()
        drawn[1].text(0.5, 0.5, "no hops", ha="center", va="center", transform=drawn[1].transAxes)
    _name_panels(drawn)
    return drawn


def plot_state_percolation(found: StatePercolation, axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
    """Draw the percolation of the energies of states: of sites above, of steps between them below."""
    drawn = list(axes) if axes is not None else new_axes(2, 5.2, 6.0)
    plot_percolation([found.energy], drawn[0])
    plot_percolation([found.difference], drawn[1], legend=False)
    _name_panels(drawn)
    return drawn


def _scale(ax: "Axes", records: Sequence[Percolation]) -> None:
    """Show the levels of the curves with room around them, the easiest on the left."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    levels = np.concatenate([r.curve.level for r in records]) * FACTORS[records[0].quantity]
    if not len(levels):
        return
    low, high = float(levels.min()), float(levels.max())
    if records[0].quantity not in LOGARITHMIC:
        room = 0.04 * (high - low) or 1.0
        ax.set_xlim(low - room, high + room)
        return
    ax.set_xscale("log")
    ax.set_xlim(high * 1.4, low / 1.4)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 200 * low else (1.0,)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _steps(record: Percolation, values: Array) -> tuple[Array, Array]:
    """Return a curve in units of the figure."""
    return record.curve.level * FACTORS[record.quantity], values


def _draw_curve(ax: "Axes", record: Percolation, colour: Any, label: str) -> None:
    x, y = _steps(record, record.curve.largest)
    ax.plot(x, y, drawstyle="steps-post", color=colour, lw=1.5, label=label)


def _draw_band(ax: "Axes", record: Percolation) -> None:
    low, high = record.curve.shuffled_low, record.curve.shuffled_high
    if len(low) and np.isfinite(low).all():
        x, _ = _steps(record, low)
        ax.fill_between(x, low, high, step="post", color=GREY, alpha=0.3, lw=0)


def _draw_thresholds(ax: "Axes", record: Percolation, colour: Any) -> None:
    factor, curve = FACTORS[record.quantity], record.curve
    sign = -1 if record.quantity in LOGARITHMIC else 1
    for t in record.thresholds:
        if t.estimate is None:
            continue
        e = t.estimate.scaled(factor)
        at = max(int(np.searchsorted(sign * curve.level, sign * t.estimate.value, side="right")) - 1, 0)
        y = float(curve.largest[at])
        if np.isfinite(e.std):
            high = e.high if np.isfinite(e.high) else factor * float(curve.level.max())
            ax.plot([max(e.low, 1e-3 * e.value), max(high, e.value)], [y, y], color=colour, lw=0.9, alpha=0.7)
        ax.plot(
            e.value, y, SYMBOLS[t.dimension], color=colour, mfc="white", ms=9 - t.dimension, mew=1.3, zorder=4
        )


def _handles(ax: "Axes", records: Sequence[Percolation]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = list(ax.get_legend_handles_labels()[0])
    reached = max(r.dimension for r in records)
    for dimension, symbol in SYMBOLS.items():
        if dimension <= reached:
            style: dict[str, Any] = {"marker": symbol, "ls": "", "color": INK, "mfc": "white"}
            handles.append(Line2D([], [], **style, label=f"leads on in {dimension}-D"))
    if len(records) == 1 and np.isfinite(records[0].curve.shuffled_low).any():
        handles.append(Patch(color=GREY, alpha=0.3, lw=0, label="values shuffled, 95 %"))
    return handles


def _name_panels(axes: "Sequence[Axes]") -> None:
    for letter, ax in zip("ab", axes, strict=False):
        ax.set_title(f"({letter})", loc="left", fontsize=10)
