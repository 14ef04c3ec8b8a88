"""Figures of `frustra doas`: densities with their bands and kernel densities, for one material or several."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from frustra.analysis.density import Density
from frustra.errors import AnalysisError
from frustra.plots.states import legend_of, plot_doas
from frustra.plots.style import INK, SOFT
from frustra.surveys.doas import Doas
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ZEROS = {"min": "above the lowest state", "quantile": "above the 1 % quantile", "none": "as it is"}

KERNEL = "#7a1f5c"


def plot_densities(found: Sequence[Doas]) -> "list[Axes]":
    """Draw the DOAS of every temperature, hottest on top, one column for each material.

    Ticks below the curves are the centres of the bands, dotted lines the Gaussians fitted to them; with a
    kernel density, that is drawn too and its bandwidth told.
    """
    densities = [list(one.densities) for one in found]
    drawn = _columns(densities, [one.found.name for one in found], [one.doubtful for one in found])
    for one, axes in zip(found, drawn, strict=True):
        for number, (ax, density) in enumerate(zip(reversed(axes), one.densities, strict=True)):
            _draw_bands(ax, density)
            if one.kernel is not None:
                ax.plot(MEV * one.kernel.energy, one.kernel.density[number], color=KERNEL, lw=0.9)
        axes[-1].set_xlabel(f"Energy of {one.table.specie} {ZEROS[one.settings.zero]} (meV)")
        if one.kernel is not None:
            _tell_bandwidth(axes[0], one.kernel.bandwidth)
    return [ax for axes in drawn for ax in axes]


def plot_sublattice(found: Sequence[Doas]) -> "list[Axes]":
    """Draw the distribution over snapshots of the mobile ions' summed energy, per ion.

    Raises
    ------
    AnalysisError
        The snapshots of a material are not known.
    """
    densities = []
    for one in found:
        if isinstance(one.sublattice, AnalysisError):
            raise one.sublattice
        densities.append(list(one.sublattice))
    drawn = _columns(densities, [one.found.name for one in found], [one.doubtful for one in found])
    for one, axes in zip(found, drawn, strict=True):
        axes[-1].set_xlabel(f"Energy of all {one.table.specie} of a snapshot, per ion (meV)")
    return [ax for axes in drawn for ax in axes]


def plot_framework(found: Sequence[Doas]) -> "list[Axes]":
    """Draw the density of every other element, one column for each of a material.

    Raises
    ------
    AnalysisError
        No energies of other elements.
    """
    every = [(one, name, list(densities)) for one in found for name, densities in one.framework.items()]
    if not every:
        raise AnalysisError("no energies of other elements", "a run's folder", found[0].found.no_framework)
    names = [name if len(found) == 1 else f"{one.found.name}, {name}" for one, name, _ in every]
    drawn = _columns([d for *_, d in every], names, [one.doubtful for one, *_ in every])
    for (one, name, _), axes in zip(every, drawn, strict=True):
        axes[-1].set_xlabel(f"Energy of {name} {ZEROS[one.settings.zero]} (meV)")
    return [ax for axes in drawn for ax in axes]


def _columns(
    densities: Sequence[list[Density]], names: Sequence[str], doubtful: Sequence[Sequence[float]]
) -> "list[list[Axes]]":
    """Draw each list of densities into a column of axes; return the columns."""
    if len(densities) == 1:
        only = plot_doas(densities[0], doubtful=doubtful[0])
        _show_all(only, densities[0])
        return [only]
    from matplotlib.figure import Figure

    rows = max(len(d) for d in densities)
    height = 1.05 + 1.0 * rows
    figure = Figure(figsize=(0.6 + 3.4 * len(densities), height))
    grid = figure.subplots(rows, len(densities), squeeze=False, sharex="col")
    figure.subplots_adjust(
        left=0.05, right=0.98, bottom=0.5 / height, top=1 - 0.5 / height, hspace=0, wspace=0.06
    )
    figure.supylabel("Density of atomistic states", fontsize=9.5, x=0.005)
    drawn = []
    for column, (mine, name, doubts) in enumerate(zip(densities, names, doubtful, strict=True)):
        axes = list(grid[rows - len(mine) :, column])
        for ax in grid[: rows - len(mine), column]:
            ax.set_axis_off()
        drawn.append(plot_doas(mine, axes, doubts))
        _show_all(axes, mine, 0.45)  # narrow: the text stands beside the states
        axes[0].set_title(name, fontsize=9.5)
        if legend_of(mine):
            axes[-1].legend(handles=legend_of(mine), loc="center", fontsize=7)
    return drawn


def _tell_bandwidth(ax: "Axes", bandwidth: float) -> None:
    """Tell the bandwidth (eV) of a kernel density: in the title where there is one."""
    text = f"kernel density, bandwidth {MEV * bandwidth:.3g} meV"
    if ax.get_title():
        ax.set_title(f"{ax.get_title()}\n{text}", fontsize=8.5)
    else:
        ax.text(0.015, 0.92, text, transform=ax.transAxes, va="top", fontsize=8, color=KERNEL)


def _show_all(axes: "Sequence[Axes]", densities: Sequence[Density], right: float = 0.1) -> None:
    """Let the axes begin and end where 99.9 % of the states of every temperature do, with margins."""
    ends = [np.inf, -np.inf]
    for density in densities:
        part = np.cumsum(density.total) / density.total.sum()
        ends[0] = min(ends[0], density.edges[int(np.searchsorted(part, 0.0005))])
        ends[1] = max(ends[1], density.edges[1 + int(np.searchsorted(part, 0.9995))])
    extent = ends[1] - ends[0]
    for ax in axes:
        ax.set_xlim(MEV * (ends[0] - 0.05 * extent), MEV * (ends[1] + right * extent))


def _draw_bands(ax: "Axes", density: Density) -> None:
    """Draw the Gaussians of the bands as thin lines, and their centres as ticks on the axis."""
    if len(density.bands) == 0:
        return
    low, high = density.edges[0], density.edges[-1]
    energy = np.linspace(low, high, 1000)
    for band in density.bands:
        width = max(band.width.value, density.width / 4)
        shape = np.exp(-0.5 * ((energy - band.centre.value) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        ax.plot(MEV * energy, band.weight.value * shape, color=SOFT, lw=0.6, ls=":")
    centres = [MEV * band.centre.value for band in density.bands]
    ax.plot(centres, [0.0] * len(centres), "|", color=INK, ms=7, mew=1.1, clip_on=False, zorder=5)
