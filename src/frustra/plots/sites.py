"""Figures of the sites of a crystal: its layers seen from above, and all of them from the side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors
from numpy.typing import NDArray

from frustra.arrays import Array, BoolArray, IntArray
from frustra.plots.style import GREY, INK, SITE_COLOURS, SOFT
from frustra.sites import Sites
from frustra.surveys.site_table import layers_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {"oct": "octahedral", "tet": "tetrahedral", "other": "other"}

MARKERS = {"oct": "o", "tet": "^", "other": "D"}

SIZES = {"oct": 1.25, "tet": 0.95, "other": 1.05}
"""Width of the symbol of a site, Å."""

POINTS = (2.5, 13.0)
"""Smallest and largest symbol, points."""

PALE = 0.3
"""How strong the colour of a site is of which nobody knows how often it is occupied, or that is empty: 0."""

PANEL = 3.1
"""Width of a panel, inches."""

DENSE = 0.6
"""Sites per Å² of a picture without layers: of thicker cells a slab is drawn."""

SKIN = 0.02
"""Where the slab begins, in cell vectors below zero: sites are often at zero."""

MARGIN = 0.03
"""In cell vectors: what is so near to a face of the cell is drawn on the opposite face as well."""

NEAR = 0.8
"""Å: of cations so close to each other in the picture one is named."""

EDGE = 0.7
"""Room around the cell, Å."""


@dataclass(frozen=True)
class _View:
    """The cell as it looks along one of its vectors."""

    sites: Sites
    axis: int
    """The vector along which one looks."""
    across: int
    up: int
    flat: Array
    """(3, 2) where the cell vectors point in the picture, right and up, Å."""

    def outline(self) -> Array:
        """Return the corners of the cell, (5, 2)."""
        a, b = self.flat[self.across], self.flat[self.up]
        return np.array([0 * a, a, a + b, b, 0 * a])

    def span(self) -> Array:
        """Return width and height of the picture, Å."""
        result: Array = np.ptp(self.outline(), axis=0) + 2 * EDGE
        return result

    def copies(self, places: Array) -> tuple[IntArray, Array]:
        """Return what is in the picture of (n, 3) fractional places: rows, and (m, 2) where they are."""
        home = places % 1
        home[:, self.axis] = places[:, self.axis]
        rows, points = [], []
        for shift in self.shifts():
            copy = home + shift
            inside = self.inside(copy)
            rows.append(np.flatnonzero(inside))
            points.append(copy[inside] @ self.flat)
        return np.concatenate(rows), np.concatenate(points)

    def shifts(self) -> Array:
        """Return the nine steps to neighbouring cells in the picture."""
        found = np.zeros((9, 3))
        found[:, [self.across, self.up]] = list(product((-1, 0, 1), repeat=2))
        return found

    def inside(self, places: Array) -> BoolArray:
        """Return which (n, 3) fractional places are in the picture."""
        seen = places[:, [self.across, self.up]]
        result: BoolArray = np.all((seen > -MARGIN) & (seen < 1 + MARGIN), axis=1)
        return result


def plot_sites(
    sites: Sites, occupancy: Array | None = None, axes: "Sequence[Axes] | None" = None
) -> "list[Axes]":
    """Draw the sites in projections of the cell, with lines between those that share a face.

    Of a crystal with layers, the layers with fewest and with most framework cations are seen from above, and
    all of them from the side; of another one, everything is seen along c and along b; of a large cell, only a
    slab of it. Large symbols with a name are framework cations; a cross marks an open site that shares a face
    with one; dots are the vertices of the polyhedra, usually anions.

    Parameters
    ----------
    sites
        Of polyhedra, or the maxima of a density.
    occupancy
        (n,) mean number of ions in each site: the more, the stronger its colour. All alike if not given.
    axes
        As many as panels, three with layers and two without; or new ones.
    """
    panels = _panels(sites)
    axes = list(axes) if axes is not None else _new_row([_view(sites, axis) for axis, _, _ in panels])
    for ax, (axis, chosen, title) in zip(axes, panels, strict=True):
        _draw(ax, _view(sites, axis), chosen, occupancy)
        ax.set_title(title, fontsize=9)
    if sites.layer_axis >= 0:
        _name_layers(axes[-1], _view(sites, panels[-1][0]))
    _legend(axes, sites, occupancy)
    return axes


def _panels(sites: Sites) -> list[tuple[int, BoolArray, str]]:
    """Return for each panel along which cell vector one looks, which sites are shown, and a title."""
    axis = sites.layer_axis
    if axis < 0:
        return [(k, *_slab(sites, k)) for k in (2, 1)]
    number = np.arange(sites.layer.max() + 1)
    cations = np.array([(~sites.open & (sites.layer == n)).sum() for n in number])
    shown = sorted({int(cations.argmin()), int(cations.argmax())})
    if len(shown) == 1:
        shown = [0, 1]
    side = (axis + 1) % 3
    layers = [(axis, sites.layer == n, f"layer {n} along {'abc'[axis]}: {_content(sites, n)}") for n in shown]
    return [*layers, (side, *_slab(sites, side))]


def _slab(sites: Sites, axis: int) -> tuple[BoolArray, str]:
    """Return which sites are near enough to the front of the cell, so that they are not too many; a title."""
    name, height = "abc"[axis], 1 / float(np.linalg.norm(np.linalg.inv(sites.cell)[:, axis]))
    area = abs(float(np.linalg.det(sites.cell))) / height
    part = DENSE * area / len(sites)
    if part >= 1 or sites.layer_axis >= 0:  # of layers, sites lie behind each other
        return np.ones(len(sites), bool), f"all sites along {name}"
    depth = (sites.positions @ np.linalg.inv(sites.cell))[:, axis]
    return (depth + SKIN) % 1 < part, f"a slab of {part * height:.1f} Å along {name}"


def _content(sites: Sites, layer: int) -> str:
    mine = sites.layer == layer
    held, count = np.unique(sites.held[mine & ~sites.open], return_counts=True)
    cations = [f"{n} {element}" for element, n in zip(held, count, strict=True)]
    return ", ".join([f"{(mine & (sites.kind == 'oct')).sum()} oct", *cations])


def _view(sites: Sites, axis: int) -> _View:
    """Look along a cell vector; layers lie flat in the picture."""
    across, up = (axis + 1) % 3, (axis + 2) % 3
    if across == sites.layer_axis:
        across, up = up, across
    along = sites.cell[axis] / np.linalg.norm(sites.cell[axis])
    right = sites.cell[across] - sites.cell[across] @ along * along
    right /= np.linalg.norm(right)
    upward = np.cross(along, right)
    upward *= np.sign(sites.cell[up] @ upward)
    return _View(sites, axis, across, up, sites.cell @ np.stack([right, upward], axis=1))


def _draw(ax: "Axes", view: _View, chosen: BoolArray, occupancy: Array | None) -> None:
    outline = view.outline()
    scale = 72 * 0.85 * PANEL / view.span().max()  # points per Å
    ax.plot(*outline.T, color=SOFT, lw=0.8, zorder=1)
    places = view.sites.positions @ np.linalg.inv(view.sites.cell)
    _draw_anions(ax, view, chosen, scale)
    _draw_links(ax, view, places, chosen)
    for kind in MARKERS:
        _draw_open(ax, view, places, (view.sites.kind == kind) & chosen & view.sites.open, occupancy, scale)
    _draw_blocked(ax, view, places, chosen & _next_to_cation(view.sites), scale)
    _draw_held(ax, view, places, chosen & ~view.sites.open, scale)
    low, high = outline.min(axis=0) - EDGE, outline.max(axis=0) + EDGE
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_aspect("equal")
    ax.set_xlabel(f"{'abc'[view.across]} (Å)")
    ax.set_ylabel(f"{'abc'[view.up]} (Å)")


def _points(width: float, scale: float) -> float:
    """Return the width of a symbol, points, of one that is so wide in Å."""
    return float(np.clip(width * scale, *POINTS))


def _draw_anions(ax: "Axes", view: _View, chosen: BoolArray, scale: float) -> None:
    tiling = view.sites.tiling
    if tiling is None or not chosen.any():
        return
    mine = np.unique(np.concatenate([v for v, c in zip(view.sites.vertices, chosen, strict=True) if c]))
    places = tiling.reference[np.isin(tiling.anions, mine)] @ np.linalg.inv(view.sites.cell)
    _, points = view.copies(places)
    ax.scatter(
        points[:, 0], points[:, 1], s=_points(0.35, scale) ** 2, color=GREY, alpha=0.6, linewidths=0, zorder=2
    )


def _draw_links(ax: "Axes", view: _View, places: Array, chosen: BoolArray) -> None:
    """Draw a line between sites that share a face, if one of its ends is in the picture."""
    from matplotlib.collections import LineCollection

    faces = view.sites.links.faces
    both = chosen[faces.pairs].all(axis=1) & view.sites.open[faces.pairs].all(axis=1)
    first = places[faces.pairs[both, 0]]
    vector = places[faces.pairs[both, 1]] + faces.shifts[both] - first
    first[:, [view.across, view.up]] %= 1
    lines = []
    for shift in view.shifts():
        ends = np.stack([first + shift, first + shift + vector])
        seen = view.inside(ends[0]) | view.inside(ends[1])
        lines.append((ends[:, seen] @ view.flat).transpose(1, 0, 2))
    segments: Any = np.concatenate(lines)
    ax.add_collection(LineCollection(segments, colors=SOFT, linewidths=0.5, alpha=0.45, zorder=2))


def _draw_open(
    ax: "Axes", view: _View, places: Array, mine: BoolArray, occupancy: Array | None, scale: float
) -> None:
    if not mine.any():
        return
    kind = str(view.sites.kind[mine][0])
    rows, points = view.copies(places[mine])
    strength = np.full(len(rows), PALE) if occupancy is None else np.clip(occupancy[mine][rows], 0, 1)
    order = np.argsort(strength, kind="stable")
    ax.scatter(
        points[order, 0],
        points[order, 1],
        s=_points(SIZES[kind], scale) ** 2,
        marker=MARKERS[kind],
        facecolors=_fill(kind, strength[order]),
        edgecolors=SITE_COLOURS[kind],
        linewidths=0.9,
        zorder=3,
    )


def _fill(kind: str, strength: Array) -> Array:
    """Return the colour of a kind of site, the paler the less its strength, (n, 3)."""
    from matplotlib.colors import to_rgb

    colours: Array = 1 - strength[:, None] * (1 - np.array(to_rgb(SITE_COLOURS[kind])))
    return colours


def _next_to_cation(sites: Sites) -> BoolArray:
    """Return which open sites share a face with a site that holds a framework cation."""
    pairs = sites.links.faces.pairs
    found = np.zeros(len(sites), bool)
    for one, other in (pairs.T, pairs.T[::-1]):
        found[one[~sites.open[other]]] = True
    return found & sites.open


def _draw_blocked(ax: "Axes", view: _View, places: Array, mine: BoolArray, scale: float) -> None:
    _, points = view.copies(places[mine])
    ax.scatter(
        points[:, 0],
        points[:, 1],
        s=(0.5 * _points(1.0, scale)) ** 2,
        marker="x",
        color=INK,
        linewidths=0.9,
        zorder=4,
    )


def _draw_held(ax: "Axes", view: _View, places: Array, mine: BoolArray, scale: float) -> None:
    rows, points = view.copies(places[mine])
    names = view.sites.held[mine][rows]
    width = _points(1.6, scale)
    ax.scatter(
        points[:, 0],
        points[:, 1],
        s=width**2,
        color=_atom_colours(names),
        edgecolors=INK,
        linewidths=0.7,
        zorder=5,
    )
    if width < 9:
        return
    _, once = np.unique(np.round(points / NEAR), axis=0, return_index=True)
    for (x, y), name in zip(points[once], names[once], strict=True):
        ax.text(x, y, name, ha="center", va="center_baseline", fontsize=0.5 * width, color=INK, zorder=6)


def _atom_colours(names: Sequence[str] | NDArray[np.str_]) -> Array:
    """Return the usual colour of each element; of several in one site that of the first."""
    colours: Array = jmol_colors[[atomic_numbers[str(n).split("+", maxsplit=1)[0]] for n in names]]
    return colours.reshape(-1, 3)


def _name_layers(ax: "Axes", view: _View) -> None:
    """Write the number of every layer beside it, and draw a band behind every second one."""
    top = view.flat[view.sites.layer_axis][1]
    layers = layers_in(view.sites)
    thick = top / len(layers)
    for layer in layers:
        for shift in (-1, 0, 1):
            height = top * (layer.height + shift)
            low, high = max(height - thick / 2, 0), min(height + thick / 2, top)
            if layer.layer % 2 == 0 and low < high:
                ax.axhspan(low, high, color=GREY, alpha=0.12, lw=0, zorder=0)
            if len(layers) <= 12 and -MARGIN < height / top < 1 + MARGIN:
                _beside(ax, height, str(layer.layer))


def _beside(ax: "Axes", height: float, text: str) -> None:
    place = (1.02, height)
    ax.annotate(text, place, xycoords=("axes fraction", "data"), va="center", fontsize=8, color=SOFT)


def _legend(axes: "Sequence[Axes]", sites: Sites, occupancy: Array | None) -> None:
    from matplotlib.lines import Line2D

    def symbol(marker: str, name: str, **options: Any) -> Line2D:
        return Line2D([], [], ls="", marker=marker, label=name, **{"ms": 7, **options})

    handles = []
    strength = PALE if occupancy is None else 0.0
    kinds = [k for k in MARKERS if (sites.open & (sites.kind == k)).any()]
    maxima = not sites.coordination.any()
    for kind in kinds:
        face, edge = _fill(kind, np.array([strength]))[0], SITE_COLOURS[kind]
        handles.append(symbol(MARKERS[kind], "maximum" if maxima else NAMES[kind], mfc=tuple(face), mec=edge))
    if occupancy is not None:
        handles += [symbol(MARKERS[k], "always occupied", color=SITE_COLOURS[k]) for k in kinds[:1]]
    if _next_to_cation(sites).any():
        handles.append(symbol("x", "shares a face with a cation", color=INK, ms=5))
    for element in np.unique(sites.held[~sites.open]):
        handles.append(symbol("o", str(element), mfc=_atom_colours([element])[0], mec=INK, ms=8))
    if sites.tiling is not None:
        handles.append(symbol("o", "vertex", color=GREY, ms=3))
    handles.append(Line2D([], [], color=SOFT, lw=0.7, label="touching basins" if maxima else "shared face"))
    rows = -(-len(handles) // (2 * len(axes)))
    columns = -(-len(handles) // rows)
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8)


def _new_row(views: "Sequence[_View]") -> "list[Axes]":
    from matplotlib.figure import Figure

    spans = np.array([view.span() for view in views])
    tall = min(2.0, float((spans[:, 1] / spans[:, 0]).max()))
    figure = Figure(figsize=(len(views) * PANEL + 0.3, 0.87 * PANEL * tall + 1.3), layout="constrained")
    return list(figure.subplots(1, len(views)))
