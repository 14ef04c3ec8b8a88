"""Figures of relaxed snapshots: the density of atomistic states, relaxed energies, sites."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.classes import NONE, OTHERS
from frustra.analysis.density import Density
from frustra.campaign.results import BranchResult, TemperatureResult
from frustra.plots.style import (
    BLUE,
    DASHED,
    GREY,
    INK,
    ORANGE,
    SITE_COLOURS,
    SOFT,
    new_axes,
    temperature_colours,
)
from frustra.states import COLUMNS
from frustra.stats import COVER
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELLED = 4.0
"""Percentage above which a bar has room for its number."""

CONTRASTS = (BLUE, ORANGE, "#3a9a6b", "#b0478a", "#d9b02b", "#5ab4c9", "#7a5c3e", "#8a7ad1")
"""Colours of values without an order."""

SITE_NAMES = {"oct": "Octahedral", "tet": "Tetrahedral", "other": "Other"}


def plot_doas(
    densities: Sequence[Density], axes: "Sequence[Axes] | None" = None, doubtful: Sequence[float] = ()
) -> "list[Axes]":
    """Draw the DOAS of every temperature, hottest on top, coloured by the column that it is resolved by.

    Parameters
    ----------
    densities
        On common bins, in the order of rising temperature: `densities_of(states)` for colours by site,
        `densities_of(states, by="anions")` for those by the anions around the ion.
    axes
        As many as densities, from top to bottom; of a new figure if not given.
    doubtful
        Temperatures (K) that are not equilibrated; they are marked so.
    """
    colours, handles = _part_colours(densities), legend_of(densities)
    drawn = list(axes) if axes is not None else _stacked(len(densities), handles, _title(densities[0].by))
    for ax, density in zip(drawn, reversed(densities), strict=True):
        _draw_density(ax, density, colours, density.temperature in doubtful)
        ax.set_xlim(min(0.0, MEV * densities[0].edges[0]), MEV * _upper_energy(densities))
    drawn[-1].set_xlabel("Energy of the mobile ion above the lowest state (meV)")
    return drawn


def legend_of(densities: Sequence[Density]) -> list[Any]:
    """Return the handles of a legend that names the classes; none where nothing tells them apart."""
    if not densities[0].by:
        return []
    return [_patch(colour, SITE_NAMES.get(name, name)) for name, colour in _part_colours(densities).items()]


def _part_colours(densities: Sequence[Density]) -> dict[str, Any]:
    """Return a colour for every part that some temperature has: a scale for numbers, contrasts for names."""
    names = [n for n in densities[0].parts if any(d.parts[n].any() for d in densities)]
    if densities[0].by == "site" and set(names) <= set(SITE_COLOURS):
        return {n: SITE_COLOURS[n] for n in names}
    numbers = [n for n in names if n not in {NONE, OTHERS}]
    scale = temperature_colours(range(len(numbers))) if densities[0].ordered else CONTRASTS
    return {**dict(zip(numbers, scale, strict=False)), **{n: GREY for n in names if n not in numbers}}


def _title(by: str) -> str:
    """Return what a column holds, as the title of a legend; that of sites needs none."""
    doc = next((c.doc for c in COLUMNS if c.name == by), by)
    words = doc.split(";")[0].removesuffix(", or NaN").replace("`", "")
    return "" if by in {"site", ""} else words[0].upper() + words[1:]


def _stacked(rows: int, handles: Sequence[Any], title: str) -> "list[Axes]":
    height = 0.8 + 1.0 * rows
    axes = new_axes(rows, 5.2, height, layout=None, sharex=True)
    figure: Any = axes[0].figure
    longest = max((len(h.get_label()) for h in handles), default=0)
    columns = max(1, min(len(handles), 60 // (longest + 6)))
    lines = max(1, -(-len(handles) // columns) + bool(title))
    figure.set_figheight(height + 0.17 * (lines - 1))
    height = figure.get_figheight()
    top = 1 - (0.33 + 0.17 * (lines - 1)) / height
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.47 / height, top=top, hspace=0)
    figure.supylabel("Density of atomistic states", fontsize=9.5, x=0.005)
    if handles:
        figure.legend(
            handles=handles, loc="upper center", ncols=columns, borderaxespad=0.3, title=title or None
        )
    return axes


def _draw_density(ax: "Axes", density: Density, colours: Mapping[str, Any], doubtful: bool) -> None:
    edges = density.edges * MEV
    floor = np.zeros(len(edges) - 1)
    for name, colour in colours.items():
        values = density.parts[name]
        if values.any():
            ax.stairs(floor + values, edges, baseline=floor, fill=True, color=colour, alpha=0.85, lw=0)
            floor = floor + values
    ax.stairs(floor, edges, color=INK, lw=0.7)
    ax.set_ylim(0, 1.22 * floor.max())
    ax.tick_params(labelleft=False, left=False, which="both")
    place: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top"}
    mark = " (not equilibrated)" if doubtful else ""
    ax.text(0.985, 0.86, f"{density.temperature:g} K{mark}", weight="bold", **place)
    ax.text(0.985, 0.60, _metrics_text(density), fontsize=8, color=SOFT, **place)


def _metrics_text(density: Density) -> str:
    entropy, iqr = density.entropy, density.iqr
    error = f" ± {entropy.std:.2f}" if np.isfinite(entropy.std) else ""
    return f"S = {entropy.value:.2f}{error} nat\nIQR = {MEV * iqr.value:.0f} meV"


def _upper_energy(densities: Sequence[Density]) -> float:
    """Return the energy (eV) below which 99.9 % of the states of every temperature lie, and a margin."""
    tops = []
    for density in densities:
        cumulated = np.cumsum(density.total)
        tops.append(density.edges[1 + int(np.searchsorted(cumulated, 0.999 * cumulated[-1]))])
    return float(max(tops)) * 1.12


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label, alpha=0.85)


def plot_site_fractions(rows: Sequence[TemperatureResult], ax: "Axes | None" = None) -> "Axes":
    """Draw the percentage of ions on each kind of site, as stacked bars with 95 % errors.

    A star stands behind a temperature that is not equilibrated.
    """
    ax = ax or new_axes(1, 5.2, 3.0)[0]
    x = np.arange(len(rows))
    floor = np.zeros(len(rows))
    for kind, colour in SITE_COLOURS.items():
        values = 100 * np.array([r.site_fractions[kind] for r in rows])
        errors = COVER * 100 * np.array([r.site_fractions_std[kind] or 0.0 for r in rows])
        if not values.any():
            continue
        ax.bar(x, values, 0.62, floor, color=colour, alpha=0.85, label=SITE_NAMES[kind])
        if floor.any():
            ax.errorbar(x, floor, errors, fmt="none", color=INK, capsize=2.5, lw=1)
        for i in np.flatnonzero((values > LABELLED) & (floor > 0)):
            middle = floor[i] + values[i] / 2
            ax.text(x[i], middle, f"{values[i]:.0f} %", ha="center", va="center", color="white", fontsize=8)
        floor += values
    lowest = 100 * min(r.site_fractions["oct"] for r in rows)
    ax.set_ylim(max(0.0, min(lowest - 12, 75)), 100)
    ax.set_xticks(x, [f"{r.T_K:g}{'' if r.equilibrated else '*'}" for r in rows])
    ax.minorticks_off()
    ax.set_xlabel("T (K)")
    ax.set_ylabel("Ions in relaxed snapshots (%)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax


def plot_energy(
    rows: Sequence[TemperatureResult], ax: "Axes | None" = None, branches: Sequence[BranchResult] = ()
) -> "Axes":
    """Draw the mean relaxed energy per mobile ion, above the ground state in the same cell, with 95 % errors.

    Open symbols: not equilibrated. With both branches, triangles point up where the ions were heated from the
    ground state, and down where they were cooled from disorder.
    """
    if branches:
        return _plot_branches(rows, branches, ax)
    ax = ax or new_axes(1, 5.2, 3.0)[0]
    known = [r for r in rows if r.relaxed_energy.mean_eV is not None]
    x = [r.T_K for r in known]
    y = [MEV * (r.relaxed_energy.mean_eV or 0.0) for r in known]
    lowest = [MEV * (r.relaxed_energy.lowest_eV or 0.0) for r in known]
    ax.plot(x, y, color=SITE_COLOURS["other"], lw=1)
    for row, value in zip(known, y, strict=True):
        face = BLUE if row.equilibrated else "white"
        error = COVER * MEV * (row.relaxed_energy.std_eV or 0.0)
        ax.errorbar(row.T_K, value, error, fmt="o", color=BLUE, mfc=face, ms=6, capsize=2.5)
    ax.plot(x, lowest, "_", color=ORANGE, ms=9, mew=1.6, label="lowest snapshot")
    ax.plot([], [], "o", color=BLUE, label="mean")
    if not all(r.equilibrated for r in known):
        ax.plot([], [], "o", color=BLUE, mfc="white", label="mean, not equilibrated")
    return _finished_energy(ax)


def _plot_branches(
    rows: Sequence[TemperatureResult], branches: Sequence[BranchResult], ax: "Axes | None"
) -> "Axes":
    """Draw the branches of heating and cooling; open where they differ, or the rows are doubtful."""
    ax = ax or new_axes(1, 5.2, 3.0)[0]
    doubtful = {r.T_K for r in rows if not r.equilibrated} | {b.T_K for b in branches if b.differ}
    heating = [(b.T_K, b.heating_eV, b.heating_std_eV) for b in branches]
    cooling = [(b.T_K, b.cooling_eV, b.cooling_std_eV) for b in branches]
    for name, symbol, colour, branch in (
        ("heated from the ground state", "^", ORANGE, heating),
        ("cooled from disorder", "v", BLUE, cooling),
    ):
        known = [(t, MEV * e, COVER * MEV * (s or 0.0)) for t, e, s in branch if e is not None]
        ax.plot([t for t, *_ in known], [e for _, e, _ in known], color=colour, lw=1)
        for t, energy, error in known:
            face = "white" if t in doubtful else colour
            ax.errorbar(t, energy, error, fmt=symbol, color=colour, mfc=face, ms=6, capsize=2.5)
        ax.plot([], [], symbol, color=colour, label=name)
    kelvin = [r.T_K for r in rows if r.relaxed_energy.lowest_eV is not None]
    lowest = [MEV * r.relaxed_energy.lowest_eV for r in rows if r.relaxed_energy.lowest_eV is not None]
    ax.plot(kelvin, lowest, "_", color=INK, ms=9, mew=1.6, label="lowest here")
    if doubtful:
        ax.plot([], [], "o", color=INK, mfc="white", label="not equilibrated")
    return _finished_energy(ax)


def _finished_energy(ax: "Axes") -> "Axes":
    ax.axhline(0, color=INK, lw=0.8, ls=DASHED)
    ax.set_xlabel("T (K)")
    ax.set_ylabel("Relaxed energy above\nthe ground state (meV per ion)")
    ax.legend(loc="best")
    return ax
