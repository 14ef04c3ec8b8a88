"""Figures of transitions: hops as arrows between levels, their joint densities, Δe against ΔE."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.density import Density
from frustra.analysis.transitions.choice import OCT_TET_OCT
from frustra.analysis.transitions.shares import Shares
from frustra.analysis.transitions.survey import TransitionsAt, TransitionSurvey
from frustra.analysis.transitions.ways import Ways
from frustra.arrays import Array, BoolArray
from frustra.plots.style import DASHED, GREY, INK, SITE_COLOURS, SOFT, figure_of, temperature_colours
from frustra.stats import Estimate
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = (("oct–oct", ("oct", "oct")), (OCT_TET_OCT, ("oct", "tet", "oct")))
"""Classes of hops drawn between levels, with the sites of their columns."""

MOST = 30
"""Arrows in one panel."""

ROWS = 3
"""Temperatures drawn."""

LEVEL = 0.3
"""Width that the highest density of a column takes, where columns are one apart."""

JOINTS = 4
"""Classes of hops whose joint densities are drawn."""


def plot_levels(
    found: Sequence[TransitionsAt], densities: Sequence[Density] = (), axes: "Sequence[Axes] | None" = None
) -> "list[Axes]":
    """Draw hops as arrows between the levels of the sites, the energy upward: Oct–Oct, and Oct–Tet–Oct.

    A row for the lowest, the middle and the highest temperature with such hops. The DOAS of the sites stands
    on its side in columns. Of more than `MOST` ways those are drawn that are evenly spread in Δe; dashed
    where the tet site was only passed.

    Parameters
    ----------
    found
        By ascending temperature.
    densities
        The DOAS by site at these temperatures, with the same zero.
    axes
        Two for each row; of a new figure if not given.
    """
    rows = _rows(found)
    panels = list(axes) if axes is not None else _panels(len(rows))
    limits = _limits(rows, densities)
    for number, at in enumerate(rows):
        density = next((d for d in densities if d.temperature == at.temperature), None)
        for ax, (name, sites) in zip(panels[2 * number : 2 * number + 2], PANELS, strict=True):
            _draw_columns(ax, density, sites)
            drawn = _draw_arrows(ax, at.ways.select(at.ways.pathway == name), sites)
            title = "–".join(s.capitalize() for s in sites)
            ax.set_title(f"{at.temperature:g} K, {title}: {drawn}", loc="left", fontsize=9)
            ax.set_ylim(*limits)
        panels[2 * number].set_ylabel("Energy of the ion (meV)")
    return panels


def _rows(found: Sequence[TransitionsAt]) -> list[TransitionsAt]:
    """Return the lowest, the middle and the highest temperature with hops that can be drawn."""
    names = [name for name, _ in PANELS]
    moving = [at for at in found if np.isin(at.ways.pathway, names).any()]
    picked = np.unique(np.linspace(0, len(moving) - 1, min(ROWS, len(moving))).round().astype(int))
    return [moving[k] for k in picked]


def _panels(rows: int) -> "list[Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 0.3 + 2.7 * max(rows, 1)), layout="constrained")
    grid = figure.subplots(max(rows, 1), 2, squeeze=False, sharey=True, width_ratios=[2, 3])
    return [ax for row in grid for ax in row]


def _limits(rows: Sequence[TransitionsAt], densities: Sequence[Density]) -> tuple[float, float]:
    """Return from where to where all arrows and nearly all states lie, with room, meV."""
    names = [name for name, _ in PANELS]
    chosen = [at.ways.select(np.isin(at.ways.pathway, names)) for at in rows]
    parts = [np.concatenate([w.before, w.after, w.middle.ravel()]) for w in chosen]
    energies = np.concatenate([*parts, *(_states(d) for d in densities)]) * MEV
    low, high = float(np.nanmin(energies)), float(np.nanmax(energies))
    room = 0.06 * (high - low) + 2.0
    return low - room, high + room


def _states(density: Density) -> Array:
    """Return the energies between which all but 1 % of the states of the sites drawn lie, (2,) eV."""
    drawn = np.sum([density.parts[kind] for kind in ("oct", "tet") if kind in density.parts], axis=0)
    below = np.cumsum(drawn) / max(np.sum(drawn), 1e-300)
    inside: Array = density.centres[np.searchsorted(below, (0.005, 0.995)).clip(max=len(below) - 1)]
    return inside


def _draw_columns(ax: "Axes", density: Density | None, sites: Sequence[str]) -> None:
    """Draw the DOAS of the sites upright: to the left in the first column, to the right in the others."""
    for column, kind in enumerate(sites):
        ax.axvline(column, color=GREY, lw=0.6, zorder=0)
        part = None if density is None else density.parts.get(kind)
        if density is None or part is None or not part.any():
            continue
        width = LEVEL * part / part.max() * (-1 if column == 0 else 1)
        ax.fill_betweenx(
            density.centres * MEV,
            column,
            column + width,
            step="mid",
            color=SITE_COLOURS[kind],
            alpha=0.35,
            lw=0,
        )
    ax.set_xlim(-LEVEL - 0.1, len(sites) - 1 + LEVEL + 0.1)
    ax.set_xticks(range(len(sites)), [s.capitalize() for s in sites])
    ax.tick_params(axis="x", which="both", length=0)
    ax.minorticks_off()


def _draw_arrows(ax: "Axes", ways: Ways, sites: Sequence[str]) -> str:
    """Draw ways from level to level; return how many, in words."""
    shown = ways.select(_spread(ways.change))
    for k in range(len(shown)):
        inner = shown.middle[k]
        stops = [shown.before[k], shown.after[k]]
        if len(sites) == 2:
            _arrow(ax, (0, stops[0]), (1, stops[1]))
        elif np.isnan(inner).any():
            _arrow(ax, (0, stops[0]), (2, stops[1]), dashed=True)
        else:
            _arrow(ax, (0, stops[0]), (1, float(inner[0])))
            _arrow(ax, (1, float(inner[1])), (2, stops[1]))
    for column, kind in enumerate(sites):
        ends = (shown.before, shown.middle.ravel(), shown.after)
        energy = ends[0] if column == 0 else ends[2] if column == len(sites) - 1 else ends[1]
        ax.plot(np.full(len(energy), column), energy * MEV, "_", color=SITE_COLOURS[kind], ms=9, mew=1.4)
    of = f" of {len(ways)}" if len(shown) < len(ways) else ""
    return f"{len(shown)}{of} hop{'' if len(ways) == 1 else 's'}" if len(ways) else "no hop"


def _spread(change: Array) -> BoolArray:
    """Return at most `MOST` rows, evenly spread in the order of Δe."""
    chosen = np.zeros(len(change), bool)
    order = np.argsort(change, kind="stable")
    picked = np.linspace(0, len(order) - 1, min(MOST, len(order))).round().astype(int)
    chosen[order[picked]] = True
    return chosen


def _arrow(ax: "Axes", start: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> None:
    style: dict[str, Any] = {
        "arrowstyle": "-|>", "mutation_scale": 7, "lw": 0.8, "color": INK, "alpha": 0.55,
        "shrinkA": 3, "shrinkB": 3, "ls": DASHED if dashed else "-",
    }  # fmt: skip
    ax.annotate("", (end[0], end[1] * MEV), (start[0], start[1] * MEV), arrowprops=style)


def plot_joint(found: Sequence[TransitionsAt], axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
    """Draw the energies after hops against those before, one panel for each of the most frequent classes.

    One point for each hop, its area in proportion to the hops that it stands for, coloured by temperature;
    on the dashed line nothing changes.
    """
    classes = _frequent(found)
    panels = list(axes) if axes is not None else _squares(len(classes))
    colours = temperature_colours([at.temperature for at in found])
    most = max((float(at.ways.weight.max()) for at in found if len(at.ways)), default=1.0)
    for ax, name in zip(panels, classes, strict=True):
        for at, colour in zip(found, colours, strict=True):
            ways = at.ways.select(at.ways.pathway == name)
            size = 6 + 44 * ways.weight / most
            points: dict[str, Any] = {"s": size, "color": colour, "alpha": 0.7, "lw": 0}
            ax.scatter(ways.before * MEV, ways.after * MEV, **points)
        ax.set_title(name, loc="left", fontsize=9)
        ax.set_xlabel("Before (meV)")
        ax.set_ylabel("After (meV)")
    _draw_diagonals(panels)
    handles = _temperature_handles([at.temperature for at in found], colours)
    if axes is None:
        place: dict[str, Any] = {"loc": "outside upper left", "ncols": len(handles)}
        figure_of(panels[0]).legend(handles=handles, handletextpad=0.1, columnspacing=0.9, **place)
    else:
        panels[0].legend(handles=handles)
    return panels


def _frequent(found: Sequence[TransitionsAt]) -> list[str]:
    counts: dict[str, int] = {}
    for at in found:
        for joint in at.joints:
            counts[joint.pathway] = counts.get(joint.pathway, 0) + joint.hops
    return sorted(counts, key=lambda name: -counts[name])[:JOINTS]


def _squares(count: int) -> "list[Axes]":
    from matplotlib.figure import Figure

    columns = min(count, 2)
    lines = -(-count // columns)
    figure = Figure(figsize=(3.6 * columns, 3.3 * lines), layout="constrained")
    panels = [ax for row in figure.subplots(lines, columns, squeeze=False) for ax in row]
    for ax in panels[count:]:
        ax.remove()
    return panels[:count]


def _draw_diagonals(panels: "Sequence[Axes]") -> None:
    """Give all panels one scale, and the line on which nothing changes."""
    low = min(limits[0] for ax in panels for limits in (ax.get_xlim(), ax.get_ylim()))
    high = max(limits[1] for ax in panels for limits in (ax.get_xlim(), ax.get_ylim()))
    for ax in panels:
        ax.plot([low, high], [low, high], color=SOFT, lw=0.8, ls=DASHED, zorder=0)
        ax.set_xlim(low, high)
        ax.set_ylim(low, high)
        ax.set_aspect("equal")


def _temperature_handles(temperatures: Sequence[float], colours: Sequence[Any]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], ls="", marker="o", ms=4.5, color=c, label=f"{t:g} K")
        for t, c in zip(temperatures, colours, strict=True)
    ]


def plot_shares(survey: TransitionSurvey, ax: "Axes | None" = None) -> "Axes":
    """Draw Δe of the hopping ion against ΔE of the cell for single hops, with the slope and its 95 % band.

    On the dashed line all of the change is on the ion.
    """
    if ax is None:
        (ax,) = _squares(1)
        ax.figure.set_size_inches(4.6, 4.0)  # type: ignore[union-attr]
    found = survey.temperatures
    colours = temperature_colours([at.temperature for at in found])
    single = survey.transitions.select(survey.transitions["alone_ok"])
    total, ion = (MEV * single.alone_change(what) for what in ("total", "energy"))
    for at, colour in zip(found, colours, strict=True):
        here = single["temperature"] == at.temperature
        x, y = total[here], ion[here]
        ax.scatter(x, y, s=16, color=colour, alpha=0.8, lw=0)
    reach = np.array([-1.0, 1.0]) * max(1.08 * float(np.abs(total).max(initial=0)), 1.0)
    if isinstance(survey.shares, Shares):
        slope = survey.shares.ion
        ax.plot(reach, slope.value * reach, color=INK, lw=1.2)
        ax.fill_between(reach, slope.low * reach, slope.high * reach, color=GREY, alpha=0.3, lw=0, zorder=0)
        ax.set_title(f"slope {_told(slope)}, correlation {_told(survey.shares.correlation)}", fontsize=9)
    ax.plot(reach, reach, color=SOFT, lw=0.8, ls=DASHED, zorder=0)
    tall = max(1.1 * float(np.abs(ion).max(initial=0)), 1.0)
    ax.set_xlim(*reach)
    ax.set_ylim(-tall, tall)
    ax.set_xlabel("ΔE of the cell (meV)")
    ax.set_ylabel("Δe of the hopping ion (meV)")
    handles = _temperature_handles([at.temperature for at in found], colours)
    ax.legend(handles=handles, loc="upper left", handletextpad=0.1, borderaxespad=0.2)
    return ax


def _told(found: Estimate) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
