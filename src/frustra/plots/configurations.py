"""Local configurations drawn: an ion in its polyhedron, with its neighbours, vacancies and cations."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from scipy.spatial import ConvexHull

from frustra.analysis.configurations import LEAST, Configuration, Configurations
from frustra.analysis.surroundings import Surroundings, surroundings_of
from frustra.arrays import Array, IntArray
from frustra.plots.style import GREY, INK, SITE_COLOURS, SOFT
from frustra.plots.surface import camera
from frustra.sites import SITE_KINDS, Sites
from frustra.snapshots import Snapshots
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF = 4.9
"""Å from the ion to the edge of its picture."""

ION, ATOM = 0.62, 0.42
"""Radii in a picture: of mobile ions, Å; of other atoms, in covalent radii."""

VACANCY = {"oct": 0.5, "tet": 0.34, "other": 0.42}
"""Radii of empty sites in a picture, Å."""

SHADES = 10
"""Circles of which a ball is drawn."""

FLAT = 0.97
"""Cosine of the angle above which two triangles are one face, and their common edge is not drawn."""

MIST = 0.45
"""How far the most distant things fade into white."""

MUTED = 0.3
"""How far the usual colours of atoms are drawn towards grey."""

TURN, TILT = 18.0, 14.0
"""Direction of the view, degrees: see `camera`."""

ROWS = ("Most frequent", "Lowest energy", "Highest energy")


def plot_configurations(
    configurations: Configurations,
    snapshots: Sequence[Snapshots],
    sites: Sites,
    count: int = 3,
    least: int = LEAST,
) -> "list[Axes]":
    """Draw the most frequent configurations, and those of the lowest and the highest mean energy.

    Each is shown by the state whose energy is nearest to its mean, all in one direction of view.

    Parameters
    ----------
    configurations
        At one temperature.
    snapshots
        Of that temperature: those of each run, in the order of the runs' numbers.
    sites
        Of the table that the configurations were found in.
    count
        How many of each.
    least
        States that a configuration must have to be among the lowest or the highest.

    Returns
    -------
    list
        Axes row by row, from the most frequent to the highest; places without a configuration are empty.
    """
    from matplotlib.figure import Figure

    chosen = (
        configurations.most_frequent(count),
        configurations.lowest(count, least),
        configurations.highest(count, least),
    )
    figure = Figure(figsize=(2.45 * count + 0.3, 3 * 2.85 + 0.8))
    grid = figure.subplots(3, count, squeeze=False)
    figure.subplots_adjust(left=0.05, right=0.995, top=0.94, bottom=0.075, wspace=0.02, hspace=0.25)
    drawn = []
    for row, name, found in zip(grid, ROWS, chosen, strict=True):
        box = row[0].get_position()
        figure.text(0.012, (box.y0 + box.y1) / 2, name, rotation=90, va="center", weight="bold")
        for ax in row[len(found) :]:
            ax.set_axis_off()
        for ax, configuration in zip(row, found, strict=False):
            around = _around(configuration, snapshots, sites)
            _draw(ax, configuration, around, snapshots[configuration.run])
            drawn.append(around)
    what = "mean energy above the lowest state · part of all states"
    figure.suptitle(f"Local configurations at {configurations.temperature:g} K: {what}", fontsize=9.5, y=0.99)
    _legend(figure, drawn, _specie(configurations.found[0], snapshots))
    return [ax for row in grid for ax in row]


def plot_configuration(
    configuration: Configuration, snapshots: Sequence[Snapshots], sites: Sites, ax: "Axes | None" = None
) -> "Axes":
    """Draw one configuration: the ion, its polyhedron of anions, and what is in the neighbouring sites.

    Balls with a colour of `SITE_COLOURS` are mobile ions, the outlined one the ion itself; dashed circles are
    vacancies in the same colours; all others are atoms of the framework. Its energy and frequency stand
    above, what is around it below.

    Parameters
    ----------
    configuration, snapshots, sites
        As for `plot_configurations`.
    ax
        Axes with two dimensions, or new ones.

    Raises
    ------
    AnalysisError
        A representative that is in no polyhedron.
    DataError
        Sites of another crystal.
    """
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(3.0, 3.6), layout="constrained").subplots()
    _draw(ax, configuration, _around(configuration, snapshots, sites), snapshots[configuration.run])
    return ax


def _around(configuration: Configuration, snapshots: Sequence[Snapshots], sites: Sites) -> Surroundings:
    frames = snapshots[configuration.run]
    return surroundings_of(frames, configuration.snapshot, configuration.ion, sites)


def _specie(configuration: Configuration, snapshots: Sequence[Snapshots]) -> str:
    return chemical_symbols[int(snapshots[configuration.run].numbers[configuration.ion])]


def _draw(ax: "Axes", configuration: Configuration, around: Surroundings, frames: Snapshots) -> None:
    view = camera(frames.cell, TURN, TILT)
    _paint(ax, around, view)
    _triad(ax, frames.cell, view)
    specie = chemical_symbols[int(frames.numbers[configuration.ion])]
    energy = _with_error(MEV * configuration.mean, MEV * configuration.mean_std)
    ax.set_title(f"{energy} meV · {100 * configuration.fraction:.2g} %", fontsize=9, pad=1.5)
    ax.text(
        0.5,
        0.0,
        _told(around, specie),
        transform=ax.transAxes,
        ha="center",
        va="top",
        fontsize=7.5,
        color=SOFT,
    )
    ax.set_xlim(-HALF, HALF)
    ax.set_ylim(-HALF, HALF)
    ax.set_aspect("equal")
    ax.set_axis_off()


def _with_error(value: float, error: float) -> str:
    """Return a value with its error, to the first digit of it but no more than hundredths."""
    if np.isnan(error):
        return f"{value:.0f}"
    digits = int(np.clip(-np.floor(np.log10(max(error, 1e-9))), 0, 2))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _triad(ax: "Axes", cell: Array, view: Array) -> None:
    """Draw the directions of the cell vectors into the lower left corner."""
    start = np.array([-0.84, -0.8]) * HALF
    for vector, name in zip(cell, "abc", strict=True):
        end = start + 0.16 * HALF * view[:2] @ vector / np.linalg.norm(vector)
        ax.plot(*np.stack([start, end], axis=1), color=SOFT, lw=0.9, solid_capstyle="round")
        x, y = end + 0.38 * (end - start) + 0.04 * (end - start) / max(np.linalg.norm(end - start), 0.1)
        ax.text(x, y, name, ha="center", va="center", fontsize=6.5, style="italic", color=SOFT)


def _told(around: Surroundings, specie: str) -> str:
    """Return the counts of what is around an ion in two lines."""
    ions = [f"{specie} in {kind}" for kind in SITE_KINDS for k in around.ion_kinds if k == kind]
    cations = sorted(chemical_symbols[z] for z in around.cation_numbers)
    empty = [kind for kind in SITE_KINDS for k in around.vacancy_kinds if k == kind]
    return f"{specie} in {around.kind}; near: {_counted([*ions, *cations])}\nempty: {_counted(empty)}"


def _counted(names: Sequence[str]) -> str:
    counts = Counter(names)
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"


def _legend(figure: "Figure", drawn: Sequence[Surroundings], specie: str) -> None:
    """Tell what the balls are."""
    from matplotlib.lines import Line2D

    ball: dict[str, Any] = {"ls": "", "marker": "o", "mec": SOFT, "mew": 0.5}
    full = [k for k in SITE_KINDS if any(k in {a.kind, *a.ion_kinds} for a in drawn)]
    empty = [k for k in SITE_KINDS if any(k in a.vacancy_kinds for a in drawn)]
    atoms = dict.fromkeys(z for a in drawn for z in [*a.vertex_numbers, *a.cation_numbers])
    handles = [Line2D([], [], ms=7.5, label=f"{specie} in {k}", color=SITE_COLOURS[k], **ball) for k in full]
    hollow: dict[str, Any] = {"ls": "", "marker": "o", "mfc": "none"}
    handles += [Line2D([], [], ms=7, label=f"empty {k}", mec=SITE_COLOURS[k], **hollow) for k in empty]
    handles += [
        Line2D([], [], ms=7, label=chemical_symbols[z], color=tuple(_muted(z)), **ball) for z in atoms
    ]
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), handletextpad=0.1, columnspacing=1.2
    )


def _muted(number: int) -> Array:
    """Return the colour of an element, less loud than usual."""
    colour: Array = (1 - MUTED) * jmol_colors[number] + MUTED * 0.6
    return colour


class _Things:
    """Patches with their distance to the viewer, to be drawn the most distant first."""

    def __init__(self, view: Array) -> None:
        self.view = view
        self.patches: list[tuple[float, list[Any]]] = []

    def add(self, place: Array, patches: list[Any], nearer: float = 0.0) -> None:
        """Add what is drawn as one."""
        self.patches.append((float(place @ self.view[2]) + nearer, patches))

    def draw(self, ax: "Axes") -> None:
        """Draw everything."""
        from matplotlib.collections import PatchCollection

        ordered = [p for _, group in sorted(self.patches, key=lambda item: item[0]) for p in group]
        ax.add_collection(PatchCollection(ordered, match_original=True))

    def flat(self, places: Array) -> Array:
        """Return where places are in the picture, (…, 2)."""
        seen: Array = places @ self.view[:2].T
        return seen

    def faded(self, colour: Any, place: Array) -> Array:
        """Return a colour as it looks from afar."""
        part = MIST * np.clip((HALF - float(place @ self.view[2])) / (2 * HALF), 0, 1)
        faded: Array = (1 - part) * np.asarray(colour, dtype=float) + part
        return faded


def _paint(ax: "Axes", around: Surroundings, view: Array) -> None:
    from matplotlib.colors import to_rgb

    things = _Things(view)
    own = np.array(to_rgb(SITE_COLOURS[around.kind]))
    _polyhedron(things, around.vertices, own)
    for place in around.vertices:
        _stick(things, place)
    _atoms(things, around.vertices, around.vertex_numbers)
    _atoms(things, around.cations, around.cation_numbers)
    for place, kind in zip(around.ions, around.ion_kinds, strict=True):
        _ball(things, place, ION, np.array(to_rgb(SITE_COLOURS[kind])), SOFT, 0.5)
    for place, kind in zip(around.vacancies, around.vacancy_kinds, strict=True):
        _hollow(things, place, VACANCY[kind], np.array(to_rgb(SITE_COLOURS[kind])))
    _ball(things, np.zeros(3), 1.12 * ION, own, INK, 1.6)
    things.draw(ax)


def _atoms(things: _Things, places: Array, numbers: IntArray) -> None:
    for place, number in zip(places, numbers, strict=True):
        _ball(things, place, ATOM * float(covalent_radii[number]), _muted(int(number)), SOFT, 0.4)


def _ball(things: _Things, place: Array, radius: float, colour: Array, edge: str, width: float) -> None:
    """Add a ball that is lit from the upper left."""
    from matplotlib.patches import Circle

    x, y = things.flat(place)
    base = things.faded(colour, place)
    rim = Circle((x, y), radius, fc=0.72 * base, ec=things.faded(_rgb(edge), place), lw=width)
    circles = [rim]
    for part in np.linspace(0, 1, SHADES)[1:-1]:
        tone = 0.72 + 0.28 * min(1.0, 1.5 * part)
        white = max(0.0, part - 0.55) ** 2 * 2.2
        shade = (1 - white) * tone * base + white
        middle = (x - 0.36 * part * radius, y + 0.36 * part * radius)
        circles.append(Circle(middle, radius * (1 - part) ** 0.8 * 0.97, fc=shade, ec="none", lw=0))
    things.add(place, circles, radius)


def _hollow(things: _Things, place: Array, radius: float, colour: Array) -> None:
    from matplotlib.patches import Circle

    faded = things.faded(colour, place)
    inside, rim = (*faded, 0.07), (*faded, 1.0)
    x, y = things.flat(place)
    things.add(place, [Circle((x, y), radius, fc=inside, ec=rim, lw=0.8, ls=(0, (2.5, 1.6)))])


def _stick(things: _Things, place: Array) -> None:
    """Add the bond between the ion and an anion."""
    from matplotlib.patches import Polygon

    ends = things.flat(np.array([0.15 * place, place]))
    colour = things.faded(_rgb(GREY), place / 2)
    things.add(place / 2, [Polygon(ends, closed=False, fill=False, ec=colour, lw=1.6)])


def _polyhedron(things: _Things, vertices: Array, colour: Array) -> None:
    """Add the faces and edges of the polyhedron around the ion."""
    from matplotlib.patches import Polygon

    hull = ConvexHull(vertices, qhull_options="QJ")
    for triangle in hull.simplices:
        corners = vertices[triangle]
        face = Polygon(things.flat(corners), closed=True, fc=(*colour, 0.13), ec="none", lw=0)
        things.add(corners.mean(axis=0), [face])
    for one, other in _edges(hull):
        ends = vertices[[one, other]]
        dark = things.faded(0.75 * colour, ends.mean(axis=0))
        things.add(ends.mean(axis=0), [Polygon(things.flat(ends), closed=False, fill=False, ec=dark, lw=1.1)])


def _edges(hull: Any) -> list[tuple[int, int]]:
    """Return the edges between faces that are not in one plane."""
    found = []
    for i, triangle in enumerate(hull.simplices):
        for k, j in enumerate(hull.neighbors[i]):
            flat = hull.equations[i, :3] @ hull.equations[j, :3] > FLAT
            one, other = (int(v) for n, v in enumerate(triangle) if n != k)
            if i < j and not flat:
                found.append((one, other))
    return found


def _rgb(colour: str) -> Array:
    from matplotlib.colors import to_rgb

    return np.array(to_rgb(colour))
