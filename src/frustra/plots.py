"""Figures: each takes records and returns a Matplotlib figure; nothing below this module draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from frustra.analysis.arrhenius import ROOM_TEMPERATURE, Arrhenius
from frustra.analysis.density import Density
from frustra.analysis.transport import Diffusion
from frustra.campaign.results import MaterialResult, TemperatureResult
from frustra.units import BOLTZMANN, MEV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SITE_COLOURS = {"oct": "#2b6ca3", "tet": "#d9682b", "other": "#9aa0a6"}
"""One colour per kind of site in every figure."""

LABELLED = 4.0
"""Percentage above which a bar has room for its number."""

SITE_NAMES = {"oct": "Octahedral", "tet": "Tetrahedral", "other": "Other"}

_STYLE: dict[str, Any] = {
    "font.size": 9, "axes.labelsize": 9.5, "axes.titlesize": 10,
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 8.5, "legend.frameon": False,
    "axes.linewidth": 0.8, "lines.linewidth": 1.4, "xtick.direction": "in", "ytick.direction": "in",
    "xtick.minor.visible": True, "ytick.minor.visible": True,
    "figure.dpi": 110, "savefig.dpi": 220, "svg.hashsalt": "frustra", "mathtext.default": "regular",
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Apply the figures' common style inside the block."""
    import matplotlib as mpl

    with mpl.rc_context(cast("Any", _STYLE)):
        yield


def _figure(
    rows: int, width: float, height: float, layout: str | None = "constrained", **options: Any
) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=cast("Any", layout))
    axes = figure.subplots(rows, 1, squeeze=False, **options)[:, 0]
    return figure, list(axes)


def temperature_colours(temperatures: Sequence[float]) -> list[tuple[float, ...]]:
    """Return one colour per temperature, from cold (blue) to hot (orange)."""
    from matplotlib import colormaps

    positions = np.linspace(0.0, 0.88, max(len(temperatures), 2))[: len(temperatures)]
    return [tuple(colormaps["plasma"](p)) for p in positions]


def plot_doas(densities: Sequence[Density], doubtful: Sequence[float] = ()) -> Figure:
    """Draw the DOAS of every temperature, hottest on top, coloured by site.

    Parameters
    ----------
    densities
        On common bins.
    doubtful
        Temperatures (K) that are not equilibrated; they are marked so.
    """
    height = 0.8 + 1.0 * len(densities)
    figure, axes = _figure(len(densities), 5.2, height, layout=None, sharex=True)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.47 / height, top=1 - 0.33 / height, hspace=0)
    for ax, density in zip(axes, reversed(densities), strict=True):
        _draw_density(ax, density, density.temperature in doubtful)
    axes[0].set_xlim(min(0.0, MEV * densities[0].edges[0]), MEV * _upper_energy(densities))
    axes[-1].set_xlabel("Energy of the mobile ion above the lowest state (meV)")
    figure.supylabel("Density of atomistic states", fontsize=9.5, x=0.005)
    kinds = [k for k in SITE_NAMES if any(d.by_site[k].any() for d in densities)]
    handles = [_patch(SITE_COLOURS[k], SITE_NAMES[k]) for k in kinds]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), borderaxespad=0.3)
    return figure


def _draw_density(ax: Axes, density: Density, doubtful: bool) -> None:
    edges = density.edges * MEV
    floor = np.zeros(len(edges) - 1)
    for kind, values in density.by_site.items():
        if values.any():
            colour = SITE_COLOURS[kind]
            ax.stairs(floor + values, edges, baseline=floor, fill=True, color=colour, alpha=0.85, lw=0)
            floor = floor + values
    ax.stairs(floor, edges, color="#1b1f23", lw=0.7)
    ax.set_ylim(0, 1.22 * floor.max())
    ax.tick_params(labelleft=False, left=False, which="both")
    place: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top"}
    mark = " (not equilibrated)" if doubtful else ""
    ax.text(0.985, 0.86, f"{density.temperature:g} K{mark}", weight="bold", **place)
    ax.text(0.985, 0.60, _metrics_text(density), fontsize=8, color="#444c56", **place)


def _metrics_text(density: Density) -> str:
    entropy = f"S = {density.entropy:.2f} ± {density.std['entropy']:.2f} nat"
    return f"{entropy}\nIQR = {MEV * density.iqr:.0f} meV"


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


def plot_arrhenius(result: MaterialResult, fit: Arrhenius | None) -> Figure:
    """Draw σT against 1000/T, a temperature axis on top; bounds as triangles, doubts as open symbols."""
    figure, (ax,) = _figure(1, 5.2, 4.0)
    for row in result.temperatures:
        _draw_conductivity(ax, row)
    inverse = [1e3 / row.T_K for row in result.temperatures]
    left, right = min(inverse) - 0.1, max([*inverse, 1e3 / ROOM_TEMPERATURE]) + 0.15
    ax.set_xlim(left, right)
    if fit is not None:
        _draw_line(ax, fit, left, right)
        energy, error = fit.activation_energy
        value, low, high = fit.conductivity()
        ax.text(
            0.04, 0.05,
            f"$E_a$ = {energy:.3f} ± {error:.3f} eV\n"
            f"$\\sigma_{{300\\,K}}$ = {value:.2g} mS cm$^{{-1}}$ ({low:.2g}–{high:.2g}), extrapolated",
            transform=ax.transAxes, va="bottom",
        )  # fmt: skip
    ax.set_yscale("log")
    ax.set_xlabel("1000 / T (K$^{-1}$)")
    ax.set_ylabel("$\\sigma T$ (mS cm$^{-1}$ K)")
    _temperature_axis(ax)
    ax.legend(handles=_symbols(result.temperatures, fit is not None), loc="upper right")
    return figure


def _draw_conductivity(ax: Axes, row: TemperatureResult) -> None:
    x, y = 1e3 / row.T_K, row.conductivity.value * row.T_K
    if row.conductivity.is_upper_bound:
        ax.plot(x, y, "v", color="#9aa0a6", ms=7, mfc="none", zorder=3)
        ax.plot([x - 0.03, x + 0.03], [y, y], color="#9aa0a6", lw=1.2)
        return
    error = (row.conductivity.std or 0.0) * row.T_K
    lower = min(error, 0.9 * y)
    face = "#2b6ca3" if row.equilibrated else "white"
    ax.errorbar(
        x,
        y,
        [[lower], [error]],
        fmt="o",
        color="#2b6ca3",
        mfc=face,
        ms=6,
        capsize=2.5,
        lw=1.1,
        zorder=4,
    )


def _draw_line(ax: Axes, fit: Arrhenius, left: float, right: float) -> None:
    x = np.linspace(left, right, 200)
    log, error = np.array([fit.line.at(1e-3 * v / BOLTZMANN) for v in x]).T
    hottest, coldest = 1e3 / max(fit.temperatures), 1e3 / min(fit.temperatures)
    inside = (x >= hottest - 0.05) & (x <= coldest + 0.05)
    ax.plot(x[inside], np.exp(log[inside]), color="#1b1f23", lw=1.2)
    ax.plot(x[x >= coldest], np.exp(log[x >= coldest]), color="#1b1f23", lw=1.0, ls=(0, (4, 3)))
    ax.fill_between(x, np.exp(log - error), np.exp(log + error), color="#1b1f23", alpha=0.09, lw=0)


def _temperature_axis(ax: Axes) -> None:
    top = ax.secondary_xaxis("top", functions=(_reciprocal, _reciprocal))
    low, high = sorted(1e3 / np.array(ax.get_xlim()))
    ticks = [t for t in (250, 300, 350, 400, 500, 600, 800, 1000, 1200, 1500) if low <= t <= high]
    top.set_xticks(ticks, [str(t) for t in ticks])
    top.minorticks_off()
    top.set_xlabel("T (K)")
    ax.tick_params(top=False, which="both")


def _reciprocal(value: Any) -> Any:
    return 1e3 / np.maximum(np.asarray(value, dtype=float), 1e-9)


def _symbols(rows: Sequence[TemperatureResult], fitted: bool) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    measured = [r for r in rows if not r.conductivity.is_upper_bound]
    if any(r.equilibrated for r in measured):
        handles.append(Line2D([], [], ls="", marker="o", color="#2b6ca3", label="measured"))
    if any(not r.equilibrated for r in measured):
        handles.append(
            Line2D([], [], ls="", marker="o", color="#2b6ca3", mfc="white", label="not equilibrated")
        )
    if len(measured) < len(rows):
        handles.append(
            Line2D([], [], ls="", marker="v", color="#9aa0a6", mfc="none", label="95 % upper bound")
        )
    if fitted:
        handles.append(Line2D([], [], color="#1b1f23", lw=1.2, label="Arrhenius line, 68 % band"))
    return handles


def plot_site_fractions(rows: Sequence[TemperatureResult]) -> Figure:
    """Draw the percentage of ions on each kind of site against temperature, as stacked bars with errors."""
    figure, (ax,) = _figure(1, 5.2, 3.0)
    x = np.arange(len(rows))
    floor = np.zeros(len(rows))
    for kind, colour in SITE_COLOURS.items():
        values = 100 * np.array([r.site_fractions[kind] for r in rows])
        errors = 100 * np.array([r.site_fractions_std[kind] or 0.0 for r in rows])
        if not values.any():
            continue
        ax.bar(x, values, 0.62, floor, color=colour, alpha=0.85, label=SITE_NAMES[kind])
        if floor.any():
            ax.errorbar(x, floor, errors, fmt="none", color="#1b1f23", capsize=2.5, lw=1)
        for i in np.flatnonzero((values > LABELLED) & (floor > 0)):
            middle = floor[i] + values[i] / 2
            ax.text(x[i], middle, f"{values[i]:.0f} %", ha="center", va="center", color="white", fontsize=8)
        floor += values
    lowest = 100 * min(r.site_fractions["oct"] for r in rows)
    ax.set_ylim(max(0.0, min(lowest - 12, 75)), 100)
    ax.set_xticks(x, [f"{r.T_K:g}" for r in rows])
    ax.minorticks_off()
    ax.set_xlabel("T (K)")
    ax.set_ylabel("Ions in relaxed snapshots (%)")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def plot_energy(rows: Sequence[TemperatureResult]) -> Figure:
    """Draw the mean relaxed energy per mobile ion, above the ground state in the same cell, against T."""
    figure, (ax,) = _figure(1, 5.2, 3.0)
    known = [r for r in rows if r.relaxed_energy.mean_eV is not None]
    x = [r.T_K for r in known]
    y = [MEV * (r.relaxed_energy.mean_eV or 0.0) for r in known]
    lowest = [MEV * (r.relaxed_energy.lowest_eV or 0.0) for r in known]
    ax.plot(x, y, color="#9aa0a6", lw=1)
    for row, value in zip(known, y, strict=True):
        face = "#2b6ca3" if row.equilibrated else "white"
        error = MEV * (row.relaxed_energy.std_eV or 0.0)
        ax.errorbar(row.T_K, value, error, fmt="o", color="#2b6ca3", mfc=face, ms=6, capsize=2.5)
    ax.plot(x, lowest, "_", color="#d9682b", ms=9, mew=1.6, label="lowest snapshot")
    ax.axhline(0, color="#1b1f23", lw=0.8, ls=(0, (4, 3)))
    ax.plot([], [], "o", color="#2b6ca3", label="mean")
    if not all(r.equilibrated for r in known):
        ax.plot([], [], "o", color="#2b6ca3", mfc="white", label="mean, not equilibrated")
    ax.set_xlabel("T (K)")
    ax.set_ylabel("Relaxed energy above\nthe ground state (meV per ion)")
    ax.legend(loc="upper left")
    return figure


def plot_msd(diffusion: Sequence[Diffusion]) -> Figure:
    """Draw the mean-square displacement against lag for every temperature; the fitted lags are thick."""
    figure, (ax,) = _figure(1, 5.2, 3.4)
    for d, colour in zip(diffusion, temperature_colours([d.temperature for d in diffusion]), strict=True):
        shown = slice(1, max(2, int(0.8 * len(d.lag))))
        fitted = (d.lag >= d.window[0]) & (d.lag <= d.window[1])
        ax.plot(d.lag[shown], d.msd[shown], color=colour, lw=0.9)
        ax.plot(d.lag[fitted], d.msd[fitted], color=colour, lw=2.2, label=f"{d.temperature:g} K")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("Lag (ps)")
    ax.set_ylabel("Mean-square displacement (Å$^2$)")
    ax.legend(ncols=2)
    return figure
