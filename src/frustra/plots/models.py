"""The figure of several models: the density of states of each class as a band."""

from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.model_error import ModelComparison, ModelDensity
from frustra.plots.states import CONTRASTS, SITE_NAMES
from frustra.plots.style import INK, SITE_COLOURS, figure_of, new_axes
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TAIL = 0.001
"""Part of the states that may lie beyond either end of the axis."""


def plot_models(found: ModelComparison, by: str = "site") -> "list[Axes]":
    """Draw the DOAS at every temperature, hottest on top: mean of the models, and the band that holds all.

    Parameters
    ----------
    found
        Of two models or more.
    by
        What tells the classes apart.
    """
    names = [n for n in found.densities[0].parts if any(d.parts[n].any() for d in found.densities)]
    colours = SITE_COLOURS if by == "site" else dict(zip(names, CONTRASTS * len(names), strict=False))
    axes = new_axes(len(found.densities), 5.2, 0.8 + 1.05 * len(found.densities), sharex=True)
    low, high = _window(found)
    for ax, density in zip(axes, reversed(found.densities), strict=True):
        for name in names:
            _draw(ax, density, name, colours[name])
        ax.set_xlim(MEV * low, MEV * high)
        ax.set_ylim(bottom=0)
        ax.tick_params(labelleft=False, left=False, which="both")
        ax.text(
            0.985,
            0.86,
            f"{density.temperature:g} K",
            weight="bold",
            transform=ax.transAxes,
            ha="right",
            va="top",
        )
    axes[0].legend(
        handles=[_patch(colours[n], SITE_NAMES.get(n, n)) for n in names],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
    )
    axes[-1].set_xlabel("Energy of the mobile ion, models aligned (meV)")
    figure_of(axes[0]).supylabel("Density of atomistic states", fontsize=9.5)
    return axes


def _draw(ax: "Axes", density: ModelDensity, name: str, colour: str) -> None:
    """Draw one class: its mean, every model, and the band from the lowest to the highest of them."""
    values, edges = density.parts[name][density.members], MEV * density.edges
    if not values.any():
        return
    ax.stairs(
        values.max(axis=0), edges, baseline=values.min(axis=0), fill=True, color=colour, alpha=0.3, lw=0
    )
    ax.stairs(values.mean(axis=0), edges, color=colour, lw=1.3)
    ax.stairs(density.parts[name][0], edges, color=INK, lw=0.6, ls=":")


def _window(found: ModelComparison) -> tuple[float, float]:
    """Return the energies (eV) between which nearly all states of every model and temperature lie."""
    ends = []
    for density in found.densities:
        total = np.sum(list(density.parts.values()), axis=0)
        for values in total:
            cumulated = np.cumsum(values) / values.sum()
            places = np.searchsorted(cumulated, [TAIL, 1 - TAIL])
            ends.append((density.edges[places[0]], density.edges[places[1] + 1]))
    low, high = np.array(ends).T
    margin = 0.04 * (high.max() - low.min())
    return float(low.min() - margin), float(high.max() + margin)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label, alpha=0.6)
