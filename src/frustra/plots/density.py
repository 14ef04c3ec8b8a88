"""Figures of where the mobile ions are: a surface of their density, and what it is seen along the axes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors

from frustra.analysis.volume.ions import IonDensity, folded
from frustra.arrays import Array
from frustra.plots.style import BLUE, GREY, INK, SOFT
from frustra.plots.surface import balls, camera, draw_cell, draw_mesh, isosurface, together
from frustra.sites.peaks import smeared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENCLOSED = 0.9
"""Part of the mobile ions that the surface encloses."""

SMOOTH = 0.25
"""Å: standard deviation of the Gaussian that figures smear the density with, beyond its own."""

BALL = 0.38
"""Radius of a framework atom in covalent radii."""

MARGIN = 0.02
"""In cell vectors: atoms so near to a face of the cell are drawn on the opposite face as well."""

EDGE = 0.4
"""Room around a projection, Å."""

DARKER = 0.8
"""Of the colours of atoms, where they are thin rings."""

NAMES = ("a", "b", "c")


def plot_density(density: IonDensity, ax: "Axes | None" = None, enclosed: float = ENCLOSED) -> "Axes":
    """Draw the surface that encloses most of the mobile ions, among the atoms of the framework.

    Of a supercell whose density was averaged over its translations, one cell is drawn. The density is
    smeared by 0.25 Å first.

    Parameters
    ----------
    density
        What to draw.
    ax
        Axes with two dimensions, or new ones.
    enclosed
        The part of the ions inside: it sets the level of the surface.
    """
    ax = ax or _new_axes()
    part = _smooth(folded(density))
    level, view = part.level(enclosed), camera(part.cell)
    surface = isosurface(part.values, part.cell, level, BLUE)
    atoms = _with_copies(_placed(part))
    colours = jmol_colors[atoms.numbers]
    draw_mesh(
        ax, together([surface, balls(atoms.positions, BALL * covalent_radii[atoms.numbers], colours)]), view
    )
    draw_cell(ax, part.cell, view, SOFT)
    _legend(ax, density.specie, atoms)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(f"{_name(density)}: {enclosed:.0%} inside the surface of {level:.2g} Å$^{{-3}}$", fontsize=9)
    return ax


def plot_projections(density: IonDensity, axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
    """Draw the density integrated along a, b and c (Å⁻²), with the framework atoms as rings.

    Parameters
    ----------
    density
        What to draw; of a supercell, as in `plot_density`.
    axes
        Three, or new ones.
    """
    axes = list(axes) if axes is not None else list(_new_figure(9.6, 3.3).subplots(1, 3))
    part = _smooth(folded(density))
    top = max(float(part.projection(axis).max()) for axis in range(3))
    for axis, ax in enumerate(axes):
        _draw_projection(ax, part, axis, top)
    figure = cast("Figure", axes[0].figure)
    image = axes[0].collections[0]
    figure.colorbar(image, ax=axes, shrink=0.8, pad=0.01, label=f"{density.specie} per area (Å$^{{-2}}$)")
    return axes


def density_figure(density: IonDensity) -> "Axes":
    """Draw the surface and the three projections into one new figure, and return the axes of the surface."""
    figure = _new_figure(9.6, 7.6)
    axes = figure.subplot_mosaic([["all"] * 3, list(NAMES)], height_ratios=[1.35, 1])
    ax = plot_density(density, axes["all"])
    plot_projections(density, [axes[name] for name in NAMES])
    return ax


def _new_figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _new_axes() -> "Axes":
    return _new_figure(5.2, 5.0).subplots()


def _name(density: IonDensity) -> str:
    at = f" at {density.temperature:g} K" if np.isfinite(density.temperature) else ""
    return f"{density.specie}{at}"


def _smooth(density: IonDensity) -> IonDensity:
    return replace(density, values=smeared(density.values, density.cell, SMOOTH))


def _placed(density: IonDensity) -> Atoms:
    """Return the framework with the first point of the grid at the corner of the cell."""
    atoms: Atoms = density.framework.copy()
    atoms.positions -= density.origin
    atoms.wrap()
    return atoms


def _with_copies(atoms: Atoms) -> Atoms:
    """Return the atoms with the copies of those at the faces of the cell."""
    places, numbers, shown = atoms.get_scaled_positions(), atoms.numbers, []
    for shift in product((-1, 0, 1), repeat=3):
        copy = places + shift
        inside = ((copy > -MARGIN) & (copy < 1 + MARGIN)).all(axis=1)
        shown += [Atoms(numbers[inside], scaled_positions=copy[inside], cell=atoms.cell)]
    total = shown[0]
    for more in shown[1:]:
        total += more
    return total


def _legend(ax: "Axes", specie: str, atoms: Atoms) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=BLUE, label=specie)]
    symbol: dict[str, Any] = {"ls": "", "marker": "o", "ms": 7, "mec": GREY, "mew": 0.5}
    kinds = dict.fromkeys(atoms.numbers.tolist())
    handles += [Line2D([], [], color=jmol_colors[z], label=chemical_symbols[z], **symbol) for z in kinds]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)


def _draw_projection(ax: "Axes", density: IonDensity, axis: int, top: float) -> None:
    """Draw the density integrated along one cell vector, in the plane normal to it."""
    across, up = ((1, 2), (2, 0), (0, 1))[axis]
    flat = _plane(density.cell, axis, across)
    values = density.projection(axis)
    values = values.T if across > up else values
    points = [np.arange(n + 1) / n for n in values.shape]
    x, y = np.moveaxis(np.stack(np.meshgrid(*points, indexing="ij"), axis=-1) @ flat[[across, up]], -1, 0)
    values = np.pad(values, [(0, 1)] * 2, mode="wrap")
    ax.pcolormesh(x, y, values, cmap="magma_r", vmin=0, vmax=top, shading="gouraud", rasterized=True)
    atoms = _with_copies(_placed(density))
    places = atoms.positions @ np.linalg.inv(density.cell) @ flat
    ax.scatter(
        places[:, 0],
        places[:, 1],
        s=26,
        facecolors="none",
        edgecolors=DARKER * jmol_colors[atoms.numbers],
        linewidths=1.1,
    )
    ax.set_xlim(x.min() - EDGE, x.max() + EDGE)
    ax.set_ylim(y.min() - EDGE, y.max() + EDGE)
    ax.set_aspect("equal")
    ax.set_title(f"along {NAMES[axis]}", fontsize=9)
    ax.set_xlabel(f"{NAMES[across]} (Å)")
    ax.set_ylabel(f"{NAMES[up]} (Å)")
    ax.tick_params(colors=INK)


def _plane(cell: Array, axis: int, across: int) -> Array:
    """Return the cell vectors as they look along one of them, (3, 2), Å; a second one points to the right."""
    along = cell[axis] / np.linalg.norm(cell[axis])
    right = cell[across] - cell[across] @ along * along
    right /= np.linalg.norm(right)
    flat: Array = cell @ np.stack([right, np.cross(along, right)], axis=1)
    return flat
