"""The figure of hops: rates by pathway, and the pathways drawn between the sites."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.hops import Way, pathways_of
from frustra.analysis.residence import Pathway
from frustra.arrays import Array
from frustra.plots.style import GREY, INK, SITE_COLOURS, SOFT
from frustra.sites.record import Sites
from frustra.surveys.hops import HopsAt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#2b6ca3", "#d9682b", "#3c8d53", "#8b5fbf", "#b8433f", "#8a6d3b", "#c2699b", "#4aa3a8")
"""One for each class of hops, the most frequent first; others are grey."""

SHOWN = 8
"""Classes of hops whose rates are drawn."""

WIDEST = 4.0
"""Points: line of the pathway with most hops; the area of the others is in proportion."""

WIDTH, HEIGHT, ROOM = 7.2, 2.9, 0.75
"""Inches: of the figure, of the rates, and of what surrounds a panel."""


def plot_hops(found: Sequence[HopsAt], axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
    """Draw the rate of every class of hops, and the pathways at the lowest and highest temperature with hops.

    Rates are per ion in a site of the origin's kind, with 95 % intervals; triangles are upper bounds. The
    pathways are seen along c and from the side; the width of a line grows with the hops to and fro.

    Parameters
    ----------
    found
        By ascending temperature.
    axes
        One for the rates, and two for each temperature drawn; of a new figure if not given.
    """
    drawn = _temperatures_drawn(found)
    colours = _colours(found)
    panels = list(axes) if axes is not None else _panels(drawn)
    _draw_rates(panels[0], found, colours)
    for at, (top, side) in zip(drawn, zip(panels[1::2], panels[2::2], strict=True), strict=True):
        _draw_pathways(top, at, colours, (0, 1), "along $c$")
        _draw_pathways(side, at, colours, (0, 2), "from the side")
    return panels


def _panels(drawn: Sequence[HopsAt]) -> "list[Axes]":
    """Return new axes: rows of pathways are as high as their crystals need."""
    from matplotlib.figure import Figure

    heights = [HEIGHT]
    for at in drawn:
        width, depth, height = np.ptp(_corners(at.sites.cell) @ _axes_of(at.sites.cell).T, axis=0)
        heights.append(min(WIDTH / 2 * max(depth, height) / width, WIDTH) + ROOM)
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    panels = [figure.add_subplot(grid[0, :])]
    return panels + [figure.add_subplot(grid[r, c]) for r in range(1, len(heights)) for c in range(2)]


def _corners(cell: Array) -> Array:
    corners: Array = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ cell
    return corners


def _temperatures_drawn(found: Sequence[HopsAt]) -> list[HopsAt]:
    """Return the lowest and the highest with hops; the lowest of all where there are none."""
    moving = [at for at in found if at.hops] or list(found[:1])
    return moving[:1] + moving[1:][-1:]


def _colours(found: Sequence[HopsAt]) -> dict[Way, str]:
    """Return one colour for each class of hops, the same there and back."""
    counts: dict[Way, int] = {}
    for at in found:
        for p in at.pathways:
            counts[p.way.both] = counts.get(p.way.both, 0) + p.per_ion.events
    ranked = sorted((w for w in counts if counts[w]), key=lambda w: -counts[w])
    return dict(zip(ranked, COLOURS, strict=False))


def _label(at: HopsAt) -> str:
    return f"{at.temperature:g} K" if np.isfinite(at.temperature) else "T not known"


def _draw_rates(ax: "Axes", found: Sequence[HopsAt], colours: dict[Way, str]) -> None:
    if len({at.temperature for at in found if np.isfinite(at.temperature)}) > 1:
        _draw_ladder(ax, found, colours)
    else:
        _draw_bars(ax, found[0], colours)


def _ranked(found: Sequence[HopsAt]) -> list[Way]:
    """Return the classes whose rates are drawn: the most frequent, and those of which there is a bound."""
    events: dict[Way, int] = {}
    for at in found:
        for p in at.pathways:
            if np.isfinite(p.from_origin.rate.high):
                events[p.way] = events.get(p.way, 0) + p.from_origin.events
    return sorted(events, key=lambda way: -events[way])[:SHOWN]


def _draw_ladder(ax: "Axes", found: Sequence[HopsAt], colours: dict[Way, str]) -> None:
    """Draw rate constants against 1000/T."""
    for number, way in enumerate(_ranked(found)):
        colour = colours.get(way.both, GREY)
        style: dict[str, Any] = {"color": colour, "mfc": colour if number % 2 == 0 else "white", "ms": 4.5}
        for at in found:
            for p in (p for p in at.pathways if p.way == way and np.isfinite(at.temperature)):
                _draw_rate(ax, 1e3 / at.temperature, p, style)
        ax.plot([], [], "o", **style, label=way.name)  # the first one drawn may be a bound, or none
    ax.set_yscale("log")
    ax.set_xlabel("1000/$T$ (1/K)")
    ax.set_ylabel("Hops per ion at the origin (1/ps)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)


def _draw_rate(ax: "Axes", x: float, p: Pathway, style: dict[str, Any]) -> None:
    rate = p.from_origin.rate
    if p.from_origin.is_upper_bound:
        if np.isfinite(rate.high):
            ax.plot(x, rate.high, "v", **{**style, "mfc": "none"})
        return
    error = [[rate.value - rate.low], [rate.high - rate.value]]
    ax.errorbar(x, rate.value, error, fmt="o", capsize=2, lw=1, **style)


def _draw_bars(ax: "Axes", at: HopsAt, colours: dict[Way, str]) -> None:
    """Draw the rate constants at a single temperature, one line each."""
    ways = _ranked([at])
    for row, way in enumerate(ways):
        p = next(p for p in at.pathways if p.way == way)
        rate, colour = p.from_origin.rate, colours.get(way.both, GREY)
        if p.from_origin.is_upper_bound:
            ax.plot(rate.high, row, "<", color=GREY, mfc="none", ms=5)
            continue
        error = [[rate.value - rate.low], [rate.high - rate.value]]
        ax.errorbar(rate.value, row, xerr=error, fmt="o", color=colour, ms=4.5, capsize=2, lw=1)
        ax.annotate(
            str(p.per_ion.events), (rate.high, row), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=7.5, color=SOFT,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yticks(range(len(ways)), [w.name for w in ways])
    ax.tick_params(axis="y", which="both", left=False, right=False)
    ax.minorticks_off()
    ax.set_ylim(len(ways) - 0.5, -0.5)
    ax.margins(x=0.12)
    ax.set_xlabel("Hops per ion at the origin (1/ps); number of hops")
    ax.set_title(_label(at), loc="left", fontsize=9)


def _axes_of(cell: Array) -> Array:
    """Return unit vectors (3, 3): along a, in the plane of a and b, and normal to it."""
    first = cell[0] / np.linalg.norm(cell[0])
    normal = np.cross(cell[0], cell[1])
    normal /= np.linalg.norm(normal)
    return np.stack([first, np.cross(normal, first), normal])


def _draw_pathways(
    ax: "Axes", at: HopsAt, colours: dict[Way, str], plane: tuple[int, int], view: str
) -> None:
    from matplotlib.collections import LineCollection

    sites = at.sites
    frame = _axes_of(sites.cell)[list(plane)]
    _draw_cell(ax, sites, frame)
    ends, counts, ways = _segments(at)
    if len(counts):
        widths = WIDEST * np.sqrt(counts / counts.max())
        order = np.argsort(widths)
        lines = LineCollection(
            list((ends @ frame.T)[order]),
            linewidths=widths[order].tolist(),
            colors=[colours.get(ways[k], GREY) for k in order],
            alpha=0.75,
            capstyle="round",
            zorder=2,
        )
        ax.add_collection(lines)
    for kind, colour in SITE_COLOURS.items():
        chosen = sites.open & (sites.kind == kind)
        x, y = (sites.positions[chosen] @ frame.T).T
        held = at.occupancy.per_site[chosen] > 0
        ax.scatter(x[held], y[held], s=4, color=colour, lw=0, zorder=3)
        ax.scatter(x[~held], y[~held], s=3, facecolors="none", edgecolors=colour, lw=0.4, alpha=0.6, zorder=1)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.set_xlabel("Å")
    ax.set_title(f"{_label(at)}, {at.hops} hops, {view}", loc="left", fontsize=9)


def _draw_cell(ax: "Axes", sites: Sites, frame: Array) -> None:
    corners = _corners(sites.cell) @ frame.T
    for one, other in ((i, i | 1 << axis) for i in range(8) for axis in range(3) if not i >> axis & 1):
        ax.plot(*corners[[one, other]].T, color=INK, lw=0.6, zorder=0)


def _segments(at: HopsAt) -> tuple[Array, Array, list[Way]]:
    """Return ends (m, 2, 3) of the pathways, hops on each in both directions, and their classes.

    A pathway that leaves the cell is drawn on both sides.
    """
    rows, every = [np.zeros((0, 6), np.int64)], list[Way]()
    for hops in at.runs:
        found = pathways_of(hops, at.sites, at.labels)
        every += [w.both for w in found.ways if w.both not in every]
        number = np.array([every.index(w.both) for w in found.ways], dtype=np.int64)
        turned = hops.origin > hops.target
        origin, target = np.where(turned, [hops.target, hops.origin], [hops.origin, hops.target])
        shift = np.where(turned[:, None], -hops.shift, hops.shift)
        rows.append(np.column_stack([origin, target, shift, number[found.member]]))
    ways, counts = np.unique(np.concatenate(rows), axis=0, return_counts=True)
    start, end = at.sites.positions[ways[:, 0]], at.sites.positions[ways[:, 1]]
    across = ways[:, 2:5] @ at.sites.cell
    ends = np.stack([start, end + across], axis=1)
    outside = ways[:, 2:5].any(axis=1)
    both_sides = np.concatenate([ends, ends[outside] - across[outside, None]])
    which = np.concatenate([np.arange(len(ways)), np.flatnonzero(outside)])
    return both_sides, counts[which].astype(float), [every[k] for k in ways[which, 5]]
